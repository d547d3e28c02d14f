"""Proposition 2's iteration against a slow one, and what it does at and beside a saddle."""

from __future__ import annotations

from collections.abc import Callable
from itertools import islice

import numpy as np
import pytest

from irtheory.problems.synthetic import xor_problem
from irtheory.propositions.objectives import AgreementObjective, FixedStructure, LinearObjective
from irtheory.propositions.solvers import Stopped, StopRule, bcgd, run

FAMILIES = ["convex", "agreement"]
M, LEAVES, RIDGE = 12, 3, 0.2


def make(family: str, seed: int = 0) -> FixedStructure:
    rng = np.random.default_rng(seed)
    Phi = np.hstack([np.ones((M, 1)), rng.normal(size=(M, 2))])
    leaf_of = rng.permutation(np.arange(M) % LEAVES)
    if family == "convex":
        return FixedStructure(LinearObjective(Phi, rng.normal(size=(M, 2)), RIDGE), leaf_of, LEAVES)
    signs = rng.choice([-1.0, 1.0], (M, 1))
    return FixedStructure(AgreementObjective(Phi, signs, RIDGE), leaf_of, LEAVES)


def slow_value(family: str, fixed: FixedStructure) -> Callable:
    """Q(theta, omega) sample by sample; a polynomial, so that its arguments may be complex."""
    Phi, y = fixed.objective.features, fixed.objective.labels

    def value(theta, omega):
        total = 0.0
        for i, leaf in enumerate(fixed.leaf_of):
            g, T = Phi[i] @ theta, omega[leaf]
            if family == "convex":
                total = total + np.sum((g - y[i]) ** 2) + np.sum((g - T) ** 2)
            else:
                total = total + np.sum((1 - g * y[i]) ** 2) + np.sum((1 - g * T) ** 2)
        penalty = np.sum(theta**2) + (np.sum(omega**2) if family == "agreement" else 0.0)
        return total / M + RIDGE / 2 * penalty

    return value


def complex_step(function: Callable, x: np.ndarray) -> np.ndarray:
    """The gradient to machine precision: Im f(x + ih)/h needs no difference."""
    gradient = np.zeros_like(x)
    for place in np.ndindex(x.shape):
        moved = x.astype(complex)
        moved[place] += 1e-30j
        gradient[place] = function(moved).imag / 1e-30
    return gradient


def block_minimum(function: Callable, shape: tuple[int, int]) -> np.ndarray:
    """Argmin of a quadratic: minus its inverse Hessian times its gradient, both at 0."""
    size = int(np.prod(shape))

    def gradient(flat):
        return complex_step(lambda x: function(x.reshape(shape)), flat)

    at_zero = gradient(np.zeros(size))
    hessian = np.array([gradient(e) - at_zero for e in np.eye(size)])
    return np.linalg.solve(hessian, -at_zero).reshape(shape)


@pytest.mark.parametrize("family", FAMILIES)
def test_every_step_equals_a_slow_block_descent(family: str) -> None:
    fixed, rng = make(family), np.random.default_rng(1)
    Q = slow_value(family, fixed)
    theta, omega = rng.normal(size=fixed.theta_shape), rng.normal(size=fixed.omega_shape)
    beta = fixed.smoothness(theta, omega).beta
    mu = 0.7 / beta
    eta = mu * (1 - beta * mu / 2)
    half = violation = np.nan
    steps = bcgd(fixed, theta, omega, mu, beta, watch=0.0, structure=(4, 2))
    for t, (step, state) in enumerate(islice(steps, 12), start=1):
        slope_theta = complex_step(lambda x, omega=omega: Q(x, omega), theta)
        slope_omega = complex_step(lambda x, theta=theta: Q(theta, x), omega)
        best_theta = block_minimum(lambda x, omega=omega: Q(x, omega), theta.shape)
        best_omega = block_minimum(lambda x, theta=theta: Q(theta, x), omega.shape)
        now = Q(theta, omega)
        expected = {
            "t": t,
            "value": now,
            "half": half,
            "gradient_norm": np.hypot(np.linalg.norm(slope_theta), np.linalg.norm(slope_omega)),
            "min_theta": Q(best_theta, omega),
            "min_omega": Q(theta, best_omega),
            "gap_theta": now - Q(best_theta, omega),
            "gap_omega": now - Q(theta, best_omega),
            "distance": np.linalg.norm(theta - best_theta),
            "descent_violation": violation,
            "tree_changes": 0,
        }
        found = {name: getattr(step, name) for name in expected}
        assert found == pytest.approx(expected, rel=0, abs=1e-10, nan_ok=True)
        np.testing.assert_allclose(state.theta, theta, rtol=0, atol=1e-10)
        assert state.omega is not None and state.structure == (4, 2)
        np.testing.assert_allclose(state.omega, omega, rtol=0, atol=1e-10)
        np.testing.assert_array_equal(state.tree_outputs, state.omega[fixed.leaf_of])
        theta = theta - mu * slope_theta
        half = Q(theta, omega)
        slope_omega = complex_step(lambda x, theta=theta: Q(theta, x), omega)
        omega = omega - mu * slope_omega
        first = half - now + eta * np.sum(slope_theta**2)
        violation = max(first, Q(theta, omega) - half + eta * np.sum(slope_omega**2))


