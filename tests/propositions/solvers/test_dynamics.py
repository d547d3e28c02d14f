"""The closed form between two trees against stepping, and runs that jump against runs that step."""

from __future__ import annotations

from itertools import islice

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from irtheory.problems.synthetic import key_problem
from irtheory.propositions.objectives import LinearisedObjective, LinearObjective, SquaredLoss
from irtheory.propositions.solvers import (
    Segment,
    Settling,
    Stopped,
    StopRule,
    TreeClass,
    alternate,
    jump,
    run,
    settling,
)
from irtheory.propositions.solvers.dynamics import leaf_means
from irtheory.propositions.tangent import empirical_kernel, mlp, network_outputs
from irtheory.studies.simulate.simulate import SimulateSettings, simulate

seeds = st.integers(0, 10_000)


def objective_of(kind: str, seed: int, ridge: float = 0.0) -> tuple[SquaredLoss, np.ndarray]:
    problem = key_problem(samples=40, attributes=5, classes=3, depth=2, seed=seed)
    if kind == "convex":
        return LinearObjective(problem.features, problem.one_hot, ridge), problem.codes
    x, net = problem.features[:, 1:], mlp(5, [32, 32], 3, seed=seed)
    kernel, initial = empirical_kernel(net, x), network_outputs(net, x)
    return LinearisedObjective(kernel, initial, problem.one_hot, ridge), problem.codes


def stepped(q: SquaredLoss, theta: np.ndarray, leaf_of, mu: float, steps: int) -> np.ndarray:
    """Gradient steps, T being the leaf means of G at every one of them."""
    for _ in range(steps):
        theta = theta - mu * q.grad_theta(theta, leaf_means(q.outputs(theta), leaf_of))
    return theta


@given(seeds, st.sampled_from(["convex", "ntk"]), st.sampled_from([0.0, 0.1]))
def test_a_segment_is_what_stepping_gives(seed: int, kind: str, ridge: float) -> None:
    q, _ = objective_of(kind, seed, ridge)
    rng = np.random.default_rng(seed)
    leaf_of = rng.integers(0, 5, 40) * 7  # any labels will do, not all need occur
    theta = rng.normal(size=q.theta_shape)
    mu = rng.uniform(0.1, 1.9) / q.smoothness().beta
    segment = Segment(settling(q, leaf_of), theta, mu)
    for steps in (0, 1, 2, 17, 300):
        expected = stepped(q, theta, leaf_of, mu, steps)
        np.testing.assert_allclose(segment.at(steps), expected, atol=1e-9)
        # The same once more through the matrix power of one step.
        M, c = segment.dynamics.matrix, segment.dynamics.offset
        step = np.zeros((len(M) + c.shape[1],) * 2)
        step[: len(M)] = np.hstack([np.eye(len(M)) - mu * M, -mu * c])
        step[len(M) :, len(M) :] = np.eye(c.shape[1])
        start = np.vstack([theta.reshape(c.shape), np.eye(c.shape[1])])
        power = np.linalg.matrix_power(step, steps) @ start
        np.testing.assert_allclose(segment.at(steps).reshape(c.shape), power[: len(M)], atol=1e-9)


@given(seeds, st.sampled_from(["convex", "ntk"]))
def test_the_limit_is_the_joint_minimum_of_its_partition(seed: int, kind: str) -> None:
    q, _ = objective_of(kind, seed)
    leaf_of = np.random.default_rng(seed).integers(0, 4, 40)
    limit = settling(q, leaf_of).limit.reshape(q.theta_shape)
    # Independently: least squares in θ and leaf values together.
    A = np.kron(np.eye(leaf_of.max() + 1)[leaf_of], np.eye(3))
    f0 = q.outputs(np.zeros(q.theta_shape)).ravel()
    rows = np.block([[q.design, np.zeros_like(A)], [q.design, -A]])
    right = np.concatenate([q.labels.ravel() - f0, -f0])
    joint = np.linalg.lstsq(rows, right, rcond=None)[0]
    least = np.sum((rows @ joint - right) ** 2) / 40
    T = leaf_means(q.outputs(limit), leaf_of)
    assert q.value(limit, T) == pytest.approx(least, abs=1e-10)


