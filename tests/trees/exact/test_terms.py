"""Leaf costs, weights, penalties and sizes of targets, against enumeration of all trees."""

from __future__ import annotations

from functools import cache
from itertools import pairwise

import numpy as np
import pytest
from sklearn.tree import DecisionTreeRegressor

from irtheory.trees.exact.design import Pruning
from irtheory.trees.exact.solver import ExactTreeSolver, fit_exact_tree

COSTS = ("squared_error", "linear", "entropy")


def leaf_cost(y: np.ndarray, w: np.ndarray, cost: str) -> float:
    """Cost of one leaf; of a linear cost the regret, and each digit from its own samples."""
    if cost == "linear":
        return float((w[:, None] * (y - y.min(axis=1, keepdims=True))).sum(axis=0).min())
    away = y - y[0]
    mean = (w[:, None] * away).sum(axis=0) / w.sum()
    if cost == "entropy":
        sums = (w[:, None] * y).sum(axis=0)
        sums = sums[sums > 0]
        return float(-(sums * np.log(sums / w.sum())).sum())
    return float((w[:, None] * (away - mean) ** 2).sum())


def least(codes, y, w, depth: int, cost: str, samples: int = 1, penalty: float = 0.0) -> float:
    """Least cost of all trees, remembered by set of samples."""
    tests = [(j, (a + b) / 2) for j, c in enumerate(codes.T) for a, b in pairwise(np.unique(c))]

    @cache
    def solve(rows: tuple[int, ...], depth: int) -> float:
        at = np.array(rows)
        best = leaf_cost(y[at], w[at], cost) + penalty
        for j, t in tests if depth else ():
            left = codes[at, j] <= t
            if min(left.sum(), (~left).sum()) >= samples:
                halves = [solve(tuple(at[side].tolist()), depth - 1) for side in (left, ~left)]
                best = min(best, sum(halves))
        return best

    return solve(tuple(range(len(codes))), depth)


def targets_of(rng, cost: str, codes: np.ndarray, k: int) -> np.ndarray:
    """Targets of one size, of many sizes, tied, far from 0, or next to a large step."""
    m = len(codes)
    if cost == "entropy":
        return (
            np.eye(k)[rng.integers(0, k, m)] if rng.random() < 0.6 else rng.dirichlet(np.ones(k), m)
        )
    y = rng.normal(size=(m, k)) if rng.random() < 0.7 else rng.integers(0, 3, (m, k)) * 1.0
    if rng.random() < 0.4:
        y = y * 10.0 ** rng.integers(-8, 8, k)
    if rng.random() < 0.4:
        y = np.round(y) + codes[:, :1] * 10.0 ** rng.integers(0, 9)
    if rng.random() < 0.2:
        y = y + 1e12 * (1 if cost == "squared_error" else rng.normal(size=(m, 1)).round())
    return y * 10.0 ** rng.integers(-100, 100) if rng.random() < 0.2 else y


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("cost", COSTS)
def test_equals_enumeration(cost, weighted):
    rng = np.random.default_rng([len(cost), weighted])
    for _ in range(70):
        m, depth, k = (int(rng.integers(*ends)) for ends in ((1, 20), (0, 5), (2, 10)))
        codes = rng.integers(0, rng.integers(2, 4), (m, rng.integers(1, 4)))
        y, w = targets_of(rng, cost, codes, k), np.ones(m)
        if weighted:
            w = rng.choice([0, 0.5, 1, 3.7, 1e-3, 1e4], m)
            w[0] = 1.0
        samples, kept = int(rng.choice([1, 1, 2, 3])), w > 0
        size = leaf_cost(y[kept], w[kept], cost)
        penalty = float(size * rng.choice([0, 0, 0.01, 0.3, 2]))
        fit = fit_exact_tree(
            codes, y, depth, cost=cost, sample_weight=w if weighted else None,
            leaf_penalty=penalty, min_samples_leaf=samples, threads=1,
            pruning=Pruning(*(rng.random(4) < 0.7)),
        )  # fmt: skip
        best = least(codes[kept], y[kept], w[kept], depth, cost, samples, penalty)
        own = [fit.leaf_of[kept] == leaf for leaf in np.unique(fit.leaf_of[kept])]
        cost_of_tree = sum(leaf_cost(y[kept][a], w[kept][a], cost) + penalty for a in own)
        digits = 2e-9 * best + 4e-16 * abs(fit.objective)
        assert fit.status == "optimal" and abs(cost_of_tree - best) <= digits
        gap = fit.objective - fit.lower_bound
        assert 0 <= gap <= digits and fit.tree.depth <= depth
        assert fit.objective == pytest.approx(fit.loss + penalty * fit.tree.n_leaves, rel=1e-12)
        assert len(own) == 1 or min(a.sum() for a in own) >= samples
        np.testing.assert_array_equal(fit.tree.predict(codes), fit.predictions)


