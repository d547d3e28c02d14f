"""Q(theta, omega) over leaf values against finite differences, scipy and random level sets."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize

from irtheory.propositions.objectives import (
    AgreementObjective,
    FixedStructure,
    LinearObjective,
    LogisticObjective,
)

FAMILIES = ["convex", "agreement"]
families = st.sampled_from(FAMILIES)
seeds = st.integers(0, 10_000)


def make(family: str, rng: np.random.Generator, ridge: float = 0.1) -> FixedStructure:
    m, n_leaves = 20, 3
    Phi = np.hstack([rng.normal(size=(m, 2)), np.ones((m, 1))])
    leaf_of = rng.permutation(np.arange(m) % n_leaves)
    if family == "convex":
        return FixedStructure(LinearObjective(Phi, rng.normal(size=(m, 2)), ridge), leaf_of, 3)
    labels = rng.choice([-1.0, 1.0], size=(m, 1))
    return FixedStructure(AgreementObjective(Phi, labels, ridge), leaf_of, 3)


def random_point(fixed: FixedStructure, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    return rng.normal(size=fixed.theta_shape), rng.normal(size=fixed.omega_shape)


def split(fixed: FixedStructure, flat: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    cut = int(np.prod(fixed.theta_shape))
    return flat[:cut].reshape(fixed.theta_shape), flat[cut:].reshape(fixed.omega_shape)


def gradient(fixed: FixedStructure, flat: np.ndarray) -> np.ndarray:
    theta, omega = split(fixed, flat)
    blocks = fixed.grad_theta(theta, omega), fixed.grad_omega(theta, omega)
    return np.concatenate([block.ravel() for block in blocks])


def value(fixed: FixedStructure, flat: np.ndarray) -> float:
    return fixed.value(*split(fixed, flat))


@given(families, seeds)
def test_gradients_and_joint_hessian_match_finite_differences(family: str, seed: int) -> None:
    rng = np.random.default_rng(seed)
    fixed = make(family, rng)
    theta, omega = random_point(fixed, rng)
    flat = np.concatenate([theta.ravel(), omega.ravel()])
    steps = 1e-5 * np.eye(flat.size)
    slopes = [(value(fixed, flat + e) - value(fixed, flat - e)) / 2e-5 for e in steps]
    rows = [(gradient(fixed, flat + e) - gradient(fixed, flat - e)) / 2e-5 for e in steps]
    np.testing.assert_allclose(gradient(fixed, flat), slopes, rtol=1e-6, atol=1e-7)
    hessian = fixed.hessian(theta, omega)
    np.testing.assert_allclose(hessian, rows, rtol=1e-6, atol=1e-7)
    np.testing.assert_array_equal(hessian, hessian.T)


@settings(max_examples=40)
@given(families, seeds)
def test_block_minima_beat_scipy(family: str, seed: int) -> None:
    rng = np.random.default_rng(seed)
    fixed = make(family, rng)
    theta, omega = random_point(fixed, rng)
    over_omega, over_theta = fixed.minimise_omega(theta), fixed.minimise_theta(omega)
    peer_omega = minimize(
        lambda flat: fixed.value(theta, flat.reshape(fixed.omega_shape)), omega.ravel()
    )
    peer_theta = minimize(
        lambda flat: fixed.value(flat.reshape(fixed.theta_shape), omega), theta.ravel()
    )
    assert over_omega.value == fixed.value(theta, over_omega.omega)
    assert over_theta.value == fixed.value(over_theta.theta, omega)
    assert over_omega.value <= peer_omega.fun + 1e-12
    assert over_theta.value <= peer_theta.fun + 1e-12
    np.testing.assert_allclose(over_omega.omega.ravel(), peer_omega.x, atol=1e-3)
    np.testing.assert_allclose(over_theta.theta.ravel(), peer_theta.x, atol=1e-3)
    assert max(over_omega.gradient_norm, over_theta.gradient_norm) < 1e-11


def test_closed_forms_of_the_leaf_values() -> None:
    rng = np.random.default_rng(2)
    for family in FAMILIES:
        fixed = make(family, rng)
        theta, _ = random_point(fixed, rng)
        found = fixed.minimise_omega(theta).omega
        for leaf in range(3):
            g = fixed.objective.outputs(theta)[fixed.leaf_of == leaf]
            penalised = (g**2).sum() + 20 * 0.1 / 2
            expected = g.mean(axis=0) if family == "convex" else g.sum(axis=0) / penalised
            np.testing.assert_allclose(found[leaf], expected, rtol=1e-12)


@given(seeds, st.floats(0.0, 1.0))
def test_beta_of_squared_loss_is_the_top_eigenvalue(seed: int, ridge: float) -> None:
    rng = np.random.default_rng(seed)
    fixed = make("convex", rng, ridge)
    point = random_point(fixed, rng)
    top = np.linalg.eigvalsh(fixed.hessian(*point))[-1]
    assert fixed.smoothness(*point).beta == pytest.approx(top, rel=1e-12)


def point_of_level_set(
    fixed: FixedStructure, level: float, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """A point with Q <= level, on its boundary along a random ray from the minimum found."""
    theta = fixed.minimise_theta(np.zeros(fixed.omega_shape)).theta
    omega = fixed.minimise_omega(theta).omega
    theta_ray, omega_ray = random_point(fixed, rng)
    theta_ray = theta_ray * 10 ** rng.uniform(-2, 2)
    near, far = 0.0, 1e4
    for _ in range(40):
        middle = (near + far) / 2
        inside = fixed.value(theta + middle * theta_ray, omega + middle * omega_ray) <= level
        near, far = (middle, far) if inside else (near, middle)
    return theta + near * theta_ray, omega + near * omega_ray


@settings(max_examples=25)
@given(families, seeds, st.floats(0.02, 3.0))
def test_no_point_of_the_level_set_exceeds_beta_or_the_gradient_bound(
    family: str, seed: int, ridge: float
) -> None:
    rng = np.random.default_rng(seed)
    fixed = make(family, rng, ridge)
    start = random_point(fixed, rng)
    level = fixed.value(*start)
    beta, bound = fixed.smoothness(*start).beta, fixed.lipschitz(*start).constant
    assert bound == pytest.approx(np.sqrt(2 * beta * level), rel=1e-12)
    low = fixed.minimise_theta(np.zeros(fixed.omega_shape)).value
    points = [point_of_level_set(fixed, level, rng) for _ in range(10)] if low <= level else []
    for theta, omega in [start, *points]:
        if fixed.value(theta, omega) > level:
            continue
        eigenvalues = np.linalg.eigvalsh(fixed.hessian(theta, omega))
        slopes = fixed.grad_theta(theta, omega), fixed.grad_omega(theta, omega)
        assert np.abs(eigenvalues).max() <= beta * (1 + 1e-12)
        assert np.sqrt(sum(np.sum(slope**2) for slope in slopes)) <= bound * (1 + 1e-12)


@settings(max_examples=15)
@given(seeds)
def test_adversarial_points_of_the_agreement_level_set_stay_below_beta(seed: int) -> None:
    """Climb the top eigenvalue inside the level set: the bound must hold and not be idle."""
    rng = np.random.default_rng(seed)
    fixed = make("agreement", rng, ridge=0.5)
    start = random_point(fixed, rng)
    level, beta = fixed.value(*start), fixed.smoothness(*start).beta
    best = np.concatenate([block.ravel() for block in start])
    top = np.linalg.norm(fixed.hessian(*start), 2)
    for _ in range(150):
        trial = best + rng.normal(size=best.size) * 10 ** rng.uniform(-2, 0)
        if value(fixed, trial) > level:
            continue
        norm = np.linalg.norm(fixed.hessian(*split(fixed, trial)), 2)
        if norm > top:
            best, top = trial, norm
    assert beta / 15 <= top <= beta


@given(families, seeds)
def test_joint_gradient_steps_descend(family: str, seed: int) -> None:
    rng = np.random.default_rng(seed)
    fixed = make(family, rng)
    point = random_point(fixed, rng)
    flat = np.concatenate([block.ravel() for block in point])
    beta = fixed.smoothness(*point).beta
    step = 0.9 / beta
    for _ in range(5):
        slope = gradient(fixed, flat)
        promised = step * (1 - beta * step / 2) * np.sum(slope**2)
        before, after = value(fixed, flat), value(fixed, flat - step * slope)
        assert after <= before - promised + 1e-12 * before
        flat = flat - step * slope


def test_the_origin_is_a_strict_saddle_for_labels_that_no_feature_predicts() -> None:
    x = np.array([[-1.0, -1.0], [-1.0, 1.0], [1.0, -1.0], [1.0, 1.0]])
    xor = x[:, :1] * x[:, 1:]
    leaves = [0, 0, 1, 1]
    fixed = FixedStructure(AgreementObjective(x, xor, 0.05), np.array(leaves), 2)
    origin = np.zeros((2, 1)), np.zeros((2, 1))
    assert np.all(fixed.grad_theta(*origin) == 0) and np.all(fixed.grad_omega(*origin) == 0)
    eigenvalues = np.linalg.eigvalsh(fixed.hessian(*origin))
    # On the first feature and the difference of the leaves: [[2, -2 / sqrt 2], [., 0]] + ridge.
    assert eigenvalues[0] == pytest.approx(1 - np.sqrt(3) + 0.05, abs=1e-12)


def test_tree_outputs_and_shapes() -> None:
    fixed = make("agreement", np.random.default_rng(1))
    omega = np.array([[0.5], [-2.0], [3.0]])
    np.testing.assert_array_equal(fixed.tree_outputs(omega), fixed.assignment @ omega)
    assert fixed.omega_shape == (3, 1) and fixed.theta_shape == (3, 1)
    theta = np.ones((3, 1))
    penalty = fixed.value(theta, omega) - fixed.objective.value(theta, fixed.tree_outputs(omega))
    assert penalty == pytest.approx(0.05 * (0.25 + 4 + 9), rel=1e-12)


PHI = np.eye(3)
SQUARED = LinearObjective(PHI, np.ones((3, 1)))


@pytest.mark.parametrize(
    ("objective", "leaf_of", "n_leaves", "message"),
    [
        (LogisticObjective(PHI, np.eye(3)), [0, 0, 1], 2, "linear in T.*alternating"),
        (AgreementObjective(PHI, np.ones((3, 1)), 0.0), [0, 0, 1], 2, "ridge > 0.*infimum"),
        ("squares", [0, 0, 1], 2, "objective: expected .* found str"),
        (SQUARED, [0, 1], 2, r"leaf_of: expected shape \[3\]"),
        (SQUARED, [0, 1, 2], 2, r"leaf_of: expected integers 0 … 1, found 2"),
        (SQUARED, [0, -1, 1], 2, "leaf_of: expected integers"),
        (SQUARED, [0, 0.5, 1], 2, r"leaf_of: expected integers .* found 0\.5"),
        (SQUARED, [0, 2, 2], 3, "none in leaf 1"),
        (SQUARED, [0, 0, 0], 0, "n_leaves: expected an integer ≥ 1, found 0"),
    ],
)
def test_bad_structures_are_refused(objective, leaf_of, n_leaves: int, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        FixedStructure(objective, leaf_of, n_leaves)


def test_bad_leaf_values_are_refused() -> None:
    fixed = make("convex", np.random.default_rng(0))
    theta, omega = np.zeros(fixed.theta_shape), np.zeros(fixed.omega_shape)
    for method in (fixed.value, fixed.grad_theta, fixed.grad_omega, fixed.hessian):
        with pytest.raises(ValueError, match="omega: expected shape"):
            method(theta, omega[:-1])
        with pytest.raises(ValueError, match="omega: expected finite"):
            method(theta, omega * np.nan)
