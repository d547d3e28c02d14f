"""The cheapest trees one after the other.

A node's trees are pairs of trees of its halves. A heap holds, for every test, the next pairs
whose cost can follow; the lists of the halves grow only as far as they are asked for. A
split whose halves were not looked into stands in the heap with a lower bound.
"""

from __future__ import annotations

import heapq
from typing import NamedTuple

import numpy as np
from jaxtyping import Int

from irtheory.trees.exact.all_trees.bounds import Bounds
from irtheory.trees.exact.all_trees.costs import FAR, Costs


class Ranked(NamedTuple):
    """One tree: its cost, and its test with the trees of both halves; no test is a leaf."""

    units: int
    feature: int = -1
    threshold: float = 0.0
    left: Ranked | None = None
    right: Ranked | None = None


# Kinds of entries of a heap: a lower bound of a split goes before what has its cost exactly.
_BOUND, _LEAF, _PAIR = 0, 1, 2


class Ranking:
    """Trees of a given depth on some rows, cheapest first; equal costs in a fixed order."""

    def __init__(self, source: Rankings, rows: Int[np.ndarray, " r"], depth: int) -> None:
        """The leaf and a bound for every split are known; no tree is built yet."""
        self._source = source
        self._rows = rows
        self._depth = depth
        self._found: list[Ranked] = []
        self._heap: list[tuple[int, ...]] = source.entries(rows, depth)
        self._halves: dict[int, tuple[Ranking, Ranking]] = {}
        heapq.heapify(self._heap)

    def get(self, rank: int) -> Ranked | None:
        """The tree of this rank; None if fewer fit the budget."""
        while len(self._found) <= rank and self._heap:
            self._advance()
        return self._found[rank] if rank < len(self._found) else None

    def _advance(self) -> None:
        """Take the cheapest entry: open its split, or emit its tree and add what follows."""
        units, kind, split, member, off, on = heapq.heappop(self._heap)
        if kind == _LEAF:
            self._found.append(Ranked(units))
        elif kind == _BOUND:
            self._open(split)
        else:
            self._emit(units, split, member, off, on)

    def _open(self, split: int) -> None:
        self._source.bounds.check_time()
        part = self._source.costs.problem.parts[split, self._rows]
        self._halves[split] = (
            self._source.ranking(self._rows[~part], self._depth - 1),
            self._source.ranking(self._rows[part], self._depth - 1),
        )
        for member in range(len(self._source.costs.problem.members[split])):
            self._push(split, member, 0, 0)

    def _push(self, split: int, member: int, off: int, on: int) -> None:
        one, other = (half.get(rank) for half, rank in self._paired(split, off, on))
        if one is not None and other is not None:
            units = one.units + other.units
            if units <= self._source.costs.budget:
                heapq.heappush(self._heap, (units, _PAIR, split, member, off, on))

    def _paired(self, split: int, off: int, on: int):
        return zip(self._halves[split], (off, on), strict=True)

    def _emit(self, units: int, split: int, member: int, off: int, on: int) -> None:
        test = self._source.costs.problem.members[split][member]
        low, high = (half.get(rank) for half, rank in self._paired(split, off, on))
        left, right = (high, low) if test.flipped else (low, high)
        self._found.append(Ranked(units, test.feature, test.threshold, left, right))
        self._push(split, member, off + 1, on)
        if off == 0:
            self._push(split, member, off, on + 1)


class Rankings:
    """The rankings of all nodes that were looked into."""

    def __init__(self, costs: Costs, bounds: Bounds) -> None:
        """No node is looked into yet."""
        self.costs = costs
        self.bounds = bounds
        self._known: dict[tuple[bytes, int], Ranking] = {}

    def ranking(self, rows: Int[np.ndarray, " r"], depth: int) -> Ranking:
        """The ranking of a node, shared by all trees that have it."""
        key = (rows.tobytes(), depth)
        if key not in self._known:
            self._known[key] = Ranking(self, rows, depth)
        return self._known[key]

    def entries(self, rows: Int[np.ndarray, " r"], depth: int) -> list[tuple[int, ...]]:
        """The leaf, and a lower bound for every split, within the budget."""
        node = self.costs.node(rows)
        budget = self.costs.budget
        entries = []
        if (leaf := self.costs.leaf(node)) <= budget:
            entries.append((leaf, _LEAF, 0, 0, 0, 0))
        if depth == 0:
            return entries
        if depth == 1:
            bounds = self.costs.stumps(node, budget)
        elif depth == 2:
            tables = self.costs.halves(node, budget)
            bounds = tables.best_off + tables.best_on
        else:
            bounds = np.array([self._bound(rows, part, depth) for part in node.parts], np.int64)
        return entries + [
            (int(bounds[split]), _BOUND, int(split), 0, 0, 0)
            for split in np.flatnonzero(bounds <= budget)
        ]

    def _bound(self, rows: Int[np.ndarray, " r"], part: np.ndarray, depth: int) -> int:
        samples = self.costs.problem.samples[rows]
        least = self.costs.problem.min_samples_leaf
        if (
            samples[part].sum() < least
            or samples[~part].sum() < least
            or part.all()
            or not part.any()
        ):
            return FAR
        return self.bounds.units(rows[part], depth - 1) + self.bounds.units(rows[~part], depth - 1)
