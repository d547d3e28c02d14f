"""Critical points: the exclusive-or saddle by hand, kinds, and completeness on a small case."""

from __future__ import annotations

import numpy as np
import pytest

from irtheory.problems.synthetic import xor_problem
from irtheory.propositions.certificates.saddles import (
    CriticalPoint,
    critical_points,
    describe,
    first_saddle,
    joint_gradient,
    split,
    surface,
)
from irtheory.propositions.objectives import AgreementObjective, FixedStructure, LinearObjective
from irtheory.propositions.solvers import StopRule, bcgd, run

RIDGE = 0.1


def exclusive_or() -> FixedStructure:
    problem = xor_problem(16, 2)
    leaf_of = problem.codes[:, 0] + 2 * problem.codes[:, 1]
    return FixedStructure(AgreementObjective(problem.features, problem.signs, RIDGE), leaf_of, 4)


def flat_value(fixed: FixedStructure, point: np.ndarray) -> float:
    return fixed.value(*split(fixed, point))


def difference_hessian(fixed: FixedStructure, point: np.ndarray, h: float = 1e-4) -> np.ndarray:
    """Second differences of Q alone."""
    steps = h * np.eye(len(point))

    def q(step):
        return flat_value(fixed, point + step)

    return np.array(
        [[(q(a + b) - q(a - b) - q(b - a) + q(-a - b)) / (4 * h * h) for b in steps] for a in steps]
    )


def test_the_origin_is_a_critical_point_under_exclusive_or() -> None:
    fixed = exclusive_or()
    size = fixed.theta_shape[0] + 4
    np.testing.assert_array_equal(joint_gradient(fixed, np.zeros(size)), np.zeros(size))
    assert flat_value(fixed, np.zeros(size)) == 2.0


def test_the_origin_is_a_strict_saddle_by_finite_differences() -> None:
    fixed = exclusive_or()
    origin = np.zeros(fixed.theta_shape[0] + 4)
    spectrum = np.linalg.eigvalsh(difference_hessian(fixed, origin))
    point = describe(fixed, origin)
    assert point.kind == "strict saddle"
    assert (point.smallest, point.largest) == pytest.approx((spectrum[0], spectrum[-1]), abs=1e-6)
    # By hand: along each feature a = 1, theta's curvature is 2 + r, a leaf's r, mixed 2 . 1/2.
    expected = np.linalg.eigvalsh([[2 + RIDGE, -1.0], [-1.0, RIDGE]])
    assert (point.smallest, point.largest) == pytest.approx(tuple(expected))


def test_the_direction_of_a_saddle_goes_down() -> None:
    fixed = exclusive_or()
    point = describe(fixed, np.zeros(fixed.theta_shape[0] + 4))
    assert np.linalg.norm(point.unstable[:, 0]) == pytest.approx(1)
    for side in (-1e-2, 1e-2):
        drop = flat_value(fixed, side * point.unstable[:, 0]) - point.value
        assert drop == pytest.approx(point.smallest * side**2 / 2, rel=1e-2)


@pytest.mark.parametrize("seed", [0, 1])
def test_points_found_are_critical_distinct_and_sorted(seed: int) -> None:
    fixed = exclusive_or()
    points = critical_points(fixed, starts=16, seed=seed)
    assert {"minimum", "strict saddle"} <= {point.kind for point in points}
    values = [point.value for point in points]
    assert values == sorted(values)
    flat = [np.concatenate([p.theta.ravel(), p.omega.ravel()]) for p in points]
    for i, one in enumerate(flat):
        assert np.linalg.norm(joint_gradient(fixed, one)) < 1e-7
        assert all(np.abs(one - other).max() > 1e-5 for other in flat[:i])


def test_a_plane_of_two_scalars_is_solved_completely() -> None:
    # One sample: Q = (1 - g)^2 + (1 - g t)^2 + (r/2)(g^2 + t^2).
    r = 0.1
    fixed = FixedStructure(AgreementObjective([[1.0]], [[1.0]], r), np.zeros(1, int), 1)
    # dQ/dt = 0 gives t = g/(g^2 + r/2); put into dQ/dg = 0, a quintic in g.
    g, s = np.polynomial.Polynomial([0, 1]), np.polynomial.Polynomial([r / 2, 0, 1])
    slope = (-2 * (1 - g) + r * g) * s**2 - 2 * (s - g**2) * g
    roots = slope.roots()
    expected = np.sort(roots[np.abs(roots.imag) < 1e-9].real)
    points = critical_points(fixed, starts=80)
    np.testing.assert_allclose(np.sort([p.theta.item() for p in points]), expected, atol=1e-7)
    for point in points:
        smallest = np.linalg.eigvalsh(
            difference_hessian(fixed, np.concatenate([point.theta[:, 0], point.omega[:, 0]]))
        )[0]
        assert point.smallest == pytest.approx(smallest, abs=1e-6)


def test_a_convex_objective_has_its_minimum_and_no_saddle() -> None:
    rng = np.random.default_rng(0)
    Phi, y = rng.normal(size=(12, 2)), rng.normal(size=(12, 1))
    fixed = FixedStructure(LinearObjective(Phi, y), np.arange(12) % 3, 3)
    points = critical_points(fixed, starts=8)
    assert [point.kind for point in points] == ["minimum"]
    assert first_saddle(points) is None
    assert points[0].value == pytest.approx(fixed.minimise_theta(points[0].omega).value)


def test_the_first_saddle_is_the_steepest() -> None:
    zero = np.zeros((1, 1))
    points = [
        CriticalPoint(zero, zero, value, 0.0, smallest, 1.0, np.ones(2))
        for value, smallest in [(0.0, 0.5), (1.0, -0.2), (2.0, -0.7), (3.0, -1e-9)]
    ]
    saddle = first_saddle(points)
    assert saddle is points[2]


def test_the_surface_holds_the_saddle_and_the_path() -> None:
    fixed = exclusive_or()
    saddle = describe(fixed, np.zeros(fixed.theta_shape[0] + 4))
    theta, omega = split(fixed, 1e-3 * saddle.unstable[:, 0] + 1e-4)
    beta = fixed.smoothness(theta, omega).beta
    steps = bcgd(fixed, theta, omega, 0.9 / beta, beta, watch=1e-9)
    path = run(steps, StopRule(1e-9, 3000), 0.9 / beta)
    seen = surface(fixed, saddle, path, n=21)
    assert seen.values.shape == (21, 21)
    assert seen.values[10, 10] == pytest.approx(saddle.value)
    assert seen.path.shape == (len(path.kept), 2)
    assert np.all(np.abs(seen.path) < [seen.across[-1], seen.along[-1]])
    assert seen.values.min() < 0.95 * saddle.value
    # The plane goes through the path's end: nothing of it is lost by projection.
    assert path.final.omega is not None
    end = np.concatenate([path.final.theta.ravel(), path.final.omega.ravel()])
    assert np.linalg.norm(seen.path[-1]) == pytest.approx(np.linalg.norm(end))
