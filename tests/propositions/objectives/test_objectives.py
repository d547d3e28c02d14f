"""Objectives against their definitions, finite differences and brute force over leaves."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from irtheory.propositions.objectives import (
    AgreementObjective,
    LinearObjective,
    LogisticObjective,
    Objective,
)

MODELS = ["convex", "logistic", "agreement"]
seeds = st.integers(0, 10_000)
models = st.sampled_from(MODELS)


def features_of(rng: np.random.Generator, m: int = 24, columns: int = 4) -> np.ndarray:
    return np.hstack([rng.normal(size=(m, columns - 1)), np.ones((m, 1))])


def one_hot(classes: np.ndarray, k: int) -> np.ndarray:
    return np.eye(k)[classes]


def make(name: str, rng: np.random.Generator, ridge: float = 0.05) -> Objective:
    Phi = features_of(rng)
    m = len(Phi)
    if name == "convex":
        return LinearObjective(Phi, rng.normal(size=(m, 3)), ridge)
    if name == "logistic":
        return LogisticObjective(Phi, one_hot(rng.integers(0, 3, m), 3), ridge)
    return AgreementObjective(Phi, rng.choice([-1.0, 1.0], size=(m, 1)), ridge)


def tree_outputs(objective: Objective, rng: np.random.Generator) -> np.ndarray:
    """Outputs that a tree could give: any values, one-hot rows, or signs."""
    m, k = objective.n_samples, objective.n_outputs
    if objective.name == "convex":
        return rng.normal(size=(m, k))
    if objective.name == "logistic":
        return one_hot(rng.integers(0, k, m), k)
    return rng.choice([-1.0, 1.0], size=(m, 1))


def finite_difference(function, at: np.ndarray, step: float = 1e-5) -> np.ndarray:
    """Central differences of a function of one array; the axes of `at` come first."""
    rows = []
    for index in range(at.size):
        bump = np.zeros(at.size)
        bump[index] = step
        bump = bump.reshape(at.shape)
        rows.append((np.asarray(function(at + bump)) - function(at - bump)) / (2 * step))
    return np.stack(rows).reshape(at.shape + rows[0].shape)


@given(models, seeds)
def test_value_is_the_sum_of_its_terms_and_follows_the_definition(name: str, seed: int) -> None:
    rng = np.random.default_rng(seed)
    objective = make(name, rng)
    theta, T = rng.normal(size=objective.theta_shape), tree_outputs(objective, rng)
    label, coupling = 0.0, 0.0
    for phi, y, t in zip(objective.features, objective.labels, T, strict=True):
        g = [sum(phi[p] * theta[p, c] for p in range(len(phi))) for c in range(len(y))]
        for total, target in (("label", y), ("coupling", t)):
            if name == "convex":
                loss = sum((a - b) ** 2 for a, b in zip(g, target, strict=True))
            elif name == "logistic":
                loss = -sum(
                    b * (a - np.log(np.exp(g).sum())) for a, b in zip(g, target, strict=True)
                )
            else:
                loss = (1 - g[0] * target[0]) ** 2
            label += loss * (total == "label") / objective.n_samples
            coupling += loss * (total == "coupling") / objective.n_samples
    label += 0.05 / 2 * (theta**2).sum()
    assert objective.label_loss(theta) == pytest.approx(label, rel=1e-12)
    assert objective.coupling(theta, T) == pytest.approx(coupling, rel=1e-12)
    assert objective.value(theta, T) == pytest.approx(label + coupling, rel=1e-12)


@given(models, seeds)
def test_gradients_and_hessian_match_finite_differences(name: str, seed: int) -> None:
    rng = np.random.default_rng(seed)
    objective = make(name, rng)
    theta = rng.normal(size=objective.theta_shape)
    T = rng.normal(size=(objective.n_samples, objective.n_outputs))
    by_theta = finite_difference(lambda point: objective.value(point, T), theta)
    by_tree = finite_difference(lambda point: objective.value(theta, point), T)
    hessian = finite_difference(lambda point: objective.grad_theta(point, T), theta)
    np.testing.assert_allclose(objective.grad_theta(theta, T), by_theta, rtol=1e-6, atol=1e-7)
    np.testing.assert_allclose(objective.grad_tree(theta, T), by_tree, rtol=1e-6, atol=1e-7)
    found = objective.hessian_theta(theta, T)
    np.testing.assert_allclose(found, hessian.reshape(found.shape), rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(found, found.T, atol=1e-13)


@given(models, seeds)
def test_no_hessian_exceeds_beta(name: str, seed: int) -> None:
    rng = np.random.default_rng(seed)
    objective = make(name, rng)
    theta = rng.normal(size=objective.theta_shape) * 10 ** rng.uniform(-3, 1)
    hessian = objective.hessian_theta(theta, tree_outputs(objective, rng))
    eigenvalues = np.linalg.eigvalsh(hessian)
    assert eigenvalues[-1] <= objective.smoothness().beta * (1 + 1e-12)
    assert eigenvalues[0] >= objective.ridge * (1 - 1e-9) - 1e-12


@pytest.mark.parametrize("name", MODELS)
def test_beta_is_attained(name: str) -> None:
    """Exact for squared and agreement loss; for two classes at theta = 0 for logistic loss."""
    rng = np.random.default_rng(0)
    objective = make(name, rng)
    if name == "logistic":
        labels = one_hot(rng.integers(0, 2, objective.n_samples), 2)
        objective = LogisticObjective(objective.features, labels, 0.05)
    T = tree_outputs(objective, rng)
    top = np.linalg.eigvalsh(objective.hessian_theta(np.zeros(objective.theta_shape), T))[-1]
    assert objective.smoothness().beta == pytest.approx(top, rel=1e-12)


def test_beta_of_a_wide_feature_matrix() -> None:
    rng = np.random.default_rng(1)
    Phi = rng.normal(size=(5, 9))
    top = np.linalg.svd(Phi)[1][0] ** 2
    beta = LinearObjective(Phi, rng.normal(size=(5, 2)), 0.3).smoothness().beta
    assert beta == pytest.approx(4 * top / 5 + 0.3, rel=1e-12)


@given(models, seeds)
def test_gradient_step_descends_as_the_lemma_promises(name: str, seed: int) -> None:
    rng = np.random.default_rng(seed)
    objective = make(name, rng)
    theta, T = rng.normal(size=objective.theta_shape), tree_outputs(objective, rng)
    beta = objective.smoothness().beta
    step = 0.9 / beta
    gradient = objective.grad_theta(theta, T)
    promised = step * (1 - beta * step / 2) * np.sum(gradient**2)
    before, after = objective.value(theta, T), objective.value(theta - step * gradient, T)
    assert after <= before - promised + 1e-12 * before


@given(models, seeds)
def test_jointly_convex_claim_is_true_where_it_is_made(name: str, seed: int) -> None:
    rng = np.random.default_rng(seed)
    objective = make(name, rng)
    thetas = rng.normal(size=(2, *objective.theta_shape))
    shape = (2, objective.n_samples, objective.n_outputs)
    trees = (
        rng.dirichlet(np.ones(shape[2]), shape[:2])
        if name == "logistic"
        else rng.normal(size=shape)
    )
    middle = objective.value(thetas.mean(axis=0), trees[0])
    ends = np.mean([objective.value(theta, trees[0]) for theta in thetas])
    assert middle <= ends + 1e-12
    if objective.claims.jointly_convex:
        middle = objective.value(thetas.mean(axis=0), trees.mean(axis=0))
        ends = np.mean([objective.value(*point) for point in zip(thetas, trees, strict=True)])
        assert middle <= ends + 1e-12


@pytest.mark.parametrize("name", ["logistic", "agreement"])
def test_models_that_claim_no_joint_convexity_have_none(name: str) -> None:
    """A direction of negative curvature: raise an output and lower what the tree says there."""
    objective = make(name, np.random.default_rng(9), ridge=0.0)
    theta, T = np.zeros(objective.theta_shape), np.zeros(objective.labels.shape)
    if name == "logistic":
        T += 1 / 3
    upward, tree_direction = np.zeros_like(theta), np.zeros_like(T)
    upward[-1, 0] = 1.0  # the intercept column
    tree_direction[:, 0] = 1.0
    if name == "logistic":
        tree_direction[:, 1] = -1.0

    def along(step: float) -> float:
        return objective.value(theta + step * upward, T + 2 * step * tree_direction)

    assert not objective.claims.jointly_convex
    assert along(0.1) + along(-0.1) < 2 * along(0.0)


@given(models, seeds, st.integers(1, 6))
def test_leaf_costs_add_up_to_the_coupling(name: str, seed: int, n_leaves: int) -> None:
    rng = np.random.default_rng(seed)
    objective = make(name, rng)
    theta = rng.normal(size=objective.theta_shape)
    leaf_of = rng.integers(0, n_leaves, objective.n_samples)
    targets = objective.targets(theta)
    values, cost = np.zeros_like(targets), 0.0
    for leaf in np.unique(leaf_of):
        rows = leaf_of == leaf
        if objective.leaf_cost == "squared_error":
            best = targets[rows].mean(axis=0)
            cost += ((targets[rows] - best) ** 2).sum()
        else:
            best = one_hot(targets[rows].sum(axis=0).argmin(), targets.shape[1])
            cost += targets[rows].sum(axis=0).min()
        values[rows] = best
    T = objective.decode(values)
    assert objective.coupling(theta, T) == pytest.approx(cost / objective.n_samples, rel=1e-10)
    assert objective.min_over_trees(theta, cost) == pytest.approx(
        objective.value(theta, T), rel=1e-10
    )
    # No leaf can do better: every other choice of one leaf's value costs at least as much.
    for choice in np.eye(targets.shape[1]):
        other = values.copy()
        other[leaf_of == leaf_of[0]] = choice
        assert objective.coupling(theta, objective.decode(other)) >= cost / len(T) - 1e-12


def test_agreement_decode_maps_choices_to_signs() -> None:
    objective = make("agreement", np.random.default_rng(0))
    np.testing.assert_array_equal(objective.decode([[1.0, 0.0], [0.0, 1.0]]), [[-1.0], [1.0]])


def test_huge_logits_neither_overflow_nor_lose_the_gradient() -> None:
    Phi = np.array([[1e4], [-1e4]])
    objective = LogisticObjective(Phi, np.eye(2), 0.0)
    theta = np.array([[-1.0, 1.0]])
    assert objective.value(theta, np.eye(2)) == pytest.approx(4e4)
    assert np.isfinite(objective.grad_theta(theta, np.eye(2))).all()
    assert np.isfinite(objective.hessian_theta(theta, np.eye(2))).all()


def test_objectives_keep_their_own_copy_of_the_sample() -> None:
    rng = np.random.default_rng(12)
    Phi, y = features_of(rng), rng.normal(size=(24, 1))
    objective = LinearObjective(Phi, y)
    before = objective.label_loss(np.ones((4, 1)))
    Phi[:], y[:] = 0, 0
    assert objective.label_loss(np.ones((4, 1))) == before
    with pytest.raises(ValueError, match="read-only"):
        objective.features[0, 0] = 1.0


SIGNS = np.array([[1.0], [-1.0]])


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: LinearObjective([[1.0], [np.nan]], SIGNS), "features: expected finite"),
        (lambda: LinearObjective([1.0, 2.0], SIGNS), r"features: expected shape \[m, P\]"),
        (lambda: LinearObjective(np.zeros((0, 2)), np.zeros((0, 1))), "features: expected m, P"),
        (lambda: LinearObjective([["a"], ["b"]], SIGNS), "features: expected real numbers"),
        (lambda: LinearObjective(np.eye(3), SIGNS), r"labels: expected shape \[3, k\], found"),
        (lambda: LinearObjective(np.eye(2), np.zeros((2, 0))), "labels: expected k ≥ 1"),
        (lambda: LinearObjective(np.eye(2), [[np.inf], [0.0]]), "labels: expected finite"),
        (lambda: LinearObjective(np.eye(2), SIGNS, -0.1), r"ridge: expected .* found -0\.1"),
        (lambda: LinearObjective(np.eye(2), SIGNS, np.nan), "ridge: expected finite"),
        (lambda: LogisticObjective(np.eye(2), [[1.0, 0.0], [0.6, 0.6]]), "labels: .* row 1"),
        (lambda: LogisticObjective(np.eye(2), [[1.5, -0.5], [0, 1.0]]), "labels: .*simplex.*row 0"),
        (lambda: AgreementObjective(np.eye(2), [[1.0], [0.5]]), r"labels: .* found 0\.5"),
        (lambda: AgreementObjective(np.eye(2), np.ones((2, 2))), r"labels: .*\[m, 1\], found"),
    ],
)
def test_bad_samples_are_refused(build, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        build()


@pytest.mark.parametrize("name", MODELS)
def test_bad_arguments_are_refused(name: str) -> None:
    objective = make(name, np.random.default_rng(0))
    theta, T = np.zeros(objective.theta_shape), np.zeros(objective.labels.shape)
    for method in (
        objective.value,
        objective.grad_theta,
        objective.grad_tree,
        objective.hessian_theta,
        objective.coupling,
    ):
        with pytest.raises(ValueError, match="theta: expected shape"):
            method(theta[:-1], T)
        with pytest.raises(ValueError, match="theta: expected finite"):
            method(theta * np.nan, T)
        with pytest.raises(ValueError, match="T: expected shape"):
            method(theta, T[:-1])
    with pytest.raises(ValueError, match="T: expected finite"):
        objective.minimise_theta(T + np.inf)


def test_logistic_minimum_asks_for_trees_on_the_simplex_and_a_start_of_the_right_shape() -> None:
    objective = make("logistic", np.random.default_rng(0))
    with pytest.raises(ValueError, match="T: expected rows on the simplex"):
        objective.minimise_theta(2 * objective.labels)
    with pytest.raises(ValueError, match="theta: expected shape"):
        objective.minimise_theta(objective.labels, start=np.zeros((1, 1)))
