"""Refined trees against a sweep written out by brute force, and against exact trees."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from irtheory.trees import Tree, fit_cart, fit_exact_tree
from irtheory.trees.exact.greedy import fit_greedy_tree
from irtheory.trees.refine.fit import refine_tree

seeds = st.integers(0, 2**32 - 1)


def error(tree, codes, y):
    return ((y - tree.predict(codes)) ** 2).sum()


def drawn(seed, levels=2, k=3):
    rng = np.random.default_rng(seed)
    m, n = int(rng.integers(4, 30)), int(rng.integers(1, 6))
    return rng.integers(0, levels, (m, n)), rng.normal(size=(m, k)), rng


def drawn_tree(rng, n, k, depth, levels):
    """Tests, values and shape at random: some of its leaves are empty."""
    value = rng.normal(size=k)
    if depth == 0 or rng.random() < 0.15:
        return Tree.leaf(value, 1, n)
    low, high = (drawn_tree(rng, n, k, depth - 1, levels) for _ in range(2))
    return Tree.grow(int(rng.integers(n)), rng.integers(levels) + 0.5, low, high, value, 1)


def refitted(tree, codes, y):
    leaf, value = tree.apply(codes), tree.value.copy()
    for node in np.unique(leaf):
        value[node] = y[leaf == node].mean(axis=0)
    return tree.with_values(value)


def nodes_by_depth(tree):
    """Inner nodes, the deepest depth first."""
    levels = [[0]]
    while levels[-1]:
        inner = [node for node in levels[-1] if tree.feature[node] >= 0]
        levels[-1] = inner
        levels.append([c for i in inner for c in (tree.left[i], tree.right[i])])
    return levels[::-1]


def slow_sweep(tree, codes, y, least=1, columns=None):
    """Every test of every node tried, its error taken over all samples."""
    tree = refitted(tree, codes, y)
    tie = 1e-12 * ((y - y.mean(axis=0)) ** 2).sum()
    columns = range(codes.shape[1]) if columns is None else columns
    for level in nodes_by_depth(tree):
        for node in level:
            here = tree.decision_path(codes)[:, node]
            tried = []
            for j in columns:
                for v in range(codes.max()):
                    left = (here & (codes[:, j] <= v)).sum()
                    if min(left, here.sum() - left) >= least:
                        feature, threshold = tree.feature.copy(), tree.threshold.copy()
                        feature[node], threshold[node] = j, v + 0.5
                        new = replace(tree, feature=feature, threshold=threshold)
                        tried.append((error(new, codes, y), j, v, new))
            best = min((cost for cost, *_ in tried), default=np.inf)
            if best < error(tree, codes, y) - tie:
                tree = next(new for cost, *_, new in tried if cost <= best + tie)
        tree = refitted(tree, codes, y)
    return tree


@pytest.mark.parametrize(("levels", "k"), [(2, 1), (2, 3), (4, 2), (12, 9)])
@settings(max_examples=12)
@given(seed=seeds)
def test_one_sweep_is_the_best_test_of_every_node_in_turn(levels, k, seed):
    codes, y, rng = drawn(seed, levels, k)
    start = drawn_tree(rng, codes.shape[1], k, 3, levels)
    slow, fast = slow_sweep(start, codes, y), refine_tree(start, codes, y, sweeps=1)
    np.testing.assert_allclose(fast.predict(codes), slow.predict(codes), atol=1e-10)
    if len(np.unique(slow.apply(codes))) == slow.n_leaves:
        np.testing.assert_array_equal(fast.feature, slow.feature)
        np.testing.assert_array_equal(fast.threshold, slow.threshold)


@settings(max_examples=25)
@given(seed=seeds)
def test_a_sweep_under_a_leaf_size_and_on_some_columns(seed):
    codes, y, rng = drawn(seed, 3)
    some = np.unique(rng.integers(codes.shape[1], size=2))
    start = fit_cart(codes, y, 2, criterion="squared_error", min_samples_leaf=2, threads=1)
    slow = slow_sweep(start, codes, y, 2, some)
    if np.bincount(slow.apply(codes), minlength=slow.n_nodes)[slow.leaves].min() >= 2:
        fast = refine_tree(start, codes, y, sweeps=1, min_samples_leaf=2, columns=some.tolist())
        np.testing.assert_array_equal(fast.feature, slow.feature)
        np.testing.assert_array_equal(fast.threshold, slow.threshold)


@settings(max_examples=60)
@given(seed=seeds, levels=st.sampled_from([2, 4, 12, 256]), sweeps=st.integers(0, 4))
def test_the_error_never_rises_and_the_tree_describes_its_samples(seed, levels, sweeps):
    codes, y, rng = drawn(seed, levels)
    start = drawn_tree(rng, codes.shape[1], 3, 4, levels)
    tree = refine_tree(start, codes, y, sweeps=sweeps)
    assert error(tree, codes, y) <= error(refitted(start, codes, y), codes, y) * (1 + 1e-12)
    visits = tree.decision_path(codes)
    np.testing.assert_array_equal(tree.count, visits.sum(axis=0))
    assert tree.count.min() > 0
    means = np.array([y[visits[:, node]].mean(axis=0) for node in range(tree.n_nodes)])
    np.testing.assert_allclose(tree.value, means, atol=1e-12)


@settings(max_examples=40)
@given(seed=seeds, least=st.integers(1, 6))
def test_leaves_hold_their_least_samples_and_a_fair_tree_gets_no_worse(seed, least):
    codes, y, _ = drawn(seed, 3)
    start = fit_cart(codes, y, 3, criterion="squared_error", min_samples_leaf=least, threads=1)
    tree = refine_tree(start, codes, y, min_samples_leaf=least)
    assert tree.count[tree.leaves].min() >= min(least, len(y))
    assert error(tree, codes, y) <= error(start, codes, y) * (1 + 1e-12)


@settings(max_examples=30)
@given(seed=seeds)
def test_leaves_too_small_join_their_siblings(seed):
    codes, y, rng = drawn(seed)
    start = drawn_tree(rng, codes.shape[1], 3, 4, 2)
    tree = refine_tree(start, codes, y, min_samples_leaf=3, sweeps=2)
    assert tree.n_leaves == 1 or tree.count[tree.leaves].min() >= 3
    np.testing.assert_array_equal(tree.count, tree.decision_path(codes).sum(axis=0))


@settings(max_examples=25)
@given(seed=seeds, depth=st.integers(1, 3))
def test_an_exact_tree_stays_as_good_as_it_is(seed, depth):
    codes, y, _ = drawn(seed)
    fit = fit_exact_tree(codes, y, depth, threads=1)
    assert error(refine_tree(fit.tree, codes, y), codes, y) == pytest.approx(fit.loss, rel=1e-12)


def xor_beside_a_decoy():
    """XOR of a and b; c is a copy of a but nearer to the labels, so greedy growth starts there."""
    rng = np.random.default_rng(5)
    codes = rng.integers(0, 2, (200, 6)).astype(np.uint8)
    codes[:, 1] = rng.random(200) < 0.3
    y = codes[:, 0] ^ codes[:, 1]
    codes[:, 2] = np.where((codes[:, 1] == 1) & (rng.random(200) < 0.3), y, codes[:, 0])
    return codes, y[:, None].astype(np.float64)


def noisy_tree(seed):
    """Targets from a random tree on 12 columns, blurred; and another random tree."""
    rng = np.random.default_rng(seed)
    codes = rng.integers(0, 3, (300, 12))
    y = drawn_tree(rng, 12, 5, 5, 2).predict(codes) + rng.normal(size=(300, 5)) / 4
    return codes, y, refitted(drawn_tree(rng, 12, 5, 5, 2), codes, y)


def test_a_greedy_tree_becomes_exact_on_xor():
    codes, y = xor_beside_a_decoy()
    greedy = fit_greedy_tree(codes, y, 2)
    assert greedy.feature[0] == 2 and error(greedy, codes, y) > 1
    tree = refine_tree(greedy, codes, y)
    assert error(tree, codes, y) == fit_exact_tree(codes, y, 2, threads=1).loss == 0
    assert tree.used_features == (0, 1)


def test_columns_are_the_only_ones_new_tests_use():
    codes, y = xor_beside_a_decoy()
    tree = refine_tree(fit_cart(codes, y, 1, columns=[5], criterion="squared_error"), codes, y)
    assert tree.used_features == (2,)
    tree = refine_tree(tree, codes, y, columns=[3, 4])
    assert tree.used_features == (2,)


def test_further_sweeps_change_nothing_once_done():
    codes, y, start = noisy_tree(3)
    tree = refine_tree(start, codes, y, sweeps=50)
    assert error(tree, codes, y) < 0.99 * error(start, codes, y)
    assert refine_tree(tree, codes, y) == tree == refine_tree(start, codes, y, sweeps=60)


def test_the_tests_do_not_depend_on_an_offset_of_the_targets():
    codes, y, start = noisy_tree(3)
    near, far = refine_tree(start, codes, y), refine_tree(start, codes, y + 2.0**20)
    assert error(near, codes, y) < 0.99 * error(start, codes, y)
    np.testing.assert_array_equal(near.feature, far.feature)
    np.testing.assert_array_equal(near.threshold, far.threshold)


def test_dead_splits_and_equal_leaves_go_and_old_thresholds_stay():
    codes = np.array([[0, 0], [0, 4], [3, 0], [3, 4]])
    y = np.array([0.1, 0.1, 2.0, 2.0])
    leaf = Tree.leaf([7.0], 0, 2)
    equal = Tree.grow(1, 2.0, leaf, leaf, [0.0], 0)
    root = Tree.grow(0, 1.5, equal, Tree.grow(0, 0.5, leaf, leaf, [0.0], 0), [0.0], 0)
    tree = refine_tree(Tree.grow(1, 200.5, root, leaf, [0.0], 0), codes, y, sweeps=0)
    low, high = Tree.leaf([0.1], 2, 2), Tree.leaf([2.0], 2, 2)
    expected = Tree.grow(0, 1.5, low, high, [1.05], 4)
    assert tree == expected


@pytest.mark.parametrize("dtype", [np.uint8, np.int64, np.float32, np.uint16])
def test_integer_types_and_layouts_give_the_same_tree(dtype):
    codes, y = xor_beside_a_decoy()
    codes[:, 3] = np.arange(200)
    start = fit_greedy_tree(codes[:, :3], y, 2)
    start = replace(start, n_features=6)
    expected = refine_tree(start, codes, y)
    assert refine_tree(start, np.asfortranarray(codes.astype(dtype)), y[:, 0]) == expected


STUMP = Tree.grow(0, 0.5, Tree.leaf([0.0], 1, 2), Tree.leaf([1.0], 1, 2), [0.5], 2)
CODES, Y = np.array([[0, 1], [1, 0]]), np.array([[0.0], [1.0]])


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"tree": "T"}, "tree: expected a Tree, found str"),
        ({"tree": Tree.leaf([0.0], 1, 3)}, "tree: expected 2 features and 1 outputs, found 3"),
        ({"tree": Tree.leaf([0.0, 0.0], 1, 2)}, "2 features and 1 outputs, found 2 and 2"),
        ({"tree": Tree.leaf([1e150], 1, 2)}, "tree: expected values below 1e\\+140, found 1e"),
        ({"codes": CODES[0]}, "codes: expected samples × features, found shape"),
        ({"codes": CODES + 255}, "codes: expected 0 … 255, found 256"),
        ({"codes": CODES + 0.5}, "codes: expected whole numbers, found fractions"),
        ({"targets": Y[:1]}, "targets: expected 2 × k numbers, found shape"),
        ({"targets": Y * np.nan}, "targets: expected finite numbers below 1e140, found nan"),
        ({"sweeps": -1}, "sweeps: expected a whole number ≥ 0, found -1"),
        ({"sweeps": True}, "sweeps: expected a whole number ≥ 0, found True"),
        ({"min_samples_leaf": 0}, "min_samples_leaf: expected a whole number ≥ 1, found 0"),
        ({"columns": [2]}, "columns: expected 0 … 1, found 2"),
        ({"columns": []}, "columns: expected a list of whole numbers, found"),
    ],
)
def test_bad_input_is_named(changed, message):
    given = {"tree": STUMP, "codes": CODES, "targets": Y} | changed
    with pytest.raises(ValueError, match=message):
        refine_tree(given.pop("tree"), given.pop("codes"), given.pop("targets"), **given)
