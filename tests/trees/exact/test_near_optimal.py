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


def leaves(tests: tuple) -> int:
    return 1 if not tests else leaves(tests[2]) + leaves(tests[3])


def brute_force(codes, y, w, depth, cost, least, penalty=0.0):
    """(objective, tests) of all trees of samples of positive weight, cheapest first."""
    codes, y, w = codes[w > 0], y[w > 0], w[w > 0]
    TESTS[:] = [
        (f, float(a + b) / 2)
        for f, column in enumerate(codes.T)
        for a, b in zip(np.unique(column)[:-1], np.unique(column)[1:], strict=True)
    ]
    trees = every_tree(codes, y, w, depth, cost, least)
    penalised = [(loss + penalty * leaves(tests), tests) for loss, tests in trees]
    return sorted(penalised, key=lambda item: item[0])


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
    penalty = 0.4 * (seed // 2)
    trees = brute_force(codes, y, weight, depth, cost, least, penalty)
    for epsilon, absolute in ((0.0, 0.0), (0.3, 0.0), (0.1, 1.0)):
        near = near_optimal_trees(
            *(codes, y, depth, epsilon),
            cost=cost,
            sample_weight=weight,
            min_samples_leaf=least,
            leaf_penalty=penalty,
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
        found = [
            loss + penalty * leaves(shape_of(tree))
            for loss, tree in zip(near.losses, near.trees, strict=True)
        ]
        np.testing.assert_allclose(found, [c for c, _ in expected], rtol=1e-8, atol=1e-12)
        used = [{f for f in t.feature.tolist() if f >= 0} for t in near.trees]
        assert near.features_in_every == tuple(sorted(set.intersection(*used)))
        assert near.features_in_some == tuple(sorted(set.union(*used)))


def test_structure_that_is_small_beside_another_output_counts():
    codes = (np.arange(64)[:, None] >> np.arange(6)) & 1
    targets = np.c_[codes[:, 0] * 1e6, codes[:, 1]].astype(float)
    near = near_optimal_trees(codes, targets, 2, 0.5)
    # Column 0 then 1, or 1 then 0: both cost nothing, and no other tree does.
    assert (near.optimum, near.bound, near.count) == (0.0, 0.0, 2)
    assert near.features_in_every == near.features_in_some == (0, 1)
    # Splitting by one output alone costs 16: with the others' tests below, or without them.
    everything = brute_force(codes, targets, np.ones(64), 2, "squared_error", 1)
    wider = near_optimal_trees(codes, targets, 2, 0.0, absolute=16.0, cap=10**4)
    assert wider.count == sum(cost <= 16.0 + 1e-6 for cost, _ in everything) > 2


def test_rounding_beside_a_large_output_does_not_hide_trees():
    rng = np.random.default_rng(1)
    codes = rng.integers(0, 2, (45, 4))
    targets = np.c_[codes[:, 0] * 1e7 / 3, codes[:, 1] * 0.1 + 1 / 7]
    near = near_optimal_trees(codes, targets, 2, 0.1)
    assert near.count == 2 and near.features_in_every == (0, 1)
    # Every tree of depth 3 that makes the two tests first or second loses nothing.
    deeper = near_optimal_trees(codes, targets, 3, 0.1, cap=10**4)
    everything = brute_force(codes, targets, np.ones(45), 3, "squared_error", 1)
    assert deeper.count == sum(cost < 1e-8 for cost, _ in everything) > 2


def test_a_target_beyond_all_others_does_not_widen_the_bound():
    near = near_optimal_trees([[0, 1], [1, 0], [1, 1]], [1e139, 1.0, 5.0], 2, 0.1)
    assert (near.optimum, near.count, near.features_in_every) == (0.0, 2, (0, 1))


def test_pure_leaves_of_any_weight_have_no_entropy():
    rng = np.random.default_rng(4)
    codes, weight = rng.integers(0, 2, (50, 4)), rng.random(50) + 0.1
    targets = np.eye(3)[codes[:, 0] + codes[:, 0] * codes[:, 1]]
    near = near_optimal_trees(codes, targets, 3, 0.0, cost="entropy", sample_weight=weight)
    everything = brute_force(codes, targets, weight, 3, "entropy", 1)
    assert near.optimum == 0.0
    assert near.count == sum(cost < 1e-9 for cost, _ in everything) > 2


@pytest.mark.parametrize(("depth", "columns"), [(2, 3), (3, 2)])
def test_equal_and_complementary_columns_are_other_trees(depth, columns):
    codes, y, _ = drawn(3, "linear", 9, columns, 2 if depth == 2 else 3)
    single = near_optimal_trees(codes, y, depth, 0.2, cost="linear", cap=0)
    doubled = np.column_stack([codes, codes.max() - codes])
    near = near_optimal_trees(doubled, y, depth, 0.2, cost="linear", cap=10**5)
    expected = brute_force(doubled, y, np.ones(9), depth, "linear", 1)
    optimum = expected[0][0]
    expected = [t for c, t in expected if c <= optimum + 0.2 * abs(optimum) + 1e-9]
    assert single.count < near.count == len(expected)
    assert {shape_of(tree) for tree in near.trees} == set(expected)
    assert single.trees == () and single.features_in_some is not None


@pytest.mark.slow
def test_a_count_beyond_64_bits_is_exact():
    n, depth = 7, 5
    codes = (np.arange(2**n)[:, None] >> np.arange(n)) & 1

    def trees(columns: int, levels: int) -> int:
        """Trees on a full cube: a leaf, or a column with a tree on either side."""
        return 1 if levels == 0 else 1 + columns * trees(columns - 1, levels - 1) ** 2

    near = near_optimal_trees(codes, np.zeros(2**n), depth, 0.0, cap=5, threads=1)
    assert near.count == trees(n, depth) > 2**64
    assert near.trees[0].n_nodes == 1 and len(near.trees) == 5


def test_the_cap_cuts_the_same_list_short():
    codes, y, weight = drawn(2, "squared_error", 14, 4, 3)
    settings = {"sample_weight": weight, "absolute": 2.0}
    everything = near_optimal_trees(codes, y, 2, 0.5, cap=10**5, **settings)
    few = near_optimal_trees(codes, y, 2, 0.5, cap=7, **settings)
    assert few.count == everything.count > 7
    assert len(few.trees) == len(few.losses) == 7
    np.testing.assert_allclose(few.losses, everything.losses[:7], rtol=1e-9)
    assert few.features_in_every == everything.features_in_every
    assert few.features_in_some == everything.features_in_some
    again = near_optimal_trees(codes, y, 2, 0.5, cap=7, **settings)
    assert again == few


def test_a_column_without_which_no_tree_is_near_is_found_beyond_the_list():
    rng = np.random.default_rng(0)
    codes = rng.integers(0, 2, (60, 6))
    y = 5.0 * codes[:, 2] + rng.normal(size=60)
    near = near_optimal_trees(codes, y, 3, 0.3, cap=2)
    assert near.count > 1000
    assert near.features_in_every == (2,)
    assert near.features_in_some == (0, 1, 2, 3, 4, 5)


def test_one_key_is_the_only_one():
    codes = (np.arange(16)[:, None] >> np.arange(4)) & 1
    y = np.where(codes[:, 0] == 1, codes[:, 1] * 4.0, 10.0 + codes[:, 2])
    near = near_optimal_trees(codes, y, 2, 0.1)
    assert near.only_one and near.features_in_every == (0, 1, 2)
    assert not near_optimal_trees(codes, y, 3, 0.1).only_one


def test_time_that_is_too_short_gives_a_lower_bound():
    rng = np.random.default_rng(0)
    codes, y = rng.integers(0, 2, (40, 6)), rng.normal(size=40)
    near = near_optimal_trees(codes, y, 3, 0.05, time_limit=0.0)
    assert not near.complete and not near.only_one
    assert near.features_in_every is None and near.features_in_some is None
    assert near.count == len(near.trees) == 0
    assert near_optimal_trees(codes, y, 3, 0.05).count > near.count


@pytest.mark.parametrize(
    ("change", "name"),
    [
        ({"epsilon": -0.1}, "epsilon"),
        ({"epsilon": float("nan")}, "epsilon"),
        ({"epsilon": True}, "epsilon"),
        ({"absolute": float("inf")}, "absolute"),
        ({"cap": -1}, "cap"),
        ({"cap": 1.5}, "cap"),
        ({"max_depth": -1}, "max_depth"),
        ({"min_samples_leaf": 0}, "min_samples_leaf"),
        ({"cost": "gini"}, "cost"),
        ({"time_limit": "5"}, "time_limit"),
        ({"time_limit": float("nan")}, "time_limit"),
        ({"max_memory": 10}, "max_memory"),
        ({"codes": np.full((4, 2), 0.5)}, "codes"),
        ({"targets": np.array([0.0, 1.0, np.nan, 2.0])}, "targets"),
        ({"targets": np.zeros(3)}, "targets"),
        ({"sample_weight": np.zeros(4)}, "sample_weight"),
        ({"cost": "entropy", "targets": np.full((4, 2), 0.7)}, "targets"),
    ],
)
def test_bad_input_is_named(change, name):
    given = {
        "codes": np.array([[0, 1], [1, 0], [1, 1], [0, 0]]),
        "targets": np.arange(4.0),
        "max_depth": 2,
        "epsilon": 0.1,
    }
    with pytest.raises(ValueError, match=name):
        near_optimal_trees(**{**given, **change})


def test_what_all_trees_pay_does_not_blur_the_bound():
    rng = np.random.default_rng(0)
    codes, label = rng.integers(0, 2, (200, 6)), rng.integers(0, 3, 200)
    costs = 1.0 - np.eye(3)[label]
    counts = [
        near_optimal_trees(codes, costs + offset, 2, 0.0, cost="linear").count
        for offset in (0.0, 1e9, 1e12)
    ]
    assert counts == counts[:1] * 3
