"""Weight space: products with J, and the same iterates as function space."""

from __future__ import annotations

from itertools import islice

import numpy as np
import pytest
import torch
from torch import nn

from irtheory.problems.synthetic import key_problem
from irtheory.propositions.certificates.reference import minimum_over_theta
from irtheory.propositions.objectives import LinearisedObjective
from irtheory.propositions.objectives.weight_space import WeightSpaceObjective
from irtheory.propositions.solvers import TreeClass, alternate
from irtheory.propositions.tangent import (
    LinearisedNetwork,
    admissible,
    cnn,
    empirical_kernel,
    mlp,
    network_outputs,
)

PROBLEM = key_problem(samples=18, attributes=4, classes=3, depth=2, seed=1)
X = PROBLEM.features[:, 1:]


def both_forms(module: nn.Module, x: np.ndarray, ridge: float = 0.0):
    net = admissible(module, x)
    labels = PROBLEM.one_hot[: len(x)]
    in_functions = LinearisedObjective(
        empirical_kernel(net, x), network_outputs(net, x), labels, ridge
    )
    in_weights = WeightSpaceObjective(LinearisedNetwork(net, torch.tensor(x)), labels, ridge)
    return in_functions, in_weights


def test_products_with_the_jacobian_are_derivatives_and_adjoint() -> None:
    net = admissible(mlp(4, [6, 5], 3, activation="tanh"), X)
    line = LinearisedNetwork(net, torch.tensor(X))
    rng = np.random.default_rng(0)
    delta, cotangent = rng.normal(size=line.n_parameters), rng.normal(size=(18, 3))
    assert np.vdot(line.jvp(delta), cotangent) == pytest.approx(delta @ line.vjp(cotangent))
    np.testing.assert_allclose(line.initial, network_outputs(net, X))

    def moved(step: float) -> np.ndarray:
        start = 0
        shifted = mlp(4, [6, 5], 3, activation="tanh")
        with torch.no_grad():
            for p in shifted.parameters():
                piece = delta[start : start + p.numel()].reshape(p.shape)
                p.add_(step * torch.tensor(piece))
                start += p.numel()
        return network_outputs(shifted, X)

    slope = (moved(1e-5) - moved(-1e-5)) / 2e-5
    np.testing.assert_allclose(line.jvp(delta), slope, atol=1e-7)


@pytest.mark.slow
@pytest.mark.parametrize("ridge", [0.0, 0.2])
@pytest.mark.parametrize("order", ["gauss-seidel", "jacobi"])
def test_weight_space_and_function_space_take_the_same_steps(ridge: float, order) -> None:
    for module in (
        mlp(4, [7, 6], 3),
        mlp(4, [5], 3, activation="gelu", parametrisation="standard"),
    ):
        f, w = both_forms(module, X, ridge)
        mu = 0.9 / f.smoothness().beta
        assert w.smoothness().beta == pytest.approx(f.smoothness().beta, rel=1e-10)
        runs = [
            alternate(
                q, PROBLEM.codes, np.zeros(q.theta_shape), mu, trees=TreeClass(2, 1, 1), order=order
            )
            for q in (f, w)
        ]
        for (a, here), (b, there) in islice(zip(*runs, strict=True), 0, 12, 3):
            np.testing.assert_allclose(
                f.outputs(here.theta), w.outputs(there.theta), rtol=0, atol=1e-8
            )
            for name in ("value", "min_theta", "gap_theta", "gap_omega", "gradient_norm"):
                assert getattr(a, name) == pytest.approx(getattr(b, name), abs=1e-8)
            # The coordinates are orthonormal: distances are those of the weights.
            assert a.distance == pytest.approx(b.distance, rel=1e-6)
            assert a.tree_changes == b.tree_changes


def test_the_same_on_images() -> None:
    images = np.random.default_rng(0).normal(size=(8, 1, 4, 4))
    f, w = both_forms(cnn((1, 4, 4), [3], 3), images)
    T = np.random.default_rng(1).normal(size=(8, 3))
    a, b = f.minimise_theta(T), w.minimise_theta(T)
    assert a.value == pytest.approx(b.value, abs=1e-8)
    np.testing.assert_allclose(f.outputs(a.theta), w.outputs(b.theta), atol=1e-7)
    assert np.linalg.norm(a.theta) == pytest.approx(np.linalg.norm(b.theta), abs=1e-6)


def test_minima_agree_with_cvxpy_in_both_forms() -> None:
    T = np.random.default_rng(2).normal(size=(18, 3))
    for ridge in (0.0, 0.3):
        f, w = both_forms(mlp(4, [4], 3), X, ridge)
        for objective in (f, w):
            peer = minimum_over_theta(objective, T)
            assert objective.minimise_theta(T).value == pytest.approx(peer.value, abs=1e-8)


def test_only_the_reduced_coordinates_are_coercive() -> None:
    f, w = both_forms(mlp(4, [7, 6], 3), X)
    assert w.theta_shape[0] > f.rank
    assert w.strong_convexity == 0.0 and w.claims.coercive_because == ""
    assert f.strong_convexity > 0 and f"rank {f.rank}" in f.claims.coercive_because
    design = w.design
    assert np.linalg.matrix_rank(design) == f.rank
    np.testing.assert_allclose(design @ design.T, f.kernel, atol=1e-12 * np.abs(f.kernel).max())


def test_fewer_parameters_than_outputs_are_coercive_in_weight_space() -> None:
    net = admissible(mlp(4, [], 3), X)
    w = WeightSpaceObjective(LinearisedNetwork(net, torch.tensor(X)), PROBLEM.one_hot)
    f = LinearisedObjective(empirical_kernel(net, X), network_outputs(net, X), PROBLEM.one_hot)
    assert w.theta_shape == (15,) and f.rank == 15
    assert w.strong_convexity == pytest.approx(f.strong_convexity, rel=1e-8)
    assert "full column rank" in w.claims.coercive_because
