"""Ties that the sums of the whole cannot settle.

The kernels find the cost of a node as a difference of sums over all rows. Its rounding, and the
slack that makes ties independent of it, grow with those sums and not with the node: where one
output is a million times as large as another, or one part of the samples as another, a split that
matters disappears in them. So after a search the losses of its tree are computed from the samples
of each leaf, and every node whose loss is not far above the slack is searched again, centred and
scaled for itself.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Protocol

import numpy as np

from irtheory.trees.exact.deep import TIE, Searching, branch
from irtheory.trees.exact.structure import Found, graft, translated
from irtheory.trees.exact.terms import Task

# A loss is settled if ties and rounding cost at most this share of it.
SETTLED = 1e-9


class Settling(Searching, Protocol):
    """The part of `irtheory.trees.exact.search.Search` that settling uses."""

    @property
    def tie(self) -> float:
        """Loss that ties and rounding may cost in all."""
        ...

    def candidates(self) -> Sequence[int]:
        """Root tests, −1 for a leaf, that cost as little as the best, as far as sums can tell."""
        ...


def settle(search: Settling, task: Task, found: Found) -> Found:
    """The tree with every tie settled that its own samples can settle."""
    tie = search.tie
    cost = _subtree_costs(found, task.alpha)
    if search.depth == 0 or not _is_open(cost[0], found.lower, tie):
        return _settle_below(search, task, found, cost, tie)
    roots = search.candidates()
    if task.deadline.passed:  # the candidates may be unfinished
        return replace(found, proven=False)
    if search.depth == 1:
        return _settle_stump(search, task, found, roots)
    best = branch(
        search, replace(task, progress=None), found, [test for test in roots if test >= 0]
    )
    if -1 in roots:
        leaf = search.report(np.full_like(found.heap, -1), task, 0.0, found.warm, (0, 0))
        if leaf.cost <= best.cost * (1 + TIE):
            return replace(leaf, lower=min(best.lower, leaf.cost), proven=best.proven)
    return best


def _settle_stump(search: Settling, task: Task, found: Found, roots: Sequence[int]) -> Found:
    """The best of trees of one test: costs from their own samples need no further search."""
    trees = []
    for test in roots:
        same = found.heap[0] == test
        heap = np.array([test])
        trees.append(found if same else search.report(heap, task, 0.0, found.warm, (0, 0)))
    least = min(tree.cost for tree in trees) * (1 + TIE)
    best = next(tree for tree in trees if tree.cost <= least)
    return replace(best, lower=best.cost, proven=True)


def _is_open(cost: float, lower: float, tie: float) -> bool:
    """Whether a cost may be wrong by more than a small share of it."""
    return tie > SETTLED * cost and cost - lower > SETTLED * cost


def _subtree_costs(found: Found, alpha: float) -> np.ndarray:
    """Cost of the subtree below every place of the heap."""
    cost = found.losses.copy()
    for node in np.flatnonzero(found.heap >= 0)[::-1]:
        cost[node] = cost[2 * node + 1] + cost[2 * node + 2] + alpha
    return cost


def _settle_below(
    search: Settling, task: Task, found: Found, cost: np.ndarray, tie: float
) -> Found:
    """Search again the nodes below the root whose own loss is not settled."""
    heap, changed = found.heap.copy(), False
    pending = [1, 2] if search.depth > 1 and heap[0] >= 0 else []
    while pending and not task.deadline.passed:
        node = pending.pop()
        below = search.depth + 1 - (node + 1).bit_length()
        if tie <= SETTLED * cost[node] or cost[node] == 0:
            if heap[node] >= 0 and below > 1:
                pending += [2 * node + 1, 2 * node + 2]
            continue
        part = _solve_below(search, task, found, node, cost[node])
        if part is not None:
            _clear(heap, node)
            graft(heap, part, node)
            changed = True
    if not changed:
        return found
    return search.report(heap, task, None, found.warm, (found.solved, found.skipped))


def _solve_below(
    search: Settling, task: Task, found: Found, node: int, cost: float
) -> np.ndarray | None:
    """Heap of the best tree on the samples of a node; None if it costs no less than `cost`."""
    level = (node + 1).bit_length()
    place = found.leaf_of[search.tests.row_of] + 1
    # The ancestors of place i (from 1) are i // 2, i // 4, …: in binary, what it begins with.
    depth = np.frexp(place)[1]
    inside = place >> np.maximum(depth - level, 0) == node + 1
    half = search.part(inside, level - 1)
    if half.depth == 0:
        return None
    best = half.run(task.of(inside))
    if best.cost >= cost:
        return None
    return translated(best.heap, half.tests, search.tests, search.depth - level + 1)


def _clear(heap: np.ndarray, node: int) -> None:
    """Remove a node and all below it."""
    first, width = node, 1
    while first < len(heap):
        heap[first : first + width] = -1
        first, width = 2 * first + 1, 2 * width
