"""Greedy trees against scikit-learn and a slow greedy search written out here."""

from __future__ import annotations

import csv
from functools import partial

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

from irtheory.trees import Tree, fit_cart
from irtheory.trees.cart.codes import transpose
from irtheory.trees.cart.split import describe, split_nodes

CRITERIA = ("squared_error", "entropy")
both = pytest.mark.parametrize("criterion", CRITERIA)


def squares(y):
    return ((y - y.mean(axis=0)) ** 2).sum()


def entropies(y):
    p = y.mean(axis=0)
    return -len(y) * (p[p > 0] * np.log(p[p > 0])).sum()


def slow_greedy(codes, targets, depth, cost, least=1, columns=None):
    """The definition, split by split; returns the tree before and its loss after collapsing."""
    everything = cost(targets)
    tie = 1e-12 * everything
    columns = range(codes.shape[1]) if columns is None else columns

    def grow(rows, depth):
        y, x = targets[rows], codes[rows]
        leaf = Tree.leaf(y.mean(axis=0), len(rows), codes.shape[1])
        own = cost(y)
        if depth == 0 or (y == y[0]).all():
            return leaf, own
        found = []
        for j in columns:
            held = np.unique(codes[:, j])
            for threshold in (held[:-1] + held[1:]) / 2:
                left = x[:, j] <= threshold
                if min(left.sum(), (~left).sum()) >= least:
                    found.append((own - cost(y[left]) - cost(y[~left]), j, threshold))
        if not found:
            return leaf, own
        best = max(gain for gain, _, _ in found)
        _, j, threshold = next(f for f in found if f[0] >= best - tie)
        left = x[:, j] <= threshold
        (low, below), (high, above) = (grow(rows[s], depth - 1) for s in (left, ~left))
        if own - below - above <= tie:
            return leaf, own
        return Tree.grow(j, threshold, low, high, y.mean(axis=0), len(rows)), below + above

    return grow(np.arange(len(codes)), depth)[0]


def equal(found, expected):
    """Same tests; values are means, added up in different orders."""
    for name in ("feature", "threshold", "left", "right", "count"):
        np.testing.assert_array_equal(getattr(found, name), getattr(expected, name), err_msg=name)
    np.testing.assert_allclose(found.value, expected.value, rtol=1e-12, atol=1e-14)


def problem(m, d, levels, k, seed, sharp=1.0):
    """Codes, and soft labels that depend on them."""
    rng = np.random.default_rng(seed)
    codes = rng.integers(0, levels, size=(m, d))
    logits = sharp * (codes @ rng.normal(size=(d, k)) / levels + rng.normal(size=(m, k)))
    weights = np.exp(logits - logits.max(axis=1, keepdims=True))
    return codes, weights / weights.sum(axis=1, keepdims=True)


def loss(predicted, targets):
    return ((predicted - targets) ** 2).sum()


SIZES = [
    (60, 5, 2, 1, 3),
    (300, 17, 2, 3, 5),
    (1500, 20, 2, 9, 6),
    (400, 9, 4, 12, 6),
    (300, 6, 16, 20, 7),
    (120, 30, 7, 50, 8),
    (900, 3, 250, 2, 5),
]


@pytest.mark.parametrize(("m", "d", "levels", "k", "depth"), SIZES)
def test_training_loss_is_that_of_scikit_learn(m, d, levels, k, depth):
    codes, _ = problem(m, d, levels, k, m)
    targets = np.random.default_rng(m).normal(size=(m, k)) + codes[:, :1] - codes[:, 1:2] ** 2
    peer = DecisionTreeRegressor(max_depth=depth, random_state=0).fit(codes, targets)
    own = fit_cart(codes, targets, depth, criterion="squared_error")
    expected = loss(peer.predict(codes).reshape(targets.shape), targets)
    assert loss(own.predict(codes), targets) == pytest.approx(expected, rel=1e-10)
    assert own.n_leaves == peer.get_n_leaves()


@both
@pytest.mark.parametrize("sharp", [0.3, 1.0, 8.0])
@pytest.mark.parametrize("size", [(80, 6, 2, 1), (150, 9, 4, 12), (90, 4, 16, 17), (700, 9, 2, 5)])
def test_tree_is_that_of_the_slow_search(size, sharp, criterion):
    codes, targets = problem(*size, seed=size[0], sharp=sharp)
    cost = squares if criterion == "squared_error" else entropies
    expected = slow_greedy(codes, targets, 5, cost)
    equal(fit_cart(codes, targets, 5, criterion=criterion), expected)


