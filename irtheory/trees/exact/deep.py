"""Depths above 4: branch over root tests, solve each half exactly one level lower.

A root is skipped when one half alone costs more than the best tree known. That is correct
only if no half can cost less than 0. Linear costs are therefore counted as regrets,
C[i, c] − min_c C[i, c]: the minima are what every tree pays.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np

from irtheory.trees.exact.design import BinaryTests, Pruning
from irtheory.trees.exact.structure import Found, heap_of, tree_of


class Solver(Protocol):
    """The part of `irtheory.trees.exact.search.Search` that branching uses."""

    tests: BinaryTests
    depth: int
    linear: bool
    least: float
    pruning: Pruning

    def child(self, inside: np.ndarray) -> Solver:
        """The same search one level lower on the samples `inside`."""
        ...

    def run(
        self,
        targets: np.ndarray,
        deadline: float | None,
        guess: np.ndarray | None,
        progress: Callable[[float], None] | None,
        slack: float = 0.0,
    ) -> Found:
        """The best tree for these targets."""
        ...


@dataclass
class Branching:
    """State of one search over the root tests of `search`."""

    search: Solver
    targets: np.ndarray  # any for squared error, regrets (≥ 0) for a linear cost
    upper: float  # cost of the best tree known, scatter within merged rows included
    slack: float
    deadline: float | None
    halves: dict[bytes, Found] = field(default_factory=dict)
    solved: int = 0
    skipped: int = 0
    late: bool = False

    def half(self, inside: np.ndarray) -> Found:
        """Best tree, one level lower, on the samples `inside`; remembered by sample set.

        `_assemble` asks for the best tree's halves a second time. The search itself is
        dropped: its lattice is far larger than what it found.
        """
        key = np.packbits(inside).tobytes()
        if key not in self.halves:
            child = self.search.child(inside)
            found = child.run(self.targets[inside], self.deadline, None, None, self.slack)
            self.solved += found.solved
            self.late |= not found.proven
            self.halves[key] = found
        return self.halves[key]


def branch(
    search: Solver,
    targets: np.ndarray,
    upper: float,
    heap: np.ndarray,
    slack: float,
    deadline: float | None,
    progress: Callable[[float], None] | None,
) -> tuple[np.ndarray, float, Branching]:
    """Best heap, proven lower bound and state, given a heap that costs `upper`.

    `upper` and the bound are regrets, or squares with the scatter within merged rows. When
    time runs out, root tests that were not finished count with the bounds of their halves,
    or with 0.
    """
    if search.linear:
        targets = targets - targets.min(axis=1, keepdims=True)
    state = Branching(search, targets, upper, slack, deadline)
    lower, best = upper, None
    # Tests in ascending order, and a later one must be better by more than `slack`: among
    # ties the lowest test wins. The first that ties with the given heap replaces it.
    for test in range(search.tests.n_tests):
        on = search.tests.design.bits[search.tests.row_of, test] == 1
        if min(on.sum(), (~on).sum()) < search.least:
            continue
        if deadline is not None and time.perf_counter() > deadline:
            state.late, lower = True, 0.0
            break
        cost, bound = _root(state, on)
        lower = min(lower, bound)
        if cost < state.upper - slack or (best is None and cost <= state.upper + slack):
            state.upper, best = min(cost, state.upper), (test, on)
        if progress:
            progress((test + 1) / search.tests.n_tests)
    if best is not None:
        heap = _assemble(state, *best)
    return heap, (lower if state.late else state.upper), state


def _root(state: Branching, on: np.ndarray) -> tuple[float, float]:
    """Cost and proven bound of the best tree whose root parts `on` from the rest."""
    # Costs are ≥ 0, so one half alone is a lower bound on the tree.
    first = state.half(on)
    if first.lower + first.constant > state.upper + state.slack and state.search.pruning.incumbent:
        state.skipped += 1
        return np.inf, first.lower + first.constant
    second = state.half(~on)
    constant = first.constant + second.constant
    return first.cost + second.cost + constant, first.lower + second.lower + constant


def _assemble(state: Branching, test: int, on: np.ndarray) -> np.ndarray:
    """Heap of the root test with the remembered trees of its halves below it."""
    depth = state.search.depth
    heap = np.full(2**depth - 1, -1, np.int64)
    heap[0] = test
    for side, inside in ((0, ~on), (1, on)):
        tests, found = state.search.child(inside).tests, state.half(inside)
        leaf_of = found.leaf_of[tests.row_of]
        tree = tree_of(found.heap, tests, leaf_of, leaf_of[:, None].astype(float))
        below = heap_of(tree, state.search.tests, depth - 1)
        if below is None:
            raise RuntimeError("a subtree uses a test that its parent does not have")
        _graft(heap, below, 1 + side)
    return heap


def _graft(heap: np.ndarray, below: np.ndarray, node: int) -> None:
    """Copy the heap `below` into `heap` so that its root becomes `node`."""
    first, start, width = node, 0, 1
    while start < len(below):
        heap[first : first + width] = below[start : start + width]
        start, width = 2 * start + 1, 2 * width
        first = 2 * first + 1
