"""Limits of time and memory, and what is said of a search that they cut short."""

from __future__ import annotations

import time
from itertools import combinations

import numpy as np
import pytest

from irtheory.trees.exact.bounds import interval_scatter, scatter_of_halves
from irtheory.trees.exact.memory import Plan, plan_search
from irtheory.trees.exact.search import Search
from irtheory.trees.exact.solver import ExactTreeSolver, fit_exact_tree
from irtheory.trees.kernels.deadline import Deadline


def scatter(value: np.ndarray, weight: np.ndarray) -> float:
    if not weight.sum():
        return 0.0
    mean = (weight * value).sum() / weight.sum()
    return float((weight * (value - mean) ** 2).sum())


def test_the_least_scatter_of_intervals_equals_enumeration():
    rng = np.random.default_rng(0)
    for _ in range(60):
        g, parts = int(rng.integers(1, 10)), int(rng.integers(1, 5))
        value, weight = np.sort(rng.normal(size=g).round(1)), rng.integers(1, 4, g) * 1.0
        cuts = combinations(range(1, g), min(parts, g) - 1)
        best = min(sum(map(scatter, np.split(value, cut), np.split(weight, cut))) for cut in cuts)
        assert interval_scatter(value, weight, parts) == pytest.approx(best, abs=1e-12)
        on = rng.integers(0, 2, g).astype(np.uint8)
        halves = sum(interval_scatter(value[on == s], weight[on == s], parts) for s in (0, 1))
        assert scatter_of_halves(value, weight, on, parts) == pytest.approx(halves, abs=1e-12)


@pytest.mark.parametrize("depth", [1, 2, 3, 4, 5])
@pytest.mark.parametrize("cost", ["squared_error", "linear", "entropy"])
def test_no_time_at_all_gives_a_tree_and_a_proven_bound(depth, cost):
    rng = np.random.default_rng(depth)
    codes, labels = rng.integers(0, 2, (90, 6)), rng.integers(0, 3, 90)
    y = np.eye(3)[labels] if cost == "entropy" else rng.normal(size=(90, 2))
    best = fit_exact_tree(codes, y, depth, cost=cost)
    fit = fit_exact_tree(codes, y, depth, cost=cost, time_limit=0)
    assert fit.status == "time_limit" and best.status == "optimal"
    assert fit.lower_bound <= best.loss + 1e-9 and best.loss <= fit.loss + 1e-9
    np.testing.assert_array_equal(fit.tree.predict(codes), fit.predictions)


@pytest.mark.parametrize("depth", [3, 4])
def test_the_bound_of_a_cut_search_is_useful(depth):
    rng = np.random.default_rng(2)
    codes, y = rng.integers(0, 2, (300, 40)), rng.normal(size=300)
    assert len(np.unique(codes, axis=0)) == 300
    fit = fit_exact_tree(codes, y, depth, time_limit=0)
    assert 0.01 * y.var() * 300 < fit.lower_bound <= fit_exact_tree(codes, y, depth).loss


@pytest.mark.slow
@pytest.mark.parametrize("m, n, depth", [(20_000, 600, 2), (1500, 1500, 3), (6000, 300, 4)])
def test_a_time_limit_holds_at_every_depth(m, n, depth):
    rng = np.random.default_rng(0)
    codes, y = rng.integers(0, 2, (m, n), dtype=np.uint8), rng.normal(size=m)
    solver = ExactTreeSolver(codes, depth, threads=1)
    start = time.perf_counter()
    fit = solver.solve(y, time_limit=0.5)
    assert fit.status == "time_limit" and time.perf_counter() - start < 4
    assert fit.loss < y.var() * m and 0 < fit.lower_bound < fit.loss


def test_the_trace_falls_to_the_result():
    rng = np.random.default_rng(3)
    codes, y = rng.integers(0, 2, (80, 6)), rng.normal(size=80)
    fit = fit_exact_tree(codes, y, 5, leaf_penalty=0.01)
    objectives = [moment.objective for moment in fit.trace]
    assert objectives == sorted(objectives, reverse=True) and len(objectives) > 1
    assert fit.trace[-1].objective == pytest.approx(fit.objective, rel=1e-12)
    assert all(moment.lower_bound <= fit.objective for moment in fit.trace)
    seconds = [moment.seconds for moment in fit.trace]
    assert seconds == sorted(seconds) and seconds[0] > 0


