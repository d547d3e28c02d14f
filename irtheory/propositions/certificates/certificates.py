"""What a proposition promises, checked as numbers on a run."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass

import numpy as np

from irtheory.propositions.certificates.reference import (
    CvxpyOptimum,
    MissingDependency,
    minimum_over_omega_fixed,
    minimum_over_theta,
    minimum_over_theta_fixed,
)
from irtheory.propositions.objectives.contract import Objective
from irtheory.propositions.objectives.fixed_structure import FixedStructure
from irtheory.propositions.solvers.trajectory import Trajectory
from irtheory.runs.files import json_text

# Q is a mean of a few hundred terms of order Q_1: differences below this share of Q_1 are
# rounding.
ROUNDING = 1e-12
# How far cvxpy and the closed form (or Newton) may differ, as a share of Q_1.
REFERENCE_AGREEMENT = 1e-7


@dataclass(frozen=True)
class Check:
    """One assumption or promise: its name, whether it holds, the number and how it was made.

    It holds when `value` is on the right side of `tolerance`; `how` says which side.
    """

    name: str
    holds: bool
    value: float
    tolerance: float
    how: str

    def __post_init__(self) -> None:
        """Convert NumPy numbers to plain Python ones."""
        object.__setattr__(self, "holds", bool(self.holds))
        object.__setattr__(self, "value", float(self.value))
        object.__setattr__(self, "tolerance", float(self.tolerance))


@dataclass(frozen=True)
class Checkpoint:
    """The run at step t, and the optima of an independent solver (None without cvxpy)."""

    t: int
    value: float
    gradient_norm: float
    min_theta: float
    min_theta_cvxpy: float | None
    min_omega: float
    min_omega_cvxpy: float | None
    gap_theta: float
    gap_omega: float


@dataclass(frozen=True)
class Certificate:
    """All checks and checkpoints of one run; `notes` are sentences with further numbers."""

    proposition: int
    setting: str
    algorithm: str
    order: str
    assumptions: tuple[Check, ...]
    promises: tuple[Check, ...]
    checkpoints: tuple[Checkpoint, ...]
    stopped: str
    steps: int
    notes: tuple[str, ...] = ()

    @property
    def holds(self) -> bool:
        """Whether every assumption and every promise holds."""
        return not self.broken

    @property
    def broken(self) -> tuple[Check, ...]:
        """Assumptions and promises that do not hold, in order."""
        return tuple(c for c in (*self.assumptions, *self.promises) if not c.holds)

    def to_json(self) -> str:
        """JSON text; numbers that are not finite become null."""
        content = {**asdict(self), "holds": self.holds}
        return json_text(content)


def at_most(name: str, value: float, tolerance: float, how: str) -> Check:
    """A check that holds when value ≤ tolerance (never for NaN)."""
    return Check(name, value <= tolerance, value, tolerance, how)


def at_least(name: str, value: float, tolerance: float, how: str) -> Check:
    """A check that holds when value ≥ tolerance (never for NaN)."""
    return Check(name, value >= tolerance, value, tolerance, how)


def checkpoint_steps(trajectory: Trajectory, wanted: int = 8) -> list[int]:
    """At most `wanted` steps whose states were kept, evenly spread, the first and last included."""
    steps = sorted(trajectory.kept)
    if len(steps) <= wanted:
        return steps
    chosen = np.linspace(0, len(steps) - 1, wanted).round().astype(int)
    return [steps[i] for i in chosen]


def checkpoints(
    trajectory: Trajectory,
    objective: Objective,
    fixed: FixedStructure | None,
    use_cvxpy: bool,
) -> tuple[Checkpoint, ...]:
    """Compare the run's optima with cvxpy's at a few steps, the last among them.

    Args:
        trajectory: the run, with states kept along it.
        objective: its Q.
        fixed: for Proposition 2, whose ω-optimum is then solved by cvxpy as well.
        use_cvxpy: if False, cvxpy is not used and its columns are None.

    Raises:
        MissingDependency, RuntimeError: as `irtheory.propositions.certificates.reference`.
    """
    return tuple(
        _checkpoint(trajectory, t, objective, fixed, use_cvxpy)
        for t in checkpoint_steps(trajectory)
    )


def _value(optimum: Callable[[], CvxpyOptimum]) -> float:
    """The optimum's value, NaN where the solver does not reach the status optimal."""
    try:
        return optimum().value
    except MissingDependency:
        raise
    except RuntimeError:
        return np.nan


def _checkpoint(trajectory, t, objective, fixed, use_cvxpy) -> Checkpoint:
    state, row = trajectory.kept[t], trajectory.row_of(t)
    theta_cvxpy = omega_cvxpy = None
    if use_cvxpy and fixed is None:
        theta_cvxpy = _value(lambda: minimum_over_theta(objective, state.tree_outputs))
    elif use_cvxpy:
        theta_cvxpy = _value(lambda: minimum_over_theta_fixed(fixed, state.omega))
        omega_cvxpy = _value(lambda: minimum_over_omega_fixed(fixed, state.theta))
    column = {name: float(values[row]) for name, values in trajectory.columns.items()}
    return Checkpoint(
        t,
        column["value"],
        column["gradient_norm"],
        column["min_theta"],
        theta_cvxpy,
        column["min_omega"],
        omega_cvxpy,
        column["gap_theta"],
        column["gap_omega"],
    )


