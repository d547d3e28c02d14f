"""What a search is given: the terms that all its parts share, and one task."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Bool, Float, Int

from irtheory.trees.exact.design import Pruning
from irtheory.trees.kernels.deadline import Deadline
from irtheory.trees.kernels.workers import Progress

# What is called with the cost of a better tree, and a lower bound.
Report = Callable[[float, float], None]


@dataclass(frozen=True)
class Terms:
    """What a search and those of its halves have in common.

    Attributes:
        rule: SQUARES, LINEAR, ENTROPY or WEIGHTED, see `statistics`.
        least: fewest samples of a leaf.
        pruning: rules that make the search smaller.
        threads: threads of a cold search.
        memory: bytes that it may allocate; None is a share of what is free.
    """

    rule: int
    least: float
    pruning: Pruning
    threads: int
    memory: int | None


@dataclass(frozen=True)
class Task:
    """One solve.

    Attributes:
        targets: m × k.
        alpha: penalty of a leaf, in units of the loss.
        deadline: when to stop.
        guess: heap of a tree that may be a good one.
        progress, report: called with the share of the search that is done; with a better tree.
    """

    targets: Float[np.ndarray, "m k"]
    alpha: float
    deadline: Deadline
    guess: Int[np.ndarray, " inner"] | None = None
    progress: Progress | None = None
    report: Report | None = None

    def of(self, inside: Bool[np.ndarray, " m"]) -> Task:
        """The same task on the samples `inside`, without a guess and without a word."""
        targets = self.targets[inside]
        return replace(self, targets=targets, guess=None, progress=None, report=None)
