"""The loop that drives a run: when it stops, what it keeps, what an interrupt leaves."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest

from irtheory.propositions.solvers import State, Step, Stopped, StopRule, run

STATE = State(np.zeros(1), np.zeros((1, 1)), ())


def step(t: int = 1, value: float = 1.0, gap: float = 0.5, **others: float) -> Step:
    numbers = {"gradient_norm": 1.0, "gap_theta": gap, "gap_omega": gap, **others}
    columns = dict.fromkeys(("half", "min_theta", "min_omega", "distance"), 0.0)
    return Step(t, value, **columns, **numbers, descent_violation=np.nan, tree_changes=0)


def endless(gap: float = 0.5) -> Iterator[tuple[Step, State]]:
    t = 0
    while True:
        t += 1
        yield step(t, 1 / t, gap), STATE


def ending(rule: StopRule, *rows: Step, state: State = STATE) -> Stopped:
    """How a run of these steps ends; "diverged" if the rule lets it run out of steps."""
    return run(iter([(row, state) for row in rows]), rule, 1.0).stopped


def test_stops_when_both_gaps_are_small_against_the_first_value() -> None:
    rule, more = StopRule(tolerance=1e-3, max_steps=2), step(2)
    assert ending(rule, step(value=10.0, gap=9e-3), more) is Stopped.CONVERGED
    assert ending(rule, step(value=1.0, gap=9e-3), more) is Stopped.MAX_STEPS
    assert ending(rule, step(gap_theta=0.0, gap_omega=1.0), more) is Stopped.MAX_STEPS
    assert ending(rule, step(gap_theta=1.0, gap_omega=0.0), more) is Stopped.MAX_STEPS


def test_an_equilibrium_that_is_no_minimum_goes_on_until_the_gradient_is_zero() -> None:
    saddle = State(np.zeros(1), np.zeros((1, 1)), (), is_minimum=False)
    moving, still = step(gap=0.0, gradient_norm=1e-12), step(gap=0.0, gradient_norm=0.0)
    assert ending(StopRule(max_steps=1), moving, state=saddle) is Stopped.MAX_STEPS
    assert ending(StopRule(max_steps=1), still, state=saddle) is Stopped.STUCK
    assert ending(StopRule(max_steps=1), still) is Stopped.CONVERGED


@pytest.mark.parametrize("value", [np.nan, np.inf, 201.0])
def test_values_that_grow_or_are_no_number_count_as_diverged(value: float) -> None:
    rule = StopRule(blow_up=100.0, max_steps=3)
    path = run(iter([(step(t, v), STATE) for t, v in [(1, 1.0), (2, value), (3, 0.5)]]), rule, 1.0)
    assert path.stopped is Stopped.DIVERGED and len(path) == 2


def test_a_value_at_the_blow_up_bound_goes_on() -> None:
    rule = StopRule(blow_up=100.0, max_steps=2)
    assert ending(rule, step(1), step(2, value=200.0)) is Stopped.MAX_STEPS


def test_the_largest_number_of_steps_is_exact() -> None:
    path = run(endless(), StopRule(max_steps=7), 0.25)
    assert path.stopped is Stopped.MAX_STEPS
    assert len(path) == 7 and path.step_size == 0.25
    np.testing.assert_array_equal(path["t"], np.arange(1, 8))
    np.testing.assert_array_equal(path["value"], 1 / np.arange(1, 8))
    assert path.columns["tree_changes"].dtype == np.float64


def test_convergence_at_the_last_allowed_step_counts() -> None:
    assert run(endless(0.0), StopRule(max_steps=1), 1.0).stopped is Stopped.CONVERGED


def test_keeps_the_first_states_those_at_powers_of_two_and_the_last() -> None:
    path = run(endless(), StopRule(max_steps=21), 1.0)
    assert sorted(path.kept) == [1, 2, 3, 4, 5, 8, 16, 21]
    assert path.kept[21] is path.final


def test_scale_is_the_first_value_and_never_zero() -> None:
    assert run(endless(), StopRule(max_steps=3), 1.0).scale == 1.0
    assert run(iter([(step(value=0.0), STATE)]), StopRule(), 1.0).scale > 0


def test_an_interrupt_keeps_the_rows() -> None:
    seen = []

    def observe(row: Step) -> None:
        seen.append(row.t)
        if row.t == 5:
            raise KeyboardInterrupt

    path = run(endless(), StopRule(), 1.0, observe)
    assert path.stopped is Stopped.INTERRUPTED
    assert seen == path["t"].tolist() == [1, 2, 3, 4, 5]
    assert 5 in path.kept


def test_an_interrupt_inside_a_step_keeps_the_rows_before_it() -> None:
    def interrupted() -> Iterator[tuple[Step, State]]:
        yield step(1), STATE
        yield step(2), STATE
        raise KeyboardInterrupt

    path = run(interrupted(), StopRule(), 1.0)
    assert path.stopped is Stopped.INTERRUPTED and len(path) == 2


def test_steps_that_end_by_themselves_have_diverged() -> None:
    path = run(iter([(step(1), STATE), (step(2), STATE)]), StopRule(), 1.0)
    assert path.stopped is Stopped.DIVERGED and len(path) == 2


def test_no_first_step_is_an_error_that_says_so() -> None:
    with pytest.raises(ValueError, match="start: Q is not a finite number"):
        run(iter(()), StopRule(), 1.0)


def oscillating(rise: float) -> Iterator[tuple[Step, State]]:
    t = 0
    while True:
        t += 1
        yield step(t, 1.0 if t <= 2 else 1.0 + rise), STATE


def test_patience_counts_steps_since_the_last_minimum() -> None:
    path = run(oscillating(1e-3), StopRule(patience=10, max_steps=500), 1.0)
    assert path.stopped is Stopped.STALLED and len(path) == 11


@pytest.mark.parametrize("rise", [0.0, 1e-12])
def test_a_plateau_up_to_rounding_is_not_stalled(rise: float) -> None:
    path = run(oscillating(rise), StopRule(patience=10, max_steps=50), 1.0)
    assert path.stopped is Stopped.MAX_STEPS


def test_slow_descent_is_not_stalled() -> None:
    assert run(endless(), StopRule(patience=2, max_steps=50), 1.0).stopped is Stopped.MAX_STEPS
