"""The record of a run of Proposition 1 or 2, and the loop that drives a run."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields
from enum import Enum

import numpy as np

from irtheory.propositions.objectives.contract import Array
from irtheory.trees.tree import Tree


class Stopped(Enum):
    """Why a run ended; the value is the sentence that is printed."""

    CONVERGED = "converged: both gaps fell below the tolerance"
    MAX_STEPS = "the largest number of steps was reached before both gaps fell below the tolerance"
    DIVERGED = "diverged: Q grew without bound or stopped being a finite number"
    STALLED = "stalled: Q goes up and down without reaching a new minimum"
    STUCK = "stuck: the gradient is zero at a point that is not a local minimum"
    INTERRUPTED = "interrupted by the user"


@dataclass(frozen=True)
class Step:
    """One row of a trajectory; all values have the unit of Q (a mean loss).

    Attributes:
        t: step, from 1.
        value: Q(θ_t, ω_t).
        half: Q(θ_t, ω_{t−1}), between the two halves of the step; NaN at t = 1.
        gradient_norm: ‖∇Q(θ_t, ω_t)‖ over the blocks that move by gradient.
        min_theta, min_omega: min_θ Q(θ, ω_t) and min_ω Q(θ_t, ω).
        gap_theta, gap_omega: Q(θ_t, ω_t) minus those.
        distance: ‖θ_t − θ*_t‖ to the minimiser of Q(·, ω_t).
        descent_violation: by how much the descent lemma was missed (≤ 0 if it held), NaN at 1.
        tree_changes: how often the tree's structure has changed so far.
        tree_gap: Q(θ, ω_t) − min_ω Q(θ, ω) at the θ that ω_t was fitted to (θ_{t−1} in the
            jacobi order); NaN where ω moves by gradient.
        curvature: largest Hessian eigenvalue at the step where it was measured, else NaN.
    """

    t: int
    value: float
    half: float
    gradient_norm: float
    min_theta: float
    min_omega: float
    gap_theta: float
    gap_omega: float
    distance: float
    descent_violation: float
    tree_changes: int
    tree_gap: float = np.nan
    curvature: float = np.nan


COLUMNS = tuple(column.name for column in fields(Step))


@dataclass(frozen=True, eq=False)
class State:
    """The state of a run at one step.

    Attributes:
        theta: θ_t.
        tree_outputs: T = T_ω(S), [m, k].
        structure: identity of the tree's tests.
        tree: makes the tree itself, if the ω-step fits one; None if its tests are fixed.
        omega: leaf values [L, k], where they move by gradient.
        is_minimum: False at a point whose Hessian has a negative eigenvalue.
    """

    theta: Array
    tree_outputs: Array
    structure: tuple[float, ...]
    tree: Callable[[], Tree] | None = None
    omega: Array | None = None
    is_minimum: bool = True


def representable(block: Array) -> bool:
    """Whether a block is finite and so small that quartic losses of it do not overflow."""
    return bool(np.abs(block).max(initial=0.0) < 1e60)


@dataclass(frozen=True, eq=False)
class Trajectory:
    """A finished (or interrupted) run.

    Attributes:
        columns: one float64 array per field of `Step`, all of the same length, t ascending.
        stopped: why it ended.
        kept: states at t = 1 … 5, 8, 16, 32, … and the last, for the checks that need them.
        final: the last state with finite values.
        step_size: μ, the learning rate.
    """

    columns: dict[str, Array]
    stopped: Stopped
    kept: dict[int, State]
    final: State
    step_size: float

    def __getitem__(self, name: str) -> Array:
        """A column of the trajectory, [steps]."""
        return self.columns[name]

    def __len__(self) -> int:
        """Number of steps."""
        return len(self.columns["t"])

    def row_of(self, t: int) -> int:
        """The row of step t, or of the last one before it (a run by leaps leaves steps out)."""
        return int(np.searchsorted(self.columns["t"], t, side="right")) - 1

    @property
    def scale(self) -> float:
        """Q(θ_1, ω_1): what relative tolerances refer to."""
        return max(float(self.columns["value"][0]), np.finfo(float).tiny)


@dataclass(frozen=True)
class StopRule:
    """When to stop.

    Attributes:
        tolerance: both gaps must fall below tolerance · Q(θ_1, ω_1).
        max_steps: largest number of steps.
        blow_up: Q above blow_up · (1 + Q(θ_1, ω_1)) counts as diverged.
        patience: this many steps without a new minimum of Q, and Q above the last one, count
            as stalled (steps that are too long can oscillate for ever).
    """

    tolerance: float = 1e-9
    max_steps: int = 100_000
    blow_up: float = 1e9
    patience: int = 1000

    def verdict(self, step: Step, state: State, first: float, lowest: Step) -> Stopped | None:
        """Why to stop after this step, or None to go on.

        Args:
            step: the step.
            state: the state after it.
            first: Q(θ_1, ω_1).
            lowest: the step of smallest Q so far.
        """
        if not np.isfinite(step.value) or step.value > self.blow_up * (1 + first):
            return Stopped.DIVERGED
        if max(step.gap_theta, step.gap_omega) < self.tolerance * first:
            if state.is_minimum:
                return Stopped.CONVERGED
            if step.gradient_norm == 0:
                return Stopped.STUCK
        rise = step.value - lowest.value
        if step.t - lowest.t >= self.patience and rise > self.tolerance * first:
            return Stopped.STALLED
        return Stopped.MAX_STEPS if step.t >= self.max_steps else None


def run(
    steps: Iterator[tuple[Step, State]],
    rule: StopRule,
    step_size: float,
    observe: Callable[[Step], None] | None = None,
    keep_every: int | None = None,
) -> Trajectory:
    """Run a solver until the rule stops it; on Ctrl-C the steps so far are returned.

    Args:
        steps: (step, state) pairs of `alternate` or `bcgd`; ends early if a value overflowed.
        rule: when to stop.
        step_size: μ, recorded in the result.
        observe: called with every step, as soon as it exists.
        keep_every: also keep the state of every `keep_every`-th step.

    Raises:
        ValueError: the very first step already has no finite value.
    """
    rows: list[Step] = []
    kept: dict[int, State] = {}
    stopped, state, lowest = Stopped.DIVERGED, None, None
    try:
        for step, state in steps:
            rows.append(step)
            if lowest is None or step.value < lowest.value:
                lowest = step
            power_of_two = step.t & (step.t - 1) == 0
            if step.t <= 5 or power_of_two or (keep_every and step.t % keep_every == 0):
                kept[step.t] = state
            if observe:
                observe(step)
            verdict = rule.verdict(step, state, rows[0].value, lowest)
            if verdict is not None:
                stopped = verdict
                break
    except KeyboardInterrupt:
        stopped = Stopped.INTERRUPTED
    if state is None:
        raise ValueError("start: Q is not a finite number at the starting point")
    kept[rows[-1].t] = state
    columns = {
        name: np.array([getattr(row, name) for row in rows], dtype=np.float64) for name in COLUMNS
    }
    return Trajectory(columns, stopped, kept, state, step_size)
