"""Optimal trees over penalties and of given sizes against the best tree of every size."""

from __future__ import annotations

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


def least_by_size(codes, y, w, depth: int, cost: str, least: int) -> dict[int, float]:
    """Least cost of a tree with exactly b leaves, for every b that there is."""
    found = {1: leaf_cost(y, w, cost)}
    if depth == 0:
        return found
    for column in codes.T:
        for threshold in np.unique(column)[:-1]:
            low = column <= threshold
            if min(low.sum(), (~low).sum()) < least:
                continue
            one, other = (
                least_by_size(codes[s], y[s], w[s], depth - 1, cost, least) for s in (low, ~low)
            )
            for a, left in one.items():
                for b, right in other.items():
                    found[a + b] = min(found.get(a + b, np.inf), left + right)
    return found


def drawn(seed: int, cost: str):
    """Codes, targets, weights, depth and least samples of a leaf of a small problem."""
    rng = np.random.default_rng(seed)
    m, depth = (14, 3) if seed % 2 else (20, 2)
    codes = rng.integers(0, 3, (m, 3))
    if cost == "squared_error":
        y = rng.normal(size=(m, 2)) if seed % 3 else rng.integers(0, 3, (m, 1)).astype(float)
    elif cost == "linear":
        y = rng.normal(size=(m, 3)) if seed % 3 else 1.0 - np.eye(3)[rng.integers(0, 3, m)]
    else:
        y = np.eye(3)[rng.integers(0, 3, m)]
    weight = np.ones(m) if seed % 5 == 0 else rng.integers(0, 4, m) * 0.7
    weight[0] = 1.0
    return codes, y, weight, depth, 1 + seed % 2


def best_by_size(codes, y, weight, depth, cost, least) -> dict[int, float]:
    kept = weight > 0
    return least_by_size(codes[kept], y[kept], weight[kept], depth, cost, least)


@settings(max_examples=25, deadline=None, derandomize=True)
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


@settings(max_examples=25, deadline=None, derandomize=True)
@given(seed=st.integers(0, 10**6), cost=st.sampled_from(COSTS), most=st.integers(1, 9))
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
