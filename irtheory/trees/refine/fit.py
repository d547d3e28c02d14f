"""Refine a tree: keep its structure and change the test of one node at a time.

Alternating optimisation of trees (Carreira-Perpiñán & Tavallali, 2018) with squared error,
on integer codes. Each step finds the exact best test of a node while everything else is fixed,
so the error never rises; the result depends on the tree it starts from.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float, Num

from irtheory.checks import check_whole
from irtheory.trees.cart.codes import LEVELS, check_columns
from irtheory.trees.cart.targets import Levelled, level_targets
from irtheory.trees.checks import LARGEST_TARGET, check_codes
from irtheory.trees.refine import sweep
from irtheory.trees.tree import Tree

_TIE = 1e-12
# A sweep that lowers the error by less than this share of it is the last.
_PROGRESS = 1e-9
# Rounding in the squared distance of two means: shares of their samples' squared distances from
# them, and of the squares of the means themselves.
_ROUNDING = (1e-24, 1e-31)


def refine_tree(
    tree: Tree,
    codes: Num[np.ndarray, "m n"],
    targets: Num[np.ndarray, "m k"],
    *,
    sweeps: int = 10,
    min_samples_leaf: int = 1,
    columns: Sequence[int] | None = None,
) -> Tree:
    """Lower the squared error Σ‖y − T(x)‖² of a tree by changing its tests one at a time.

    Leaf values become the means of their samples. Then every sweep gives each node, from the
    deepest to the root, the best test of all columns and thresholds while all other tests and the
    leaf values are fixed; leaf values are updated after each depth. Both sides of a new test hold
    `min_samples_leaf` samples. At the end a leaf with fewer passes them to its sibling subtree,
    and splits between leaves of equal value are removed, so no leaf is empty. The error is never
    above that of the given tree, unless that tree has leaves that are too small.

    Costs of a node within 1e-12 of Σ |‖y − T_left‖² − ‖y − T_right‖²|, over the node's samples
    and what its two sides would predict for them, are ties: the present test stays, or else the
    lowest column wins, then the lowest threshold. New thresholds are v + 0.5.

    Args:
        tree: the tree to start from; of its values only those of empty leaves are used.
        codes: m × n whole numbers 0 … 255.
        targets: m × k (or m) numbers.
        sweeps: most sweeps; fewer if one lowers the error by less than 1e-9 of it.
        min_samples_leaf: samples a leaf must hold.
        columns: the columns that new tests may use; None is all.

    Returns:
        The tree; a node's value is the mean target of its samples, its count their number.

    Raises:
        ValueError: bad codes, targets or settings, or a tree that does not fit them, named.
    """
    check_whole("sweeps", sweeps, 0)
    check_whole("min_samples_leaf", min_samples_leaf, 1)
    small = check_codes(codes, 0, LEVELS - 1, np.uint8)
    column = check_columns(columns, small.shape[1])
    levelled = level_targets(targets, len(small))
    y = levelled.targets
    _check_tree(tree, small.shape[1], y.shape[1])
    value = _values_of(tree, levelled)
    mean = y.mean(axis=0)
    samples = _samples(small, column, y - mean, int(min_samples_leaf))
    return _written(tree, _descent(tree, value - mean, samples, int(sweeps)), levelled)


def _check_tree(tree: Any, n: int, k: int) -> None:
    if not isinstance(tree, Tree):
        raise ValueError(f"tree: expected a Tree, found {type(tree).__name__}")
    if (tree.n_features, tree.n_outputs) != (n, k):
        found = f"{tree.n_features} and {tree.n_outputs}"
        raise ValueError(f"tree: expected {n} features and {k} outputs, found {found}")


def _values_of(tree: Tree, levelled: Levelled) -> Float[np.ndarray, "nodes k"]:
    """The tree's values as those of levelled targets."""
    with np.errstate(over="ignore"):
        value = levelled.lowered(tree.value)
    if not np.abs(value).max() < LARGEST_TARGET:
        most, found = np.ldexp(LARGEST_TARGET, levelled.power), np.abs(tree.value).max()
        raise ValueError(f"tree: expected values below {most:g}, found {found:g}")
    return value


def _samples(codes: np.ndarray, column: np.ndarray, y: np.ndarray, least: int) -> sweep.Samples:
    """What the kernels read; `y` [m, k] is centred."""
    every = len(column) == codes.shape[1]
    own = np.ascontiguousarray(codes, dtype=np.uint8)
    tested = own if every else np.ascontiguousarray(own[:, column])
    return sweep.Samples(own, tested, column, y, least, _TIE)


def _tests_of(tree: Tree) -> sweep.Tests:
    """The tests in whole levels: q ≤ threshold iff q ≤ ⌊threshold⌋."""
    level = np.floor(np.clip(tree.threshold, -1, 255)).astype(np.int64)
    above = np.full((tree.depth, tree.n_nodes), -1, np.int32)
    depth = np.zeros(tree.n_nodes, np.int64)
    for node in np.flatnonzero(tree.feature >= 0):
        above[depth[node], node] = node
        for child in (tree.left[node], tree.right[node]):
            above[:, child] = above[:, node]
            depth[child] = depth[node] + 1
    return sweep.Tests(tree.feature.copy(), level, tree.left.copy(), tree.right.copy(), above)


