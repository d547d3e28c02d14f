"""Cost-complexity pruning: the smallest subtrees that lose least, given a price of a leaf.

With L the loss of the leaves of a tree, a subtree is best at a price α of a leaf if no other
has a lower L + α · leaves. Collapsing again and again the node with the least price
g = (loss as a leaf − loss of its leaves) / (its leaves − 1) gives all best subtrees in order
(Breiman and others, Classification and Regression Trees, 1984).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int

from irtheory.trees.tree import Tree

# Prices that differ by less, relatively, are one.
_TIE = 1e-12


@dataclass(frozen=True, eq=False)
class Links:
    """All best subtrees of a tree.

    Attributes:
        prices: the least price of a leaf at which each of them is best, ascending from 0.
        losses: of their leaves.
        leaves: their numbers of leaves; the last is the root alone.
        falls: [nodes], the price from which each node is a leaf or below one; leaves have −1.
    """

    prices: Float[np.ndarray, " steps"]
    losses: Float[np.ndarray, " steps"]
    leaves: Int[np.ndarray, " steps"]
    falls: Float[np.ndarray, " nodes"]


def weakest_links(tree: Tree, losses: Float[np.ndarray, " nodes"]) -> Links:
    """All best subtrees, from the whole tree (less what gains nothing) to the root alone."""
    parent = np.full(tree.n_nodes, -1)
    inner = np.flatnonzero(tree.feature >= 0)
    parent[tree.left[inner]], parent[tree.right[inner]] = inner, inner
    below, leaves = losses.astype(np.float64), np.ones(tree.n_nodes, np.int64)
    for node in inner[::-1]:
        low, high = tree.left[node], tree.right[node]
        below[node], leaves[node] = below[low] + below[high], leaves[low] + leaves[high]
    falls, last, price = np.where(tree.feature < 0, -1.0, np.inf), _last_below(tree), 0.0
    steps = [(0.0, float(below[0]), int(leaves[0]))]
    while np.isinf(falls[0]):
        link = np.where(np.isinf(falls), (losses - below) / np.maximum(leaves - 1, 1), np.inf)
        node = int(np.argmin(link))
        if link[node] - price > _TIE * max(link[node], float(losses[0]) / tree.n_nodes):
            price = float(link[node])
        under = falls[node : last[node] + 1]
        under[np.isinf(under)] = price
        fallen, gone = losses[node] - below[node], leaves[node] - 1
        while node >= 0:
            below[node], leaves[node] = below[node] + fallen, leaves[node] - gone
            node = int(parent[node])
        if steps[-1][0] == price:
            steps.pop()
        steps.append((price, float(below[0]), int(leaves[0])))
    prices, lost, counts = zip(*steps, strict=True)
    return Links(np.array(prices), np.array(lost), np.array(counts), falls)


def _last_below(tree: Tree) -> list[int]:
    """The last node of each subtree, which in preorder are consecutive."""
    last = list(range(tree.n_nodes))
    for node in np.flatnonzero(tree.feature >= 0)[::-1].tolist():
        last[node] = last[tree.right[node]]
    return last


def without(tree: Tree, collapsed: Bool[np.ndarray, " nodes"]) -> Tree:
    """The tree whose collapsed nodes are leaves."""
    kept, pending = [], [0]
    while pending:
        kept.append(node := pending.pop())
        if not collapsed[node]:
            pending += [int(tree.right[node]), int(tree.left[node])]
    nodes = np.array(kept)
    inner, place = ~collapsed[nodes], np.full(tree.n_nodes, -1)
    place[nodes] = np.arange(len(nodes))
    left, right = (np.where(inner, place[side[nodes]], -1) for side in (tree.left, tree.right))
    feature = np.where(inner, tree.feature[nodes], -1)
    threshold = np.where(inner, tree.threshold[nodes], 0.0)
    return Tree(
        feature, threshold, left, right, tree.value[nodes], tree.count[nodes], tree.n_features
    )
