"""Linearised networks: the contract, a linear model in disguise, cvxpy, and bad kernels."""

from __future__ import annotations

from itertools import islice

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import approx_fprime

from irtheory.propositions.certificates import assumptions
from irtheory.propositions.certificates.enumeration import global_minimum
from irtheory.propositions.certificates.reference import (
    minimum_over_omega_fixed,
    minimum_over_theta_fixed,
)
from irtheory.propositions.certificates.saddles import critical_points
from irtheory.propositions.objectives import FixedStructure, LinearisedObjective, LinearObjective
from irtheory.propositions.solvers import TreeClass, alternate, bcgd

seeds = st.integers(0, 10_000)
ridges = st.sampled_from([0.0, 0.3])


def make(seed: int, ridge: float = 0.0, m: int = 7, k: int = 2, p: int = 20) -> LinearisedObjective:
    """A kernel that couples the outputs; two samples are alike, so its rank is short."""
    rng = np.random.default_rng(seed)
    J = rng.normal(size=(m, k, p))
    J[-1] = J[0]
    f0 = rng.normal(size=(m, k))
    f0[-1] = f0[0]
    J = J.reshape(m * k, p)
    return LinearisedObjective(J @ J.T, f0, rng.normal(size=(m, k)), ridge, parameters=p)


def disguised(seed: int, ridge: float) -> tuple[LinearObjective, LinearisedObjective]:
    """G = Φθ from θ = 0, and the same model by its kernel ΦΦᵀ ⊗ I."""
    rng = np.random.default_rng(seed)
    Phi, y = rng.normal(size=(12, 4)), rng.normal(size=(12, 3))
    kernel = np.kron(Phi @ Phi.T, np.eye(3))
    return (
        LinearObjective(Phi, y, ridge),
        LinearisedObjective(kernel, np.zeros((12, 3)), y, ridge),
    )


@given(seeds, ridges)
def test_value_gradient_and_hessian_follow_the_definition(seed: int, ridge: float) -> None:
    objective, rng = make(seed, ridge), np.random.default_rng(seed + 1)
    a, T = rng.normal(size=objective.theta_shape), rng.normal(size=(7, 2))
    G = objective.outputs(a)
    # J = U diag(s) Vᵀ for any orthonormal V: the outputs from the eigenvectors of K themselves.
    values, vectors = np.linalg.eigh(objective.kernel)
    kept = values > 1e-9
    moved = vectors[:, kept] @ (np.sqrt(values[kept]) * a)
    np.testing.assert_allclose(G.ravel(), objective.initial.ravel() + moved, atol=1e-12)
    Q = (np.sum((G - objective.labels) ** 2) + np.sum((G - T) ** 2)) / 7
    assert objective.value(a, T) == pytest.approx(Q + ridge / 2 * a @ a, rel=1e-12)
    slope = approx_fprime(a, lambda point: objective.value(point, T), 1e-7)
    np.testing.assert_allclose(objective.grad_theta(a, T), slope, rtol=1e-4, atol=1e-4)
    hessian = objective.hessian_theta(a, T)
    step = rng.normal(size=a.shape)
    along = objective.grad_theta(a + step, T) - objective.grad_theta(a, T)
    np.testing.assert_allclose(hessian @ step, along, atol=1e-9)
    general = super(LinearisedObjective, objective).hessian_theta(a, T)
    np.testing.assert_allclose(hessian, general, atol=1e-10 * np.abs(hessian).max())
    spectrum = np.linalg.eigvalsh(hessian)
    assert spectrum[-1] == pytest.approx(objective.smoothness().beta)
    assert spectrum[0] >= 2 * (objective.strong_convexity - ridge) + ridge - 1e-9