def reference_check(points: tuple[Checkpoint, ...], scale: float) -> Check | None:
    """Largest disagreement between cvxpy and the closed forms; None if cvxpy was not asked."""
    pairs = [(p.min_theta, p.min_theta_cvxpy) for p in points]
    pairs += [(p.min_omega, p.min_omega_cvxpy) for p in points]
    # Where Q has grown beyond Q_1 (a step too long), rounding has grown with it.
    gaps = [abs(own - other) / max(scale, own) for own, other in pairs if other is not None]
    if not gaps:
        return None
    return at_most(
        "optima agree with cvxpy",
        float(np.max(gaps)),  # NaN if one is
        REFERENCE_AGREEMENT,
        f"largest |closed form or Newton − Clarabel (status optimal)| / max(Q_1, optimum) "
        f"at {len(points)} checkpoints, NaN where the status was another; holds if ≤ tolerance",
    )


def rate_bound(trajectory: Trajectory, beta: float) -> np.ndarray:
    """R·√(Q_1/(η t)) with R the largest ‖θ_t − θ*_t‖ and η = μ(1 − βμ/2); inf when η ≤ 0.

    The proof gives Σ_t gap_θ(t)² ≤ (Q_1 − Q_∞) R²/η, so the smallest gap_θ up to t lies below.
    """
    mu = trajectory.step_size
    eta = mu * (1 - 0.5 * beta * mu)
    if eta <= 0:
        return np.full(len(trajectory), np.inf)
    radius = float(np.max(trajectory["distance"]))
    return radius * np.sqrt(trajectory.scale / (eta * trajectory["t"]))


def promises(
    trajectory: Trajectory, beta: float, tolerance: float, monotone: bool, exact_tree: bool
) -> list[Check]:
    """The promises that both propositions share.

    Args:
        trajectory: the run.
        beta: smoothness constant, for η in the rate bound.
        tolerance: of the limits, as a share of Q_1.
        monotone: whether descent at every step is promised (not for the jacobi order).
        exact_tree: whether gap_ω = 0 is promised at every step (gauss-seidel, exact trees).
    """
    scale, last = trajectory.scale, {n: float(v[-1]) for n, v in trajectory.columns.items()}
    # With μβ ≥ 2 the η of the descent lemma is not positive: neither the lemma nor the rate bound
    # made from it says anything.
    eta_positive = beta * trajectory.step_size < 2
    checks = _descent(trajectory, scale)[: 2 if eta_positive else 1] if monotone else []
    checks.append(
        at_most(
            "gap_theta tends to 0",
            last["gap_theta"] / scale,
            tolerance,
            "Q − min_θ Q(θ, ω_t) at the last step, / Q_1; holds if ≤ tolerance",
        )
    )
    checks.append(_omega_promise(trajectory, scale, tolerance, exact_tree))
    limits = (last["value"], last["min_theta"], last["min_omega"])
    checks.append(
        at_most(
            "the three limits agree",
            float(np.ptp(limits)) / scale,
            tolerance,
            "spread of Q, min_θ Q and min_ω Q at the last step, / Q_1; holds if ≤ tolerance",
        )
    )
    if monotone and eta_positive:
        checks.append(_rate_promise(trajectory, beta))
    return checks


def _rate_promise(trajectory: Trajectory, beta: float) -> Check:
    lowest, bound = np.minimum.accumulate(trajectory["gap_theta"]), rate_bound(trajectory, beta)
    # Where every θ_t already minimises Q(·, ω_t) both are 0 up to rounding.
    negligible = lowest <= ROUNDING * trajectory.scale
    ratio = np.divide(lowest, bound, out=np.zeros_like(lowest), where=~negligible)
    return at_most(
        "rate bound",
        float(np.max(ratio)),
        1.0,
        "largest (min_{s≤t} gap_θ(s)) / (R·√(Q_1/(η t))); holds if ≤ 1",
    )


def _descent(trajectory: Trajectory, scale: float) -> list[Check]:
    rises = np.diff(trajectory["value"])
    missed = trajectory["descent_violation"][1:]
    return [
        at_most(
            "Q never increases",
            float(np.max(rises, initial=-np.inf)) / scale if len(rises) else 0.0,
            ROUNDING,
            "largest Q_{t+1} − Q_t, / Q_1; holds if ≤ rounding",
        ),
        at_most(
            "descent lemma",
            float(np.max(missed, initial=-np.inf)) / scale if len(missed) else 0.0,
            ROUNDING,
            "largest Q(θ_t, ω_{t−1}) − Q_{t−1} + η‖∇Q_{t−1}‖², / Q_1; holds if ≤ rounding",
        ),
    ]


def _omega_promise(trajectory: Trajectory, scale: float, tolerance: float, exact: bool) -> Check:
    gaps = trajectory["gap_omega"]
    if exact:
        return at_most(
            "gap_omega is 0",
            # Where Q has grown beyond Q_1 (a step too long), rounding has grown with it.
            float(np.max(gaps / np.maximum(trajectory["value"], scale))),
            tolerance,
            "largest Q − min_ω Q at any step, / max(Q_1, Q); min_ω is the lower bound that the "
            "tree search proved for the same θ; ≤ tolerance",
        )
    return at_most(
        "gap_omega tends to 0",
        float(gaps[-1]) / scale,
        tolerance,
        "Q − min_ω Q(θ_t, ω) at the last step, / Q_1; holds if ≤ tolerance",
    )
