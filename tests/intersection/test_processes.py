from __future__ import annotations

from dataclasses import dataclass

import pytest
import torch

from irtheory.intersection.processes import SingleProcess, random_states, set_random_states

CPU = torch.device("cpu")


@dataclass
class Row(SingleProcess):
    """One of several processes, whose states were gathered before."""

    rank: int


class Joined(SingleProcess):
    """Gathers what three processes with other seeds would bring."""

    def all_gather(self, rows: torch.Tensor) -> torch.Tensor:
        states = []
        for seed in (1, 2, 3):
            torch.manual_seed(seed)
            states.append(torch.get_rng_state())
        return torch.stack(states)


def drawn(seed: int) -> torch.Tensor:
    torch.manual_seed(seed)
    return torch.rand(5)


@pytest.mark.parametrize("rank", [0, 1, 2])
def test_each_process_takes_up_its_own_state(rank: int) -> None:
    states = random_states(Joined(), CPU)
    torch.manual_seed(99)
    set_random_states(states, Row(rank), CPU)
    assert torch.equal(torch.rand(5), drawn(rank + 1))


def test_processes_that_were_not_there_draw_apart_and_the_same_each_time() -> None:
    states = random_states(Joined(), CPU)
    found = []
    for rank in (3, 4, 3):
        set_random_states(states, Row(rank), CPU)
        found.append(torch.rand(5))
    assert torch.equal(found[0], found[2]) and not torch.equal(found[0], found[1])
    assert not torch.equal(found[0], drawn(1))


def test_one_process_goes_on_where_it_was() -> None:
    torch.manual_seed(7)
    torch.rand(3)
    states = random_states(SingleProcess(), CPU)
    expected = torch.rand(5)
    set_random_states(states, SingleProcess(), CPU)
    assert torch.equal(torch.rand(5), expected)
