"""Proposition 2 on one problem: block coordinate descent, saddles, and the certificate."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from irtheory.problems.synthetic import Problem
from irtheory.propositions.certificates import assumptions
from irtheory.propositions.certificates.certificates import (
    Certificate,
    Check,
    at_least,
    at_most,
    checkpoints,
    promises,
)
from irtheory.propositions.certificates.saddles import (
    CriticalPoint,
    critical_points,
    first_saddle,
    split,
    surface,
)
from irtheory.propositions.objectives import AgreementObjective, FixedStructure, SquaredLoss
from irtheory.propositions.objectives.contract import Array
from irtheory.propositions.solvers import Step, StopRule, Trajectory, bcgd, run
from irtheory.propositions.solvers.bcgd import smallest_eigenvalue
from irtheory.runs.files import InputError
from irtheory.studies.simulate.resolve import ResolvedSettings
from irtheory.studies.simulate.result import (
    Result,
    finished,
    joint_minimum,
    joint_notes,
    with_reference,
)
from irtheory.studies.simulate.setup import starting_point
from irtheory.trees.exact.solver import fit_exact_tree
from irtheory.trees.tree import Tree

Observer = Callable[[Step], None]
# Distance from the saddle at which the escape run starts.
NUDGE = 1e-8


def run_bcgd(
    settings: ResolvedSettings,
    problem: Problem,
    objective: SquaredLoss | AgreementObjective,
    notes: list[str],
    observe: Observer | None,
    observe_escape: Observer | None,
) -> Result:
    """Run and certify Proposition 2; see `irtheory.studies.simulate.simulate.simulate`."""
    theta = starting_point(objective, settings.seed)
    structure = _structure(settings, problem, objective.outputs(theta))
    leaf_of = np.searchsorted(structure.leaves, structure.apply(problem.codes))
    fixed = FixedStructure(objective, leaf_of, structure.n_leaves)
    omega = structure.value[structure.leaves]
    critical = critical_points(fixed, seed=settings.seed)
    saddle = first_saddle(critical)
    if settings.start == "saddle":
        theta, omega = _beside(fixed, saddle, settings.offset)
    smooth = fixed.smoothness(theta, omega)
    # The path around a saddle is drawn; without one a few states are enough.
    keep = None if saddle is None else 8
    trajectory = _descend(settings, fixed, theta, omega, smooth.beta, observe, keep)
    escape = seen = None
    if saddle is not None and settings.start == "random":
        escape = _escape(settings, fixed, saddle, observe_escape)
        seen = surface(fixed, saddle, escape)
    elif saddle is not None and len(trajectory) > 1:
        seen = surface(fixed, saddle, trajectory)
    joint = joint_minimum(settings, problem, objective)
    notes = [
        *notes,
        f"structure: the exact tree of G at θ_1, {structure.n_leaves} leaves, values free",
        *_saddle_notes(saddle, escape),
        *joint_notes(trajectory, joint),
    ]
    assumed = assumptions.proposition2(
        fixed, trajectory, smooth.beta, smooth.how, critical, settings.seed
    )
    certificate = _certificate(settings, fixed, trajectory, assumed, saddle, escape, notes)
    tree = _with_leaves(structure, _leaf_values(trajectory))
    return Result(
        settings, problem, trajectory, certificate, tree, smooth.beta, escape, saddle, seen, joint
    )


def _structure(settings: ResolvedSettings, problem: Problem, outputs: Array) -> Tree:
    """The exact tree of G_θ at the start: its tests stay, its leaf values will move."""
    return fit_exact_tree(
        problem.codes,
        outputs,
        settings.depth,
        min_samples_leaf=settings.min_samples_leaf,
        threads=settings.threads,
    ).tree


def _certificate(
    settings: ResolvedSettings,
    fixed: FixedStructure,
    trajectory: Trajectory,
    assumed: list[Check],
    saddle: CriticalPoint | None,
    escape: Trajectory | None,
    notes: list[str],
) -> Certificate:
    beta = settings.step_size / trajectory.step_size
    promised = promises(trajectory, beta, settings.tolerance, monotone=True, exact_tree=False)
    promised += _local_minimum(fixed, trajectory, beta, settings.tolerance)
    if escape is not None and saddle is not None:
        promised.append(_escaped(escape, saddle, settings.tolerance))
    points = checkpoints(trajectory, fixed.objective, fixed, settings.reference == "cvxpy")
    return Certificate(
        2,
        settings.setting,
        "bcgd",
        "theta, then omega",
        tuple(assumed),
        with_reference(promised, points, trajectory.scale),
        points,
        trajectory.stopped.value,
        len(trajectory),
        tuple(notes),
    )


def _leaf_values(trajectory: Trajectory) -> Array:
    """ω at the end, [L, k]; states of Proposition 2 always have it."""
    if trajectory.final.omega is None:
        raise ValueError("trajectory: expected states with leaf values ω, found none")
    return trajectory.final.omega


def _beside(
    fixed: FixedStructure, saddle: CriticalPoint | None, offset: float
) -> tuple[Array, Array]:
    if saddle is None:
        raise InputError("--start saddle: no strict saddle was found for this problem")
    origin = np.concatenate([saddle.theta.ravel(), saddle.omega.ravel()])
    rng = np.random.default_rng(0)
    direction = rng.normal(size=origin.shape)
    return split(fixed, origin + offset * direction / np.linalg.norm(direction))


def _descend(
    settings: ResolvedSettings,
    fixed: FixedStructure,
    theta: Array,
    omega: Array,
    beta: float,
    observe: Observer | None,
    keep_every: int | None = None,
) -> Trajectory:
    step_size = settings.step_size / beta
    first = max(fixed.value(theta, omega), np.finfo(float).tiny)
    steps = bcgd(fixed, theta, omega, step_size, beta, watch=settings.tolerance * first)
    rule = StopRule(settings.tolerance, settings.max_steps)
    return finished(run(steps, rule, step_size, observe, keep_every))


def _escape(
    settings: ResolvedSettings,
    fixed: FixedStructure,
    saddle: CriticalPoint,
    observe: Observer | None,
) -> Trajectory:
    theta, omega = _beside(fixed, saddle, NUDGE)
    beta = fixed.smoothness(theta, omega).beta
    return _descend(settings, fixed, theta, omega, beta, observe, keep_every=8)


def _local_minimum(
    fixed: FixedStructure, trajectory: Trajectory, beta: float, tolerance: float
) -> list[Check]:
    omega = _leaf_values(trajectory)
    smallest = smallest_eigenvalue(fixed, trajectory.final.theta, omega)
    # ‖∇Q‖² ≤ 2β(gap_θ + gap_ω) turns the tolerance of the gaps into one for the gradient.
    allowed = float(np.sqrt(4 * beta * tolerance * trajectory.scale))
    return [
        at_most(
            "gradient vanishes at the limit",
            float(trajectory["gradient_norm"][-1]),
            allowed,
            "‖∇Q‖ at the last step; holds if ≤ √(4β · tolerance · Q_1)",
        ),
        at_least(
            "the limit is a local minimum",
            smallest,
            -1e-7 * beta,
            "smallest eigenvalue of the joint Hessian at the last step; holds if ≥ −1e-7 β",
        ),
    ]


def _escaped(escape: Trajectory, saddle: CriticalPoint, tolerance: float) -> Check:
    drop = saddle.value - float(escape["value"][-1])
    return at_least(
        "a start beside the saddle escapes",
        drop / max(saddle.value, 1e-300),
        1e3 * tolerance,
        f"(Q(saddle) − Q at the end of a run from saddle + {NUDGE:g}) / Q(saddle); "
        "holds if ≥ tolerance",
    )


def _saddle_notes(saddle: CriticalPoint | None, escape: Trajectory | None) -> list[str]:
    if saddle is None:
        return ["no saddle found"]
    notes = [f"strict saddle at Q = {saddle.value:.9g}, smallest eigenvalue {saddle.smallest:.6g}"]
    if escape is not None:
        left = np.flatnonzero(escape["value"] < saddle.value * (1 - 1e-6))
        when = f"left it after {int(left[0]) + 1} steps" if left.size else "did not leave it"
        notes.append(
            f"a start {NUDGE:g} beside it {when} and ended at Q = {escape['value'][-1]:.9g}"
        )
    return notes


def _with_leaves(structure: Tree, omega: Array) -> Tree:
    """The tree with leaf values ω [L, k]; inner nodes carry the mean below them."""
    value = np.zeros((structure.n_nodes, omega.shape[1]))
    value[structure.leaves] = omega
    for node in reversed(np.flatnonzero(structure.feature >= 0)):
        below = [structure.left[node], structure.right[node]]
        weight = structure.count[below]
        value[node] = weight @ value[below] / weight.sum()
    return structure.with_values(value)
