"""Greedy trees of weighted samples against repeated samples and a search written out here."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from irtheory.trees import Tree, fit_cart
from irtheory.trees.cart import careful

both = pytest.mark.parametrize("criterion", ["squared_error", "entropy"])


def squares(y, w):
    mean = w @ y / w.sum()
    return (w @ (y - mean) ** 2).sum()


def entropies(y, w):
    p = w @ y / w.sum()
    return -w.sum() * (p[p > 0] * np.log(p[p > 0])).sum()


def slow(codes, y, w, cost, depth, least, lightest):
    """Loss of the greedy tree, split by split."""
    own = cost(y, w)
    if depth == 0 or (y == y[0]).all():
        return own
    best = None
    for j in range(codes.shape[1]):
        for cut in np.unique(codes[:, j])[:-1]:
            left = codes[:, j] <= cut
            fits = min(left.sum(), (~left).sum()) >= least
            if fits and min(w[left].sum(), w[~left].sum()) >= lightest:
                gain = own - cost(y[left], w[left]) - cost(y[~left], w[~left])
                if best is None or gain > best[0] + 1e-12 * own:
                    best = gain, left
    if best is None:
        return own
    left = best[1]
    below = sum(slow(codes[s], y[s], w[s], cost, depth - 1, least, lightest) for s in (left, ~left))
    return min(own, below)


def loss_of(tree: Tree, codes, y, w, cost):
    leaf = tree.apply(codes)
    return sum(cost(y[leaf == one], w[leaf == one]) for one in np.unique(leaf))


def problem(m, d, levels, k, seed):
    rng = np.random.default_rng(seed)
    codes = rng.integers(0, levels, (m, d))
    y = rng.dirichlet(np.ones(k), m) if k > 1 else np.ones((m, 1))
    return codes, y, rng.random(m) + 0.01


@both
@pytest.mark.parametrize("seed", range(4))
def test_weighted_trees_are_those_of_the_slow_search(criterion, seed, monkeypatch):
    if seed % 2:
        monkeypatch.setattr(careful, "_MOST", 40)  # nodes one by one
    codes, y, w = problem(120, 6, 4, 4, seed)
    cost = squares if criterion == "squared_error" else entropies
    limits = {"min_samples_leaf": 1 + seed, "min_weight_leaf": 1.5 * seed}
    tree = fit_cart(codes, y, 4, criterion=criterion, sample_weight=w, **limits)
    expected = slow(codes, y, w, cost, 4, 1 + seed, 1.5 * seed)
    assert loss_of(tree, codes, y, w, cost) == pytest.approx(expected, rel=1e-9)
    for node, reached in enumerate(tree.decision_path(codes).T):
        np.testing.assert_allclose(tree.value[node], w[reached] @ y[reached] / w[reached].sum())
        assert tree.count[node] == reached.sum()


@both
@given(
    m=st.integers(1, 30),
    levels=st.integers(1, 4),
    k=st.integers(1, 4),
    depth=st.integers(0, 5),
    seed=st.integers(0, 10**6),
)
@settings(max_examples=60, deadline=None)
def test_whole_weights_repeat_samples(criterion, m, levels, k, depth, seed):
    rng = np.random.default_rng(seed)
    codes, y = rng.integers(0, levels, (m, 3)), np.eye(k)[rng.integers(0, k, m)]
    w = rng.integers(0, 4, m)
    w[0] += not w.any()
    weighted = fit_cart(codes, y, depth, criterion=criterion, sample_weight=w)
    repeated = fit_cart(codes.repeat(w, axis=0), y.repeat(w, axis=0), depth, criterion=criterion)
    for name in ("feature", "threshold"):
        np.testing.assert_array_equal(getattr(weighted, name), getattr(repeated, name))
    np.testing.assert_allclose(weighted.value, repeated.value, atol=1e-12)


@both
def test_nearly_equal_weights_give_the_tree_without_weights(criterion):
    codes, y, _ = problem(300, 6, 4, 3, 8)
    w = np.ones(300)
    plain = fit_cart(codes, y, 5, criterion=criterion)
    assert fit_cart(codes, y, 5, criterion=criterion, sample_weight=w) == plain
    w[0] = np.nextafter(1, 2)  # enough for the weighted search
    found = fit_cart(codes, y, 5, criterion=criterion, sample_weight=w)
    for name in ("feature", "threshold", "count"):
        np.testing.assert_array_equal(getattr(found, name), getattr(plain, name))
    np.testing.assert_allclose(found.value, plain.value, rtol=1e-12)


def test_weightless_samples_are_left_out():
    codes, y, w = problem(60, 3, 3, 2, 1)
    w[::2] = 0
    found = fit_cart(codes, y, 4, sample_weight=w)
    assert found == fit_cart(codes[1::2], y[1::2], 4, sample_weight=w[1::2])
    alone = np.zeros(60)
    alone[7] = 2.0
    assert fit_cart(codes, y, 4, sample_weight=alone) == Tree.leaf(y[7], 1, 3)


def test_a_level_without_limit_ends_by_itself():
    codes, y, w = problem(200, 4, 9, 3, 2)
    for weight in (None, w):
        tree = fit_cart(codes, y, None, criterion="squared_error", sample_weight=weight)
        same = fit_cart(codes, y, 200, criterion="squared_error", sample_weight=weight)
        assert tree == same and tree.depth > 5


@both
def test_few_leaves_are_the_best_first(criterion):
    codes, y, w = problem(200, 4, 5, 3, 3)
    for weight in (None, w):
        grow = {"criterion": criterion, "sample_weight": weight}
        trees = [fit_cart(codes, y, 6, max_leaf_nodes=n, **grow) for n in range(1, 9)]
        assert [tree.n_leaves for tree in trees] == list(range(1, 9))
        whole = fit_cart(codes, y, 6, **grow)
        assert fit_cart(codes, y, 6, max_leaf_nodes=10**6, **grow) == whole
    with pytest.raises(ValueError, match="max_leaf_nodes: expected a whole number ≥ 1, found 0"):
        fit_cart(codes, y, 6, max_leaf_nodes=0)


def test_a_useless_first_split_is_no_tree_of_two_leaves():
    codes = np.array([[0, 0], [0, 1], [1, 0], [1, 1]]).repeat(3, axis=0)
    y = np.eye(2)[codes[:, 0] ^ codes[:, 1]]
    assert fit_cart(codes, y, 2, max_leaf_nodes=2).n_nodes == 1
    assert fit_cart(codes, y, 2, max_leaf_nodes=4).n_leaves == 4
