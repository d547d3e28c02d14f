from __future__ import annotations

from functools import cache
from itertools import pairwise, product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from irtheory.trees.exact.design import Pruning
from irtheory.trees.exact.solver import ExactTreeSolver, fit_exact_tree
from irtheory.trees.tree import Tree

PRUNINGS = [Pruning(*on) for on in product((True, False), repeat=4)]
COSTS = ("squared_error", "linear")


def leaf_cost(y: np.ndarray, linear: bool) -> float:
    if linear:
        return float(y.sum(axis=0).min())
    return float(((y - y.mean(axis=0)) ** 2).sum())


def best_cost(codes, targets, depth: int, linear: bool = False, least: int = 1) -> float:
    """Least cost over all trees of depth ≤ `depth`, remembered by set of samples."""
    cost, _ = best_tree(codes, targets, depth, linear, least)
    return cost


def best_tree(codes, targets, depth: int, linear: bool = False, least: int = 1):
    """(cost, tests): nested (feature, threshold, left, right), None at a leaf.

    Ties go to a leaf, then to the lowest feature and threshold, from the root down.
    """
    codes, targets = np.asarray(codes), np.asarray(targets, float)
    tests = [(j, (a + b) / 2) for j, c in enumerate(codes.T) for a, b in pairwise(np.unique(c))]
    tie = 1e-11 * (1 + np.abs(targets).sum() + (targets**2).sum())

    @cache
    def solve(rows: tuple[int, ...], depth: int):
        at = np.array(rows)
        best = leaf_cost(targets[at], linear), None
        for j, t in tests if depth else []:
            left = codes[at, j] <= t
            if min(left.sum(), (~left).sum()) < least:
                continue
            low, high = (solve(tuple(at[side].tolist()), depth - 1) for side in (left, ~left))
            if low[0] + high[0] < best[0] - tie:
                best = low[0] + high[0], (j, t, low[1], high[1])
        return best

    return solve(tuple(range(len(codes))), depth)


def nested_tests(tree, node: int = 0):
    """The tests of a `Tree` in the nested form of `best_tree`."""
    if tree.feature[node] < 0:
        return None
    below = [nested_tests(tree, int(child[node])) for child in (tree.left, tree.right)]
    return int(tree.feature[node]), float(tree.threshold[node]), *below


def problem(rng, depth: int, k: int):
    """A small problem: random codes with gaps, repeated, constant and complementary columns."""
    m, n = int(rng.integers(1, 15)), int(rng.integers(1, 4 if depth <= 3 else 3))
    codes = rng.choice([-3, 0, 1, 7], size=(m, n)) if rng.random() < 0.4 else None
    codes = rng.integers(0, rng.integers(1, 4), (m, n)) if codes is None else codes
    if rng.random() < 0.3:
        codes = codes[rng.integers(0, m, m)]
    if n > 1 and rng.random() < 0.3:
        codes[:, -1] = rng.choice([1, -1]) * codes[:, 0]
    targets = rng.normal(size=(m, k))
    if rng.random() < 0.3:
        targets = rng.integers(0, 3, (m, k)).astype(float)
    return codes, targets


def close(found: float, expected: float) -> bool:
    return abs(found - expected) <= 1e-9 * (1 + abs(expected))


def check_against_enumeration(codes, targets, depth, cost, least, pruning=None) -> None:
    linear = cost == "linear"
    fit = fit_exact_tree(
        codes, targets, depth, cost=cost, min_samples_leaf=least, pruning=pruning, threads=1
    )
    assert close(fit.loss, best_cost(codes, targets, depth, linear, least))
    assert fit.status == "optimal" and close(fit.lower_bound, fit.loss)
    leaves = fit.tree.apply(codes)
    np.testing.assert_array_equal(fit.tree.predict(codes), fit.predictions)
    parts = [targets[leaves == leaf] for leaf in np.unique(leaves)]
    assert close(sum(leaf_cost(part, linear) for part in parts), fit.loss)
    assert fit.tree.depth <= depth
    assert len(parts) == 1 or min(map(len, parts)) >= least
    if linear:
        paid = (fit.predictions * targets).sum()
        assert (fit.predictions.sum(axis=1) == 1).all() and close(paid, fit.loss)


@pytest.mark.parametrize("cost", COSTS)
@pytest.mark.parametrize("k", [1, 2, 3, 8, 9])
@pytest.mark.parametrize("depth", range(6))
def test_equals_enumeration(depth, k, cost):
    rng = np.random.default_rng([depth, k, len(cost)])
    for _ in range(40 if depth < 4 else 15):
        least = int(rng.choice([1, 1, 2, 3]))
        check_against_enumeration(*problem(rng, depth, k), depth, cost, least)


@settings(max_examples=150)
@given(seed=st.integers(0, 2**32 - 1), depth=st.integers(0, 4), k=st.sampled_from([1, 2, 8, 9]))
def test_equals_enumeration_anywhere(seed, depth, k):
    rng = np.random.default_rng(seed)
    for cost in COSTS:
        check_against_enumeration(*problem(rng, depth, k), depth, cost, 1)