def test_directions_without_curvature_stand_still() -> None:
    Phi = np.random.default_rng(0).normal(size=(40, 3))
    q = LinearObjective(np.hstack([Phi, Phi[:, :1]]), np.random.default_rng(1).normal(size=(40, 2)))
    theta = np.random.default_rng(2).normal(size=(4, 2))
    leaf_of, mu = np.arange(40) % 3, 0.9 / q.smoothness().beta
    segment = Segment(settling(q, leaf_of), theta, mu)
    np.testing.assert_allclose(segment.at(500), stepped(q, theta, leaf_of, mu, 500), atol=1e-9)
    # Where λ is rounding it must not move θ however long the run.
    np.testing.assert_allclose(segment.at(2**53), segment.at(10**6), atol=1e-9)


def test_small_curvature_is_curvature() -> None:
    dynamics = Settling(np.diag([1.0, 1e-12]), np.array([[1.0], [1e-12]]))
    np.testing.assert_allclose(dynamics.limit, [[-1.0], [-1.0]])


def test_leaf_means_are_means_of_leaves() -> None:
    values, leaf_of = (
        np.random.default_rng(0).normal(size=(9, 2)),
        np.array([5, 5, 1, 1, 1, 9] * 3)[:9],
    )
    for i in range(9):
        np.testing.assert_allclose(
            leaf_means(values, leaf_of)[i], values[leaf_of == leaf_of[i]].mean(axis=0)
        )


@pytest.mark.parametrize("kind", ["convex", "ntk"])
@pytest.mark.parametrize("seed", range(6))
def test_leaps_land_on_the_steps(kind: str, seed: int) -> None:
    q, codes = objective_of(kind, seed)
    theta, trees = np.zeros(q.theta_shape), TreeClass(2, 1, 1)
    mu = 0.9 / q.smoothness().beta
    all_steps = list(islice(alternate(q, codes, theta, mu, trees=trees), 1500))
    leaps = list(jump(q, codes, theta, mu, trees=trees, last=1500))
    assert leaps[-1][0].t == 1500 and len(leaps) < 250
    for step, state in leaps:
        other, there = all_steps[step.t - 1]
        np.testing.assert_allclose(
            q.outputs(state.theta), q.outputs(there.theta), rtol=0, atol=1e-6
        )
        np.testing.assert_allclose(state.tree_outputs, there.tree_outputs, atol=1e-6)
        assert state.structure == there.structure
        for name in ("value", "half", "gap_theta", "gap_omega", "descent_violation", "min_omega"):
            a, b = getattr(step, name), getattr(other, name)
            assert a == pytest.approx(b, abs=1e-9, nan_ok=True), (name, step.t)
        assert step.tree_changes == other.tree_changes
    changed = [s.t for (s, _), (r, _) in zip(all_steps[1:], all_steps, strict=False)
               if s.tree_changes > r.tree_changes]  # fmt: skip
    assert set(changed) <= {step.t for step, _ in leaps}


def test_a_leaping_run_ends_where_a_stepping_run_does() -> None:
    q, codes = objective_of("ntk", 2)
    theta, trees = np.zeros(q.theta_shape), TreeClass(2, 1, 1)
    mu = 0.9 / q.smoothness().beta
    rule = StopRule(1e-9, 10**12)
    by_leaps = run(jump(q, codes, theta, mu, trees=trees), rule, mu, keep_every=1)
    by_steps = run(alternate(q, codes, theta, mu, trees=trees), rule, mu)
    assert by_leaps.stopped is by_steps.stopped is Stopped.CONVERGED
    assert len(by_leaps) < len(by_steps) / 5
    assert len(by_steps) <= by_leaps["t"][-1] <= 1.3 * len(by_steps) + 1
    assert by_leaps["value"][-1] == pytest.approx(by_steps["value"][-1], abs=1e-8)


def test_steps_too_long_for_the_closed_form_are_refused() -> None:
    q, codes = objective_of("convex", 0)
    with pytest.raises(ValueError, match="step_size: expected μ < 2/β"):
        next(jump(q, codes, np.zeros(q.theta_shape), 2.01 / q.smoothness().beta))
    with pytest.raises(ValueError, match="leaf_of: expected 40 samples"):
        settling(q, np.zeros(39, int))


def test_a_row_for_every_step_asked_for() -> None:
    settings = SimulateSettings(
        samples=60, attributes=5, depth=2, threads=1, jump=True, reference="closed-form"
    )
    result = simulate(settings)
    t = result.trajectory["t"]
    assert result.certificate.holds and (np.diff(t) > 0).all() and t[-1] > len(t)
    for point in result.certificate.checkpoints:
        row = result.trajectory.row_of(point.t)
        assert t[row] == point.t and result.trajectory["value"][row] == point.value
    assert result.trajectory.row_of(int(t[-1]) - 1) == len(t) - 2
