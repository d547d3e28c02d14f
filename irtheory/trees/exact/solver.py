"""Globally optimal trees of depth ≤ D on integer codes, with m × k targets.

Two leaf costs, both functions of a leaf's target sum S and size n alone:

* squared error, Σ_i ||y_i − T(x_i)||²: a leaf predicts its mean and costs Σ||y||² − ||S||²/n;
* linear ("cost-sensitive"), Σ_i C[i, c(x_i)]: a leaf picks the column c of least S_c. This
  is what cross-entropy against a tree needs, with C = −log of the network's distribution.

`fit_exact_tree` solves one problem. `ExactTreeSolver` solves a sequence of problems on the
same codes and reuses what it proved (see `irtheory.trees.exact.lattice`).
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Literal

import numpy as np
from jaxtyping import Float, Int, Num

from irtheory.checks import check_whole
from irtheory.trees.checks import check_targets
from irtheory.trees.choices import Cost
from irtheory.trees.exact.design import BinaryTests, Pruning, binary_tests
from irtheory.trees.exact.search import Search
from irtheory.trees.exact.structure import heap_of, tree_of
from irtheory.trees.exact.targets import leaf_values
from irtheory.trees.tree import Tree

__all__ = [
    "Cost",
    "ExactFit",
    "ExactTreeSolver",
    "Pruning",
    "SearchStatistics",
    "Status",
    "fit_exact_tree",
]

Status = Literal["optimal", "time_limit"]

# A search holds arrays of 2^depth entries.
_DEEPEST = 20


@dataclass(frozen=True)
class SearchStatistics:
    """What a solve did: small problems solved and skipped, sizes, wall seconds."""

    solved: int
    skipped: int
    rows: int
    tests: int
    warm: bool
    seconds: float


@dataclass(frozen=True)
class ExactFit:
    """Result of a solve.

    Attributes:
        loss: cost of the tree on the training targets (a sum over samples).
        lower_bound: proven lower bound over all trees; equals `loss` when optimal.
        predictions: m × k values of the tree on the training samples.
        structure: canonical identity of the partition's tests, equal for equal trees.
        status: "optimal", or "time_limit" when the search was cut short.
        leaf_of: the leaf of every sample, as a node of the search, [m].
    """

    loss: float
    lower_bound: float
    status: Status
    predictions: Float[np.ndarray, "m k"]
    structure: tuple[int, ...]
    statistics: SearchStatistics
    _tests: BinaryTests = field(repr=False)
    leaf_of: Int[np.ndarray, " m"] = field(repr=False)

    @cached_property
    def tree(self) -> Tree:
        """The tree itself, with values and counts at every node."""
        heap = np.array(self.structure)
        return tree_of(heap, self._tests, self.leaf_of, self.predictions)


def check_settings(
    max_depth: object, cost: object, min_samples_leaf: object, threads: object
) -> None:
    """Check the settings of a search; ValueError names the first that is out of range."""
    check_whole("max_depth", max_depth, 0)
    check_whole("min_samples_leaf", min_samples_leaf, 1)
    if threads is not None:
        check_whole("threads", threads, 1)
    if cost not in ("squared_error", "linear"):
        raise ValueError(f"cost: expected 'squared_error' or 'linear', found {cost!r}")


def _check_depth(max_depth: int, tests: BinaryTests) -> None:
    if min(max_depth, tests.deepest) > _DEEPEST:
        raise ValueError(
            f"max_depth: expected at most {_DEEPEST} for {tests.n_tests} tests on"
            f" {tests.n_rows} rows, found {max_depth}"
        )


class ExactTreeSolver:
    """Exact trees for a sequence of targets on the same codes.

    Args:
        codes: m × n whole numbers; every threshold becomes a binary test.
        max_depth: depth D of the tree class; 3 and 4 are the fast ones, beyond 4 the
            search branches over root tests and grows by a factor of about 2p a level. It
            may exceed 20 only where p tests or g distinct rows keep trees shallower.
        cost: "squared_error" or "linear".
        min_samples_leaf: samples a leaf must hold.
        pruning: which rules to use; results do not depend on it.
        threads: threads of a cold solve; None takes the machine's cores.

    Raises:
        ValueError: bad codes (see `irtheory.trees.checks.check_codes`) or settings, named.
    """

    def __init__(
        self,
        codes: Num[np.ndarray, "m n"],
        max_depth: int,
        *,
        cost: Cost = "squared_error",
        min_samples_leaf: int = 1,
        pruning: Pruning | None = None,
        threads: int | None = None,
    ) -> None:
        """Arrange the codes; nothing is searched yet."""
        check_settings(max_depth, cost, min_samples_leaf, threads)
        self.pruning = pruning or Pruning()
        self.linear = cost == "linear"
        tests = binary_tests(codes, self.pruning.merge_rows, self.pruning.merge_columns)
        _check_depth(max_depth, tests)
        self._search = Search(
            tests, int(max_depth), self.linear, int(min_samples_leaf), self.pruning, threads
        )

    @property
    def tests(self) -> BinaryTests:
        """The binary tests searched over."""
        return self._search.tests

    def solve(
        self,
        targets: Num[np.ndarray, "m k"],
        *,
        time_limit: float | None = None,
        warm_start: Tree | None = None,
        progress: Callable[[float], None] | None = None,
    ) -> ExactFit:
        """Find the best tree for these targets.

        Ties (costs equal to about 1e-12 of the total) are settled from the root down: a
        leaf before a split, then the lowest feature, then the lowest threshold.

        Args:
            targets: m × k (or m) numbers below 1e140 in size; for the linear cost, C[i, c].
            time_limit: seconds after which the best tree known is returned.
            warm_start: a tree on the same codes, used as first upper bound.
            progress: called with the fraction of the cold search that is done.

        Raises:
            ValueError: bad targets, or a warm start made for other features.
        """
        start = time.perf_counter()
        targets = check_targets(targets, len(self.tests.row_of))
        guess = None if warm_start is None else heap_of(warm_start, self.tests, self.depth)
        deadline = None if time_limit is None else start + time_limit
        found = self._search.run(targets, deadline, guess, progress)
        leaf_of = found.leaf_of[self.tests.row_of]
        predictions = np.empty_like(targets)
        nodes = 2 * len(found.heap) + 1
        loss = float(leaf_values(targets, leaf_of, nodes, self.linear, predictions))
        optimal = found.proven
        counted = SearchStatistics(
            found.solved,
            found.skipped,
            self.tests.n_rows,
            self.tests.n_tests,
            found.warm,
            time.perf_counter() - start,
        )
        return ExactFit(
            loss,
            loss if optimal else min(loss, found.lower + found.constant),
            "optimal" if optimal else "time_limit",
            predictions,
            tuple(found.heap.tolist()),
            counted,
            self.tests,
            leaf_of,
        )

    @property
    def depth(self) -> int:
        """Largest depth searched: min(max_depth, p, g − 1), as no tree needs to be deeper."""
        return self._search.depth


def fit_exact_tree(
    codes: Num[np.ndarray, "m n"],
    targets: Num[np.ndarray, "m k"],
    max_depth: int,
    *,
    cost: Cost = "squared_error",
    min_samples_leaf: int = 1,
    time_limit: float | None = None,
    warm_start: Tree | None = None,
    pruning: Pruning | None = None,
    threads: int | None = None,
    progress: Callable[[float], None] | None = None,
) -> ExactFit:
    """Minimise the cost over all binary trees of depth ≤ `max_depth` on integer codes.

    Arguments, result and errors are those of `ExactTreeSolver` and its `solve`.
    """
    solver = ExactTreeSolver(
        codes,
        max_depth,
        cost=cost,
        min_samples_leaf=min_samples_leaf,
        pruning=pruning,
        threads=threads,
    )
    return solver.solve(targets, time_limit=time_limit, warm_start=warm_start, progress=progress)
