from __future__ import annotations

import numpy as np
import pytest

from irtheory.trees.exact.design import Pruning
from irtheory.trees.exact.solver import ExactTreeSolver, fit_exact_tree
from irtheory.trees.tree import Tree

COSTS = ("squared_error", "linear")


def moving_targets(rng, m: int, k: int, steps: int, tied: bool):
    """Targets that move less and less, with one jump on the way."""
    draw = (lambda: rng.integers(0, 3, (m, k)) * 1.0) if tied else (lambda: rng.normal(size=(m, k)))
    targets = draw()
    for t in range(steps):
        yield targets
        jump = t == steps // 2
        targets = draw() if tied or jump else targets + 0.3 * 0.8**t * draw()


@pytest.mark.parametrize("cost", COSTS)
@pytest.mark.parametrize("depth", [3, 4])
@pytest.mark.parametrize("k, tied", [(1, False), (3, False), (2, True)])
def test_warm_equals_cold_at_every_step(depth, cost, k, tied):
    rng = np.random.default_rng([depth, k])
    codes = rng.integers(0, 3, (70, 5))
    solver = ExactTreeSolver(codes, depth, cost=cost)
    for targets in moving_targets(rng, 70, k, 30, tied):
        warm, cold = solver.solve(targets), fit_exact_tree(codes, targets, depth, cost=cost)
        assert warm.status == "optimal"
        assert warm.loss == pytest.approx(cold.loss, rel=1e-9)
        assert warm.structure == cold.structure and warm.tree == cold.tree


@pytest.mark.parametrize("cost", COSTS)
@pytest.mark.parametrize("depth", [3, 4])
def test_a_small_step_solves_few_small_problems(depth, cost):
    rng = np.random.default_rng(1)
    codes = rng.integers(0, 2, (200, 12))
    targets = 5.0 * codes[:, :2] + rng.normal(size=(200, 2))
    solver = ExactTreeSolver(codes, depth, cost=cost)
    cold = solver.solve(targets).statistics
    warm = solver.solve(targets + 1e-6 * rng.normal(size=(200, 2))).statistics
    assert warm.warm and warm.solved < 0.2 * cold.solved


@pytest.mark.parametrize("depth", [3, 4])
def test_a_jump_goes_back_to_a_cold_search(depth):
    rng = np.random.default_rng(9)
    codes = rng.integers(0, 2, (400, 24))
    solver = ExactTreeSolver(codes, depth)
    warm, targets = [], np.zeros((400, 2))
    for step in (1.0, 1e-7, 1.0, 1e-7):
        targets = targets + step * rng.normal(size=(400, 2))
        fit = solver.solve(targets)
        warm.append(fit.statistics.warm)
        assert fit.structure == fit_exact_tree(codes, targets, depth).structure
    assert warm == [False, True, False, True]


def test_another_number_of_outputs_starts_afresh():
    rng = np.random.default_rng(2)
    codes = rng.integers(0, 2, (60, 6))
    solver = ExactTreeSolver(codes, 3)
    for k in (1, 9, 1, 3, 4):
        targets = rng.normal(size=(60, k))
        assert solver.solve(targets).structure == fit_exact_tree(codes, targets, 3).structure


def test_without_reuse_every_solve_is_cold():
    rng = np.random.default_rng(2)
    solver = ExactTreeSolver(rng.integers(0, 2, (60, 6)), 3, pruning=Pruning(reuse=False))
    assert not any(solver.solve(rng.normal(size=60)).statistics.warm for _ in range(3))


def test_a_search_cut_short_is_not_built_upon():
    rng = np.random.default_rng(4)
    codes, targets = rng.integers(0, 2, (80, 8)), rng.normal(size=(80, 2))
    solver = ExactTreeSolver(codes, 4)
    assert solver.solve(targets, time_limit=0).status == "time_limit"
    full = solver.solve(targets)
    assert full.status == "optimal" and not full.statistics.warm
    assert full.loss == pytest.approx(fit_exact_tree(codes, targets, 4).loss, rel=1e-12)


@pytest.mark.parametrize("depth", [3, 4, 5])
def test_a_good_warm_start_is_kept_when_time_is_out(depth):
    rng = np.random.default_rng(6)
    codes, targets = rng.integers(0, 3, (60, 4)), rng.normal(size=(60, 2))
    best = fit_exact_tree(codes, targets, depth)
    cut = fit_exact_tree(codes, targets, depth, time_limit=0, warm_start=best.tree)
    assert cut.loss == pytest.approx(best.loss, rel=1e-12)
    again = fit_exact_tree(codes, targets, depth, warm_start=best.tree)
    assert again.structure == best.structure and again.status == "optimal"


def test_a_warm_start_outside_the_class_is_ignored():
    rng = np.random.default_rng(8)
    codes, targets = rng.integers(0, 2, (60, 6)), rng.normal(size=60)
    deep = fit_exact_tree(codes, targets, 5).tree
    small = fit_exact_tree(codes, targets, 3, min_samples_leaf=1).tree
    plain = fit_exact_tree(codes, targets, 3, min_samples_leaf=8)
    for guess in (deep, small, Tree.leaf([0.0], 60, 6)):
        fit = fit_exact_tree(codes, targets, 3, min_samples_leaf=8, warm_start=guess)
        assert fit.structure == plain.structure
        cut = fit_exact_tree(codes, targets, 3, min_samples_leaf=8, warm_start=guess, time_limit=0)
        assert np.bincount(cut.tree.apply(codes))[cut.tree.leaves].min() >= 8


def test_entropy_is_solved_anew_as_small_moves_of_targets_may_change_it_much():
    rng, pure = np.random.default_rng(1), np.eye(2)
    for _ in range(60):
        codes, label = rng.integers(0, 2, (24, 5)), rng.integers(0, 2, 24)
        share = rng.choice([0.0, 10.0 ** -rng.uniform(1, 5)], size=(2, 24, 1))
        solver = ExactTreeSolver(codes, 3, cost="entropy", threads=1)
        for mixed in share:
            targets = (1 - mixed) * pure[label] + mixed / 2
            cold = fit_exact_tree(codes, targets, 3, cost="entropy", threads=1)
            assert solver.solve(targets).loss == pytest.approx(cold.loss, rel=1e-9)
