"""Step sizes below and above 2/beta, optima from three sources, and cases with a closed form."""

from __future__ import annotations

from itertools import islice

import numpy as np
import pytest

from irtheory.problems.synthetic import key_problem
from irtheory.propositions.certificates.reference import minimum_over_theta
from irtheory.propositions.objectives import AgreementObjective, LinearObjective, LogisticObjective
from irtheory.propositions.solvers import Stopped, StopRule, Trajectory, TreeClass, alternate, run

M, P, K = 30, 4, 2
CODES = np.random.default_rng(7).integers(0, 2, (M, 3))


def features(seed: int = 0) -> np.ndarray:
    return np.hstack([np.ones((M, 1)), np.random.default_rng(seed).normal(size=(M, P - 1))])


def objective_of(family: str, ridge: float = 0.1):
    rng = np.random.default_rng(1)
    if family == "convex":
        return LinearObjective(features(), rng.normal(size=(M, K)), ridge)
    if family == "logistic":
        return LogisticObjective(features(), np.eye(K)[rng.integers(0, K, M)], ridge)
    return AgreementObjective(features(), rng.choice([-1.0, 1.0], (M, 1)), ridge)


def descend(objective, depth: int, share: float, rule: StopRule | None = None, **how) -> Trajectory:
    mu = share / objective.smoothness().beta
    start = np.random.default_rng(2).normal(size=objective.theta_shape)
    steps = alternate(objective, CODES, start, mu, trees=TreeClass(depth, threads=1), **how)
    return run(steps, rule or StopRule(1e-10, 20_000), mu)


@pytest.mark.parametrize("share", [0.5, 0.99])
@pytest.mark.parametrize("family", ["convex", "logistic", "agreement"])
def test_short_steps_converge(family: str, share: float) -> None:
    path = descend(objective_of(family), 2, share)
    assert path.stopped is Stopped.CONVERGED
    assert max(path["gap_theta"][-1], path["gap_omega"][-1]) <= 1e-10 * path.scale


def curved_along(direction: np.ndarray) -> LinearObjective:
    """Phi whose steepest direction is `direction` [m], so that 2/beta is sharp along it."""
    small = 0.1 * np.random.default_rng(3).normal(size=(M, P - 1))
    labels = np.random.default_rng(4).normal(size=(M, K))
    return LinearObjective(np.hstack([direction[:, None], small]), labels)


def test_long_steps_diverge_where_the_tree_cannot_follow() -> None:
    free = np.random.default_rng(5).normal(size=M)
    for values in CODES.T:
        for value in (0, 1):
            free[values == value] -= free[values == value].mean()
    objective = curved_along(free - free.mean())
    assert descend(objective, 0, 1.9).stopped is Stopped.CONVERGED
    path = descend(objective, 0, 2.2)
    assert path.stopped is Stopped.DIVERGED
    assert np.all(np.isfinite(path["value"])) and path["value"][-1] > 1e9


def test_a_tree_that_follows_halves_the_curvature() -> None:
    # Along a constant the tree takes on G's own mean, the coupling vanishes and beta/2 is left.
    objective = curved_along(np.ones(M))
    assert descend(objective, 0, 2.2).stopped is Stopped.CONVERGED
    assert descend(objective, 0, 3.8).stopped is Stopped.CONVERGED
    assert descend(objective, 0, 4.2).stopped is Stopped.DIVERGED


@pytest.mark.parametrize("depth", [0, 1, 2])
def test_steps_beyond_four_over_beta_diverge_for_every_tree(depth: int) -> None:
    problem = key_problem(samples=60, attributes=5, seed=depth)
    objective = LinearObjective(problem.features, problem.one_hot)
    start = np.random.default_rng(0).normal(size=objective.theta_shape)
    mu = 4.4 / objective.smoothness().beta
    steps = alternate(objective, problem.codes, start, mu, trees=TreeClass(depth, threads=1))
    assert run(steps, StopRule(max_steps=2000), mu).stopped is Stopped.DIVERGED


@pytest.mark.parametrize("family", ["convex", "logistic", "agreement"])
def test_closed_form_cvxpy_and_plain_descent_agree_for_one_tree(family: str) -> None:
    objective = objective_of(family)
    T = objective.decode(np.eye(objective.targets(np.zeros(objective.theta_shape)).shape[1]))
    T = T[CODES[:, 0] % len(T)]
    theta = np.zeros(objective.theta_shape)
    mu = 1 / objective.smoothness().beta
    for _ in range(3000):
        theta = theta - mu * objective.grad_theta(theta, T)
    closed, solved = objective.minimise_theta(T), minimum_over_theta(objective, T)
    assert objective.value(theta, T) == pytest.approx(closed.value, abs=1e-11)
    assert solved.value == pytest.approx(closed.value, abs=1e-8)
    np.testing.assert_allclose(theta, closed.theta, atol=1e-6)
    np.testing.assert_allclose(solved.argument, closed.theta, atol=1e-3)