@pytest.mark.parametrize("family", FAMILIES)
def test_descends_at_every_half_step_to_an_equilibrium_that_is_a_local_minimum(family: str) -> None:
    fixed, rng = make(family, seed=3), np.random.default_rng(4)
    theta, omega = rng.normal(size=fixed.theta_shape), rng.normal(size=fixed.omega_shape)
    beta = fixed.smoothness(theta, omega).beta
    mu, first = 0.99 / beta, fixed.value(theta, omega)
    steps = bcgd(fixed, theta, omega, mu, beta, watch=1e-9 * first)
    path = run(steps, StopRule(1e-9, 50_000), mu)
    assert path.stopped is Stopped.CONVERGED
    assert np.max(np.diff(path["value"])) <= 1e-13
    assert np.all(path["half"][1:] <= path["value"][:-1] + 1e-13)
    assert np.all(path["value"][1:] <= path["half"][1:] + 1e-13)
    assert np.nanmax(path["descent_violation"]) <= 1e-13
    assert np.nanmax(path["curvature"]) <= beta * (1 + 1e-9)
    end = path.final
    assert end.omega is not None
    assert np.linalg.eigvalsh(fixed.hessian(end.theta, end.omega))[0] > 0


def test_curvature_is_measured_at_powers_of_two_and_near_an_equilibrium() -> None:
    fixed = make("agreement", seed=1)
    theta, omega = np.ones(fixed.theta_shape), np.ones(fixed.omega_shape)
    beta = fixed.smoothness(theta, omega).beta
    rows = [s for s, _ in islice(bcgd(fixed, theta, omega, 0.5 / beta, beta, watch=0.0), 9)]
    measured = [row.t for row in rows if not np.isnan(row.curvature)]
    assert measured == [1, 2, 4, 8]
    rows = [s for s, _ in islice(bcgd(fixed, theta, omega, 0.5 / beta, beta, watch=1e9), 5)]
    assert not any(np.isnan(row.curvature) for row in rows)
    assert rows[0].curvature == pytest.approx(np.linalg.eigvalsh(fixed.hessian(theta, omega))[-1])


def exclusive_or() -> FixedStructure:
    problem = xor_problem(16, 2)
    leaf_of = problem.codes[:, 0] + 2 * problem.codes[:, 1]
    return FixedStructure(AgreementObjective(problem.features, problem.signs, 0.1), leaf_of, 4)


def test_on_the_saddle_it_is_stuck_not_converged() -> None:
    fixed = exclusive_or()
    theta, omega = np.zeros(fixed.theta_shape), np.zeros(fixed.omega_shape)
    path = run(bcgd(fixed, theta, omega, 0.1, 5.0, watch=1e-9), StopRule(), 0.1)
    assert path.stopped is Stopped.STUCK
    assert len(path) == 1 and not path.final.is_minimum
    assert path["gap_theta"][0] == path["gap_omega"][0] == 0


def test_beside_the_saddle_it_escapes_to_a_local_minimum() -> None:
    fixed, rng = exclusive_or(), np.random.default_rng(0)
    theta = 1e-6 * rng.normal(size=fixed.theta_shape)
    omega = 1e-6 * rng.normal(size=fixed.omega_shape)
    at_saddle = fixed.value(0 * theta, 0 * omega)
    beta = fixed.smoothness(theta, omega).beta
    mu = 0.9 / beta
    steps = bcgd(fixed, theta, omega, mu, beta, watch=1e-9 * at_saddle)
    path = run(steps, StopRule(1e-9, 20_000), mu)
    assert path.stopped is Stopped.CONVERGED and path.final.is_minimum
    # Both gaps are below the tolerance at the start already: only curvature tells a saddle.
    assert max(path["gap_theta"][0], path["gap_omega"][0]) < 1e-9 * at_saddle
    assert path["value"][-1] < 0.99 * at_saddle
    assert path.final.omega is not None
    assert np.linalg.eigvalsh(fixed.hessian(path.final.theta, path.final.omega))[0] > -1e-7


def test_overflow_ends_the_iteration_without_warnings() -> None:
    fixed = make("convex")
    theta, omega = np.ones(fixed.theta_shape), np.ones(fixed.omega_shape)
    mu = 20 / fixed.smoothness(theta, omega).beta
    steps = bcgd(fixed, theta, omega, mu, 1.0, watch=0.0)
    path = run(steps, StopRule(max_steps=5000, blow_up=np.inf), mu)
    assert path.stopped is Stopped.DIVERGED
    assert np.isfinite(path.final.theta).all()
    assert np.isfinite(path["value"]).all()
