"""The lower convex hull of (leaves, loss) over all trees, by penalised solves.

A penalty α per leaf makes a line loss + α · leaves of every tree; the best trees over all α
are the lower envelope of these lines. Where the lines of two known trees cross, either a
third tree lies below the crossing, or no tree is best between the two (Eisner and Severance,
1976).
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from irtheory.trees.exact.solver import ExactFit

# Objectives this close, relative to their size, are the same point of the hull.
TOLERANCE = 1e-9


@dataclass(frozen=True)
class Vertex:
    """A tree of the hull: its leaves, its loss, and the solve that found it."""

    leaves: int
    loss: float
    fit: ExactFit


@dataclass(frozen=True)
class Crossing:
    """Two trees, the penalty at which they are equally good, and a bound on all trees there.

    Attributes:
        larger, smaller: the tree with more leaves, the one with fewer.
        penalty: where their lines cross.
        lower: proven lower bound of loss + penalty · leaves over all trees.
    """

    larger: Vertex
    smaller: Vertex
    penalty: float
    lower: float

    def least_loss(self, leaves: int) -> float:
        """No tree with at most so many leaves costs less (Lagrangian duality)."""
        return self.lower - self.penalty * leaves


def vertex_of(fit: ExactFit) -> Vertex:
    """The point of a solve."""
    return Vertex(int((fit.tree.feature < 0).sum()), fit.loss, fit)


class Hull:
    """Solves for penalties, within a deadline; `proven` turns False once one was cut short."""

    def __init__(
        self, solve: Callable[[float, float | None], ExactFit], deadline: float | None
    ) -> None:
        """`solve(penalty, seconds)` gives the best tree for a penalty."""
        self._solve = solve
        self._deadline = deadline
        self.proven = True

    def solve(self, penalty: float) -> Vertex:
        """The best tree for a penalty, or the best one known when time is up."""
        left = None
        if self._deadline is not None:
            left = max(self._deadline - time.perf_counter(), 1e-3)
        fit = self._solve(penalty, left)
        self.proven &= fit.status == "optimal"
        return vertex_of(fit)

    def ends(self) -> tuple[Vertex, Vertex]:
        """The best tree without a penalty, and the best leaf."""
        largest = self.solve(0.0)
        if largest.leaves == 1:
            return largest, largest
        return largest, self._leaf(largest)

    def _leaf(self, largest: Vertex) -> Vertex:
        """What is best for a penalty that no tree's gain outweighs."""
        penalty = max(largest.loss, 1.0)
        while (vertex := self.solve(penalty)).leaves > 1 and self.proven:
            penalty *= 16.0
        return vertex

    def crossing(self, larger: Vertex, smaller: Vertex) -> tuple[Crossing, Vertex | None]:
        """Where two trees are equally good, and the tree that lies below, if there is one."""
        penalty = (smaller.loss - larger.loss) / (larger.leaves - smaller.leaves)
        found = self.solve(penalty)
        line = larger.loss + penalty * larger.leaves
        crossing = Crossing(larger, smaller, penalty, found.fit.lower_bound)
        below = found.loss + penalty * found.leaves < line - TOLERANCE * abs(line)
        between = smaller.leaves < found.leaves < larger.leaves
        return crossing, found if below and between else None
