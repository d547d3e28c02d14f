"""All near-optimal trees against brute force over every tree."""

from __future__ import annotations

import numpy as np
import pytest

from irtheory.trees.exact.near_optimal import near_optimal_trees


def leaf_cost(y: np.ndarray, w: np.ndarray, cost: str) -> float:
    if cost == "linear":
        return float((w @ y).min())
    mean = w @ y / w.sum()
    if cost == "squared_error":
        return float(w @ ((y - mean) ** 2).sum(axis=1))
    return float(-w.sum() * sum(p * np.log(p) for p in mean if p > 0))


def every_tree(codes, y, w, depth: int, cost: str, least: int) -> list[tuple[float, tuple]]:
    """(cost, tests) of all trees of depth ≤ `depth`; a tree is () or (f, t, low, high)."""
    found: list[tuple[float, tuple]] = [(leaf_cost(y, w, cost), ())]
    if depth == 0:
        return found
    for f, t in TESTS:
        low = codes[:, f] <= t
        if min(low.sum(), (~low).sum()) < least:
            continue
        halves = [every_tree(codes[s], y[s], w[s], depth - 1, cost, least) for s in (low, ~low)]
        found += [(a + b, (f, t, s, u)) for a, s in halves[0] for b, u in halves[1]]
    return found


TESTS: list[tuple[int, float]] = []


def brute_force(codes, y, w, depth, cost, least):
    """All trees of samples of positive weight, cheapest first."""
    codes, y, w = codes[w > 0], y[w > 0], w[w > 0]
    TESTS[:] = [
        (f, float(a + b) / 2)
        for f, column in enumerate(codes.T)
        for a, b in zip(np.unique(column)[:-1], np.unique(column)[1:], strict=True)
    ]
    return sorted(every_tree(codes, y, w, depth, cost, least), key=lambda item: item[0])


def shape_of(tree, node: int = 0) -> tuple:
    if tree.feature[node] < 0:
        return ()
    low, high = (shape_of(tree, int(side[node])) for side in (tree.left, tree.right))
    return (int(tree.feature[node]), float(tree.threshold[node]), low, high)


def drawn(seed: int, cost: str, m: int, n: int, levels: int):
    rng = np.random.default_rng(seed)
    codes = rng.integers(0, levels, (m, n))
    if cost == "squared_error":
        y = rng.normal(size=(m, 2)) if seed % 2 else rng.integers(0, 3, (m, 1)).astype(float)
    elif cost == "linear":
        y = rng.normal(size=(m, 3)) if seed % 2 else 1.0 - np.eye(3)[rng.integers(0, 3, m)]
    else:
        y = np.eye(3)[rng.integers(0, 3, m)]
    weight = np.ones(m) if seed % 3 == 0 else rng.integers(0, 4, m) * 0.7
    weight[0] = 1.0
    return codes, y, weight


@pytest.mark.parametrize("cost", ["squared_error", "linear", "entropy"])
@pytest.mark.parametrize("depth", [0, 1, 2, 3])
@pytest.mark.parametrize("seed", range(4))
def test_all_trees_are_those_of_brute_force(cost, depth, seed):
    m, n, levels = (12, 3, 2) if depth == 3 else (14, 4, 3)
    codes, y, weight = drawn(seed, cost, m, n, levels)
    least = 1 + seed % 2
    trees = brute_force(codes, y, weight, depth, cost, least)
    for epsilon, absolute in ((0.0, 0.0), (0.3, 0.0), (0.1, 1.3)):
        near = near_optimal_trees(
            *(codes, y, depth, epsilon),
            cost=cost,
            sample_weight=weight,
            min_samples_leaf=least,
            absolute=absolute,
            cap=10**5,
            threads=1,
        )
        optimum = trees[0][0]
        bound = optimum + epsilon * abs(optimum) + absolute
        expected = [(c, t) for c, t in trees if c <= bound + 1e-9 * abs(bound) + 1e-12]
        assert near.optimum == pytest.approx(optimum, rel=1e-9, abs=1e-12)
        assert near.bound == pytest.approx(bound, rel=1e-9, abs=1e-12)
        assert near.complete
        assert near.count == len(expected)
        assert {shape_of(tree) for tree in near.trees} == {tests for _, tests in expected}
        np.testing.assert_allclose(near.losses, [c for c, _ in expected], rtol=1e-8, atol=1e-12)
        used = [{f for f in t.feature.tolist() if f >= 0} for t in near.trees]
        assert near.features_in_every == tuple(sorted(set.intersection(*used)))
        assert near.features_in_some == tuple(sorted(set.union(*used)))
