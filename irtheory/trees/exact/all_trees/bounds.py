"""Exact lower bounds of subtrees, which say how much of a budget is left for their siblings."""

from __future__ import annotations

import time

import numpy as np
from jaxtyping import Int

from irtheory.trees.exact.all_trees.costs import Costs
from irtheory.trees.exact.solver import fit_exact_tree


class OutOfTime(Exception):
    """The deadline has passed, or lists would outgrow their limit; counts are not complete."""


class Bounds:
    """Least costs of trees of a given depth on sets of rows, remembered.

    With a leaf penalty they are least costs with all penalties, for depths from 3 on.
    """

    def __init__(
        self,
        costs: Costs,
        deadline: float | None,
        threads: int | None,
        leaf_penalty: float = 0.0,
    ) -> None:
        """Nothing is computed yet."""
        self.costs = costs
        self.deadline = deadline
        self.threads = threads
        self.leaf_penalty = leaf_penalty
        self._known: dict[tuple[bytes, int], int] = {}

    def check_time(self) -> None:
        """Raise `OutOfTime` past the deadline."""
        if self.deadline is not None and time.perf_counter() > self.deadline:
            raise OutOfTime

    def units(self, rows: Int[np.ndarray, " r"], depth: int) -> int:
        """Units that no tree of this depth on these rows falls below."""
        key = (rows.tobytes(), depth)
        if key not in self._known:
            self.check_time()
            # The units of a tree are rounded at each of its leaves.
            least = self.costs.units(self._least(rows, depth)) - 2**depth
            self._known[key] = max(least, 0)
        return self._known[key]

    def _least(self, rows: Int[np.ndarray, " r"], depth: int) -> float:
        if depth >= 3:
            return self._solved(rows, depth)
        node = self.costs.node(rows)
        if depth == 2:
            return self.costs.least_halves(node)
        leaf = self.costs.leaf(node)
        if depth == 1:
            leaf = min(leaf, int(self.costs.stumps(node, self.costs.budget).min(initial=leaf)))
        return leaf * self.costs.unit

    def _solved(self, rows: Int[np.ndarray, " r"], depth: int) -> float:
        """The bound that the exact search proves in the time that is left."""
        problem = self.costs.problem
        inside = np.zeros(problem.n_rows, bool)
        inside[rows] = True
        samples = np.flatnonzero(inside[problem.row_of])
        if len(samples) < 2 * problem.min_samples_leaf:
            return 0.0
        left = None if self.deadline is None else max(self.deadline - time.perf_counter(), 1e-3)
        fit = fit_exact_tree(
            problem.codes[samples],
            problem.targets[samples],
            depth,
            cost=problem.cost,
            sample_weight=problem.weight[samples],
            leaf_penalty=self.leaf_penalty,
            min_samples_leaf=problem.min_samples_leaf,
            time_limit=left,
            threads=self.threads,
        )
        if fit.status != "optimal":
            raise OutOfTime
        return max(fit.lower_bound, 0.0)