@given(seeds, ridges)
def test_the_minimum_is_the_fit_in_the_row_space(seed: int, ridge: float) -> None:
    objective, rng = make(seed, ridge), np.random.default_rng(seed + 1)
    T = rng.normal(size=(7, 2))
    found = objective.minimise_theta(T)
    aim = ((objective.labels + T) / 2 - objective.initial).ravel()
    K, damp = objective.kernel, 7 * ridge / 4
    dual = np.linalg.lstsq(K + damp * np.eye(14), aim, rcond=1e-12)[0]
    np.testing.assert_allclose(
        objective.outputs(found.theta).ravel(), objective.initial.ravel() + K @ dual, atol=1e-8
    )
    assert found.theta @ found.theta == pytest.approx(dual @ K @ dual, rel=1e-7)
    assert found.gradient_norm < 1e-10 * (1 + objective.smoothness().beta)


def test_alike_samples_cost_rank_and_nothing_else() -> None:
    objective = make(0)
    assert objective.rank == 12 < len(objective.kernel) == 14
    assert objective.theta_shape == (12,) and objective.design.shape == (14, 12)
    assert "of rank 12 (K has 14 eigenvalues" in objective.claims.coercive_because
    assert "20 parameters" in objective.claims.coercive_because
    assert make(0, 0.1).claims.coercive_because == "the ridge term grows with theta"


def test_eigenvalues_above_rounding_count_and_others_do_not() -> None:
    kernel = np.diag([1.0, 1e-6, 1e-14, 1e-17])
    objective = LinearisedObjective(kernel, np.zeros((2, 2)), np.zeros((2, 2)))
    np.testing.assert_allclose(objective.eigenvalues, [1e-14, 1e-6, 1.0])
    assert objective.cutoff == pytest.approx(4 * np.finfo(float).eps)


def test_no_tree_makes_q_at_zero_larger_than_the_bound_says() -> None:
    objective, size = make(0), 3.0
    f0 = objective.initial
    against = -size * f0 / np.linalg.norm(f0)
    attained = objective.value(np.zeros(objective.theta_shape), against)
    assert assumptions.largest_at_zero(objective, size) == pytest.approx(attained)


@pytest.mark.parametrize("ridge", [0.0, 0.2])
@pytest.mark.parametrize("order", ["gauss-seidel", "jacobi"])
def test_a_linear_model_in_disguise_runs_alike(ridge: float, order) -> None:
    linear, kernel = disguised(3, ridge)
    codes = np.random.default_rng(3).integers(0, 2, (12, 4))
    mu = 0.8 / linear.smoothness().beta
    assert kernel.smoothness().beta == pytest.approx(linear.smoothness().beta)
    runs = [
        alternate(q, codes, np.zeros(q.theta_shape), mu, trees=TreeClass(2, 1, 1), order=order)
        for q in (linear, kernel)
    ]
    for (a, _), (b, _) in islice(zip(*runs, strict=True), 80):
        for name in ("value", "min_theta", "min_omega", "gradient_norm", "distance", "half"):
            assert getattr(a, name) == pytest.approx(getattr(b, name), abs=1e-11, nan_ok=True)


def test_block_descent_of_a_linear_model_in_disguise() -> None:
    linear, kernel = disguised(5, 0.1)
    leaf_of = np.arange(12) % 3
    pair = [FixedStructure(q, leaf_of, 3) for q in (linear, kernel)]
    omega = np.random.default_rng(5).normal(size=(3, 3))
    betas = [f.smoothness(np.zeros(f.theta_shape), omega).beta for f in pair]
    assert betas[0] == pytest.approx(betas[1])
    runs = [
        bcgd(f, np.zeros(f.theta_shape), omega, 0.9 / betas[0], betas[0], watch=0.0) for f in pair
    ]
    for (a, _), (b, _) in islice(zip(*runs, strict=True), 60):
        for name in ("value", "min_theta", "min_omega", "gradient_norm", "curvature"):
            assert getattr(a, name) == pytest.approx(getattr(b, name), abs=1e-10, nan_ok=True)