@given(
    m=st.integers(1, 40),
    d=st.integers(1, 5),
    levels=st.integers(1, 5),
    k=st.integers(1, 10),
    depth=st.integers(0, 4),
    least=st.integers(1, 4),
    seed=st.integers(0, 10**6),
)
@settings(max_examples=60)
def test_few_samples_with_ties(m, d, levels, k, depth, least, seed):
    rng = np.random.default_rng(seed)
    codes = 3 * rng.integers(0, levels, size=(m, d))
    labels = np.eye(k)[rng.integers(0, k, size=m)]
    for criterion, cost in (("squared_error", squares), ("entropy", entropies)):
        found = fit_cart(codes, labels, depth, criterion=criterion, min_samples_leaf=least)
        equal(found, slow_greedy(codes, labels, depth, cost, least))
        assert found.count[found.leaves].min() >= min(least, m)
        assert found.count[found.leaves].sum() == m


def test_hard_labels_lose_what_the_classifier_loses():
    codes, soft = problem(600, 12, 4, 5, 3, sharp=3.0)
    labels = soft.argmax(axis=1)
    peer = DecisionTreeClassifier(criterion="entropy", max_depth=6, random_state=0)
    shares = peer.fit(codes, labels).predict_proba(codes)
    own = fit_cart(codes, np.eye(5)[labels], 6, criterion="entropy").predict(codes)
    # Lost information: the sum over samples of −log of the own label's share.
    lost = [-np.log(p[np.arange(600), labels]).sum() for p in (own, shares)]
    assert lost[0] == pytest.approx(lost[1], rel=1e-9)


@both
@pytest.mark.parametrize("name", ["anneal", "vote", "mushroom", "hepatitis"])
def test_real_binary_tables(shared_data, name, criterion):
    table = np.loadtxt(shared_data / "binary" / f"{name}.txt", dtype=int)[:400]
    codes, targets = table[:, 1:], np.eye(2)[table[:, 0]]
    cost = squares if criterion == "squared_error" else entropies
    equal(fit_cart(codes, targets, 3, criterion=criterion), slow_greedy(codes, targets, 3, cost))


@both
def test_zoo(shared_data, criterion):
    with (shared_data / "zoo" / "zoo.csv").open(newline="") as file:
        rows = list(csv.reader(file))[1:]
    codes = np.array([[int(float(cell)) for cell in row[1:-1]] for row in rows])
    kinds, label = np.unique([row[-1] for row in rows], return_inverse=True)
    targets = np.eye(len(kinds))[label]
    tree = fit_cart(codes, targets, 4, criterion=criterion)
    cost = squares if criterion == "squared_error" else entropies
    equal(tree, slow_greedy(codes, targets, 4, cost))


@both
def test_xor_is_found_though_its_first_split_gains_nothing(criterion):
    codes = np.array([[0, 0], [0, 1], [1, 0], [1, 1]]).repeat(3, axis=0)
    targets = np.eye(2)[codes[:, 0] ^ codes[:, 1]]
    tree = fit_cart(codes, targets, 2, criterion=criterion)
    np.testing.assert_array_equal(tree.predict(codes), targets)
    assert tree.feature.tolist() == [0, 1, -1, -1, 1, -1, -1]
    assert fit_cart(codes, targets, 1, criterion=criterion).n_nodes == 1


@both
def test_what_cannot_be_split_is_a_leaf(criterion):
    rng = np.random.default_rng(0)
    soft = rng.dirichlet(np.ones(3), size=9)
    many = rng.integers(0, 4, size=(9, 3))
    grow = partial(fit_cart, max_depth=4, criterion=criterion)
    for codes, targets in (
        (np.full((9, 3), 7), soft),
        (many, np.tile(soft[:1], (9, 1))),
        (many[:1], soft[:1]),
        (many, np.ones((9, 1))),
    ):
        tree = grow(codes, targets)
        assert (tree.n_nodes, tree.count[0]) == (1, len(codes))
        np.testing.assert_allclose(tree.value[0], targets.mean(axis=0), rtol=1e-14)
    assert grow(many, soft, max_depth=0).n_nodes == 1
    assert grow(many, soft, min_samples_leaf=5).n_nodes == 1


