"""What the nodes of a tree lose on its training samples, and what follows from it."""

from __future__ import annotations

from typing import Literal

import numpy as np
from jaxtyping import Float, Int
from scipy.special import xlogy

from irtheory.trees.tree import Tree

Loss = Literal["squared_error", "entropy", "linear"]


def sums_at_nodes(
    tree: Tree, leaf: Int[np.ndarray, " m"], rows: Float[np.ndarray, "m k"]
) -> Float[np.ndarray, "nodes k"]:
    """Sum of the rows that visit each node, from the leaf that each reaches."""
    out = np.empty((tree.n_nodes, rows.shape[1]))
    for c in range(rows.shape[1]):
        out[:, c] = np.bincount(leaf, weights=rows[:, c], minlength=tree.n_nodes)
    for node in _inner_upwards(tree):
        out[node] = out[tree.left[node]] + out[tree.right[node]]
    return out


def _inner_upwards(tree: Tree) -> list[int]:
    """Inner nodes, children first."""
    return np.flatnonzero(tree.feature >= 0)[::-1].tolist()


def losses_of(
    loss: Loss,
    tree: Tree,
    leaf: Int[np.ndarray, " m"],
    targets: Float[np.ndarray, "m k"],
    weight: Float[np.ndarray, " m"],
) -> Float[np.ndarray, " nodes"]:
    """What each node would lose as a leaf, summed over its samples by weight.

    Σ w ‖y − mean‖² for "squared_error", n H(mean) in nats for "entropy" (n the total weight),
    and the least Σ w C of a column for "linear".
    """
    if loss == "squared_error":
        return _squares(tree, leaf, targets, weight)
    sums = sums_at_nodes(tree, leaf, targets * weight[:, None])
    if loss == "linear":
        return sums.min(axis=1)
    total = sums.sum(axis=1, keepdims=True)
    return -xlogy(sums, np.where(total > 0, sums / np.where(total > 0, total, 1), 1)).sum(axis=1)


def _squares(tree, leaf, targets, weight) -> Float[np.ndarray, " nodes"]:
    """Scatter of leaves about their means; that of a node adds how far its children's are apart."""
    n = sums_at_nodes(tree, leaf, weight[:, None])[:, 0]
    # Centred: the mean of large numbers that differ little would lose their differences.
    first = targets[0]
    mean = sums_at_nodes(tree, leaf, (targets - first) * weight[:, None]) / n[:, None]
    off = (targets - first) - mean[leaf]
    own = np.bincount(leaf, (off * off).sum(axis=1) * weight, tree.n_nodes)
    for node in _inner_upwards(tree):
        low, high = tree.left[node], tree.right[node]
        apart = mean[low] - mean[high]
        own[node] = own[low] + own[high] + n[low] * n[high] / n[node] * float(apart @ apart)
    return own


def gains_of(
    loss: Loss, tree: Tree, weight: Float[np.ndarray, " nodes"]
) -> Float[np.ndarray, " nodes"]:
    """What the split of each inner node takes off the loss, from its children's values.

    For "linear" the values are shares of classes, and the costs those of errors. `weight` is
    the total weight of the samples at each node.
    """
    inner = np.flatnonzero(tree.feature >= 0)
    low, high = tree.left[inner], tree.right[inner]
    gain = np.zeros(tree.n_nodes)
    if loss == "squared_error":
        apart = ((tree.value[low] - tree.value[high]) ** 2).sum(axis=1)
        gain[inner] = weight[low] * weight[high] / weight[inner] * apart
        return gain
    if loss == "linear":
        own = weight * (1 - tree.value.max(axis=1))
    else:
        own = -weight * xlogy(tree.value, np.where(tree.value > 0, tree.value, 1)).sum(axis=1)
    gain[inner] = own[inner] - own[low] - own[high]
    return gain


def children_of(tree: Tree, losses: Float[np.ndarray, " nodes"]) -> Float[np.ndarray, " nodes"]:
    """What the children of each inner node lose together; leaves lose what they lose."""
    inner, below = tree.feature >= 0, losses.copy()
    below[inner] = losses[tree.left[inner]] + losses[tree.right[inner]]
    return below


def importances(
    tree: Tree,
    gain: Float[np.ndarray, " nodes"],
    source: Int[np.ndarray, " columns"],
    n_features: int,
) -> Float[np.ndarray, " n"]:
    """The share of each column of X in what the tree takes off the loss; all 0 if it takes none.

    Args:
        tree: the tree.
        gain: of its nodes.
        source: the column of X behind each column that the tree tests.
        n_features: columns of X.
    """
    inner = np.flatnonzero(tree.feature >= 0)
    taken = np.bincount(source[tree.feature[inner]], np.maximum(gain[inner], 0.0), n_features)
    return taken / taken.sum() if taken.sum() > 0 else taken