def all_codes(bits: int) -> np.ndarray:
    return (np.arange(2**bits)[:, None] >> np.arange(bits)) & 1


@pytest.mark.parametrize("large", [1.0, 1e3, 1e6, 1e9])
def test_a_small_output_beside_a_large_one_is_split(large):
    codes = all_codes(6)
    targets = np.c_[codes[:, 0] * large, codes[:, 1]]
    fit = fit_exact_tree(codes, targets, 2)
    assert fit.loss == 0 and fit.lower_bound == 0
    if large < 1e9:  # beyond, scikit-learn loses the second split too
        peer = DecisionTreeRegressor(max_depth=2, random_state=0).fit(codes, targets)
        assert ((peer.predict(codes) - targets) ** 2).sum() == 0
    costs = np.c_[codes[:, 0] * large + codes[:, 1], (1 - codes[:, 0]) * large, codes[:, 2] + 0.5]
    fit = fit_exact_tree(codes, costs, 3, cost="linear")
    regret = costs - costs.min(axis=1, keepdims=True)
    assert (fit.predictions * regret).sum() == pytest.approx(
        least(codes, costs, np.ones(64), 3, "linear"), rel=1e-9, abs=1e-9
    )


@pytest.mark.parametrize("depth", [2, 3, 4, 5])
def test_small_structure_is_found_beside_large_noise(depth):
    rng = np.random.default_rng(depth)
    codes = np.repeat(all_codes(6), 3, axis=0)
    quiet = codes[:, 0] == 0
    y = np.where(quiet, 1e-6 * codes[:, 1], 1e6 * (9 + rng.normal(size=len(codes))))
    tree = fit_exact_tree(codes, y, depth).tree
    assert len(np.unique(tree.predict(codes)[quiet])) > 1
    assert ((tree.predict(codes)[quiet, 0] - y[quiet]) ** 2).sum() <= 1e-24


@pytest.mark.parametrize("offset", [1e8, -1e14, 3e15])
@pytest.mark.parametrize("depth", [1, 2, 3, 4])
def test_an_offset_loses_no_split(offset, depth):
    codes = all_codes(5)
    y = codes[:, 0] + 2.0 * codes[:, 1]
    plain, moved = fit_exact_tree(codes, y, depth), fit_exact_tree(codes, y + offset, depth)
    assert moved.structure == plain.structure
    assert moved.loss == pytest.approx(plain.loss, rel=1e-9, abs=1e-12)
    np.testing.assert_array_equal(moved.tree.predict(codes), moved.predictions)


@pytest.mark.parametrize("size", [1e-139, 1e-60, 1e60, 1e139])
@pytest.mark.parametrize("cost", ["squared_error", "linear"])
def test_the_size_of_targets_does_not_matter(size, cost):
    rng = np.random.default_rng(0)
    codes, y = rng.integers(0, 2, (40, 5)), rng.normal(size=(40, 3))
    plain = fit_exact_tree(codes, y, 3, cost=cost)
    scaled = fit_exact_tree(codes, y * size, 3, cost=cost)
    assert scaled.structure == plain.structure
    power = size if cost == "linear" else size**2
    assert scaled.loss == pytest.approx(plain.loss * power, rel=1e-9, abs=0)


@pytest.mark.parametrize("cost", ["squared_error", "linear"])
def test_targets_whose_squares_are_no_numbers_are_refused(cost):
    y = np.eye(2)[[0, 1, 1]] * 1e-170
    with pytest.raises(
        ValueError, match="targets: expected differences of 0 or of at least 1e-140"
    ):
        fit_exact_tree([[0], [1], [1]], y, 1, cost=cost)
    assert fit_exact_tree([[0], [1]], [[1e-170], [1e-170]], 1).loss == 0


