"""The processes that train together, as the engine sees them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import torch
from torch import Tensor

from irtheory.intersection.network import Collected
from irtheory.trees.tree import Tree


class Peers(Protocol):
    """What processes tell each other; each call is made by all of them, in the same order.

    Attributes:
        rank: number of this process; the first, 0, is the one that writes files.
    """

    rank: int

    def gather(self, seen: Collected) -> Collected:
        """The samples of all processes, in the same order everywhere."""
        ...

    def total(self, numbers: Tensor) -> Tensor:
        """The sum over processes."""
        ...

    def tree(self, grow: Callable[[], Tree]) -> Tree:
        """What `grow` makes in one process, for all."""
        ...

    def of_first(self, numbers: Tensor) -> Tensor:
        """Those of the first process, for all; a tensor of the host."""
        ...

    def anyone(self, flag: bool) -> bool:
        """Whether the flag is up in some process; may come some calls late, to all at once."""
        ...


class Alone:
    """One process."""

    rank = 0

    def gather(self, seen: Collected) -> Collected:
        """The samples themselves."""
        return seen

    def total(self, numbers: Tensor) -> Tensor:
        """The numbers themselves."""
        return numbers

    def tree(self, grow: Callable[[], Tree]) -> Tree:
        """What `grow` makes."""
        return grow()

    def of_first(self, numbers: Tensor) -> Tensor:
        """The numbers themselves."""
        return numbers

    def anyone(self, flag: bool) -> bool:
        """The flag itself."""
        return flag


def random_states(peers: Peers, device: torch.device) -> dict[str, Tensor]:
    """States of the host's generator, and of the device's if it has one; a row a process."""
    states = {"cpu": _of_all(torch.get_rng_state(), peers, device)}
    if device.type == "cuda":
        states["cuda"] = _of_all(torch.cuda.get_rng_state(device), peers, device)
    return states


def _of_all(state: Tensor, peers: Peers, device: torch.device) -> Tensor:
    none = torch.zeros(1, device=device)
    row = Collected(state.to(device)[None], none[:, None], none.long())
    return peers.gather(row).codes.cpu()


def set_random_states(states: dict[str, Tensor], peers: Peers, device: torch.device) -> None:
    """Take up one's own state; a process that was not there draws from a seed of its rank."""
    rank = peers.rank
    if rank >= len(states["cpu"]):
        torch.manual_seed(int.from_bytes(states["cpu"][0, :4].numpy().tobytes(), "little") + rank)
        return
    # A copy: given a view of a row, torch was seen to crash.
    torch.set_rng_state(states["cpu"][rank].clone())
    if device.type == "cuda" and rank < len(states.get("cuda", ())):
        torch.cuda.set_rng_state(states["cuda"][rank].clone(), device)
