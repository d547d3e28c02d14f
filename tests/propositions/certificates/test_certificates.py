"""The certificate: every promise can break, numbers are re-derived from the columns."""

from __future__ import annotations

import json
from dataclasses import replace
from functools import cache

import numpy as np
import pytest

from irtheory.propositions.certificates.certificates import (
    REFERENCE_AGREEMENT,
    Certificate,
    Check,
    Checkpoint,
    at_least,
    at_most,
    checkpoint_steps,
    checkpoints,
    promises,
    rate_bound,
    reference_check,
)
from irtheory.propositions.objectives import FixedStructure, LinearObjective
from irtheory.propositions.solvers import StopRule, Trajectory, TreeClass, alternate, bcgd, run

TOLERANCE = 1e-9


@cache
def made() -> tuple[LinearObjective, Trajectory, float]:
    """A converged run of Proposition 1, all of whose promises hold."""
    rng = np.random.default_rng(0)
    codes = rng.integers(0, 2, (30, 4))
    objective = LinearObjective(np.hstack([np.ones((30, 1)), codes]), rng.normal(size=(30, 2)))
    beta = objective.smoothness().beta
    start = rng.normal(size=objective.theta_shape)
    steps = alternate(objective, codes, start, 0.5 / beta, trees=TreeClass(2, threads=1))
    return objective, run(steps, StopRule(TOLERANCE), 0.5 / beta), beta


def promised(trajectory: Trajectory, exact: bool = True, monotone: bool = True) -> dict[str, Check]:
    checks = promises(trajectory, made()[2], TOLERANCE, monotone, exact)
    return {check.name: check for check in checks}


def mutated(row: int, **amounts: float) -> Trajectory:
    """The run with amounts (in units of Q_1) added to columns at one row."""
    trajectory = made()[1]
    columns = {name: values.copy() for name, values in trajectory.columns.items()}
    for name, amount in amounts.items():
        columns[name][row] += amount * trajectory.scale
    return replace(trajectory, columns=columns)


def broken(trajectory: Trajectory, exact: bool = True) -> set[str]:
    return {name for name, check in promised(trajectory, exact).items() if not check.holds}


def test_an_honest_run_keeps_every_promise() -> None:
    assert len(made()[1]) > 20
    assert not broken(made()[1]) and not broken(made()[1], exact=False)


@pytest.mark.parametrize(
    ("row", "amounts", "names"),
    [
        (9, {"value": 1.0}, {"Q never increases"}),
        (9, {"descent_violation": 1.0}, {"descent lemma"}),
        (-1, {"gap_theta": 2e-9}, {"gap_theta tends to 0"}),
        (4, {"gap_omega": 2e-9}, {"gap_omega is 0"}),
        (-1, {"gap_omega": 2e-9}, {"gap_omega is 0"}),
        (-1, {"min_theta": -2e-9}, {"the three limits agree"}),
        (-1, {"min_omega": -2e-9}, {"the three limits agree"}),
    ],
)
def test_each_promise_breaks_alone(row: int, amounts: dict, names: set[str]) -> None:
    assert broken(mutated(row, **amounts)) == names


def test_the_rate_bound_breaks_when_the_gap_stays() -> None:
    trajectory = made()[1]
    columns = {**trajectory.columns, "gap_theta": np.full(len(trajectory), 1e3)}
    assert broken(replace(trajectory, columns=columns)) == {"gap_theta tends to 0", "rate bound"}


def test_the_rate_bound_is_about_the_smallest_gap_so_far() -> None:
    # A new tree may open the gap again; the proof bounds min over s <= t only.
    assert broken(mutated(-3, gap_theta=1e3)) == set()


def test_a_gap_of_rounding_size_breaks_no_rate_bound() -> None:
    # At a critical point theta is its own minimiser: R = 0, and Q - min Q is rounding.
    trajectory = made()[1]
    still = {
        "gap_theta": np.full(len(trajectory), 1e-15 * trajectory.scale),
        "distance": np.zeros(len(trajectory)),
    }
    found = promised(replace(trajectory, columns={**trajectory.columns, **still}))
    assert found["rate bound"].holds and found["rate bound"].value == 0


def test_without_an_exact_tree_only_the_last_gap_omega_counts() -> None:
    assert broken(mutated(4, gap_omega=1.0), exact=False) == set()
    assert broken(mutated(-1, gap_omega=1.0), exact=False) == {"gap_omega tends to 0"}


def test_the_jacobi_order_is_promised_limits_only() -> None:
    names = set(promised(made()[1], exact=False, monotone=False))
    assert names == {"gap_theta tends to 0", "gap_omega tends to 0", "the three limits agree"}


@pytest.mark.parametrize("column", ["value", "gap_theta", "gap_omega", "descent_violation"])
def test_a_value_that_is_no_number_breaks_promises(column: str) -> None:
    assert broken(mutated(-1, **{column: np.nan}))


def test_promise_values_follow_from_the_columns() -> None:
    trajectory, beta = made()[1], made()[2]
    q, gap, t = trajectory["value"], trajectory["gap_theta"], trajectory["t"]
    mu = trajectory.step_size
    eta = mu * (1 - beta * mu / 2)
    bound = trajectory["distance"].max() * np.sqrt(q[0] / (eta * t))
    np.testing.assert_allclose(rate_bound(trajectory, beta), bound)
    found = promised(trajectory)
    lowest = [min(gap[: i + 1]) for i in range(len(gap))]
    assert found["rate bound"].value == pytest.approx(max(lowest / bound))
    assert found["Q never increases"].value == pytest.approx(max(np.diff(q)) / q[0])
    assert found["gap_theta tends to 0"].value == pytest.approx(gap[-1] / q[0])


