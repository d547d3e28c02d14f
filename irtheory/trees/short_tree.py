"""Trees for readers: without branches that nothing reaches and tests that change no class."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from irtheory.trees.tree import Tree


@dataclass(frozen=True, eq=False)
class ShortTree:
    """A tree with fewer nodes, and where each of them is in the original.

    Attributes:
        tree: the shorter tree.
        nodes: for each of its nodes, the node of the original that it stands for, int64 [nodes].
    """

    tree: Tree
    nodes: npt.NDArray[np.int64]


def shorten(tree: Tree, reached: npt.ArrayLike | None = None) -> ShortTree:
    """Drop branches that no sample reaches, then merge subtrees that name one class throughout.

    The result names the same class (argmax of the value) for every input that goes to a node that
    was reached. A test with one branch that was not reached is left out with that branch.

    Args:
        tree: the original.
        reached: whether each node was reached by some sample, [nodes]; None keeps all branches.

    Raises:
        ValueError: another number of entries than nodes.
    """
    seen = np.ones(tree.n_nodes, np.bool_) if reached is None else np.asarray(reached, np.bool_)
    if seen.shape != (tree.n_nodes,):
        raise ValueError(f"reached: expected {tree.n_nodes} entries, found shape {seen.shape}")
    short, nodes = _shortened(tree, 0, seen)
    short = replace(short, feature_names=tree.feature_names, class_names=tree.class_names)
    return ShortTree(short, np.array(nodes, np.int64))


def class_counts(
    tree: Tree, codes: npt.ArrayLike, labels: npt.ArrayLike, classes: int
) -> npt.NDArray[np.int64]:
    """Number of samples of each class that visit each node: int64 [nodes, k].

    Args:
        tree: T.
        codes: m × n_features.
        labels: classes 0 … k − 1 of the m samples.
        classes: k.

    Raises:
        ValueError: labels that are not one class for every sample, or codes that T does not take.
    """
    visited = tree.decision_path(codes).astype(np.int64)
    one_hot = _labels(labels, len(visited), classes)[:, None] == np.arange(classes)
    return visited.T @ one_hot.astype(np.int64)


def _labels(labels: npt.ArrayLike, m: int, classes: int) -> np.ndarray:
    try:
        found = np.asarray(labels)
    except ValueError as error:
        raise ValueError(f"labels: expected {m} classes, found no array ({error})") from error
    if found.dtype.kind not in "biuf" or found.shape != (m,):
        raise ValueError(
            f"labels: expected {m} classes, found shape {found.shape} of {found.dtype}"
        )
    for row in np.flatnonzero(~np.isin(found, np.arange(classes)))[:1]:
        raise ValueError(f"labels: expected 0 … {classes - 1}, found {found[row]} in row {row}")
    return found


def _shortened(tree: Tree, node: int, seen: npt.NDArray[np.bool_]) -> tuple[Tree, list[int]]:
    """The subtree below a node, and the original of each of its nodes in preorder."""
    value, count = tree.value[node], float(tree.count[node])
    leaf = Tree.leaf(value, count, tree.n_features)
    if tree.feature[node] < 0:
        return leaf, [node]
    children = [int(child[node]) for child in (tree.left, tree.right)]
    kept = [child for child in children if seen[child]]
    if len(kept) == 1:
        return _shortened(tree, kept[0], seen)
    (left, below_left), (right, below_right) = (_shortened(tree, c, seen) for c in children)
    named = {int(part.value[0].argmax()) for part in (left, right, leaf)}
    if left.n_nodes == right.n_nodes == len(named) == 1:
        return leaf, [node]
    feature, threshold = int(tree.feature[node]), float(tree.threshold[node])
    grown = Tree.grow(feature, threshold, left, right, value, count)
    return grown, [node, *below_left, *below_right]
