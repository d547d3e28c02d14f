"""The algorithms of Propositions 1 and 2, and the loop that drives them."""

from irtheory.solvers.alternate import alternate
from irtheory.solvers.bcgd import bcgd
from irtheory.solvers.dynamics import Segment, Settling, settling
from irtheory.solvers.jump import jump
from irtheory.solvers.trajectory import State, Step, Stopped, StopRule, Trajectory, run
from irtheory.solvers.tree_steps import TreeClass

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
