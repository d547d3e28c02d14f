"""The minima against cvxpy, scipy and scikit-learn, and what happens without cvxpy."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import minimize
from sklearn.linear_model import LogisticRegression, Ridge

from irtheory.propositions.certificates.reference import (
    MissingDependency,
    cvxpy_missing,
    minimum_over_omega_fixed,
    minimum_over_theta,
    minimum_over_theta_fixed,
)
from irtheory.propositions.objectives import (
    AgreementObjective,
    FixedStructure,
    LinearObjective,
    LogisticObjective,
)

SEEDS = [0, 1, 2]


def sample(seed: int) -> tuple[np.random.Generator, np.ndarray, np.ndarray]:
    """A generator, features [30, 4] and classes 0 .. 2 that depend on them."""
    rng = np.random.default_rng(seed)
    Phi = np.hstack([rng.normal(size=(30, 3)), np.ones((30, 1))])
    return rng, Phi, np.argmax(Phi[:, :3] + rng.normal(size=(30, 3)), axis=1)


def signs(rng: np.random.Generator) -> np.ndarray:
    return rng.choice([-1.0, 1.0], size=(30, 1))


def problems(seed: int):
    """Every objective with the outputs of some tree."""
    rng, Phi, classes = sample(seed)
    yield LinearObjective(Phi, rng.normal(size=(30, 2))), rng.normal(size=(30, 2))
    yield LinearObjective(Phi, rng.normal(size=(30, 2)), 0.3), rng.normal(size=(30, 2))
    soft = rng.dirichlet(np.ones(3), size=30)
    yield LogisticObjective(Phi, np.eye(3)[classes]), np.eye(3)[rng.integers(0, 3, 30)]
    yield LogisticObjective(Phi, soft, 0.2), soft
    yield AgreementObjective(Phi, signs(rng)), signs(rng)
    yield AgreementObjective(Phi, signs(rng), 0.0), rng.normal(size=(30, 1))


@pytest.mark.parametrize("seed", SEEDS)
def test_minimum_over_theta_equals_ours(seed: int) -> None:
    for objective, T in problems(seed):
        ours, peer = objective.minimise_theta(T), minimum_over_theta(objective, T)
        assert peer.status == "optimal"
        assert peer.value == objective.value(peer.argument, T)
        assert peer.solver_value == pytest.approx(peer.value, abs=1e-6)
        assert ours.value <= peer.value + 1e-13
        assert ours.value == pytest.approx(peer.value, rel=1e-8)
        np.testing.assert_allclose(ours.theta, peer.argument, atol=1e-3)


@pytest.mark.parametrize("seed", SEEDS)
def test_minimise_theta_beats_scipy(seed: int) -> None:
    for objective, T in problems(seed):
        found, shape = objective.minimise_theta(T), objective.theta_shape
        peer = minimize(
            lambda flat, Q=objective, T=T, shape=shape: Q.value(flat.reshape(shape), T),
            np.zeros(shape).ravel(),
            method="BFGS",
        )
        gradient = objective.grad_theta(found.theta, T)
        assert found.value == objective.value(found.theta, T)
        assert found.gradient_norm == pytest.approx(np.linalg.norm(gradient), abs=1e-15)
        assert found.gradient_norm <= 1e-11
        assert found.value <= peer.fun + 1e-13
        np.testing.assert_allclose(found.theta, peer.x.reshape(shape), atol=1e-3)


def test_equal_tree_and_labels_reduce_to_least_squares_and_ridge_regression() -> None:
    rng, Phi, _ = sample(5)
    y = rng.normal(size=(30, 2))
    plain = LinearObjective(Phi, y).minimise_theta(y)
    np.testing.assert_allclose(plain.theta, np.linalg.lstsq(Phi, y)[0], atol=1e-12)
    # (2/m)||Phi theta - y||^2 + (r/2)||theta||^2 weighs theta by alpha = m r/4.
    peer = Ridge(alpha=30 * 0.5 / 4, fit_intercept=False).fit(Phi, y)
    ridge = LinearObjective(Phi, y, 0.5).minimise_theta(y)
    np.testing.assert_allclose(ridge.theta, peer.coef_.T, atol=1e-10)


def test_equal_tree_and_labels_reduce_to_logistic_regression() -> None:
    _, Phi, classes = sample(6)
    y = np.eye(3)[classes]
    found = LogisticObjective(Phi, y, 0.1).minimise_theta(y)
    peer = LogisticRegression(C=2 / (30 * 0.1), fit_intercept=False, tol=1e-10, max_iter=5000)
    np.testing.assert_allclose(found.theta, peer.fit(Phi, classes).coef_.T, atol=1e-5)


def test_rank_deficient_features_give_the_fit_of_minimum_norm() -> None:
    rng, Phi, _ = sample(7)
    Phi[:, 3] = Phi[:, 0] + Phi[:, 1]
    y, T = rng.normal(size=(30, 2)), rng.normal(size=(30, 2))
    found = LinearObjective(Phi, y).minimise_theta(T)
    np.testing.assert_allclose(found.theta, np.linalg.pinv(Phi) @ ((y + T) / 2), atol=1e-12)
    assert "pseudo-inverse" in found.how and "rank 3 < 4" in found.how
    assert not LinearObjective(Phi, y).claims.coercive_because
    assert LinearObjective(Phi[:, :3], y).claims.coercive_because
    assert LinearObjective(Phi, y, 0.1).claims.coercive_because
    y, T = signs(rng), signs(rng)
    found = AgreementObjective(Phi, y, 0.0).minimise_theta(T)
    np.testing.assert_allclose(found.theta, np.linalg.pinv(Phi) @ ((y + T) / 2), atol=1e-12)
    assert not AgreementObjective(Phi, y, 0.0).claims.coercive_because


@given(st.integers(0, 10_000), st.floats(1e-6, 1.0))
def test_newton_converges_from_far_away_and_warm(seed: int, ridge: float) -> None:
    rng, Phi, classes = sample(seed)
    objective = LogisticObjective(Phi, np.eye(3)[classes], ridge)
    T = np.eye(3)[rng.integers(0, 3, 30)]
    cold = objective.minimise_theta(T)
    far = objective.minimise_theta(T, start=rng.normal(size=objective.theta_shape) * 100)
    np.testing.assert_allclose(far.value, cold.value, rtol=1e-12)
    assert objective.minimise_theta(T, start=cold.theta).how.endswith(" 0 steps")


def test_newton_without_a_ridge() -> None:
    """Overlapping classes have a minimum; separable ones do not, and that is said."""
    rng, Phi, _ = sample(11)
    y = np.eye(2)[rng.integers(0, 2, 30)]
    # Labels and their opposites cancel: p = 1/2 everywhere is optimal.
    found = LogisticObjective(Phi, y, 0.0).minimise_theta(1 - y, start=np.ones((4, 2)) * [1, -1])
    assert found.value == pytest.approx(2 * np.log(2), rel=1e-12)
    separable = np.eye(2)[(Phi[:, 0] > 0).astype(int)]
    with pytest.raises(RuntimeError, match=r"no minimum.*ridge 0\.0"):
        LogisticObjective(Phi, separable, 0.0).minimise_theta(separable)


@pytest.mark.parametrize("seed", SEEDS)
def test_minima_over_either_block_of_a_fixed_structure_equal_ours(seed: int) -> None:
    rng, Phi, _ = sample(seed)
    leaf_of = np.arange(30) % 4
    for objective in (
        LinearObjective(Phi, rng.normal(size=(30, 2)), 0.1),
        AgreementObjective(Phi, signs(rng), 0.1),
    ):
        fixed = FixedStructure(objective, leaf_of, 4)
        theta, omega = rng.normal(size=fixed.theta_shape), rng.normal(size=fixed.omega_shape)
        over_theta = minimum_over_theta_fixed(fixed, omega)
        over_omega = minimum_over_omega_fixed(fixed, theta)
        ours_theta, ours_omega = fixed.minimise_theta(omega), fixed.minimise_omega(theta)
        assert over_theta.value == fixed.value(over_theta.argument, omega)
        assert over_omega.value == fixed.value(theta, over_omega.argument)
        assert over_theta.value == pytest.approx(ours_theta.value, rel=1e-9)
        assert over_omega.value == pytest.approx(ours_omega.value, rel=1e-9)
        np.testing.assert_allclose(over_theta.argument, ours_theta.theta, atol=1e-4)
        np.testing.assert_allclose(over_omega.argument, ours_omega.omega, atol=1e-4)


def test_expressions_have_the_value_of_q_in_either_argument() -> None:
    cp = pytest.importorskip("cvxpy", reason="the symbolic forms are cvxpy's")
    for objective, T in problems(3):
        theta = np.random.default_rng(4).normal(size=objective.theta_shape)
        weights, tree = cp.Variable(theta.shape), cp.Variable(T.shape)
        weights.value, tree.value = theta, T
        expected = pytest.approx(objective.value(theta, T), rel=1e-12)
        for expression in (
            objective.expression(cp, weights, T),
            objective.expression(cp, theta, tree),
        ):
            assert float(expression.value) == expected
            assert expression.is_dcp() and expression.is_convex()


def test_another_solver_agrees() -> None:
    _, Phi, classes = sample(5)
    y = np.eye(3)[classes]
    objective = LinearObjective(Phi, y, 0.1)
    peer = minimum_over_theta(objective, y, solver="OSQP")
    assert peer.solver == "OSQP"
    assert peer.value == pytest.approx(objective.minimise_theta(y).value, rel=1e-3)


def test_only_an_optimal_status_is_accepted() -> None:
    _, Phi, classes = sample(6)
    objective = LogisticObjective(Phi, np.eye(3)[classes])
    with pytest.raises(RuntimeError, match=r"solver NONESUCH ended with status error"):
        minimum_over_theta(objective, objective.labels, solver="NONESUCH")
    with pytest.raises(RuntimeError, match="solver OSQP ended with status"):
        minimum_over_theta(objective, objective.labels, solver="OSQP")


def test_an_inaccurate_solution_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    _, Phi, classes = sample(6)
    objective = LogisticObjective(Phi, np.eye(3)[classes])
    monkeypatch.setattr(
        "irtheory.propositions.certificates.reference.CLARABEL_TOLERANCES", (1e-30,)
    )
    with pytest.raises(RuntimeError, match=r"CLARABEL ended with status (?!optimal,)"):
        minimum_over_theta(objective, objective.labels)


def test_a_missing_cvxpy_is_named_in_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    assert cvxpy_missing() is None
    objective = LinearObjective(np.eye(2), np.eye(2))
    monkeypatch.setitem(sys.modules, "cvxpy", None)
    message = cvxpy_missing()
    assert message is not None and "pip install cvxpy" in message and "\n" not in message
    with pytest.raises(MissingDependency, match="need cvxpy"):
        minimum_over_theta(objective, np.eye(2))


def test_bad_arguments_are_refused() -> None:
    objective = LinearObjective(np.eye(2), np.eye(2))
    fixed = FixedStructure(objective, np.array([0, 1]), 2)
    with pytest.raises(ValueError, match="T: expected shape"):
        minimum_over_theta(objective, np.eye(3))
    with pytest.raises(ValueError, match="omega: expected shape"):
        minimum_over_theta_fixed(fixed, np.eye(3))
    with pytest.raises(ValueError, match="theta: expected finite"):
        minimum_over_omega_fixed(fixed, np.eye(2) * np.nan)


def test_the_package_does_not_import_cvxpy() -> None:
    root = Path(__file__).resolve().parents[3]
    modules = "irtheory.propositions.objectives, irtheory.propositions.certificates.reference"
    code = f"import sys, {modules}; sys.exit('cvxpy' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=root, check=False).returncode == 0
