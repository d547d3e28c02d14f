"""The algorithms of Propositions 1 and 2, and the loop that drives them."""

from irtheory.propositions.solvers.alternate import alternate
from irtheory.propositions.solvers.bcgd import bcgd
from irtheory.propositions.solvers.dynamics import Segment, Settling, settling
from irtheory.propositions.solvers.jump import jump
from irtheory.propositions.solvers.trajectory import State, Step, Stopped, StopRule, Trajectory, run
from irtheory.propositions.solvers.tree_steps import TreeClass

__all__ = [
    "Segment",
    "Settling",
    "State",
    "Step",
    "StopRule",
    "Stopped",
    "Trajectory",
    "TreeClass",
    "alternate",
    "bcgd",
    "jump",
    "run",
    "settling",
]
