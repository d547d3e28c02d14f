"""The algorithms of Propositions 1 and 2, and the loop that drives them."""

from irtheory.solvers.alternate import TreeClass, alternate
from irtheory.solvers.bcgd import bcgd
from irtheory.solvers.trajectory import State, Step, Stopped, StopRule, Trajectory, run

__all__ = [
    "State",
    "Step",
    "StopRule",
    "Stopped",
    "Trajectory",
    "TreeClass",
    "alternate",
    "bcgd",
    "run",
]
