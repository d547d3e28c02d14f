"""Communication between the processes that train one network, as the engine needs it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import torch
from torch import Tensor

from irtheory.intersection.network import Collected
from irtheory.trees.tree import Tree


class Processes(Protocol):
    """Collective operations: every process calls the same ones, in the same order.

    Attributes:
        rank: number of this process; process 0 writes the files.
    """

    rank: int

    def all_gather(self, rows: Tensor) -> Tensor:
        """The rows of all processes, ordered by rank; processes may have different numbers."""
        ...

    def all_reduce_sum(self, numbers: Tensor) -> Tensor:
        """The sum of a tensor over all processes."""
        ...

    def broadcast(self, numbers: Tensor) -> Tensor:
        """A CPU tensor of process 0, in every process."""
        ...

    def compute_on_rank0(self, compute: Callable[[], Tree]) -> Tree:
        """The tree that `compute` returns in process 0, in every process."""
        ...

    def any_process(self, flag: bool) -> bool:
        """Whether the flag is set in any process."""
        ...


class SingleProcess:
    """`Processes` for training in one process: every operation returns its input."""

    rank = 0

    def all_gather(self, rows: Tensor) -> Tensor:
        """The rows themselves."""
        return rows

    def all_reduce_sum(self, numbers: Tensor) -> Tensor:
        """The numbers themselves."""
        return numbers

    def broadcast(self, numbers: Tensor) -> Tensor:
        """The numbers themselves."""
        return numbers

    def compute_on_rank0(self, compute: Callable[[], Tree]) -> Tree:
        """The tree that `compute` returns."""
        return compute()

    def any_process(self, flag: bool) -> bool:
        """The flag itself."""
        return flag


def gather(processes: Processes, seen: Collected) -> Collected:
    """The samples of all processes, ordered by rank."""
    columns = (seen.codes, seen.outputs, seen.labels)
    return Collected(*(processes.all_gather(column) for column in columns))


def random_states(processes: Processes, device: torch.device) -> dict[str, Tensor]:
    """States of torch's generators of the CPU and, if it is used, of the GPU: a row a process."""
    states = {"cpu": torch.get_rng_state()}
    if device.type == "cuda":
        states["cuda"] = torch.cuda.get_rng_state(device)
    # Collective operations of a GPU backend need tensors on the GPU.
    return {k: processes.all_gather(row[None].to(device)).cpu() for k, row in states.items()}


def set_random_states(
    states: dict[str, Tensor], processes: Processes, device: torch.device
) -> None:
    """Restore the generators of this process, so that resumed training draws the same numbers.

    A process without a saved state (more processes than when the states were saved) is seeded
    from the state of process 0 and its own rank: draws differ between processes and repeat.
    """
    rank = processes.rank
    if rank >= len(states["cpu"]):
        torch.manual_seed(int.from_bytes(states["cpu"][0, :4].numpy().tobytes(), "little") + rank)
        return
    # Copies: torch was seen to crash when it is given a view of a row.
    torch.set_rng_state(states["cpu"][rank].clone())
    if device.type == "cuda" and rank < len(states.get("cuda", ())):
        torch.cuda.set_rng_state(states["cuda"][rank].clone(), device)
