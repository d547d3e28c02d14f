"""How many trees of depth ≤ D there are up to a budget.

The trees of a node are the pairs of trees of its halves, so their costs are sums. Sorted
costs of both halves with their frequencies give the number of pairs within the budget by
one pass, and no pair is ever listed at the root. What a half may cost is what the least
cost of the other half leaves of the budget.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from jaxtyping import Int

from irtheory.trees.exact.all_trees.bounds import Bounds, OutOfTime
from irtheory.trees.exact.all_trees.costs import FAR, Costs, Node

# Distinct costs that one node may have, 24 bytes each while they are merged.
_MOST = 10_000_000
# Pairs that are held before equal costs are merged.
_BATCH = 2_000_000
# Distinct costs that are remembered over all nodes.
_REMEMBERED = 20_000_000


class Costed(NamedTuple):
    """Distinct costs in units, ascending, and how many trees have each."""

    units: Int[np.ndarray, " c"]
    count: np.ndarray

    def upto(self, budget: int) -> Costed:
        """Those within a budget."""
        end = np.searchsorted(self.units, budget, "right")
        return Costed(self.units[:end], self.count[:end])


class Counter:
    """Counts trees; `used` collects the splits that occur in some of them."""

    def __init__(self, costs: Costs, bounds: Bounds) -> None:
        """Nothing is counted yet."""
        self.costs = costs
        self.bounds = bounds
        self.copies = np.array([len(m) for m in costs.problem.members], np.int64)
        self.used = np.zeros(len(self.copies), bool)
        self.counted = 0
        self._known: dict[tuple[bytes, int], tuple[int, Costed]] = {}
        self._held = 0

    def count(self, depth: int) -> int:
        """Trees within the budget. On `OutOfTime`, `counted` is what was counted until then."""
        rows = np.arange(self.costs.problem.n_rows)
        budget = self.costs.budget
        if depth < 2:
            self.counted = _total(self._list(rows, depth, budget).count)
            return self.counted
        self.counted = int(self.costs.leaf(self.costs.node(rows)) <= budget)
        for split, off, on in self._splits(rows, depth, budget):
            self.counted += int(self.copies[split]) * _pairs(off, on, budget)
        return self.counted

    def _list(self, rows: Int[np.ndarray, " r"], depth: int, budget: int) -> Costed:
        """Costs of all trees on some rows within a budget."""
        key = (rows.tobytes(), depth)
        budget_before, known = self._known.get(key, (-1, None))
        if known is None or budget_before < budget:
            self.bounds.check_time()
            known = (
                self._small(rows, depth, budget) if depth < 2 else self._joined(rows, depth, budget)
            )
            self._remember(key, budget, known)
        return known.upto(budget)

    def _remember(self, key: tuple[bytes, int], budget: int, found: Costed) -> None:
        self._held += len(found.units)
        if self._held > _REMEMBERED:
            self._known.clear()
            self._held = len(found.units)
        self._known[key] = (budget, found)

    def _small(self, rows: Int[np.ndarray, " r"], depth: int, budget: int) -> Costed:
        """The leaf, and for depth 1 every split."""
        node = self.costs.node(rows)
        units, copies = [self.costs.leaf(node)], [1]
        if depth == 1:
            splits = self.costs.stumps(node, budget)
            self.used |= splits <= budget
            units, copies = [*units, *splits], [*copies, *self.copies]
        return merged(np.array(units), np.array(copies)).upto(budget)

    def _joined(self, rows: Int[np.ndarray, " r"], depth: int, budget: int) -> Costed:
        """All pairs of trees of both halves, split by split."""
        leaf = self.costs.leaf(self.costs.node(rows))
        batch, size = [Costed(np.array([leaf]), np.array([1]))], 1
        for split, off, on in self._splits(rows, depth, budget):
            for part in sums(off, on, budget):
                batch.append(Costed(part.units, part.count * self.copies[split]))
                size += len(part.units)
                if size > _BATCH:
                    batch = [_together(batch)]
                    size = len(batch[0].units)
                    self.bounds.check_time()
                    if size > _MOST:
                        raise OutOfTime
        return _together(batch).upto(budget)

    def _splits(
        self, rows: Int[np.ndarray, " r"], depth: int, budget: int
    ) -> Iterator[tuple[int, Costed, Costed]]:
        """(split, trees of its one half, trees of the other) where pairs fit the budget."""
        if depth == 2:
            yield from self._of_tables(self.costs.node(rows), budget)
            return
        inside = self.costs.problem.parts[:, rows]
        for split, part in enumerate(inside):
            low, high = rows[~part], rows[part]
            if not self._large_enough(low) or not self._large_enough(high):
                continue
            least_low = self.bounds.units(low, depth - 1)
            least_high = self.bounds.units(high, depth - 1)
            if least_low + least_high > budget:
                continue
            off = self._list(low, depth - 1, budget - least_high)
            on = self._list(high, depth - 1, budget - least_low)
            if len(off.units) and len(on.units) and off.units[0] + on.units[0] <= budget:
                self.used[split] = True
                yield split, off, on

    def _large_enough(self, rows: Int[np.ndarray, " r"]) -> bool:
        problem = self.costs.problem
        return len(rows) > 0 and problem.samples[rows].sum() >= problem.min_samples_leaf

    def _of_tables(self, node: Node, budget: int) -> Iterator[tuple[int, Costed, Costed]]:
        """The same at depth 2, where one table holds all trees of the halves."""
        tables = self.costs.halves(node, budget)
        fitting = np.flatnonzero(tables.best_off + tables.best_on <= budget)
        copies = np.concatenate([[1], self.copies])
        self.used[fitting] = True
        for split in fitting:
            off, on = tables.off[split], tables.on[split]
            low = off <= budget - tables.best_on[split]
            high = on <= budget - tables.best_off[split]
            self.used |= (low | high)[1:]
            yield int(split), merged(off[low], copies[low]), merged(on[high], copies[high])


def merged(units: np.ndarray, count: np.ndarray) -> Costed:
    """Equal costs together, ascending; FAR is left out."""
    near = units < FAR
    units, count = units[near], count[near]
    order = np.argsort(units, kind="stable")
    units, count = units[order], count[order]
    if not len(units):
        return Costed(units, count)
    first = np.flatnonzero(np.concatenate([[True], units[1:] != units[:-1]]))
    return Costed(units[first], np.add.reduceat(_wide(count), first))


def _together(parts: list[Costed]) -> Costed:
    return merged(
        np.concatenate([part.units for part in parts]),
        np.concatenate([part.count for part in parts]),
    )


def _wide(count: np.ndarray) -> np.ndarray:
    """Counts as Python's integers once their sum might leave int64."""
    if count.dtype != object and float(count.astype(np.float64).sum()) > 2**60:
        return count.astype(object)
    return count


def _total(count: np.ndarray) -> int:
    return sum(count.tolist())


def sums(off: Costed, on: Costed, budget: int) -> Iterator[Costed]:
    """Sums of one cost of either side within the budget, in parts of bounded size."""
    few, many = (off, on) if len(off.units) <= len(on.units) else (on, off)
    ends = np.searchsorted(many.units, budget - few.units, "right")
    largest = float(_total(few.count)) * float(_total(many.count))
    if largest > 2**60:
        few, many = (Costed(side.units, side.count.astype(object)) for side in (few, many))
    for units, count, end in zip(few.units, few.count, ends, strict=True):
        yield Costed(many.units[:end] + units, many.count[:end] * count)


def _pairs(off: Costed, on: Costed, budget: int) -> int:
    """How many pairs fit the budget."""
    ends = np.searchsorted(on.units, budget - off.units, "right")
    running = [0, *np.cumsum(on.count.astype(object)).tolist()]
    return sum(n * running[end] for n, end in zip(off.count.tolist(), ends.tolist(), strict=True))