@given(seeds, ridges)
def test_leaf_values_meet_outputs_that_share_parameters(seed: int, ridge: float) -> None:
    objective, rng = make(seed, ridge), np.random.default_rng(seed + 2)
    fixed = FixedStructure(objective, np.array([0, 1, 2, 0, 1, 2, 0]), 3)
    point = rng.normal(size=objective.rank + 6)

    def gradient(at: np.ndarray) -> np.ndarray:
        theta, omega = at[:-6], at[-6:].reshape(3, 2)
        blocks = fixed.grad_theta(theta, omega), fixed.grad_omega(theta, omega)
        return np.concatenate([block.ravel() for block in blocks])

    hessian = fixed.hessian(point[:-6], point[-6:].reshape(3, 2))
    np.testing.assert_array_equal(hessian, hessian.T)
    for step in np.eye(len(point)):  # the gradient is affine: differences are exact
        np.testing.assert_allclose(
            gradient(point + step) - gradient(point), hessian @ step, atol=1e-9
        )


def test_block_minima_against_cvxpy() -> None:
    for seed, ridge in ((0, 0.0), (1, 0.2)):
        fixed = FixedStructure(make(seed, ridge), np.array([0, 1, 2, 0, 1, 2, 0]), 3)
        rng = np.random.default_rng(seed)
        theta, omega = rng.normal(size=fixed.theta_shape), rng.normal(size=(3, 2))
        over_theta = minimum_over_theta_fixed(fixed, omega)
        over_omega = minimum_over_omega_fixed(fixed, theta)
        assert fixed.minimise_theta(omega).value == pytest.approx(over_theta.value, abs=1e-8)
        assert fixed.minimise_omega(theta).value == pytest.approx(over_omega.value, abs=1e-8)


def test_the_one_critical_point_of_squared_loss_is_its_joint_minimum() -> None:
    fixed = FixedStructure(make(4), np.array([0, 1, 2, 0, 1, 2, 0]), 3)
    (point,) = critical_points(fixed)
    assert point.gradient_norm < 1e-9 and point.smallest > 0
    rng = np.random.default_rng(0)
    for _ in range(50):
        theta = point.theta + rng.normal(size=fixed.theta_shape)
        omega = point.omega + rng.normal(size=fixed.omega_shape)
        assert fixed.value(theta, omega) >= point.value


@pytest.mark.parametrize("ridge", [0.0, 0.2])
def test_the_global_minimum_of_a_linear_model_in_disguise(ridge: float) -> None:
    linear, kernel = disguised(7, ridge)
    codes = np.random.default_rng(7).integers(0, 2, (12, 3))
    one, other = (global_minimum(q, codes, 2) for q in (linear, kernel))
    assert one.value == pytest.approx(other.value, abs=1e-10) and one.trees == other.trees
    np.testing.assert_allclose(one.tree_outputs, other.tree_outputs, atol=1e-8)


def test_results_that_are_remembered_cannot_be_spoilt() -> None:
    objective = make(0)
    a = np.ones(objective.theta_shape)
    first = objective.outputs(a)
    with pytest.raises(ValueError, match="read-only"):
        first[0, 0] = 1.0
    before = first.copy()
    a[0] = 5.0  # the caller's array, changed in place
    assert not np.allclose(objective.outputs(a), before)
    a[0] = 1.0
    np.testing.assert_array_equal(objective.outputs(a), before)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"kernel": np.eye(3)}, r"kernel: expected shape \[4, 4\], found \[3, 3\]"),
        ({"kernel": np.triu(np.ones((4, 4)))}, "kernel: expected a symmetric matrix"),
        ({"kernel": np.diag([1.0, 1, 1, -1])}, "kernel: expected no negative eigenvalue"),
        ({"kernel": np.zeros((4, 4))}, "kernel of zeros"),
        ({"kernel": np.full((4, 4), np.nan)}, "kernel: expected finite"),
        ({"initial": np.zeros(2)}, "initial"),
        ({"labels": np.zeros((2, 3))}, "labels"),
        ({"labels": np.zeros((3, 2))}, "labels"),
        ({"ridge": -1.0}, "ridge: expected a number ≥ 0"),
    ],
)
def test_bad_kernels_are_named(change: dict, message: str) -> None:
    given = {"kernel": np.eye(4), "initial": np.zeros((2, 2)), "labels": np.zeros((2, 2))}
    with pytest.raises(ValueError, match=message):
        LinearisedObjective(**{**given, **change})