@dataclass(frozen=True)
class _Fit:
    """A tree whose leaves are large enough: its tests from `root` on, its leaves, its error."""

    tests: sweep.Tests
    leaves: sweep.Leaves
    root: int
    error: float


def _descent(
    tree: Tree, value: Float[np.ndarray, "nodes k"], samples: sweep.Samples, n: int
) -> _Fit:
    """The best fit among the given tree and those after each of at most n sweeps."""
    tests, m = _tests_of(tree), len(samples.y)
    leaf, count = np.zeros(m, np.int64), np.zeros(tree.n_nodes, np.int64)
    leaves = sweep.Leaves(leaf, value, count)
    sweep.place(samples.codes, tests, leaf)
    sweep.refit(samples.y, leaves)
    best, space = _tidied(samples, tests, leaves), sweep.new_space(samples, tree.n_nodes)
    error = sweep.squared_error(samples.y, leaf, leaves.value)
    for _ in range(n):
        if not sweep.sweep(samples, tests, leaves, space):
            break
        before, error = error, sweep.squared_error(samples.y, leaf, leaves.value)
        best = min(best, _tidied(samples, tests, leaves), key=lambda fit: fit.error)
        if before - error <= _PROGRESS * before:
            break
    return best


def _tidied(samples: sweep.Samples, tests: sweep.Tests, leaves: sweep.Leaves) -> _Fit:
    """A copy in which the samples of leaves that are too small go to the sibling subtree."""
    tests = sweep.Tests(*(array.copy() for array in tests))
    leaves = sweep.Leaves(*(array.copy() for array in leaves))
    stands = np.arange(len(tests.feature))
    if (leaves.count[tests.feature < 0] < samples.least).any():
        for node in np.flatnonzero(tests.feature >= 0)[::-1]:
            low, high = stands[tests.left[node]], stands[tests.right[node]]
            tests.left[node], tests.right[node] = low, high
            for giver, taker in ((low, high), (high, low)):
                if tests.feature[giver] < 0 and leaves.count[giver] < samples.least:
                    sweep.hand_over(samples.codes, tests, giver, taker, leaves)
                    stands[node] = taker
                    break
        sweep.refit(samples.y, leaves)
    error = sweep.squared_error(samples.y, leaves.leaf, leaves.value)
    return _Fit(tests, leaves, int(stands[0]), error)


def _preorder(tests: sweep.Tests, root: int) -> list[int]:
    """The nodes that `root` reaches: a node, its left subtree, then its right subtree."""
    order, pending = [], [root]
    while pending:
        order.append(node := pending.pop())
        if tests.feature[node] >= 0:
            pending += [tests.right[node], tests.left[node]]
    return order


def _summarise(fit: _Fit, levelled: Levelled) -> None:
    """Fill values and counts of all nodes, bottom up; leaves of equal value become one."""
    tests, (leaf, value, count), y = fit.tests, fit.leaves, levelled.targets
    sweep.refit(y, fit.leaves)
    spread = np.bincount(leaf, np.square(y - value[leaf]).sum(axis=1), len(value))
    for node in reversed(_preorder(tests, fit.root)):
        if tests.feature[node] < 0:
            continue
        low, high = tests.left[node], tests.right[node]
        count[node] = n = count[low] + count[high]
        apart = value[high] - value[low]
        value[node] = value[low] + count[high] / n * apart
        gain = count[low] * count[high] / n * float(apart @ apart)
        spread[node] = spread[low] + spread[high] + gain
        size = n * float(np.square(value[node] + levelled.offset).sum())
        rounding = _ROUNDING[0] * spread[node] + _ROUNDING[1] * size
        if gain <= rounding and tests.feature[low] < 0 and tests.feature[high] < 0:
            tests.feature[node] = -1


def _written(tree: Tree, fit: _Fit, levelled: Levelled) -> Tree:
    """The fit as a `Tree`; tests that did not change keep the thresholds of the given one."""
    _summarise(fit, levelled)
    tests, given = fit.tests, _tests_of(tree)
    same = (tests.feature == given.feature) & (tests.level == given.level)
    threshold = np.where(same, tree.threshold, tests.level + 0.5)
    order = np.array(_preorder(tests, fit.root))
    inner = tests.feature[order] >= 0
    name = np.full(tree.n_nodes, -1)
    name[order] = np.arange(len(order))
    return Tree(
        tests.feature[order],
        np.where(inner, threshold[order], 0.0),
        np.where(inner, name[tests.left[order]], -1),
        np.where(inner, name[tests.right[order]], -1),
        levelled.restored(fit.leaves.value[order]),
        fit.leaves.count[order],
        tree.n_features,
    )
