"""Optimal trees over penalties and of given sizes against the best tree of every size."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from irtheory.trees.exact.path import fit_exact_tree_of_size, optimal_tree_path

COSTS = ("squared_error", "linear", "entropy")


def leaf_cost(y: np.ndarray, w: np.ndarray, cost: str) -> float:
    if cost == "linear":
        return float((w @ y).min())
    mean = w @ y / w.sum()
    if cost == "squared_error":
        return float(w @ ((y - mean) ** 2).sum(axis=1))
    return float(-w.sum() * sum(p * np.log(p) for p in mean if p > 0))


def best_by_size(codes, y, weight, depth: int, cost: str, least: int) -> dict[int, float]:
    """Least cost of a tree with exactly b leaves, for every b that there is."""
    kept = weight > 0
    codes, y, w = codes[kept], y[kept], weight[kept]
    tests = [(f, t) for f, column in enumerate(codes.T) for t in np.unique(column)[:-1]]

    @cache
    def best(rows: frozenset[int], levels: int) -> dict[int, float]:
        inside = np.array(sorted(rows))
        found = {1: leaf_cost(y[inside], w[inside], cost)}
        for f, t in tests if levels else []:
            low = frozenset(inside[codes[inside, f] <= t].tolist())
            if min(len(low), len(rows) - len(low)) < least:
                continue
            one, other = best(low, levels - 1), best(rows - low, levels - 1)
            for a, left in one.items():
                for b, right in other.items():
                    found[a + b] = min(found.get(a + b, np.inf), left + right)
        return found

    return best(frozenset(range(len(y))), depth)


def drawn(seed: int, cost: str):
    """Codes, targets, weights, depth and least samples of a leaf of a small problem."""
    rng = np.random.default_rng(seed)
    m, depth = ((20, 2), (18, 3), (16, 4))[seed % 3]
    codes = rng.integers(0, 3, (m, 3))
    if cost == "squared_error":
        y = rng.normal(size=(m, 2)) if seed % 2 else rng.integers(0, 3, (m, 1)).astype(float)
    elif cost == "linear":
        y = rng.normal(size=(m, 3)) if seed % 2 else 1.0 - np.eye(3)[rng.integers(0, 3, m)]
    else:
        y = np.eye(3)[rng.integers(0, 3, m)]
    weight = np.ones(m) if seed % 5 == 0 else rng.integers(0, 4, m) * 0.7
    weight[0] = 1.0
    return codes, y, weight, depth, 1 + seed % 2


@settings(max_examples=15, deadline=None, derandomize=True)
@given(seed=st.integers(0, 10**6), cost=st.sampled_from(COSTS))
def test_every_tree_of_the_path_is_best_where_it_says(seed, cost):
    codes, y, weight, depth, least = drawn(seed, cost)
    best = best_by_size(codes, y, weight, depth, cost, least)
    path = optimal_tree_path(
        *(codes, y, depth),
        cost=cost,
        sample_weight=weight,
        min_samples_leaf=least,
        threads=1,
    )
    assert path.proven
    assert path.alphas[0] == 0.0 and list(path.alphas) == sorted(set(path.alphas))
    assert path.leaves[-1] == 1 and list(path.leaves) == sorted(set(path.leaves), reverse=True)
    ends = [*path.alphas[1:], path.alphas[-1] * 2 + 1]
    for start, end, leaves, loss, tree in zip(
        path.alphas, ends, path.leaves, path.losses, path.trees, strict=True
    ):
        assert (tree.feature < 0).sum() == leaves
        assert loss == pytest.approx(best[leaves], rel=1e-8, abs=1e-9)
        for alpha in (start, (start + end) / 2, end):
            least_objective = min(value + alpha * b for b, value in best.items())
            assert loss + alpha * leaves == pytest.approx(least_objective, rel=1e-8, abs=1e-9)
        assert path.tree_at((start + end) / 2) == tree


@settings(max_examples=15, deadline=None, derandomize=True)
@given(seed=st.integers(0, 10**6), cost=st.sampled_from(COSTS), most=st.integers(2, 11))
def test_no_tree_of_a_size_is_better(seed, cost, most):
    codes, y, weight, depth, least = drawn(seed, cost)
    best = best_by_size(codes, y, weight, depth, cost, least)
    fit = fit_exact_tree_of_size(
        *(codes, y, depth, most),
        cost=cost,
        sample_weight=weight,
        min_samples_leaf=least,
        threads=1,
    )
    expected = min(value for b, value in best.items() if b <= most)
    assert fit.status == "optimal"
    assert fit.loss == pytest.approx(expected, rel=1e-8, abs=1e-9)
    assert fit.objective == fit.loss
    assert fit.loss >= fit.lower_bound >= fit.loss - 1e-8 * (1 + abs(fit.loss))
    assert (fit.tree.feature < 0).sum() <= most
    np.testing.assert_allclose(fit.tree.predict(codes), fit.predictions, atol=1e-12)
    kept = weight > 0
    if cost == "squared_error":
        apart = ((y[kept] - fit.predictions[kept]) ** 2).sum(axis=1)
        assert weight[kept] @ apart == pytest.approx(fit.loss, rel=1e-8, abs=1e-9)


def test_sizes_between_the_corners_of_the_hull_at_depth_4():
    """A concave stretch of (leaves, loss): the exclusive or of two columns needs four leaves."""
    codes = (np.arange(16)[:, None] >> np.arange(4)) & 1
    y = np.where(codes[:, 0] ^ codes[:, 1], 8.0, 0.0) + codes[:, 2] * codes[:, 3]
    y = y + np.random.default_rng(0).normal(scale=0.05, size=16)
    best = best_by_size(codes, y[:, None], np.ones(16), 4, "squared_error", 1)
    path = optimal_tree_path(codes, y, 4)
    assert {2, 3}.isdisjoint(path.leaves)
    for most in (2, 3, 5, 9, 16):
        fit = fit_exact_tree_of_size(codes, y, 4, most)
        assert fit.status == "optimal"
        assert fit.loss == pytest.approx(min(v for b, v in best.items() if b <= most), rel=1e-9)


@pytest.mark.parametrize("most", [3, 5, 6])
def test_bounds_of_misclassified_samples_are_proven(most):
    for seed in range(12):
        rng = np.random.default_rng(seed)
        codes, costs = rng.integers(0, 3, (30, 3)), 1.0 - np.eye(3)[rng.integers(0, 3, 30)]
        fit = fit_exact_tree_of_size(codes, costs, 3, most, cost="linear", threads=1)
        best = best_by_size(codes, costs, np.ones(30), 3, "linear", 1)
        assert fit.loss == min(cost for leaves, cost in best.items() if leaves <= most)
        assert fit.lower_bound > fit.loss - 1e-6


def test_a_tie_in_loss_goes_to_the_smaller_tree():
    codes = (np.arange(8)[:, None] >> np.arange(3)) & 1
    path = optimal_tree_path(codes, codes[:, 1] * 2.0, 3)
    assert path.leaves == (2, 1) and path.losses[0] == 0.0
    assert path.alphas == (0.0, pytest.approx(8.0))
    constant = optimal_tree_path(codes, np.ones(8), 3)
    assert (constant.alphas, constant.leaves, constant.losses) == ((0.0,), (1,), (0.0,))


def test_the_path_keeps_structure_that_is_small_beside_another_output():
    codes = (np.arange(64)[:, None] >> np.arange(6)) & 1
    targets = np.c_[codes[:, 0] * 1e6, codes[:, 1]].astype(float)
    path = optimal_tree_path(codes, targets, 2)
    assert path.leaves == (4, 2, 1)
    np.testing.assert_allclose(path.losses, [0.0, 16.0, 16e12 + 16.0], rtol=1e-12)


def test_time_that_is_too_short_is_said():
    rng = np.random.default_rng(0)
    codes, y = rng.integers(0, 2, (300, 20)), rng.normal(size=300)
    assert not optimal_tree_path(codes, y, 4, time_limit=0.0).proven
    fit = fit_exact_tree_of_size(codes, y, 4, 5, time_limit=0.0)
    exact = fit_exact_tree_of_size(codes, y, 3, 5)
    assert fit.status == "time_limit" and fit.lower_bound <= exact.loss
    assert (fit.tree.feature < 0).sum() <= 5


@pytest.mark.parametrize("alpha", [-1.0, float("nan")])
def test_a_penalty_below_zero_is_refused(alpha):
    path = optimal_tree_path(np.array([[0], [1]]), np.array([0.0, 1.0]), 1)
    with pytest.raises(ValueError, match="alpha"):
        path.tree_at(alpha)


@pytest.mark.parametrize(
    ("change", "name"),
    [
        ({"max_leaf_nodes": 0}, "max_leaf_nodes"),
        ({"max_leaf_nodes": 2.5}, "max_leaf_nodes"),
        ({"max_leaf_nodes": True}, "max_leaf_nodes"),
        ({"max_depth": -1}, "max_depth"),
        ({"cost": "gini"}, "cost"),
        ({"time_limit": float("nan")}, "time_limit"),
        ({"targets": np.zeros(3)}, "targets"),
        ({"sample_weight": [1.0, -1.0, 1.0, 1.0]}, "sample_weight"),
    ],
)
def test_bad_input_is_named(change, name):
    given = {
        "codes": np.array([[0, 1], [1, 0], [1, 1], [0, 0]]),
        "targets": np.arange(4.0),
        "max_depth": 2,
        "max_leaf_nodes": 3,
    }
    with pytest.raises(ValueError, match=name):
        fit_exact_tree_of_size(**{**given, **change})


def test_what_all_trees_pay_does_not_blur_the_path():
    rng = np.random.default_rng(0)
    codes, label = rng.integers(0, 2, (200, 6)), rng.integers(0, 3, 200)
    costs = 1.0 - np.eye(3)[label]
    plain = optimal_tree_path(codes, costs, 3, cost="linear")
    few = fit_exact_tree_of_size(codes, costs, 3, 4, cost="linear")
    for offset in (2.0**30, -(2.0**30), 2.0**40):
        path = optimal_tree_path(codes, costs + offset, 3, cost="linear")
        assert path.leaves == plain.leaves and path.alphas == plain.alphas
        fit = fit_exact_tree_of_size(codes, costs + offset, 3, 4, cost="linear")
        assert fit.loss - 200 * offset == few.loss
