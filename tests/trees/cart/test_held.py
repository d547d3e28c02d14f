"""Sums held for children, against summing every node's rows anew, and plain numpy."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.tree import DecisionTreeRegressor

from irtheory.trees import fit_cart
from irtheory.trees.cart.codes import arrange
from irtheory.trees.cart.fit import prepare
from irtheory.trees.cart.held import accumulate, score, subtract
from irtheory.trees.cart.plan import SUBTRACTED
from irtheory.trees.cart.split import Node
from irtheory.trees.cart.threads import Threads


def problem(levels, m, d, k, seed):
    rng = np.random.default_rng(seed)
    codes = rng.integers(0, levels, (m, d)).astype(np.uint8)
    logits = codes @ rng.normal(size=(d, k)) / levels + rng.normal(size=(m, k))
    weights = np.exp(logits)
    return codes, weights / weights.sum(axis=1, keepdims=True)


@pytest.fixture
def subtracted(monkeypatch):
    """Counts the nodes that take their sums from their parents."""
    counts, original = [], Threads._put_in_order

    def count(self, plan, *others):
        counts.append(int((plan.ways == SUBTRACTED).sum()))
        original(self, plan, *others)

    monkeypatch.setattr(Threads, "_put_in_order", count)
    return counts


@pytest.mark.parametrize("criterion", ["squared_error", "entropy"])
@pytest.mark.parametrize(
    ("levels", "m", "d", "k"), [(2, 700, 30, 11), (4, 3000, 40, 3), (9, 2500, 17, 9)]
)
@pytest.mark.parametrize("threads", [1, 3])
def test_same_tree_as_without(monkeypatch, subtracted, criterion, levels, m, d, k, threads):
    codes, targets = problem(levels, m, d, k, levels)
    monkeypatch.setattr("irtheory.trees.cart.threads._SMALL", 0)
    settings = {"criterion": criterion, "threads": threads, "min_samples_leaf": 2}
    tree = fit_cart(codes, targets, 6, **settings)
    assert sum(subtracted) >= 10
    subtracted.clear()
    monkeypatch.setattr(
        "irtheory.trees.cart.threads._LARGE", 0
    )  # columns shared out wherever that helps
    assert fit_cart(codes, targets, 6, **settings) == tree
    assert sum(subtracted) >= 10
    subtracted.clear()
    monkeypatch.setattr("irtheory.trees.cart.threads._HELD", 0)
    assert fit_cart(codes, targets, 6, **settings) == tree
    assert sum(subtracted) == 0


@pytest.mark.parametrize("places", [2, 3, 5])
def test_few_places(monkeypatch, subtracted, places):
    codes, targets = problem(4, 2000, 24, 9, 0)
    monkeypatch.setattr("irtheory.trees.cart.threads._HELD", places * 24 * 4 * 17 * 8)
    tree = fit_cart(codes, targets, 7, criterion="squared_error", threads=1)
    assert 0 < sum(subtracted) < 40
    peer = DecisionTreeRegressor(max_depth=7, random_state=0).fit(codes, targets)
    losses = [((one.predict(codes) - targets) ** 2).sum() for one in (tree, peer)]
    assert losses[0] == pytest.approx(losses[1], rel=1e-10)


@pytest.mark.parametrize(
    ("held", "depth", "places"), [(2**27, 60, 104), (2**14, 60, 0), (2**27, 1, 0)]
)
def test_places_are_bounded(monkeypatch, held, depth, places):
    codes, targets = problem(4, 200, 24, 9, 0)
    arranged = arrange(codes, np.arange(24))
    monkeypatch.setattr("irtheory.trees.cart.threads._HELD", held)
    threads = Threads(arranged, prepare(arranged, targets, "entropy", 1), depth, threads=1)
    assert len(threads.free) == places
    assert threads.held.sums.nbytes + places * threads.held.below[0].nbytes <= held


def test_pure_and_small_siblings_leave_no_family(subtracted):
    rng = np.random.default_rng(1)
    codes = rng.integers(0, 2, (900, 20)).astype(np.uint8)
    labels = np.where(codes[:, 0] == 1, 0, 1 + codes[:, 1] + 2 * codes[:, 2] * codes[:, 3])
    targets = np.eye(5)[labels]
    tree = fit_cart(codes, targets, 6, threads=1)
    assert (tree.predict(codes).argmax(axis=1) == labels).all()
    assert sum(subtracted) > 0


def test_sums_up_to_each_code_and_their_differences():
    rng = np.random.default_rng(0)
    columns, levels, width, n = 3, 5, 8, 40
    codes, y = rng.integers(0, levels, (columns, n)), rng.normal(size=(n, width))
    first = np.arange(n) < 13

    def sums_of(rows):
        sums, below = np.zeros(columns * levels * width), np.zeros((columns, levels), np.int64)
        per_code = sums.reshape(columns, levels, width)
        for j in range(columns):
            np.add.at(per_code[j], codes[j, rows], y[rows])
            below[j] = np.bincount(codes[j, rows], minlength=levels)
            accumulate(sums, j * levels * width, width, below[j])
        return sums, below

    (every, all_below), (part, part_below), (rest, rest_below) = map(
        sums_of, (first | True, first, ~first)
    )
    left = np.stack([[y[codes[j] <= v].sum(axis=0) for v in range(levels)] for j in range(columns)])
    np.testing.assert_allclose(every.reshape(left.shape), left, atol=1e-12)
    subtract(every, all_below, part, part_below, 1, 3, width)
    found, expected = (s.reshape(columns, levels, width)[1:, :-1] for s in (every, rest))
    np.testing.assert_allclose(found, expected, atol=1e-12)
    np.testing.assert_array_equal(all_below[1:], rest_below[1:])
    np.testing.assert_allclose(every[: levels * width], left[0].ravel(), atol=1e-12)


def test_scores_are_weighted_distances():
    rng = np.random.default_rng(0)
    sums = rng.normal(size=(2, 4, 8))
    below = np.array([[0, 3, 3, 9], [2, 9, 9, 9]])
    node = Node(rng.normal(size=8), rng.random(8))
    q, n_left = np.zeros((2, 4)), np.zeros((2, 4))
    score(below, sums.ravel(), 9, node, q, n_left)
    expected = np.zeros((2, 4))
    for j, v in ((0, 1), (1, 0)):
        off = sums[j, v] - below[j, v] / 9 * node.total
        expected[j, v] = (node.weight * off**2).sum()
    np.testing.assert_allclose(q, expected, rtol=1e-12)
    np.testing.assert_array_equal(n_left, [[0, 3, 0, 0], [2, 0, 0, 0]])