def test_depth_zero_ends_at_the_equilibrium_in_closed_form() -> None:
    # T = 1 mean(G): minimise |G - y|^2 + |C G|^2 with C = I - 11'/m, by its normal equations.
    objective = objective_of("convex", ridge=0.0)
    Phi, y = objective.features, objective.labels
    centred = Phi - Phi.mean(axis=0)
    theta = np.linalg.solve(Phi.T @ Phi + centred.T @ centred, Phi.T @ y)
    path = descend(objective, 0, 0.99, StopRule(1e-14, 50_000))
    np.testing.assert_allclose(path.final.theta, theta, atol=1e-6)
    assert path["value"][-1] == pytest.approx(
        np.sum((Phi @ theta - y) ** 2 + (centred @ theta) ** 2) / M, abs=1e-12
    )


def test_a_tree_that_separates_every_sample_leaves_plain_least_squares() -> None:
    # T = G costs nothing, so the label fit alone decides.
    codes = np.arange(8)[:, None] >> np.arange(3) & 1
    rng = np.random.default_rng(0)
    Phi, y = np.hstack([np.ones((8, 1)), rng.normal(size=(8, 2))]), rng.normal(size=(8, K))
    objective = LinearObjective(Phi, y)
    mu = 0.9 / objective.smoothness().beta
    steps = alternate(objective, codes, rng.normal(size=(3, K)), mu, trees=TreeClass(3, threads=1))
    path = run(steps, StopRule(1e-14, 50_000), mu)
    fit, squared, *_ = np.linalg.lstsq(Phi, y, rcond=None)
    np.testing.assert_allclose(path.final.theta, fit, atol=1e-6)
    assert path["value"][-1] == pytest.approx(np.sum(squared) / 8, abs=1e-12)


@pytest.mark.parametrize("family", ["convex", "logistic"])
def test_a_tree_that_says_the_labels_changes_nothing_but_the_scale(family: str) -> None:
    # Q(theta, y) is twice the label loss, its minimiser the label fit itself.
    objective = objective_of(family, ridge=0.0 if family == "convex" else 0.1)
    theta = np.random.default_rng(6).normal(size=objective.theta_shape)
    y = objective.labels
    ridge = 0.5 * objective.ridge * np.sum(theta**2)
    assert objective.value(theta, y) == pytest.approx(2 * objective.label_loss(theta) - ridge)
    if family == "convex":
        fit = np.linalg.lstsq(objective.features, y, rcond=None)[0]
        np.testing.assert_allclose(objective.minimise_theta(y).theta, fit, atol=1e-10)


def test_labels_that_a_tree_makes_are_fitted_to_nothing_by_both() -> None:
    # y is an affine function of one attribute: theta and the tree both say exactly y.
    Phi = np.hstack([np.ones((M, 1)), CODES])
    objective = LinearObjective(Phi, np.eye(2)[CODES[:, 1]])
    mu = 0.9 / objective.smoothness().beta
    start = np.random.default_rng(0).normal(size=objective.theta_shape)
    steps = alternate(objective, CODES, start, mu, trees=TreeClass(1, threads=1))
    path = run(steps, StopRule(1e-13, 50_000), mu)
    assert path["value"][-1] < 1e-10
    np.testing.assert_allclose(path.final.tree_outputs, objective.labels, atol=1e-4)


def test_a_zero_tree_leaves_a_shrunken_label_fit() -> None:
    objective = objective_of("convex", ridge=0.0)
    fit = np.linalg.lstsq(objective.features, objective.labels, rcond=None)[0]
    np.testing.assert_allclose(objective.minimise_theta(np.zeros((M, K))).theta, fit / 2)


def test_the_rate_of_the_proof_holds_at_every_step() -> None:
    objective = objective_of("convex", ridge=0.0)
    path = descend(objective, 2, 0.3)
    beta, mu = objective.smoothness().beta, path.step_size
    eta = mu * (1 - beta * mu / 2)
    R, drop = path["distance"].max(), path["value"][0] - path["value"][-1]
    assert np.sum(path["gap_theta"] ** 2) <= drop * R**2 / eta
    # Q falls by at least eta ||grad||^2 at every step, the gradients again from the states.
    steps = alternate(objective, CODES, path.kept[1].theta, mu, trees=TreeClass(2, threads=1))
    states = [state for _, state in islice(steps, 30)]
    values = [objective.value(s.theta, s.tree_outputs) for s in states]
    squared = [np.sum(objective.grad_theta(s.theta, s.tree_outputs) ** 2) for s in states]
    assert np.all(np.diff(values) <= -eta * np.array(squared[:-1]) + 1e-13)
