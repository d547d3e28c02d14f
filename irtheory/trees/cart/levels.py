"""Grow a greedy tree level by level, and convert the result to a `Tree`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Float, UInt32

from irtheory.trees.cart import split
from irtheory.trees.cart.codes import CodeColumns
from irtheory.trees.tree import Tree

# Gains that differ by less than this share are ties.
_TIE = 1e-9
# Finds the best splits of a level's nodes, ranges of the rows, and fills the step.
Split = Callable[[split.Step, UInt32[np.ndarray, " m"]], None]


@dataclass
class Growth:
    """Nodes in the order of their creation; the right child follows the left.

    Attributes:
        column, level: tested column of the `CodeColumns`, and last code rank that goes left;
            −1 at a leaf.
        left: the left child; −1 at a leaf.
        value, loss, count: mean target [k], loss and samples.
        tie: the difference of losses that counts as none.
    """

    column: list[int] = field(default_factory=list)
    level: list[int] = field(default_factory=list)
    left: list[int] = field(default_factory=list)
    value: list[Float[np.ndarray, " k"]] = field(default_factory=list)
    loss: list[float] = field(default_factory=list)
    count: list[int] = field(default_factory=list)
    tie: list[float] = field(default_factory=list)

    def add(self, value: Float[np.ndarray, " k"], loss: float, count: int, tie: float) -> int:
        """Add a leaf; returns its number."""
        for place in (self.column, self.level, self.left):
            place.append(-1)
        self.value.append(value)
        self.loss.append(loss)
        self.count.append(count)
        self.tie.append(tie)
        return len(self.left) - 1

    def collapse(self) -> None:
        """Make leaves, bottom up, of nodes whose subtree gains no more than their `tie`."""
        below = list(self.loss)
        for node in reversed(range(len(self.left))):
            if (left := self.left[node]) >= 0:
                below[node] = below[left] + below[left + 1]
                if self.loss[node] - below[node] <= self.tie[node]:
                    self.left[node], below[node] = -1, self.loss[node]

    def keep_best(self, most: int) -> None:
        """Make leaves of all nodes but those that best-first growth to `most` leaves splits.

        The split of a node depends on its own samples alone. So growth that always splits the
        leaf which gains most is a choice among the nodes of the tree that is grown in full;
        equal gains go to the node that was created first.
        """
        frontier, leaves = [0] if self.left[0] >= 0 else [], 1
        split: set[int] = set()
        while frontier and leaves < most:
            best = max(self.gain(node) for node in frontier)
            node = min(n for n in frontier if self.gain(n) >= best - _TIE * abs(best))
            frontier.remove(node)
            split.add(node)
            leaves += 1
            frontier += [c for c in (self.left[node], self.left[node] + 1) if self.left[c] >= 0]
        for node in range(len(self.left)):
            if node not in split:
                self.left[node] = -1

    def gain(self, node: int) -> float:
        """What the split of an inner node takes off its loss."""
        left = self.left[node]
        return self.loss[node] - self.loss[left] - self.loss[left + 1]

    def preorder(self) -> list[int]:
        """The nodes that the root reaches: a node, its left subtree, then its right subtree."""
        order, pending = [], [0]
        while pending:
            order.append(node := pending.pop())
            if (left := self.left[node]) >= 0:
                pending += [left + 1, left]
        return order

    def tree(self, codes: CodeColumns) -> Tree:
        """The tree on all columns, its thresholds half-way between codes."""
        order = np.array(self.preorder())
        place = np.full(len(self.left), -1)
        place[order] = np.arange(len(order))
        left = np.array(self.left)[order]
        inner = left >= 0
        column, level = np.array(self.column)[order], np.array(self.level)[order]
        feature, threshold = np.full(len(order), -1), np.zeros(len(order))
        feature[inner] = codes.column[column[inner]]
        threshold[inner] = codes.threshold[column[inner], level[inner]]
        return Tree(
            feature,
            threshold,
            np.where(inner, place[left], -1),
            np.where(inner, place[np.where(inner, left + 1, 0)], -1),
            np.array(self.value)[order],
            np.array(self.count, np.float64)[order],
            codes.n_columns,
        )


def grow_levels(codes: CodeColumns, data: split.Data, max_depth: int, split_level: Split) -> Growth:
    """Grow a tree level by level to `max_depth`."""
    m, k = data.targets.shape
    rows, mean, growth = np.arange(m, dtype=np.uint32), np.zeros(k), Growth()
    loss, mixed = split.describe(data.targets, data.row_entropy, data.tie, rows, mean)
    root = growth.add(mean, loss, m, data.tie)
    level = [(root, 0, m)] if mixed and len(codes.column) else []
    for _ in range(max_depth):
        level = [node for node in level if node[2] - node[1] >= 2 * data.least]
        if not level:
            break
        names, start, stop = np.array(level).T.copy()
        step = split.new_step(start, stop, k)
        split_level(step, rows)
        level = _record(growth, data, step, names.tolist())
    return growth


def finished(growth: Growth, codes: CodeColumns, max_leaf_nodes: int | None) -> Tree:
    """The tree, without subtrees that gain nothing, and with at most so many leaves."""
    growth.collapse()
    if max_leaf_nodes is not None:
        growth.keep_best(max_leaf_nodes)
        growth.collapse()
    return growth.tree(codes)


def _record(
    growth: Growth, data: split.Data, step: split.Step, names: list[int]
) -> list[tuple[int, int, int]]:
    """Add the children to the growth; returns those whose targets differ."""
    mixed = []
    for i, node in enumerate(names):
        if step.column[i] < 0:
            continue
        growth.column[node], growth.level[node] = int(step.column[i]), int(step.level[i])
        growth.left[node] = len(growth.left)
        cuts = (int(step.start[i]), int(step.middle[i]), int(step.stop[i]))
        for child, start, stop in ((2 * i, *cuts[:2]), (2 * i + 1, *cuts[1:])):
            name = growth.add(step.value[child], float(step.loss[child]), stop - start, data.tie)
            if step.mixed[child]:
                mixed.append((name, start, stop))
    return mixed