@pytest.mark.parametrize("pruning", PRUNINGS, ids=lambda p: f"{[*vars(p).values()]}")
def test_every_pruning_gives_the_same_result(pruning):
    rng = np.random.default_rng(7)
    for i in range(30):
        depth, cost = 1 + i % 5, COSTS[i // 5 % 2]
        codes, targets = problem(rng, depth, 1 + i % 3)
        check_against_enumeration(codes, targets, depth, cost, 1 + i % 2, pruning)
        mine, plain = (
            fit_exact_tree(codes, targets, depth, cost=cost, pruning=p).tree
            for p in (pruning, Pruning())
        )
        assert nested_tests(mine) == nested_tests(plain)


@pytest.mark.parametrize("cost", COSTS)
@pytest.mark.parametrize("depth", [1, 2, 3, 4, 5])
def test_ties_go_to_a_leaf_then_the_lowest_feature_and_threshold(depth, cost):
    rng = np.random.default_rng(depth)
    for _ in range(25):
        m = int(rng.integers(2, 12))
        codes = rng.integers(0, 4 if depth < 4 else 3, (m, 2))
        codes = np.c_[codes, codes[:, :1]]
        targets = rng.integers(0, 2, (m, 2)).astype(float)
        tests = best_tree(codes, targets, depth, cost == "linear")[1]
        assert nested_tests(fit_exact_tree(codes, targets, depth, cost=cost).tree) == tests


@pytest.mark.parametrize("depth", range(6))
@pytest.mark.parametrize("cost", COSTS)
def test_constant_targets_give_one_leaf(depth, cost):
    codes = np.random.default_rng(0).integers(0, 3, (40, 4))
    fit = fit_exact_tree(codes, np.full((40, 2), 0.1), depth, cost=cost)
    assert fit.tree.n_nodes == 1


@pytest.mark.parametrize("depth", [3, 4])
@pytest.mark.parametrize("cost", COSTS)
def test_threads_do_not_change_the_tree(depth, cost):
    rng = np.random.default_rng(3)
    codes, targets = rng.integers(0, 2, (300, 24)), rng.integers(0, 2, (300, 3)) * 1.0
    one, two = (fit_exact_tree(codes, targets, depth, cost=cost, threads=t) for t in (1, 2))
    assert one.structure == two.structure and one.loss == two.loss


@pytest.mark.parametrize("depth", [3, 4, 5])
@pytest.mark.parametrize("cost", COSTS)
def test_out_of_time_still_gives_a_tree_and_a_bound(depth, cost):
    rng = np.random.default_rng(5)
    codes, targets = rng.integers(0, 2, (60, 6)), rng.normal(size=(60, 2))
    best = fit_exact_tree(codes, targets, depth, cost=cost)
    fit = fit_exact_tree(codes, targets, depth, cost=cost, time_limit=0)
    assert fit.status == "time_limit" and fit.tree.depth <= depth
    assert fit.lower_bound <= best.loss + 1e-9 and best.loss <= fit.loss + 1e-9
    np.testing.assert_array_equal(fit.tree.predict(codes), fit.predictions)


def test_progress_rises_to_one():
    rng, seen = np.random.default_rng(0), []
    fit_exact_tree(rng.integers(0, 2, (50, 6)), rng.normal(size=50), 3, progress=seen.append)
    assert seen == sorted(seen) and seen[-1] == 1


BAD_SETTINGS = [
    ({"max_depth": -1}, "max_depth: expected a whole number ≥ 0, found -1"),
    ({"max_depth": 2.5}, "max_depth: expected a whole number ≥ 0, found 2.5"),
    ({"cost": "gini"}, "cost: expected one of 'squared_error', 'linear', 'entropy', found 'gini'"),
    ({"min_samples_leaf": 0}, "min_samples_leaf: expected a whole number ≥ 1, found 0"),
    ({"threads": 0}, "threads: expected a whole number ≥ 1, found 0"),
    ({"targets": [1.0, np.nan]}, "targets: expected finite numbers"),
    ({"targets": [1.0, 2.0, 3.0]}, r"targets: expected 2 × k numbers, found shape \(3, 1\)"),
    ({"targets": np.zeros((2, 0))}, r"targets: .* found shape \(2, 0\)"),
    ({"targets": ["a", "b"]}, "targets: expected numbers, found dtype"),
    ({"codes": [[0.5], [1]]}, "codes: expected whole numbers, found fractions"),
    ({"codes": [[np.inf], [1]]}, "codes: expected finite whole numbers"),
    ({"codes": [0, 1]}, r"codes: expected samples × features, found shape \(2,\)"),
    ({"codes": [["a"], ["b"]]}, "codes: expected whole numbers, found dtype"),
    (
        {"codes": [[0], [2**53 + 1]]},
        "codes: expected -4503599627370496 … 4503599627370496, found 9007199254740993",
    ),
    (
        {"codes": [[-(2.0**60)], [0]]},
        r"codes: expected -4503599627370496 … 4503599627370496, found -1.152921504606847e\+18",
    ),
    (
        {"codes": np.empty((2, 0))},
        r"codes: expected samples × features, found shape \(2, 0\)",
    ),
    ({"targets": [0.0, -1e150]}, r"targets: expected finite numbers below 1e140, found 1e\+150"),
    ({"targets": [0.0, 1e200], "cost": "linear"}, "targets: expected finite numbers below 1e140"),
]


@pytest.mark.parametrize("changed, message", BAD_SETTINGS)
def test_bad_input_is_named(changed, message):
    good = {"codes": [[0], [1]], "targets": [1.0, 2.0], "max_depth": 2}
    with pytest.raises(ValueError, match=message):
        fit_exact_tree(**(good | changed))


def test_a_warm_start_on_other_features_is_refused():
    with pytest.raises(ValueError, match="warm_start: expected a tree on 1 features, found 3"):
        ExactTreeSolver([[0], [1]], 3).solve([0.0, 1.0], warm_start=Tree.leaf([0.0], 2, 3))
