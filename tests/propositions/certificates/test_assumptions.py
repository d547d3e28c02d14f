"""Every assumption: it holds where it should, and breaks where it is made to."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import numpy as np
import pytest

from irtheory.propositions.certificates import assumptions
from irtheory.propositions.certificates.certificates import Check
from irtheory.propositions.certificates.saddles import CriticalPoint, critical_points
from irtheory.propositions.objectives import (
    AgreementObjective,
    FixedStructure,
    LinearObjective,
    LogisticObjective,
    Smoothness,
)
from irtheory.propositions.solvers import StopRule, Trajectory, TreeClass, alternate, bcgd, run

M = 24
CODES = np.random.default_rng(0).integers(0, 2, (M, 3))
PHI = np.hstack([np.ones((M, 1)), CODES])


def linear(ridge: float = 0.0, features: np.ndarray = PHI) -> LinearObjective:
    return LinearObjective(features, np.random.default_rng(1).normal(size=(M, 2)), ridge)


def logistic(ridge: float) -> LogisticObjective:
    return LogisticObjective(PHI, np.eye(3)[np.arange(M) % 3], ridge)


def agreement(ridge: float = 0.2) -> AgreementObjective:
    return AgreementObjective(PHI, np.where(np.arange(M) % 3 == 0, 1.0, -1.0)[:, None], ridge)


def alternated(objective, share: float = 0.9, **how) -> Trajectory:
    mu = share / objective.smoothness().beta
    start = np.random.default_rng(2).normal(size=objective.theta_shape)
    steps = alternate(objective, CODES, start, mu, trees=TreeClass(1, threads=1), **how)
    return run(steps, StopRule(max_steps=40), mu)


def named(checks: list[Check]) -> dict[str, Check]:
    return {check.name: check for check in checks}


def broken(checks: list[Check]) -> set[str]:
    return {check.name for check in checks if not check.holds}


@pytest.mark.parametrize("objective", [linear(), linear(0.1), logistic(0.01), agreement()])
def test_proposition_1_assumptions_hold_on_its_own_models(objective) -> None:
    assert broken(assumptions.proposition1(objective, alternated(objective), 1e-9)) == set()


@pytest.mark.parametrize(("product", "holds"), [(0.999, True), (1.0, False), (2.2, False)])
def test_step_size_must_be_below_one_over_beta(product: float, holds: bool) -> None:
    check = assumptions.step_size_check(product / 4.0, 4.0, "made up")
    assert check.holds is holds and check.value == pytest.approx(product)
    assert "made up" in check.how


def test_a_long_step_breaks_the_step_size_alone() -> None:
    objective = linear()
    checks = assumptions.proposition1(objective, alternated(objective, 1.2), 1e-9)
    assert broken(checks) == {"step size: mu*beta < 1"}


class Concave(LinearObjective):
    """The squared loss with its sign turned."""

    def value(self, theta, T):
        return -super().value(theta, T)

    def hessian_theta(self, theta, T):
        return -super().hessian_theta(theta, T)


class Rough(LinearObjective):
    """The squared loss with a beta that is 1% too small."""

    def smoothness(self) -> Smoothness:
        return Smoothness(0.99 * super().smoothness().beta, "made up")


@pytest.mark.parametrize(
    ("kind", "name"), [(Concave, "convex in theta"), (Rough, "beta-smooth in theta")]
)
def test_a_wrong_model_is_found_out(kind: type[LinearObjective], name: str) -> None:
    honest = linear()
    trajectory = alternated(honest)
    wrong = kind(honest.features, honest.labels)
    assert name in broken(assumptions.proposition1(wrong, trajectory, 1e-9))


@pytest.mark.parametrize(
    "objective", [linear(features=np.hstack([PHI, PHI[:, :1]])), logistic(0.0)]
)
def test_a_loss_that_is_not_coercive_is_found_out(objective) -> None:
    check = assumptions.coercivity(objective)
    assert not check.holds and check.value == 0.0
    assert "nothing makes the label loss grow" in check.how


@pytest.mark.parametrize("objective", [linear(), linear(0.3), agreement(0.0), agreement(0.2)])
def test_the_modulus_is_the_smallest_curvature_of_the_label_loss(objective) -> None:
    # The label loss is quadratic: second differences along random directions are exact.
    rng, sigma = np.random.default_rng(3), objective.strong_convexity
    theta = rng.normal(size=objective.theta_shape)
    ratios = []
    for _ in range(200):
        u = rng.normal(size=objective.theta_shape)
        u /= np.linalg.norm(u)
        ends = objective.label_loss(theta + u) + objective.label_loss(theta - u)
        ratios.append(ends - 2 * objective.label_loss(theta))
    assert sigma <= min(ratios) + 1e-12
    vectors = np.linalg.eigh(objective.features.T @ objective.features)[1]
    u = np.zeros(objective.theta_shape)
    u[:, 0] = vectors[:, 0]
    ends = objective.label_loss(theta + u) + objective.label_loss(theta - u)
    assert ends - 2 * objective.label_loss(theta) == pytest.approx(sigma)


@pytest.mark.parametrize("objective", [linear(), logistic(0.01), agreement()])
def test_the_bound_on_minimisers_covers_random_trees(objective) -> None:
    trajectory = alternated(objective)
    check = assumptions.bounded_minimisers(objective, trajectory)
    assert check.holds and check.value <= check.tolerance
    rng, k = np.random.default_rng(4), objective.n_outputs
    for _ in range(20):
        if objective.leaf_cost == "linear":
            width = objective.targets(np.zeros(objective.theta_shape)).shape[1]
            T = objective.decode(np.eye(width)[rng.integers(0, width, M)])
        else:
            # Means of G over random groups, G within the level set of the label loss.
            residual = rng.normal(size=(M, k))
            residual *= np.sqrt(M * trajectory.scale) / np.linalg.norm(residual)
            group = rng.integers(0, 3, M)
            G = objective.labels + residual
            T = np.array([G[group == g].mean(axis=0) for g in group])
        assert np.linalg.norm(objective.minimise_theta(T).theta) <= check.tolerance


def test_minimisers_without_coercivity_are_not_bounded() -> None:
    flat = linear(features=np.hstack([PHI, PHI[:, :1]]))
    check = assumptions.bounded_minimisers(flat, alternated(flat))
    assert not check.holds and np.isinf(check.tolerance)


def test_a_greedy_step_that_misses_the_best_tree_is_named() -> None:
    trajectory = alternated(linear())
    assert assumptions.global_omega_step(trajectory, 1e-9).holds
    gaps = trajectory["tree_gap"].copy()
    gaps[7] = 1e-3
    off = replace(trajectory, columns={**trajectory.columns, "tree_gap": gaps})
    check = assumptions.global_omega_step(off, 1e-9)
    assert check.name == "omega-step is a global minimiser" and not check.holds
    assert check.value == pytest.approx(1e-3 / trajectory.scale)


@cache
def descended(family: str):
    objective = linear() if family == "convex" else agreement()
    fixed = FixedStructure(objective, np.arange(M) % 2, 2)
    rng = np.random.default_rng(5)
    theta, omega = rng.normal(size=fixed.theta_shape), rng.normal(size=fixed.omega_shape)
    beta = fixed.smoothness(theta, omega).beta
    steps = bcgd(fixed, theta, omega, 0.9 / beta, beta, watch=0.0)
    path = run(steps, StopRule(max_steps=60), 0.9 / beta)
    return fixed, path, beta, critical_points(fixed, starts=6)


@pytest.mark.parametrize("family", ["convex", "agreement"])
def test_proposition_2_assumptions_hold_on_its_own_models(family: str) -> None:
    fixed, path, beta, critical = descended(family)
    checks = assumptions.proposition2(fixed, path, beta, "how", critical)
    assert broken(checks) == set() and len(checks) == 7


@pytest.mark.parametrize(
    ("column", "factor", "name"),
    [
        ("gradient_norm", 1e3, "Lipschitz on the level set"),
        ("curvature", 1e3, "beta-smooth on the level set"),
    ],
)
def test_a_path_beyond_its_bounds_is_named(column: str, factor: float, name: str) -> None:
    fixed, path, beta, critical = descended("agreement")
    off = replace(path, columns={**path.columns, column: factor * path[column]})
    assert broken(assumptions.proposition2(fixed, off, beta, "", critical)) == {name}


def test_a_wrong_joint_hessian_is_found_out(monkeypatch: pytest.MonkeyPatch) -> None:
    fixed, path, beta, critical = descended("agreement")
    right = FixedStructure.hessian
    monkeypatch.setattr(FixedStructure, "hessian", lambda self, a, b: 1.01 * right(self, a, b))
    names = broken(assumptions.proposition2(fixed, path, beta, "", critical))
    assert names == {"twice continuously differentiable"}
    monkeypatch.setattr(FixedStructure, "hessian", lambda self, a, b: -right(self, a, b))
    names = broken(assumptions.proposition2(fixed, path, beta, "", critical))
    assert "convex in theta and in omega" in names


def test_blocks_are_unbounded_without_curvature() -> None:
    for name in ("convex", "agreement"):
        fixed, trajectory, *_ = descended(name)
        check = assumptions.bounded_blocks(fixed, trajectory)
        assert check.holds and 0 < check.value < 1
    flat = FixedStructure(linear(features=np.hstack([PHI, PHI[:, :1]])), np.arange(M) % 2, 2)
    steps = bcgd(flat, np.ones((5, 2)), np.ones((2, 2)), 0.1, 1.0, watch=0.0)
    assert not assumptions.bounded_blocks(flat, run(steps, StopRule(max_steps=3), 0.1)).holds


def test_bounds_on_the_minimisers_hold_for_any_other_block() -> None:
    rng = np.random.default_rng(7)
    fixed, trajectory, *_ = descended("agreement")
    in_theta, in_omega, _ = assumptions._block_bounds(fixed, trajectory.scale)
    for size in (0.01, 1.0, 100.0):
        omega = size * rng.normal(size=fixed.omega_shape)
        theta = size * rng.normal(size=fixed.theta_shape)
        assert np.linalg.norm(fixed.minimise_theta(omega).theta) <= in_theta
        assert np.linalg.norm(fixed.minimise_omega(theta).omega) <= in_omega


def test_a_degenerate_critical_point_breaks_strictness() -> None:
    zero = np.zeros((1, 1))
    kinds = {
        "strict saddle": CriticalPoint(zero, zero, 1.0, 0.0, -0.5, 2.0, np.ones((2, 1))),
        "minimum": CriticalPoint(zero, zero, 1.0, 0.0, 0.5, 2.0, np.ones((2, 1))),
        "degenerate": CriticalPoint(zero, zero, 1.0, 0.0, 1e-9, 2.0, np.ones((2, 1))),
    }
    assert {name: point.kind for name, point in kinds.items()} == {name: name for name in kinds}
    saddle, minimum, degenerate = kinds.values()
    assert assumptions.strict_saddles([saddle, minimum], False).holds
    assert not assumptions.strict_saddles([], False).holds
    check = assumptions.strict_saddles([saddle, degenerate, minimum, degenerate], False)
    assert not check.holds and check.value == 2