@both
def test_equal_columns_leave_the_lowest(criterion):
    codes, targets = problem(200, 3, 5, 4, 1)
    doubled = np.hstack([codes, codes, codes])
    tree = fit_cart(doubled, targets, 5, criterion=criterion)
    assert max(tree.used_features) <= 2
    equal(tree, Tree(**{**vars_of(fit_cart(codes, targets, 5, criterion=criterion)),
                        "n_features": 9}))  # fmt: skip


def vars_of(tree):
    names = ("feature", "threshold", "left", "right", "value", "count", "n_features")
    return {name: getattr(tree, name) for name in names}


@both
def test_only_the_given_columns_are_tested(criterion):
    codes, targets = problem(150, 8, 3, 4, 2)
    tree = fit_cart(codes, targets, 5, criterion=criterion, columns=[6, 1, 3])
    cost = squares if criterion == "squared_error" else entropies
    equal(tree, slow_greedy(codes, targets, 5, cost, columns=[1, 3, 6]))


@both
def test_one_thread_or_three(criterion):
    codes, targets = problem(9000, 70, 4, 10, 4)
    trees = [fit_cart(codes, targets, 6, criterion=criterion, threads=t) for t in (1, 2, 3)]
    assert trees[0] == trees[1] == trees[2]


@both
def test_any_integer_type(criterion):
    codes, targets = problem(100, 5, 200, 3, 5)
    first = fit_cart(codes, targets, 4, criterion=criterion)
    for kind in (np.uint8, np.int16, np.uint64, np.float32):
        assert fit_cart(codes.astype(kind), targets, 4, criterion=criterion) == first


def test_far_from_zero():
    codes, targets = problem(300, 6, 4, 3, 6)
    near = fit_cart(codes, targets, 5, criterion="squared_error")
    far = fit_cart(codes, 1e4 + targets, 5, criterion="squared_error")
    np.testing.assert_array_equal(near.feature, far.feature)
    np.testing.assert_allclose(near.value, far.value - 1e4, atol=1e-10)


def test_values_are_means():
    codes, targets = problem(80, 4, 3, 2, 7)
    tree = fit_cart(codes, targets, 4)
    for node, reached in enumerate(tree.decision_path(codes).T):
        np.testing.assert_allclose(tree.value[node], targets[reached].mean(axis=0), rtol=1e-14)
        assert tree.count[node] == reached.sum()


@pytest.mark.parametrize("share", [1e-300, 1e-308, 1e-310, 5e-324])
def test_a_label_next_to_nothing_changes_nothing(share):
    rng = np.random.default_rng(0)
    codes, logits = rng.integers(0, 4, (400, 12)), rng.normal(size=(400, 3))
    logits += codes[:, :3] - codes[:, 3:6]
    targets = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    expected = fit_cart(codes, targets, 5)
    found = fit_cart(codes, np.hstack([targets, np.full((400, 1), share)]), 5)
    np.testing.assert_array_equal(found.feature, expected.feature)
    np.testing.assert_array_equal(found.threshold, expected.threshold)


def test_mirrored_columns_tie_for_nearly_pure_labels():
    rng = np.random.default_rng(0)
    codes = rng.integers(0, 4, (5000, 10)).astype(np.uint8)
    share = 1e-9 * (1 + codes[:, 3] + rng.random(5000))
    tree = fit_cart(np.hstack([codes, 3 - codes]), np.stack([share, 1 - share], axis=1), 6)
    assert max(tree.used_features, default=0) < 10


def test_arrays_of_any_layout_are_read_by_the_same_kernels():
    rng = np.random.default_rng(0)
    codes = rng.integers(0, 3, (60, 8)).astype(np.uint8)
    targets = rng.dirichlet(np.ones(3), 60)
    expected = fit_cart(codes, targets, 3)
    kernels = (transpose, describe, split_nodes)
    before = [len(kernel.signatures) for kernel in kernels]
    locked = codes.copy(), targets.copy()
    for array in locked:
        array.setflags(write=False)
    for x, y in (locked, (np.asfortranarray(codes), targets[:, ::-1][:, ::-1])):
        assert fit_cart(x, y, 3) == expected
    assert [len(kernel.signatures) for kernel in kernels] == before