def test_a_sequence_may_change_the_size_of_its_targets():
    rng = np.random.default_rng(1)
    codes, y = rng.integers(0, 2, (80, 7)), rng.normal(size=(80, 2))
    solver = ExactTreeSolver(codes, 3)
    for size in (1.0, 1e-20, 1e-20, 1e30, 1e120, 1.0, 0.0, 1.0):
        fit = solver.solve(y * size)
        assert fit.structure == fit_exact_tree(codes, y * size, 3).structure


@pytest.mark.parametrize("depth", [3, 4])
def test_a_sequence_may_change_its_penalty(depth):
    rng = np.random.default_rng(depth)
    codes, y = rng.integers(0, 2, (80, 7)), rng.normal(size=(80, 2))
    solver = ExactTreeSolver(codes, depth)
    for penalty in (0.0, 3.0, 0.5, 0.5, 1e9, 1.0, 0.0):
        fit = solver.solve(y, leaf_penalty=penalty)
        cold = fit_exact_tree(codes, y, depth, leaf_penalty=penalty)
        assert fit.structure == cold.structure and fit.lower_bound <= fit.objective


@pytest.mark.parametrize("cost", COSTS)
@pytest.mark.parametrize("depth", [2, 3, 4])
def test_whole_weights_count_as_repeated_samples(cost, depth):
    rng = np.random.default_rng([depth, len(cost)])
    codes, y = rng.integers(0, 3, (40, 4)), targets_of(rng, "entropy", np.zeros((40, 1)), 3)
    w = rng.integers(0, 4, 40)
    weighted = fit_exact_tree(codes, y, depth, cost=cost, sample_weight=w)
    repeated = fit_exact_tree(
        np.repeat(codes, w, axis=0), np.repeat(y, w, axis=0), depth, cost=cost
    )
    assert weighted.loss == pytest.approx(repeated.loss, rel=1e-9)
    np.testing.assert_array_equal(weighted.tree.feature, repeated.tree.feature)
    np.testing.assert_allclose(weighted.tree.count, repeated.tree.count)
    np.testing.assert_allclose(weighted.tree.value, repeated.tree.value, atol=1e-12)


@pytest.mark.parametrize("kinds", [1, 2, 3, 8, 9])
@pytest.mark.parametrize("depth", [2, 3, 4])
def test_counting_bits_and_adding_rows_agree(kinds, depth, monkeypatch):
    rng = np.random.default_rng([kinds, depth])
    codes = rng.integers(0, 2, (300, 10))[rng.integers(0, 300, 400)]
    y = rng.normal(size=(kinds, 2))[rng.integers(0, kinds, 400)]
    counted = fit_exact_tree(codes, y, depth)
    monkeypatch.setattr("irtheory.trees.exact.sums.MOST_KINDS", 0)
    added = fit_exact_tree(codes, y, depth)
    assert counted.structure == added.structure
    assert counted.loss == pytest.approx(added.loss, rel=1e-12)


@pytest.mark.parametrize(
    "changed, message",
    [
        ({"sample_weight": [1.0]}, "sample_weight: expected 2 numbers, found"),
        ({"sample_weight": [1.0, -1.0]}, "expected finite weights ≥ 0, found -1.0 for sample 1"),
        ({"sample_weight": [np.nan, 1.0]}, "expected finite weights ≥ 0, found nan for sample 0"),
        ({"sample_weight": [0, 0]}, "expected a weight of at least 1e-140, found only 0"),
        ({"sample_weight": [1e-310, 0]}, "a weight of at least 1e-140, found at most 1e-310"),
        ({"sample_weight": ["a", "b"]}, "sample_weight: expected 2 numbers"),
        ({"leaf_penalty": -1}, "leaf_penalty: expected a finite number ≥ 0, found -1"),
        ({"leaf_penalty": np.inf}, "leaf_penalty: expected a finite number ≥ 0, found inf"),
        ({"cost": "entropy"}, "targets: expected rows that sum to 1 for entropy, found 2.0"),
        ({"cost": "entropy", "targets": [[2, -1], [0, 1]]}, "expected no negative share"),
    ],
)
def test_bad_terms_are_named(changed, message):
    good = {"codes": [[0], [1]], "targets": [1.0, 2.0], "max_depth": 2}
    with pytest.raises(ValueError, match=message):
        fit_exact_tree(**(good | changed))
