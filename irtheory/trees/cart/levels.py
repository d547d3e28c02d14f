"""Grow a greedy tree level by level, and convert the result to a `Tree`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, UInt32

from irtheory.trees.cart import split
from irtheory.trees.cart.careful import careful_split
from irtheory.trees.cart.codes import CodeColumns
from irtheory.trees.tree import Tree

# Gains that differ by less than this share are ties.
_TIE = 1e-9
# A tie above this share of the loss asks for the careful search.
_CAREFUL = 1e-9
# Finds the best splits of a level's nodes, ranges of the rows, and fills the step.
Split = Callable[[split.Step, UInt32[np.ndarray, " m"]], None]


class _Node(NamedTuple):
    """A leaf that may be split: its number in the growth, and its range of the rows."""

    name: int
    start: int
    stop: int
    tie: float


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
    """Grow a tree level by level to `max_depth`.

    Nodes whose gains would be lost in rounding, as their targets hardly differ beside how far
    they are from the mean of all, are split by `irtheory.trees.cart.careful`.
    """
    m, k = data.targets.shape
    rows, mean, growth = np.arange(m, dtype=np.uint32), np.zeros(k), Growth()
    loss, mixed, tie = split.describe(data, rows, mean)
    root = _Node(growth.add(mean, loss, m, _tie_of_losses(data, loss, tie)), 0, m, tie)
    level = [root] if mixed and len(codes.column) else []
    careful = partial(careful_split, data, codes)
    for _ in range(max_depth):
        level = [node for node in level if node.stop - node.start >= 2 * data.least]
        if not level:
            break
        near = [node for node in level if not _is_lost(data, growth, node)]
        far = [node for node in level if _is_lost(data, growth, node)]
        level = [
            child
            for nodes, search in ((near, split_level), (far, careful))
            if nodes
            for child in _split_nodes(growth, data, nodes, search, rows)
        ]
    return growth


def _is_lost(data: split.Data, growth: Growth, node: _Node) -> bool:
    """Whether rounding takes too much of the gains of a node (squared error only)."""
    return not len(data.row_entropy) and node.tie > _CAREFUL * growth.loss[node.name]


def _tie_of_losses(data: split.Data, loss: float, tie: float) -> float:
    """The difference of losses that counts as none: squared errors are exact to their own size."""
    return tie if len(data.row_entropy) else split.TIE * loss


def _split_nodes(
    growth: Growth, data: split.Data, nodes: list[_Node], search: Split, rows: np.ndarray
) -> list[_Node]:
    """Split some nodes of a level; returns the children whose targets differ."""
    start, stop = (np.array([getattr(n, end) for n in nodes]) for end in ("start", "stop"))
    step = split.new_step(start, stop, np.array([n.tie for n in nodes]), data.targets.shape[1])
    search(step, rows)
    mixed = []
    for i, node in enumerate(nodes):
        if step.column[i] < 0:
            continue
        name = node.name
        growth.column[name], growth.level[name] = int(step.column[i]), int(step.level[i])
        growth.left[name] = len(growth.left)
        cuts = (node.start, int(step.middle[i]), node.stop)
        for child, begin, end in ((2 * i, *cuts[:2]), (2 * i + 1, *cuts[1:])):
            loss, tie = float(step.loss[child]), float(step.tie_below[child])
            own = _tie_of_losses(data, loss, tie)
            added = growth.add(step.value[child], loss, end - begin, own)
            if step.mixed[child]:
                mixed.append(_Node(added, begin, end, tie))
    return mixed


def finished(growth: Growth, codes: CodeColumns, max_leaf_nodes: int | None) -> Tree:
    """The tree, without subtrees that gain nothing, and with at most so many leaves."""
    growth.collapse()
    if max_leaf_nodes is not None:
        growth.keep_best(max_leaf_nodes)
        growth.collapse()
    return growth.tree(codes)
