"""Proposition 1 on one problem: alternating descent and its certificate."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

from irtheory.problems.synthetic import Problem
from irtheory.propositions.certificates import assumptions
from irtheory.propositions.certificates.certificates import (
    ROUNDING,
    Certificate,
    checkpoints,
    promises,
)
from irtheory.propositions.objectives.contract import Objective
from irtheory.propositions.objectives.squared import SquaredLoss
from irtheory.propositions.solvers import (
    State,
    Step,
    Stopped,
    StopRule,
    Trajectory,
    TreeClass,
    alternate,
    jump,
    run,
    settling,
)
from irtheory.propositions.solvers.dynamics import leaf_means
from irtheory.propositions.solvers.tree_steps import TreeSteps
from irtheory.studies.simulate.resolve import ResolvedSettings
from irtheory.studies.simulate.result import (
    Result,
    finished,
    joint_minimum,
    joint_notes,
    with_reference,
)
from irtheory.studies.simulate.setup import starting_point
from irtheory.trees.tree import Tree


def _tree_class(settings: ResolvedSettings) -> TreeClass:
    return TreeClass(settings.depth, settings.min_samples_leaf, settings.threads)


def run_alternating(
    settings: ResolvedSettings,
    problem: Problem,
    objective: Objective,
    notes: list[str],
    observe: Callable[[Step], None] | None,
) -> Result:
    """Run and certify Proposition 1; see `irtheory.studies.simulate.simulate.simulate`."""
    smooth = objective.smoothness()
    step_size = settings.step_size / smooth.beta
    steps, keep_every = _steps(settings, problem, objective, step_size)
    rule = StopRule(settings.tolerance, settings.max_steps)
    trajectory = finished(run(steps, rule, step_size, observe, keep_every))
    joint = joint_minimum(settings, problem, objective)
    monotone = settings.order == "gauss-seidel"
    promised = promises(
        trajectory, smooth.beta, settings.tolerance, monotone, monotone and settings.tree == "exact"
    )
    points = checkpoints(trajectory, objective, None, settings.reference == "cvxpy")
    certificate = Certificate(
        1,
        settings.setting,
        "alternating",
        settings.order,
        tuple(assumptions.proposition1(objective, trajectory, settings.tolerance, settings.seed)),
        with_reference(promised, points, trajectory.scale),
        points,
        trajectory.stopped.value,
        int(trajectory["t"][-1]),
        (
            *notes,
            *_tree_notes(settings, problem, objective, trajectory),
            *joint_notes(trajectory, joint),
        ),
    )
    return Result(
        settings, problem, trajectory, certificate, _last_tree(trajectory), smooth.beta, joint=joint
    )


def _steps(
    settings: ResolvedSettings, problem: Problem, objective: Objective, step_size: float
) -> tuple[Iterator[tuple[Step, State]], int | None]:
    """The steps, or leaps between them, and how often their states are kept."""
    theta, trees = starting_point(objective, settings.seed), _tree_class(settings)
    if settings.jump and isinstance(objective, SquaredLoss):
        last = settings.max_steps
        return jump(objective, problem.codes, theta, step_size, trees=trees, last=last), 1
    steps = alternate(
        objective,
        problem.codes,
        theta,
        step_size,
        trees=trees,
        order=settings.order,
        tree_step=settings.tree,
    )
    return steps, None


def _tree_notes(
    settings: ResolvedSettings, problem: Problem, objective: Objective, trajectory: Trajectory
) -> list[str]:
    changes, t = trajectory["tree_changes"], trajectory["t"]
    last = int(t[np.flatnonzero(np.diff(changes, prepend=0)).max(initial=0)])
    notes = [
        f"the tree changed {int(changes[-1])} times, last at step {last}, and stood still for the "
        f"remaining {int(t[-1]) - last} steps"
    ]
    if settings.jump:
        notes.append(
            f"by leaps: {len(t)} of {int(t[-1])} steps were looked at; a tree that comes and goes "
            "within a leap is not seen"
        )
    exact = settings.order == "gauss-seidel" and settings.tree == "exact"
    if not isinstance(objective, SquaredLoss) or not exact:
        return notes
    can_jump = not settings.jump and settings.step_size < 2
    if trajectory.stopped is Stopped.MAX_STEPS and can_jump:
        notes.append("the steps ran out: --jump goes on in closed form")
    if trajectory.stopped is Stopped.CONVERGED:
        notes.append(_frozen_note(settings, problem, objective, trajectory))
    return notes


def _frozen_note(
    settings: ResolvedSettings, problem: Problem, objective: SquaredLoss, trajectory: Trajectory
) -> str:
    """Whether the last tree is still the best one in the limit of its own dynamics, t → ∞."""
    leaf_of = _last_tree(trajectory).apply(problem.codes)
    limit = settling(objective, leaf_of).limit.reshape(objective.theta_shape)
    own = objective.value(limit, leaf_means(objective.outputs(limit), leaf_of))
    trees = TreeSteps(objective, problem.codes, _tree_class(settings), "exact")
    if own - trees.minimum(limit)[1] <= ROUNDING * trajectory.scale:
        return "the tree is frozen: it is also the best one where its closed form ends, t → ∞"
    return "the tree is not frozen: where its closed form ends, t → ∞, another one is better"


def _last_tree(trajectory: Trajectory) -> Tree:
    if trajectory.final.tree is None:
        raise ValueError("trajectory: expected states with a tree, found none")
    return trajectory.final.tree()
