"""The processes that train together, as the engine sees them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from torch import Tensor

from irtheory.records import Collected
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
