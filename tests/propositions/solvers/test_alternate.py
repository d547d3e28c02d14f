"""Proposition 1's iteration against a slow one: complex-step gradients, trees by brute force."""

from __future__ import annotations

from collections.abc import Callable
from itertools import islice

import numpy as np
import pytest
from scipy.optimize import minimize

from irtheory.propositions.objectives import AgreementObjective, LinearObjective, LogisticObjective
from irtheory.propositions.solvers import Stopped, StopRule, TreeClass, alternate, run

FAMILIES = ["convex", "logistic", "agreement"]
ORDERS = ["gauss-seidel", "jacobi"]
M = 16


def sample(family: str, seed: int):
    """Phi [m, 4], y, codes [m, 3] of three levels and a starting theta."""
    rng = np.random.default_rng(seed)
    k = {"convex": 2, "logistic": 3, "agreement": 1}[family]
    codes = rng.integers(0, 3, (M, 3))
    Phi = np.hstack([np.ones((M, 1)), rng.normal(size=(M, 3))])
    labels = {
        "convex": rng.normal(size=(M, k)),
        "logistic": np.eye(3)[rng.integers(0, 3, M)],
        "agreement": rng.choice([-1.0, 1.0], (M, 1)),
    }[family]
    return Phi, labels, codes, rng.normal(size=(4, k))


def objective_of(family: str, Phi, labels, ridge: float):
    kinds = {
        "convex": LinearObjective,
        "logistic": LogisticObjective,
        "agreement": AgreementObjective,
    }
    return kinds[family](Phi, labels, ridge)


def slow_value(family: str, Phi, y, ridge: float) -> Callable:
    """Q(theta, T) from its definition; analytic, so that theta may be complex."""

    def loss(G, v):
        if family == "convex":
            return np.sum((G - v) ** 2) / M
        if family == "agreement":
            return np.sum((1 - G * v) ** 2) / M
        return sum(v[i] @ (np.log(np.sum(np.exp(G[i]))) - G[i]) for i in range(M)) / M

    def value(theta, T):
        G = Phi @ theta
        return loss(G, y) + loss(G, T) + ridge / 2 * np.sum(theta**2)

    return value


def complex_step(function: Callable, x: np.ndarray) -> np.ndarray:
    """The gradient to machine precision: Im f(x + ih)/h needs no difference."""
    gradient = np.zeros_like(x)
    for place in np.ndindex(x.shape):
        moved = x.astype(complex)
        moved[place] += 1e-30j
        gradient[place] = function(moved).imag / 1e-30
    return gradient


def slow_tree(family: str, codes, G, depth: int) -> tuple[float, np.ndarray]:
    """Cost and outputs T of the best tree, every test tried at every node."""
    say = np.array([[-1.0], [1.0]]) if family == "agreement" else np.eye(G.shape[1])

    def leaf(rows):
        if family == "convex":
            values = G[rows].mean(axis=0)
            return np.sum((G[rows] - values) ** 2), {int(i): values for i in rows}
        if family == "agreement":
            costs = [np.sum((1 - G[rows] * sign) ** 2) for sign in say]
        else:
            normaliser = np.log(np.exp(G[rows]).sum(axis=1))
            costs = [np.sum(normaliser - G[rows, c]) for c in range(len(say))]
        return min(costs), {int(i): say[int(np.argmin(costs))] for i in rows}

    def grow(rows, levels):
        best = leaf(rows)
        for j in range(codes.shape[1] if levels else 0):
            for cut in np.unique(codes[rows, j])[:-1]:
                left = codes[rows, j] <= cut
                a, b = grow(rows[left], levels - 1), grow(rows[~left], levels - 1)
                if a[0] + b[0] < best[0] - 1e-12:
                    best = a[0] + b[0], a[1] | b[1]
        return best

    cost, outputs = grow(np.arange(M), depth)
    return cost, np.array([outputs[i] for i in range(M)])


def slow_minimum(family: str, Phi, y, T, ridge: float, value: Callable) -> np.ndarray:
    """Argmin over theta of Q(., T): one stacked least-squares problem, BFGS for cross-entropy."""
    P = Phi.shape[1]
    damping = np.sqrt(M * ridge / 2) * np.eye(P)
    if family == "convex":
        stacked = np.vstack([Phi, Phi, damping])
        return np.linalg.lstsq(stacked, np.vstack([y, T, np.zeros((P, y.shape[1]))]), rcond=None)[0]
    if family == "agreement":
        stacked = np.vstack([y * Phi, T * Phi, damping])
        return np.linalg.lstsq(stacked, np.vstack([np.ones((2 * M, 1)), np.zeros((P, 1))]))[0]
    shape = P, y.shape[1]
    found = minimize(
        lambda flat: value(flat.reshape(shape), T),
        np.zeros(P * shape[1]),
        jac=lambda flat: complex_step(lambda x: value(x.reshape(shape), T), flat),
        options={"gtol": 1e-8},
    )
    return found.x.reshape(shape)


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize(("family", "depth"), [(f, d) for f in FAMILIES for d in (1, 2)])
def test_every_step_equals_a_slow_alternation(family: str, depth: int, order: str) -> None:
    ridge, steps = 0.2, 8 if family == "logistic" else 20
    Phi, y, codes, theta = sample(family, seed=depth)
    objective = objective_of(family, Phi, y, ridge)
    beta = objective.smoothness().beta
    mu = 0.8 / beta
    eta = mu * (1 - beta * mu / 2)
    Q = slow_value(family, Phi, y, ridge)
    exact = alternate(objective, codes, theta, mu, trees=TreeClass(depth, threads=1), order=order)
    late = False
    last_value = last_squared = half = np.nan
    older = slow_tree(family, codes, Phi @ theta, depth)[1]
    for t, (step, state) in enumerate(islice(exact, steps), start=1):
        fresh = slow_tree(family, codes, Phi @ theta, depth)[1]
        T = fresh if order == "gauss-seidel" else older
        gradient = complex_step(lambda x, T=T: Q(x, T), theta)
        best = slow_minimum(family, Phi, y, T, ridge, Q)
        least = Q(theta, fresh)
        assert step.t == t
        np.testing.assert_allclose(state.theta, theta, rtol=0, atol=1e-10)
        np.testing.assert_allclose(state.tree_outputs, T, rtol=0, atol=1e-10)
        expected = {
            "value": Q(theta, T),
            "half": half,
            "gradient_norm": np.linalg.norm(gradient),
            "min_theta": Q(best, T),
            "min_omega": least,
            "gap_theta": Q(theta, T) - Q(best, T),
            "gap_omega": Q(theta, T) - least,
            "descent_violation": half - last_value + eta * last_squared,
            "tree_gap": 0.0,
        }
        found = {name: getattr(step, name) for name in expected}
        assert found == pytest.approx(expected, rel=0, abs=1e-10, nan_ok=True)
        assert step.distance == pytest.approx(np.linalg.norm(theta - best), abs=1e-6)
        late |= step.gap_omega > 1e-6
        last_value, last_squared = Q(theta, T), np.sum(gradient**2)
        theta, older = theta - mu * gradient, fresh
        half = Q(theta, T)
    # In the printed order T is a step late, which shows wherever leaf values move with G.
    if order == "gauss-seidel" or family == "convex":
        assert late == (order == "jacobi")


