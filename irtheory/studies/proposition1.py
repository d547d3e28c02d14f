"""Proposition 1 on one problem: alternating descent and its certificate."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from irtheory import assumptions
from irtheory.certificates import Certificate, checkpoints, promises
from irtheory.objectives.contract import Objective
from irtheory.solvers import Step, StopRule, Trajectory, TreeClass, alternate, run
from irtheory.studies.result import (
    Result,
    finished,
    joint_minimum,
    joint_notes,
    with_reference,
)
from irtheory.studies.settings import Settings
from irtheory.studies.setup import starting_point
from irtheory.synthetic import Problem
from irtheory.trees.tree import Tree


def _tree_class(settings: Settings) -> TreeClass:
    return TreeClass(settings.depth or 0, settings.min_samples_leaf, settings.threads)


def run_alternating(
    settings: Settings,
    problem: Problem,
    objective: Objective,
    notes: list[str],
    observe: Callable[[Step], None] | None,
) -> Result:
    """Run and certify Proposition 1; see `irtheory.studies.simulate.simulate`."""
    smooth = objective.smoothness()
    step_size = settings.step_size / smooth.beta
    steps = alternate(
        objective,
        problem.codes,
        starting_point(objective, settings.seed),
        step_size,
        trees=_tree_class(settings),
        order=settings.order,
        tree_step=settings.tree,
    )
    rule = StopRule(settings.tolerance, settings.max_steps)
    trajectory = finished(run(steps, rule, step_size, observe))
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
        len(trajectory),
        (*notes, *_tree_notes(trajectory), *joint_notes(trajectory, joint)),
    )
    return Result(
        settings, problem, trajectory, certificate, _last_tree(trajectory), smooth.beta, joint=joint
    )


def _tree_notes(trajectory: Trajectory) -> list[str]:
    changes = trajectory["tree_changes"]
    last = int(np.flatnonzero(np.diff(changes, prepend=0)).max(initial=0)) + 1
    return [f"the tree changed {int(changes[-1])} times, last at step {last}"]


def _last_tree(trajectory: Trajectory) -> Tree:
    if trajectory.final.tree is None:
        raise ValueError("trajectory: expected states with a tree, found none")
    return trajectory.final.tree()