@pytest.mark.parametrize("depth, least", [(2, 8000), (3, 8000), (4, 30_000)])
def test_less_memory_means_another_way_to_the_same_tree(depth, least):
    rng = np.random.default_rng(4)
    codes, y = rng.integers(0, 2, (24, 24)), rng.normal(size=(24, 2))
    plain, ways = fit_exact_tree(codes, y, depth), set()
    for memory in (2**21, 100_000, least):
        solver = ExactTreeSolver(codes, depth, max_memory=memory)
        fit = solver.solve(y)
        ways.add(solver._search.plan.way)
        assert fit.structure == plain.structure and fit.status == "optimal"
    assert ways == {"branch", "direct" if depth == 2 else "lattice"}


def test_a_plan_never_needs_more_than_it_may():
    assert plan_search(100, 4, 1, 2, None).way == "lattice"
    # 2000 tests at depth 4 would need about 64 GB for the sums of all pairs of tests.
    assert plan_search(2000, 4, 1, 2, 2**34) == Plan("branch", 2, 2)
    assert plan_search(2000, 3, 1, 2, 2**34) == Plan("lattice", 2, 2)
    assert plan_search(5000, 2, 1, 2, 2**20) == Plan("branch", 1, 1)
    with pytest.raises(ValueError, match="max_memory: sums of 8 numbers for 5000 tests need"):
        plan_search(5000, 2, 8, 2, 2**16)


def test_too_many_tests_for_the_memory_are_refused_before_they_are_made():
    codes = np.arange(3000)[:, None] * np.ones(40, int)
    with pytest.raises(ValueError, match="max_memory: 119960 tests on 3000 samples need about 3"):
        fit_exact_tree(codes, np.arange(3000.0), 3, max_memory=10**9)


@pytest.mark.parametrize("limit", [np.nan, np.inf, -1, True, "5", [1]])
def test_a_bad_time_limit_is_named(limit):
    with pytest.raises(ValueError, match="time_limit: expected seconds ≥ 0, found"):
        fit_exact_tree([[0], [1]], [0.0, 1.0], 1, time_limit=limit)


@pytest.mark.parametrize("limit", [0, -5, True, "5", 1.5])
def test_a_bad_memory_limit_is_named(limit):
    with pytest.raises(ValueError, match="max_memory: expected a whole number ≥ 1, found"):
        fit_exact_tree([[0], [1]], [0.0, 1.0], 1, max_memory=limit)


def test_a_deadline_is_set_from_another_thread():
    with Deadline(0.05) as deadline:
        assert not deadline.passed
        end = time.perf_counter() + 5
        while not deadline.stop[0] and time.perf_counter() < end:
            time.sleep(0.01)
    assert deadline.stop[0] == 1 and deadline.passed
    with Deadline() as never:
        assert not never.limited and not never.passed


def test_what_was_refused_for_its_memory_is_refused_again():
    rng = np.random.default_rng(0)
    codes = rng.integers(0, 2, (200, 60))
    solver = ExactTreeSolver(codes, 2, max_memory=2_000_000, threads=1)
    for _ in range(2):
        assert solver.solve(rng.normal(size=200)).status == "optimal"
        for _ in range(2):
            with pytest.raises(ValueError, match="max_memory"):
                solver.solve(rng.normal(size=(200, 3000)))


def test_ties_that_there_was_no_time_to_settle_are_not_proven(monkeypatch):
    codes = (np.arange(64)[:, None] >> np.arange(6)) & 1
    y = np.c_[codes[:, 0] * 1e7, codes[:, 1] + 0.01 * np.random.default_rng(0).random(64)]
    whole = Search.candidates

    def late(search):
        search.shape.stop[0] = 1  # as the deadline does
        return whole(search)

    monkeypatch.setattr(Search, "candidates", late)
    fit = fit_exact_tree(codes, y, 2, time_limit=100)
    assert fit.status == "time_limit" and fit.lower_bound < 0.001


def test_deep_trees_have_a_bound_when_time_is_up():
    rng = np.random.default_rng(0)
    fit = fit_exact_tree(rng.integers(0, 2, (400, 30)), rng.normal(size=400), 5, time_limit=0.2)
    assert fit.status == "time_limit" and fit.lower_bound > 1


def test_weights_that_sums_would_lose_are_refused():
    with pytest.raises(ValueError, match="sample_weight: expected weights of 0 or of at least"):
        fit_exact_tree([[0], [1], [0]], [0.0, 1.0, 2.0], 1, sample_weight=[1.0, 1e-30, 0.0])
    assert fit_exact_tree([[0], [1]], [0.0, 1.0], 1, sample_weight=[1.0, 1e-15]).loss == 0
