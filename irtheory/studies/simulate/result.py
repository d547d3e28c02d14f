"""The result of one run, and the parts of it that both propositions share."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from irtheory.problems.synthetic import Problem
from irtheory.propositions.certificates.certificates import (
    Certificate,
    Check,
    Checkpoint,
    reference_check,
)
from irtheory.propositions.certificates.enumeration import GlobalMinimum, global_minimum
from irtheory.propositions.certificates.saddles import CriticalPoint, Surface
from irtheory.propositions.objectives.contract import Objective
from irtheory.propositions.solvers import Stopped, Trajectory
from irtheory.studies.simulate.resolve import ResolvedSettings
from irtheory.trees.tree import Tree


@dataclass(frozen=True, eq=False)
class Result:
    """One run: the problem, the trajectory and the certificate.

    Attributes:
        tree: the last tree, with its values.
        escape: the run from a saddle + 1e-8, if a saddle was found.
        saddle: that saddle.
        surface: Q around it with the escape's path.
        joint: the global minimum, if the settings ask for it.
        beta: smoothness constant used for the step size.
    """

    settings: ResolvedSettings
    problem: Problem
    trajectory: Trajectory
    certificate: Certificate
    tree: Tree
    beta: float
    escape: Trajectory | None = None
    saddle: CriticalPoint | None = None
    surface: Surface | None = None
    joint: GlobalMinimum | None = None


def with_reference(
    promised: Sequence[Check], points: tuple[Checkpoint, ...], scale: float
) -> tuple[Check, ...]:
    """The promises, and the agreement with cvxpy if the checkpoints hold its optima."""
    check = reference_check(points, scale)
    return (*promised, *([check] if check else []))


def joint_minimum(
    settings: ResolvedSettings, problem: Problem, objective: Objective
) -> GlobalMinimum | None:
    """The global minimum over all trees, if the settings ask for it."""
    if not settings.joint:
        return None
    return global_minimum(objective, problem.codes, settings.depth, settings.min_samples_leaf)


def joint_notes(trajectory: Trajectory, joint: GlobalMinimum | None) -> list[str]:
    """How far the equilibrium lies above the global minimum, in words."""
    if joint is None:
        return []
    end = float(trajectory["value"][-1])
    return [
        f"equilibrium Q = {end:.9g}, global minimum {joint.value:.9g} over {joint.trees} trees: "
        f"{(end - joint.value) / trajectory.scale:.3e} of Q_1 above it"
    ]


def finished(trajectory: Trajectory) -> Trajectory:
    """The trajectory, unless the user interrupted the run: then there is nothing to certify.

    Raises:
        KeyboardInterrupt: the run was interrupted; the command then reports what is on disk.
    """
    if trajectory.stopped is Stopped.INTERRUPTED:
        raise KeyboardInterrupt
    return trajectory
