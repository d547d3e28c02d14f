"""Depths above 4, where the search branches over root tests."""

from __future__ import annotations

import gc
import weakref
from functools import cache
from itertools import count

import numpy as np
import pytest

from irtheory.trees.exact.design import Pruning
from irtheory.trees.exact.search import Search
from irtheory.trees.exact.solver import ExactTreeSolver, fit_exact_tree

COSTS = ("squared_error", "linear")


def leaf_cost(y: np.ndarray, linear: bool) -> float:
    return float(y.sum(axis=0).min() if linear else ((y - y.mean(axis=0)) ** 2).sum())


def least_cost(codes: np.ndarray, targets: np.ndarray, depth: int, linear: bool) -> float:
    """Optimum over trees on 0/1 codes, remembered by the tests passed on the way."""

    @cache
    def solve(passed: frozenset[tuple[int, int]]) -> float:
        inside = np.ones(len(codes), bool)
        for j, bit in passed:
            inside &= codes[:, j] == bit
        costs = [leaf_cost(targets[inside], linear)]
        for j in range(codes.shape[1]) if len(passed) < depth else []:
            if 0 < codes[inside, j].sum() < inside.sum():
                costs.append(sum(solve(passed | {(j, bit)}) for bit in (0, 1)))
        return min(costs)

    return solve(frozenset())


def cell_cost(codes: np.ndarray, targets: np.ndarray, linear: bool) -> float:
    """Cost of one leaf per distinct row, the optimum once the depth is no constraint."""
    cell = np.unique(codes, axis=0, return_inverse=True)[1].ravel()
    return sum(leaf_cost(targets[cell == c], linear) for c in np.unique(cell))


def problem(seed: int, m: int, n: int, k: int = 3):
    """Random 0/1 codes with targets of both signs."""
    rng = np.random.default_rng(seed)
    return rng.integers(0, 2, (m, n)), rng.normal(size=(m, k))


@pytest.mark.parametrize("cost", COSTS)
@pytest.mark.parametrize("m, n, depth", [(100, 5, 5), (100, 6, 6), (150, 6, 6), (60, 4, 9)])
def test_enough_depth_gives_one_leaf_per_distinct_row(m, n, depth, cost):
    codes, targets = problem(m + n, m, n)
    fit = fit_exact_tree(codes, targets, depth, cost=cost, threads=1)
    assert fit.status == "optimal"
    assert fit.loss == pytest.approx(cell_cost(codes, targets, cost == "linear"), rel=1e-12)
    np.testing.assert_array_equal(fit.tree.predict(codes), fit.predictions)


@pytest.mark.parametrize("cost", COSTS)
@pytest.mark.parametrize("shift", [-5.0, 0.0, 5.0])
@pytest.mark.parametrize("seed, m, n, depth", [(0, 100, 6, 5), (1, 120, 7, 5), (2, 120, 7, 6)])
def test_signs_of_the_targets_do_not_matter(seed, m, n, depth, shift, cost):
    codes, targets = problem(seed, m, n)
    targets = targets + shift
    fits = [
        fit_exact_tree(codes, targets, depth, cost=cost, threads=1, pruning=Pruning(incumbent=on))
        for on in (True, False)
    ]
    best = least_cost(codes, targets, depth, cost == "linear")
    for fit in fits:
        assert fit.status == "optimal" and fit.loss == pytest.approx(best, rel=1e-10)
    assert fits[0].tree == fits[1].tree


@pytest.mark.parametrize("cost", COSTS)
@pytest.mark.parametrize("reads", [0, 1, 2, 5, 12, 30, 60])
def test_whenever_time_runs_out_the_optimum_lies_between_bound_and_loss(monkeypatch, reads, cost):
    codes, targets = problem(3, 100, 6)
    targets = targets - 2.0
    best = least_cost(codes, targets, 5, cost == "linear")
    ticks = count()
    monkeypatch.setattr("time.perf_counter", lambda: float(next(ticks)))
    fit = fit_exact_tree(codes, targets, 5, cost=cost, threads=1, time_limit=reads)
    assert fit.status == "time_limit"
    assert fit.lower_bound <= best + 1e-9 and best <= fit.loss + 1e-9
    np.testing.assert_array_equal(fit.tree.predict(codes), fit.predictions)


def test_the_bound_without_any_time_is_one_leaf_per_distinct_row():
    codes, costs = problem(4, 100, 6)
    fit = fit_exact_tree(codes, costs, 5, cost="linear", time_limit=0)
    assert fit.lower_bound == pytest.approx(cell_cost(codes, costs, True), rel=1e-12)


def test_no_search_of_a_half_outlives_its_result(monkeypatch):
    made, alive, child = [], [], Search.child

    def watched(search: Search, inside: np.ndarray, levels: int = 1) -> Search:
        half = child(search, inside, levels)
        made.append(weakref.ref(half))
        return half

    monkeypatch.setattr(Search, "child", watched)
    gc.disable()
    try:
        fit_exact_tree(
            *problem(5, 80, 6), 5, threads=1,
            progress=lambda _: alive.append(sum(half() is not None for half in made)),
        )  # fmt: skip
    finally:
        gc.enable()
    assert len(made) >= 12 and set(alive) == {0}


@pytest.mark.parametrize("merge", [True, False])
@pytest.mark.parametrize("n, m, deepest", [(3, 60, 3), (12, 3, 2), (4, 1, 0)])
def test_no_deeper_than_tests_or_rows_allow(n, m, deepest, merge):
    codes, targets = problem(6, m, n)
    pruning = Pruning(merge_rows=merge)
    solver = ExactTreeSolver(codes, 10**9, threads=1, pruning=pruning)
    assert solver.depth == deepest
    fit = solver.solve(targets)
    assert len(fit.structure) == 2**deepest - 1
    assert fit.loss == pytest.approx(cell_cost(codes, targets, False), abs=1e-12)
    assert fit.tree == fit_exact_tree(codes, targets, deepest, threads=1).tree


def test_a_depth_that_would_fill_the_memory_is_refused():
    with pytest.raises(ValueError, match=r"max_depth: expected at most 20 .* found 40"):
        ExactTreeSolver(np.eye(30, dtype=int), 40)
    assert ExactTreeSolver(np.eye(30, dtype=int), 20).depth == 20


@pytest.mark.parametrize("depth", [2, 3, 5])
@pytest.mark.parametrize("cost", COSTS)
def test_the_largest_targets_are_still_solved(depth, cost):
    codes, targets = problem(7, 60, 6)
    scale = 9e139 / np.abs(targets).max()
    fit = fit_exact_tree(codes, targets * scale, depth, cost=cost)
    best = least_cost(codes, targets, depth, cost == "linear")
    power = scale if cost == "linear" else scale**2
    assert fit.loss == pytest.approx(best * power, rel=1e-9)


def test_the_largest_codes_are_still_parted():
    top = 2**52
    codes = np.array([[-top], [1 - top], [top - 1], [top]])
    fit = fit_exact_tree(codes, np.arange(4.0) ** 2, 3)
    assert fit.loss == 0 and fit.tree.n_leaves == 4
    np.testing.assert_array_equal(fit.tree.predict(codes), fit.predictions)
