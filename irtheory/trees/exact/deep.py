"""Branch over root tests and solve each half exactly, one level lower.

So depths above 4 are searched, those whose sums would not fit into memory, and ties that the sums
of the whole cannot settle. Each half is centred and scaled for itself, and its cost is that of
its own samples, so that costs compared here have no rounding but their own.

A root is skipped when one half alone costs more than the best tree known. That is correct
only if no half can cost less than 0: linear costs are counted as regrets,
C[i, c] − min_c C[i, c], as the minima are what every tree pays.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Protocol

import numpy as np

from irtheory.trees.exact.design import BinaryTests
from irtheory.trees.exact.structure import Found, graft, translated
from irtheory.trees.exact.terms import Task, Terms

# Costs closer than this share of them are ties: children are as exact as that.
TIE = 1e-12


class Searching(Protocol):
    """The part of `irtheory.trees.exact.search.Search` that branching uses."""

    tests: BinaryTests
    terms: Terms
    depth: int

    def part(self, inside: np.ndarray, levels: int = 1) -> Searching:
        """The same search some levels lower on the samples `inside`."""
        ...

    def run(self, task: Task) -> Found:
        """The best tree for a task."""
        ...

    def report(
        self, heap: np.ndarray, task: Task, lower: float | None, warm: bool, counts: tuple[int, int]
    ) -> Found:
        """The tree of a heap, and its losses."""
        ...


@dataclass
class Branching:
    """State of one search over root tests."""

    search: Searching
    task: Task
    upper: float  # cost of the best tree known
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
            found = self.search.part(inside).run(self.task.of(inside))
            self.solved += found.solved
            self.late |= not found.proven
            self.halves[key] = found
        return self.halves[key]


def branch(search: Searching, task: Task, known: Found, roots: Iterable[int]) -> Found:
    """The best tree whose root is one of `roots`, or the `known` one if none is better.

    When time runs out, roots that were not finished count with the bounds of their halves,
    or with that of `known`.
    """
    state = Branching(search, task, known.cost)
    lower, best, floor = known.cost, None, known.lower
    roots = list(roots)
    # Tests in ascending order, and a later one must be better by more than a tie: among ties
    # the lowest test wins. The first that ties with the known tree replaces it.
    for done, test in enumerate(roots, start=1):
        on = search.tests.design.bits[search.tests.row_of, test] == 1
        if min(on.sum(), (~on).sum()) < search.terms.least:
            continue
        if task.deadline.passed:
            state.late, lower = True, min(lower, floor)
            break
        cost, bound = _root(state, on)
        lower = min(lower, bound)
        if cost < state.upper * (1 - TIE) or (best is None and cost <= state.upper * (1 + TIE)):
            state.upper, best = min(cost, state.upper), (test, on)
            if task.report is not None:
                task.report(state.upper + known.constant, floor + known.constant)
        if task.progress:
            task.progress(done / len(roots))
    heap = known.heap if best is None else _assemble(state, *best)
    counts = known.solved + state.solved, known.skipped + state.skipped
    if not state.late and np.array_equal(heap, known.heap):
        found = replace(known, proven=True, solved=counts[0], skipped=counts[1])
    else:
        found = search.report(heap, task, 0.0 if state.late else None, known.warm, counts)
    if state.late:  # `report` looked at values for a bound
        floor = max(floor, found.lower)
    return replace(found, lower=min(max(lower, floor), found.cost))


def _root(state: Branching, on: np.ndarray) -> tuple[float, float]:
    """Cost and proven bound of the best tree whose root parts `on` from the rest."""
    # Costs are ≥ 0, so one half alone is a lower bound on the tree.
    alpha, pruning = state.task.alpha, state.search.terms.pruning
    first = state.half(on)
    if first.lower + alpha > state.upper * (1 + TIE) and pruning.incumbent:
        state.skipped += 1
        return np.inf, first.lower + alpha
    second = state.half(~on)
    return first.cost + second.cost + alpha, first.lower + second.lower + alpha


def _assemble(state: Branching, test: int, on: np.ndarray) -> np.ndarray:
    """Heap of the root test with the remembered trees of its halves below it."""
    search = state.search
    heap = np.full(2**search.depth - 1, -1, np.int64)
    heap[0] = test
    for side, inside in ((0, ~on), (1, on)):
        tests, found = search.part(inside).tests, state.half(inside)
        graft(heap, translated(found.heap, tests, search.tests, search.depth - 1), 1 + side)
    return heap
