"""The lower convex hull of (leaves, loss) over all trees, by penalised solves.

A penalty α per leaf makes a line loss + α · leaves of every tree; the best trees over all α
are the lower envelope of these lines. Where the lines of two known trees cross, either a
third tree lies below the crossing, or no tree is best between the two (Eisner and Severance,
1976).
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float

from irtheory.trees.checks import check_targets
from irtheory.trees.exact.solver import ExactFit, ExactTreeSolver

# Objectives this close, relative to their size, are the same point of the hull.
TOLERANCE = 1e-9


@dataclass(frozen=True)
class Vertex:
    """The tree of a solve: its leaves and its loss; the penalty and the bound of the solve.

    Attributes:
        lower: proven lower bound of loss + penalty · leaves over all trees.
    """

    leaves: int
    loss: float
    penalty: float
    lower: float
    fit: ExactFit

    def least_loss(self, leaves: int) -> float:
        """No tree with at most so many leaves costs less (Lagrangian duality)."""
        return self.lower - self.penalty * leaves


class Hull:
    """Solves of one problem for penalties; `proven` turns False once one was cut short.

    Attributes:
        targets: what is solved for; linear costs without what every tree pays, so that
            tolerances follow what trees differ by.
        constant: what was taken off the losses.
    """

    def __init__(
        self,
        codes: Any,
        targets: Any,
        max_depth: int,
        deadline: float | None,
        **settings: Any,
    ) -> None:
        """`settings` are those of `ExactTreeSolver`."""
        self.solver = ExactTreeSolver(codes, max_depth, **settings)
        self._leaf_solver = ExactTreeSolver(codes, 0, **settings)
        self.targets: Float[np.ndarray, "m k"] = targets
        self.constant = 0.0
        if self.solver.cost == "linear":
            self._take_off_least(settings.get("sample_weight"), len(codes))
        self._deadline = deadline
        self.proven = True

    def _take_off_least(self, weight: Any, m: int) -> None:
        costs = check_targets(self.targets, m)
        least = costs.min(axis=1)
        self.targets = costs - least[:, None]
        self.constant = float(least.sum() if weight is None else np.asarray(weight) @ least)

    def solve(self, penalty: float) -> Vertex:
        """The best tree for a penalty, or the best one known when time is up."""
        return self._solved(self.solver, penalty)

    def leaf(self) -> Vertex:
        """The best tree of one leaf."""
        return self._solved(self._leaf_solver, 0.0)

    def _solved(self, solver: ExactTreeSolver, penalty: float) -> Vertex:
        left = None
        if self._deadline is not None:
            left = max(self._deadline - time.perf_counter(), 0.0)
        fit = solver.solve(self.targets, leaf_penalty=penalty, time_limit=left)
        self.proven &= fit.status == "optimal"
        leaves = 1 + sum(test >= 0 for test in fit.structure)
        return Vertex(leaves, fit.loss, penalty, fit.lower_bound, fit)

    def crossing(self, larger: Vertex, smaller: Vertex) -> tuple[Vertex, bool]:
        """The solve for the penalty at which two trees are equal; whether it is below them."""
        gain = max(smaller.loss - larger.loss, 0.0)
        penalty = gain / (larger.leaves - smaller.leaves)
        found = self.solve(penalty)
        line = larger.loss + penalty * larger.leaves
        below = found.loss + penalty * found.leaves < line - TOLERANCE * abs(line)
        return found, below and smaller.leaves < found.leaves < larger.leaves

    def between(self, larger: Vertex, smaller: Vertex) -> list[Vertex]:
        """All trees of the hull strictly between two of its trees, most leaves first."""
        if larger.leaves - smaller.leaves < 2:
            return []
        found, below = self.crossing(larger, smaller)
        if not below:
            return []
        return [*self.between(larger, found), found, *self.between(found, smaller)]
