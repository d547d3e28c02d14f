"""The best tree of every number of leaves, where the convex hull has none of that size.

At depth ≤ 2 the tables of all pairs of splits hold the best tree of each size. A deeper node
joins its halves: b leaves are shared out between them in all ways. Halves of depth ≥ 3 are
only looked into where penalised bounds leave room: with a penalty α for every leaf, a tree
with at most B leaves and cost U is no better than U + α · B.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Int

from irtheory.trees.exact.all_trees.bounds import Bounds
from irtheory.trees.exact.all_trees.costs import FAR, Costs, Node
from irtheory.trees.exact.all_trees.problem import Member
from irtheory.trees.exact.all_trees.ranking import Ranked


class Sizes(NamedTuple):
    """Units of the best tree with b leaves, its split, and the leaves on its "on" side.

    All are indexed by b; units are FAR where there is no such tree.
    """

    units: Int[np.ndarray, " b"]
    split: Int[np.ndarray, " b"]
    on_leaves: Int[np.ndarray, " b"]

    def offer(self, leaves: int, units: int, split: int, on_leaves: int) -> None:
        """Keep a tree if it is better than the one known."""
        if leaves < len(self.units) and units < self.units[leaves]:
            self.units[leaves], self.split[leaves] = units, split
            self.on_leaves[leaves] = on_leaves


class SizeSearch:
    """Trees with at most `leaves` leaves whose cost is within the budget of `costs`."""

    def __init__(self, costs: Costs, bounds: Bounds, leaves: int) -> None:
        """Bounds are those for a penalty; nothing is searched yet."""
        self.costs = costs
        self.bounds = bounds
        self.leaves = leaves
        self._known: dict[tuple[bytes, int], tuple[int, Sizes]] = {}

    def best(self, depth: int) -> tuple[float, Ranked | None]:
        """A lower bound of the cost of all trees of these sizes, and the best one.

        Its tree is None if no tree fits the budget.
        """
        rows = np.arange(self.costs.problem.n_rows)
        penalties = self.bounds.leaf_penalty * self.leaves
        slack = self.costs.budget + 1 + self.costs.units(penalties)
        found = self._sizes(rows, depth, slack)
        leaves = int(np.argmin(found.units))
        units = int(found.units[leaves])
        # The cost of each leaf was rounded to whole units.
        least = (min(units, self.costs.budget) - self.leaves) * self.costs.unit
        return least, None if units > self.costs.budget else self._tree(rows, depth, leaves)

    def _tree(self, rows: Int[np.ndarray, " r"], depth: int, leaves: int) -> Ranked:
        found = self._sizes(rows, depth, 0)
        if leaves == 1:
            return Ranked(int(found.units[1]))
        split, on_leaves = int(found.split[leaves]), int(found.on_leaves[leaves])
        part = self.costs.problem.parts[split, rows]
        off = self._tree(rows[~part], depth - 1, leaves - on_leaves)
        on = self._tree(rows[part], depth - 1, on_leaves)
        test: Member = self.costs.problem.members[split][0]
        left, right = (on, off) if test.flipped else (off, on)
        return Ranked(int(found.units[leaves]), test.feature, test.threshold, left, right)

    def _sizes(self, rows: Int[np.ndarray, " r"], depth: int, slack: int) -> Sizes:
        """Best trees of all sizes that fit both budgets."""
        if depth <= 3:
            slack = FAR  # their halves are tables, which no bound spares
        key = (rows.tobytes(), depth)
        before, known = self._known.get(key, (-1, None))
        if known is None or before < slack:
            self.bounds.check_time()
            node = self.costs.node(rows)
            known = _nothing(self.leaves)
            known.offer(1, self.costs.leaf(node), -1, 0)
            if depth == 1:
                self._stumps(node, known)
            elif depth == 2:
                self._tables(node, known)
            elif depth > 2:
                self._joined(rows, depth, slack, known)
            self._known[key] = (slack, known)
        return known

    def _stumps(self, node: Node, known: Sizes) -> None:
        units = self.costs.stumps(node, self.costs.budget)
        if len(units):
            split = int(np.argmin(units))
            known.offer(2, int(units[split]), split, 1)

    def _tables(self, node: Node, known: Sizes) -> None:
        """Both halves of a split are a leaf (column 0) or a stump."""
        tables = self.costs.halves(node, self.costs.budget)
        if not len(tables.on):
            return
        off = tables.off[:, 0], tables.off[:, 1:].min(axis=1)
        on = tables.on[:, 0], tables.on[:, 1:].min(axis=1)
        for off_leaves in (1, 2):
            for on_leaves in (1, 2):
                units = off[off_leaves - 1] + on[on_leaves - 1]
                split = int(np.argmin(units))
                known.offer(off_leaves + on_leaves, int(units[split]), split, on_leaves)

    def _joined(self, rows: Int[np.ndarray, " r"], depth: int, slack: int, known: Sizes) -> None:
        """Every split, with the leaves shared out in all ways."""
        for split, part in enumerate(self.costs.problem.parts[:, rows]):
            if not self._parts(rows, part):
                continue
            low, high = rows[~part], rows[part]
            room_low = room_high = slack
            if depth > 3:
                least_low = self.bounds.units(low, depth - 1)
                least_high = self.bounds.units(high, depth - 1)
                if least_low + least_high > slack:
                    continue
                room_low, room_high = slack - least_high, slack - least_low
            off = self._sizes(low, depth - 1, room_low)
            on = self._sizes(high, depth - 1, room_high)
            for on_leaves in range(1, self.leaves):
                if on.units[on_leaves] >= FAR:
                    continue
                units = off.units[: self.leaves + 1 - on_leaves] + on.units[on_leaves]
                for off_leaves in range(1, len(units)):
                    if (found := int(units[off_leaves])) <= self.costs.budget:
                        known.offer(off_leaves + on_leaves, found, split, on_leaves)

    def _parts(self, rows: Int[np.ndarray, " r"], part: Bool[np.ndarray, " r"]) -> bool:
        samples, least = self.costs.problem.samples[rows], self.costs.problem.min_samples_leaf
        return min(float(samples[part].sum()), float(samples[~part].sum())) >= least


def _nothing(leaves: int) -> Sizes:
    shape = leaves + 1
    return Sizes(np.full(shape, FAR), np.full(shape, -1), np.zeros(shape, np.int64))