def test_steps_beyond_two_over_beta_are_promised_neither_lemma_nor_rate() -> None:
    trajectory, beta = made()[1], made()[2]
    long = replace(trajectory, step_size=2.1 / beta)
    assert np.all(np.isinf(rate_bound(long, beta)))
    within = {c.name for c in promises(trajectory, beta, TOLERANCE, True, True)}
    beyond = {c.name for c in promises(long, beta, TOLERANCE, True, True)}
    assert within - beyond == {"descent lemma", "rate bound"}


def test_a_run_of_one_step_has_nothing_that_could_rise() -> None:
    trajectory = made()[1]
    one = replace(trajectory, columns={n: v[:1] for n, v in trajectory.columns.items()})
    found = promised(one)
    assert found["Q never increases"].holds and found["descent lemma"].holds
    assert not found["gap_theta tends to 0"].holds


def test_sides_of_a_tolerance() -> None:
    assert at_most("a", 1.0, 1.0, "").holds and not at_most("a", 1.1, 1.0, "").holds
    assert at_least("a", 1.0, 1.0, "").holds and not at_least("a", 0.9, 1.0, "").holds
    assert not at_most("a", np.nan, 1.0, "").holds and not at_least("a", np.nan, 1.0, "").holds


def test_checkpoints_are_at_least_five_with_first_and_last() -> None:
    trajectory = made()[1]
    steps = checkpoint_steps(trajectory)
    assert len(steps) >= 5 and steps == sorted(set(steps)) and set(steps) <= set(trajectory.kept)
    assert steps[0] == 1 and steps[-1] == len(trajectory)
    state = trajectory.final
    for n in range(1, 40):
        kept = replace(trajectory, kept=dict.fromkeys(range(1, n + 1), state))
        chosen = checkpoint_steps(kept)
        assert chosen[0] == 1 and chosen[-1] == n and len(set(chosen)) >= min(n, 5)


def test_checkpoints_repeat_the_columns_and_cvxpy_agrees() -> None:
    objective, trajectory, _ = made()
    points = checkpoints(trajectory, objective, None, True)
    for point in points:
        assert point.value == trajectory["value"][point.t - 1]
        assert point.gap_theta == trajectory["gap_theta"][point.t - 1]
        assert point.min_theta_cvxpy == pytest.approx(point.min_theta, abs=1e-8)
        assert point.min_omega_cvxpy is None
    check = reference_check(points, trajectory.scale)
    assert check is not None and check.holds
    off = replace(points[2], min_theta=points[2].min_theta + 1e-3)
    check = reference_check((*points[:2], off, *points[3:]), trajectory.scale)
    assert check is not None and not check.holds
    assert check.value == pytest.approx(1e-3 / trajectory.scale, rel=1e-3)
    assert check.tolerance == REFERENCE_AGREEMENT


def test_leaf_values_have_their_own_reference() -> None:
    objective = made()[0]
    fixed = FixedStructure(objective, np.arange(30) % 3, 3)
    theta, omega = np.ones(fixed.theta_shape), np.zeros(fixed.omega_shape)
    beta = fixed.smoothness(theta, omega).beta
    steps = bcgd(fixed, theta, omega, 0.5 / beta, beta, watch=0.0)
    trajectory = run(steps, StopRule(max_steps=3), 0.5 / beta)
    for point in checkpoints(trajectory, objective, fixed, True):
        assert point.min_omega_cvxpy == pytest.approx(point.min_omega, abs=1e-8)
        assert point.min_theta_cvxpy == pytest.approx(point.min_theta, abs=1e-8)


def test_without_cvxpy_there_is_no_reference() -> None:
    objective, trajectory, _ = made()
    points = checkpoints(trajectory, objective, None, False)
    assert {point.min_theta_cvxpy for point in points} == {None}
    assert reference_check(points, trajectory.scale) is None


def certificate(*checks: Check) -> Certificate:
    point = Checkpoint(1, 1.0, np.nan, 0.5, None, 0.5, None, np.inf, 0.5)
    return Certificate(
        1, "convex", "alternating", "jacobi", checks[:1], checks[1:], (point,), "", 1
    )


def test_holds_only_if_every_check_does() -> None:
    good, bad = at_most("good", 0.0, 1.0, "h"), at_most("bad", 2.0, 1.0, "h")
    assert certificate(good, good).holds and certificate(good, good).broken == ()
    assert not certificate(good, bad).holds and certificate(good, bad).broken == (bad,)
    assert not certificate(bad, good).holds and certificate(bad, good).broken == (bad,)


def test_json_has_the_promised_keys_and_no_nan() -> None:
    text = certificate(at_most("μ", np.nan, 1.0, "h"), at_least("b", np.inf, 1.0, "h")).to_json()
    assert "NaN" not in text and "Infinity" not in text and "μ" in text
    found = json.loads(text)
    assert found["assumptions"] == [
        {"name": "μ", "holds": False, "value": None, "tolerance": 1.0, "how": "h"}
    ]
    assert found["promises"][0]["holds"] is True and found["promises"][0]["value"] is None
    assert found["checkpoints"][0]["gradient_norm"] is None
    assert found["proposition"] == 1 and found["holds"] is False