@pytest.mark.parametrize("family", FAMILIES)
def test_gauss_seidel_descends_at_every_step_and_meets_the_descent_lemma(family: str) -> None:
    Phi, y, codes, theta = sample(family, seed=5)
    objective = objective_of(family, Phi, y, 0.05)
    mu = 0.99 / objective.smoothness().beta
    path = run(alternate(objective, codes, theta, mu, trees=TreeClass(2)), StopRule(1e-9, 3000), mu)
    assert path.stopped is Stopped.CONVERGED
    assert np.max(np.diff(path["value"])) <= 1e-13
    assert np.nanmax(path["descent_violation"]) <= 1e-13
    assert np.max(np.abs(path["gap_omega"])) <= 1e-11  # ties and rounding of the exact tree
    # The two halves of a step: theta first, then the tree, neither raises Q.
    assert np.all(path["half"][1:] <= path["value"][:-1] + 1e-13)
    assert np.all(path["value"][1:] <= path["half"][1:] + 1e-13)


@pytest.mark.parametrize("family", ["convex", "agreement"])
def test_both_orders_reach_one_limit_when_their_trees_agree(family: str) -> None:
    Phi, y, codes, theta = sample(family, seed=2)
    objective = objective_of(family, Phi, y, 0.1)
    mu = 0.9 / objective.smoothness().beta
    ends = {}
    for order in ORDERS:
        steps = alternate(objective, codes, theta, mu, trees=TreeClass(2), order=order)
        ends[order] = run(steps, StopRule(1e-13, 20_000), mu)
    first, second = (ends[order] for order in ORDERS)
    assert first.final.structure == second.final.structure
    np.testing.assert_allclose(first.final.theta, second.final.theta, atol=1e-5)
    assert first["value"][-1] == pytest.approx(second["value"][-1], abs=1e-11)


def test_jacobi_shows_its_own_gap_but_certifies_the_step_it_took() -> None:
    Phi, y, codes, theta = sample("convex", seed=3)
    objective = objective_of("convex", Phi, y, 0.0)
    mu = 0.9 / objective.smoothness().beta
    steps = alternate(objective, codes, theta, mu, trees=TreeClass(2), order="jacobi")
    path = run(steps, StopRule(1e-9, 2000), mu)
    assert path["gap_omega"][1] > 1e-3 * path.scale
    assert np.max(np.abs(path["tree_gap"])) < 1e-11
    assert path["gap_omega"][-1] < 1e-9 * path.scale


def test_the_greedy_step_never_beats_the_exact_one() -> None:
    rng = np.random.default_rng(0)
    codes = rng.integers(0, 2, (60, 4))
    # An exclusive or hides its tests from a greedy tree: neither lowers the cost alone.
    G = 2.0 * (codes[:, :1] ^ codes[:, 1:2]) - 1 + 0.1 * rng.normal(size=(60, 1))
    objective = LinearObjective(G, G)
    start, mu = np.array([[1.5]]), 0.5 / objective.smoothness().beta
    steps = alternate(objective, codes, start, mu, trees=TreeClass(2), tree_step="greedy")
    rows = [step for step, _ in islice(steps, 10)]
    assert min(row.gap_omega for row in rows) >= 0
    assert rows[0].gap_omega > 0.1 and rows[0].tree_gap == rows[0].gap_omega


@pytest.mark.parametrize("order", ORDERS)
def test_overflow_ends_the_iteration_without_warnings(order: str) -> None:
    Phi, y, codes, theta = sample("convex", seed=1)
    objective = objective_of("convex", Phi, y, 0.0)
    mu = 50 / objective.smoothness().beta
    steps = alternate(objective, codes, theta, mu, trees=TreeClass(1), order=order)
    path = run(steps, StopRule(max_steps=5000, blow_up=np.inf), mu)
    assert path.stopped is Stopped.DIVERGED
    assert np.isfinite(path.final.theta).all() and np.isfinite(path["value"]).all()
