"""Globally optimal trees of depth ≤ D on integer codes, with m × k targets.

Three leaf costs, all functions of a leaf's target sum S and weight alone:

* squared error, Σ_i w_i ‖y_i − T(x_i)‖²: a leaf predicts its mean. On one-hot rows this is the
  Gini impurity;
* linear ("cost-sensitive"), Σ_i w_i C[i, c(x_i)]: a leaf picks the column c of least S_c. This
  is what cross-entropy against a tree needs, with C = −log of the network's distribution, and
  misclassification, with C = 1 − one-hot;
* entropy, −Σ_i w_i Σ_c y_ic log T(x_i)_c in nats: a leaf predicts its mean, a distribution.

`fit_exact_tree` solves one problem. `ExactTreeSolver` solves a sequence of problems on the
same codes and reuses what it proved (see `irtheory.trees.exact.lattice`).
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Literal, get_args

import numpy as np
import numpy.typing as npt
from jaxtyping import Float, Int, Num

from irtheory.checks import check_whole
from irtheory.trees.checks import check_distributions, check_targets, check_weights
from irtheory.trees.choices import Cost
from irtheory.trees.exact.design import BinaryTests, Pruning, binary_tests
from irtheory.trees.exact.search import Search
from irtheory.trees.exact.statistics import ENTROPY, LINEAR, SQUARES, WEIGHTED
from irtheory.trees.exact.structure import Found, heap_of, leaves_of, tree_of
from irtheory.trees.exact.targets import spread_of
from irtheory.trees.exact.terms import Task, Terms
from irtheory.trees.kernels.deadline import Deadline
from irtheory.trees.kernels.workers import default_threads
from irtheory.trees.tree import Tree

__all__ = [
    "Cost",
    "ExactFit",
    "ExactTreeSolver",
    "Moment",
    "Pruning",
    "SearchStatistics",
    "Status",
    "fit_exact_tree",
]

Status = Literal["optimal", "time_limit"]

# A search holds arrays of 2^depth entries.
_DEEPEST = 20
# The square of a smaller difference, and what is left of it by rounding, would not be a number of
# full precision.
_LEAST_SPREAD = 1e-140
# The smallest weight, relative to the largest: sums round to 1e-16 of the largest, and the mean of
# a lighter leaf would be what rounding leaves of it.
_LIGHTEST = 1e-18


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
class Moment:
    """A better tree on the way: when it was found, its objective, and what was proven by then."""

    seconds: float
    objective: float
    lower_bound: float


@dataclass(frozen=True)
class ExactFit:
    """Result of a solve.

    Attributes:
        loss: cost of the tree on the training targets (a sum over samples).
        objective: loss + leaf_penalty · leaves, which the search minimises.
        lower_bound: proven lower bound on the objective over all trees. When optimal, it is the
            objective less what ties and rounding may cost, at most about 1e-9 of it.
        predictions: m × k values of the tree on the training samples.
        structure: canonical identity of the partition's tests, equal for equal trees.
        status: "optimal", or "time_limit" when the search was cut short.
        leaf_of: the leaf of every sample, as a node of the search, [m].
        trace: the trees found on the way, each better than the one before.
    """

    loss: float
    objective: float
    lower_bound: float
    status: Status
    predictions: Float[np.ndarray, "m k"]
    structure: tuple[int, ...]
    statistics: SearchStatistics
    trace: tuple[Moment, ...]
    _tests: BinaryTests = field(repr=False)
    leaf_of: Int[np.ndarray, " m"] = field(repr=False)
    _weights: Float[np.ndarray, " m"] | None = field(repr=False, default=None)

    @cached_property
    def tree(self) -> Tree:
        """The tree itself, with values and counts at every node."""
        heap = np.array(self.structure)
        return tree_of(heap, self._tests, self.leaf_of, self.predictions, self._weights)


def check_settings(
    max_depth: object, cost: object, min_samples_leaf: object, threads: object
) -> None:
    """Check the settings of a search; ValueError names the first that is out of range."""
    check_whole("max_depth", max_depth, 0)
    check_whole("min_samples_leaf", min_samples_leaf, 1)
    if threads is not None:
        check_whole("threads", threads, 1)
    if cost not in get_args(Cost):
        names = ", ".join(map(repr, get_args(Cost)))
        raise ValueError(f"cost: expected one of {names}, found {cost!r}")


def check_limits(time_limit: object, max_memory: object, leaf_penalty: object = 0.0) -> None:
    """Check the limits of a search; ValueError names the first that is out of range."""
    if time_limit is not None:
        _check_number("time_limit", time_limit, "seconds ≥ 0")
    _check_number("leaf_penalty", leaf_penalty, "a finite number ≥ 0")
    if max_memory is not None:
        check_whole("max_memory", max_memory, 1)


def _check_number(name: str, found: Any, expected: str) -> None:
    number = isinstance(found, int | float | np.number) and not isinstance(found, bool)
    if not number or not 0 <= found < math.inf:
        raise ValueError(f"{name}: expected {expected}, found {found!r}")


def _check_lightest(weights: Float[np.ndarray, " kept"]) -> None:
    """ValueError for weights above 0 that sums with the largest one lose."""
    share = float(weights.min() / weights.max())
    if share < _LIGHTEST:
        raise ValueError(
            f"sample_weight: expected weights of 0 or of at least {_LIGHTEST} of the largest,"
            f" found {share} of it"
        )


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
        cost: "squared_error", "linear" or "entropy".
        sample_weight: m weights ≥ 0; None is 1 for all. Samples of weight 0 do not count.
        min_samples_leaf: samples a leaf must hold, whatever their weight.
        pruning: which rules to use; results do not depend on it.
        threads: threads of a cold solve; None takes the machine's cores.
        max_memory: bytes that the search may allocate; None is a share of what is free. Where
            the fastest way does not fit, a slower one is taken.

    Raises:
        ValueError: bad codes (see `irtheory.trees.checks.check_codes`), weights or settings,
            named; or more tests than fit into the memory.
    """

    def __init__(
        self,
        codes: Num[np.ndarray, "m n"],
        max_depth: int,
        *,
        cost: Cost = "squared_error",
        sample_weight: npt.ArrayLike | None = None,
        min_samples_leaf: int = 1,
        pruning: Pruning | None = None,
        threads: int | None = None,
        max_memory: int | None = None,
    ) -> None:
        """Arrange the codes; nothing is searched yet."""
        check_settings(max_depth, cost, min_samples_leaf, threads)
        check_limits(None, max_memory)
        self.pruning = pruning or Pruning()
        self.cost: Cost = cost
        self._codes = codes = np.asarray(codes)
        weights = np.empty(0)
        self._kept: np.ndarray | None = None
        self._weights: np.ndarray | None = None
        if sample_weight is not None:
            weights = self._weights = check_weights(sample_weight, len(codes))
            if not weights.all():
                self._kept = np.flatnonzero(weights)
                codes, weights = codes[self._kept], weights[self._kept]
            _check_lightest(weights)
        tests = binary_tests(codes, self.pruning.merge_rows, self.pruning.merge_columns, max_memory)
        _check_depth(max_depth, tests)
        squares = SQUARES if len(weights) == 0 else WEIGHTED
        rule = {"linear": LINEAR, "entropy": ENTROPY}.get(cost, squares)
        terms = Terms(
            rule, float(min_samples_leaf), self.pruning, threads or default_threads(), max_memory
        )
        self._search = Search(tests, int(max_depth), terms, weights)

    @property
    def tests(self) -> BinaryTests:
        """The binary tests searched over."""
        return self._search.tests

    @property
    def depth(self) -> int:
        """Largest depth searched: min(max_depth, p, g − 1), as no tree needs to be deeper."""
        return self._search.depth

    def solve(
        self,
        targets: Num[np.ndarray, "m k"],
        *,
        leaf_penalty: float = 0.0,
        time_limit: float | None = None,
        warm_start: Tree | None = None,
        progress: Callable[[float], None] | None = None,
    ) -> ExactFit:
        """Find the best tree for these targets.

        Ties (costs equal to about 1e-12 of them) are settled from the root down: a leaf before
        a split, then the lowest feature, then the lowest threshold.

        Args:
            targets: m × k (or m) numbers below 1e140 in size; for the linear cost, C[i, c]; for
                the entropy, rows that are ≥ 0 and sum to 1.
            leaf_penalty: what every leaf adds to the objective.
            time_limit: seconds after which the best tree known is returned.
            warm_start: a tree on the same codes, used as first upper bound.
            progress: called with the fraction of the cold search that is done.

        Raises:
            ValueError: bad targets or limits, or a warm start made for other features.
        """
        return self._solve(
            targets, leaf_penalty, time_limit, warm_start, progress, time.perf_counter()
        )

    def _solve(self, targets, leaf_penalty, time_limit, warm_start, progress, start) -> ExactFit:
        check_limits(time_limit, None, leaf_penalty)
        targets = self._checked(targets)
        guess = None if warm_start is None else heap_of(warm_start, self.tests, self.depth)
        trace: list[Moment] = []
        alpha = float(leaf_penalty)

        def keep(cost: float, lower: float) -> None:
            if not trace or cost < trace[-1].objective - alpha:
                seconds = time.perf_counter() - start
                trace.append(Moment(seconds, cost + alpha, lower + alpha))

        with Deadline(time_limit, start) as deadline:
            found = self._search.run(Task(targets, alpha, deadline, guess, progress, keep))
        return self._fitted(found, targets, alpha, tuple(trace), start)

    def _checked(self, targets: Any) -> Float[np.ndarray, "kept k"]:
        """The targets of the samples that count, if they are what the cost asks for."""
        targets = check_targets(targets, len(self._codes))
        if self.cost == "entropy":
            check_distributions(targets)
        if self._kept is not None:
            targets = targets[self._kept]
        spread = float(spread_of(targets, self.cost == "linear"))
        if 0 < spread < _LEAST_SPREAD:
            raise ValueError(
                f"targets: expected differences of 0 or of at least {_LEAST_SPREAD}, whose squares"
                f" are numbers of double precision, found at most {spread}; scale them"
            )
        return targets

    def _fitted(self, found: Found, targets, alpha: float, trace, start: float) -> ExactFit:
        leaf_of = found.leaf_of[self.tests.row_of]
        if self._kept is not None:
            leaf_of = leaves_of(found.heap, self.tests, self._codes)
        loss = float(found.losses.sum()) + found.constant
        leaves = 1 + int((found.heap >= 0).sum())
        objective = loss + alpha * leaves
        counted = SearchStatistics(
            found.solved,
            found.skipped,
            self.tests.n_rows,
            self.tests.n_tests,
            found.warm,
            time.perf_counter() - start,
        )
        # Bound and cost of a search leave out what all trees pay, and the penalty of one leaf.
        return ExactFit(
            loss,
            objective,
            objective - max(found.cost - found.lower, 0.0),
            "optimal" if found.proven else "time_limit",
            found.values[leaf_of],
            tuple(found.heap.tolist()),
            counted,
            trace,
            self.tests,
            leaf_of,
            self._weights,
        )


def fit_exact_tree(
    codes: Num[np.ndarray, "m n"],
    targets: Num[np.ndarray, "m k"],
    max_depth: int,
    *,
    cost: Cost = "squared_error",
    sample_weight: npt.ArrayLike | None = None,
    leaf_penalty: float = 0.0,
    min_samples_leaf: int = 1,
    time_limit: float | None = None,
    warm_start: Tree | None = None,
    pruning: Pruning | None = None,
    threads: int | None = None,
    max_memory: int | None = None,
    progress: Callable[[float], None] | None = None,
) -> ExactFit:
    """Minimise the cost over all binary trees of depth ≤ `max_depth` on integer codes.

    Arguments, result and errors are those of `ExactTreeSolver` and its `solve`; the time limit
    includes the arranging of the codes.
    """
    start = time.perf_counter()
    check_limits(time_limit, max_memory, leaf_penalty)
    solver = ExactTreeSolver(
        codes,
        max_depth,
        cost=cost,
        sample_weight=sample_weight,
        min_samples_leaf=min_samples_leaf,
        pruning=pruning,
        threads=threads,
        max_memory=max_memory,
    )
    return solver._solve(targets, leaf_penalty, time_limit, warm_start, progress, start)
