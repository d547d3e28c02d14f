"""Every tree whose cost is near the optimum: is this key the only one?

A tree is the tests (feature, threshold) at its nodes; each test has at least
`min_samples_leaf` samples on both sides. Tests that part the samples of a node alike make
different trees: whoever asks for another key wants to see the one with other characters.
Thresholds lie half-way between neighbouring codes of a column.
"""

from __future__ import annotations

import math
import time
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from jaxtyping import Num

from irtheory.checks import check_whole
from irtheory.trees.choices import Cost
from irtheory.trees.exact.all_trees.bounds import Bounds, OutOfTime
from irtheory.trees.exact.all_trees.build import tree_of
from irtheory.trees.exact.all_trees.costs import Costs, check_tables
from irtheory.trees.exact.all_trees.count import Counter
from irtheory.trees.exact.all_trees.problem import Problem, problem_of
from irtheory.trees.exact.all_trees.ranking import Ranked, Rankings
from irtheory.trees.exact.memory import default_memory
from irtheory.trees.exact.solver import ExactFit, check_limits, check_settings, fit_exact_tree
from irtheory.trees.tree import Tree

__all__ = ["NearOptimalTrees", "near_optimal_trees"]

# Costs this close to the bound, relative to it, count as equal to it.
TOLERANCE = 1e-9


@dataclass(frozen=True)
class NearOptimalTrees:
    """All trees up to a bound.

    Attributes:
        optimum: least objective of a tree: its cost, a sum over samples, and its penalties.
        bound: largest objective that counts as near, (1 + epsilon) · optimum + absolute.
        count: trees up to the bound; if not `complete`, a lower bound of that number.
        complete: False if the time limit or the size of the lists ended the count.
        trees: up to `cap` of them, cheapest first; trees that cost the same up to 1e-9 in the
            order of their leaves, features and thresholds.
        losses: the cost of each of `trees`, without penalties.
        features_in_every: columns that every near-optimal tree tests; None if not known.
        features_in_some: columns that some near-optimal tree tests; None if not known.
    """

    optimum: float
    bound: float
    count: int
    complete: bool
    trees: tuple[Tree, ...]
    losses: tuple[float, ...]
    features_in_every: tuple[int, ...] | None
    features_in_some: tuple[int, ...] | None

    @property
    def only_one(self) -> bool:
        """Whether there is one near-optimal tree and no other."""
        return self.complete and self.count == 1


def near_optimal_trees(
    codes: Num[np.ndarray, "m n"],
    targets: Num[np.ndarray, "m k"],
    max_depth: int,
    epsilon: float,
    *,
    cost: Cost = "squared_error",
    sample_weight: npt.ArrayLike | None = None,
    leaf_penalty: float = 0.0,
    min_samples_leaf: int = 1,
    absolute: float = 0.0,
    cap: int = 1000,
    time_limit: float | None = None,
    max_memory: int | None = None,
    threads: int | None = None,
) -> NearOptimalTrees:
    """Count all trees of depth ≤ `max_depth` near the optimum, and list the cheapest.

    Args:
        codes: m × n whole numbers.
        targets: m × k (or m) numbers; for the linear cost, C[i, c].
        max_depth: largest number of tests on a path.
        epsilon: how far a tree may be above the optimum, relative to its size.
        cost: what a tree minimises, see `irtheory.trees.exact.solver`.
        sample_weight: weight of each sample; samples of weight 0 are ignored.
        leaf_penalty: what every leaf adds to the objective. Without it, trees with tests that
            improve nothing are among the near-optimal ones.
        min_samples_leaf: samples that a leaf must hold.
        absolute: the same as a cost, added to that; an optimum of 0 needs it.
        cap: largest number of trees that are listed; the count does not depend on it.
        time_limit: seconds after which counting and listing stop.
        max_memory: bytes that the tables of all pairs of tests may take; None is a share of what
            is free.
        threads: threads of the exact search; None takes the machine's cores.

    Raises:
        ValueError: bad codes, targets or settings, named; or more pairs of tests than memory.
    """
    start = time.perf_counter()
    check_settings(max_depth, cost, min_samples_leaf, threads)
    check_limits(time_limit, max_memory, leaf_penalty)
    _check_list(epsilon, absolute, cap)
    deadline = None if time_limit is None else start + float(time_limit)
    memory = default_memory() if max_memory is None else int(max_memory)
    problem = problem_of(codes, targets, sample_weight, cost, min_samples_leaf, memory)
    check_tables(problem, max_depth, memory)
    depth = min(int(max_depth), len(problem.members), problem.n_rows - 1)
    solve = _Solve(problem, depth, float(leaf_penalty), deadline, threads)
    fit = solve.without(None)
    optimum = fit.objective
    while fit.status == "optimal":
        limits = _limits(problem, optimum, epsilon, absolute)
        search = _Search(problem, solve, limits[1])
        first = search.least()
        if first is None or first >= optimum - TOLERANCE * abs(optimum):
            return _result(search, optimum, *limits, int(cap))
        optimum = first  # below the ties that the exact search settles
    total = optimum + problem.constant
    bound = _limits(problem, optimum, epsilon, absolute)[0]
    return NearOptimalTrees(total, bound, 0, False, (), (), None, None)


def _check_list(epsilon: Any, absolute: Any, cap: Any) -> None:
    _check_slack("epsilon", epsilon)
    _check_slack("absolute", absolute)
    check_whole("cap", cap, 0)


def _check_slack(name: str, found: Any) -> None:
    """ValueError unless `found` is a finite number ≥ 0."""
    number = isinstance(found, (int, float, np.integer, np.floating)) and not isinstance(
        found, bool
    )
    if not (number and math.isfinite(found) and found >= 0):
        raise ValueError(f"{name}: expected a finite number ≥ 0, found {found!r}")


def _limits(
    problem: Problem, optimum: float, epsilon: float, absolute: float
) -> tuple[float, float]:
    """The bound, and the largest cost in the problem's own terms that is taken as within it."""
    # Not as a difference from the bound: what all trees pay may be far larger.
    limit = optimum + epsilon * abs(optimum + problem.constant) + absolute
    return limit + problem.constant, max(limit + TOLERANCE * abs(limit), 0.0)


@dataclass(frozen=True)
class _Solve:
    """The exact search on the same problem, within the time that is left."""

    problem: Problem
    depth: int
    leaf_penalty: float
    deadline: float | None
    threads: int | None

    def without(self, feature: int | None) -> ExactFit:
        """The best tree, or the best that does not test a feature."""
        codes = self.problem.codes
        if feature is not None:
            codes = codes.copy()
            codes[:, feature] = 0
        left = None if self.deadline is None else max(self.deadline - time.perf_counter(), 1e-3)
        return fit_exact_tree(
            codes,
            self.problem.targets,
            self.depth,
            cost=self.problem.cost,
            sample_weight=self.problem.weight,
            leaf_penalty=self.leaf_penalty,
            min_samples_leaf=self.problem.min_samples_leaf,
            time_limit=left,
            threads=self.threads,
        )


class _Listed(NamedTuple):
    """A tree, its cost, and its cost with all penalties."""

    tree: Tree
    loss: float
    objective: float


class _Search:
    """Counting and listing up to one limit."""

    def __init__(self, problem: Problem, solve: _Solve, limit: float) -> None:
        costs = Costs(problem, limit, solve.leaf_penalty)
        bounds = Bounds(costs, solve.deadline, solve.threads, solve.leaf_penalty)
        self.problem = problem
        self.solve = solve
        self.limit = limit
        self._everyone = np.arange(problem.n_rows)
        self._rankings = Rankings(costs, bounds)
        self._counter = Counter(costs, bounds)

    def least(self) -> float | None:
        """The least objective in the problem's own terms; None if there was no time."""
        listed = self.listed(1)
        return listed[0].objective - self.problem.constant if listed else None

    def listed(self, cap: int) -> list[_Listed]:
        """The cheapest trees, as many as time allows."""
        found: list[Ranked] = []
        try:
            ranking = self._rankings.ranking(self._everyone, self.solve.depth)
            while len(found) < cap and (tree := ranking.get(len(found))) is not None:
                found.append(tree)
        except OutOfTime:
            pass
        built = (tree_of(self.problem, tree) for tree in found)
        return [
            _Listed(tree, loss, loss + self.solve.leaf_penalty * (tree.n_nodes + 1) / 2)
            for tree, loss in built
        ]

    def counted(self) -> tuple[int, bool]:
        """Trees within the limit, and whether all of them were counted."""
        try:
            return self._counter.count(self.solve.depth), True
        except OutOfTime:
            return self._counter.counted, False

    def features(self) -> tuple[int, ...]:
        """Columns that some tree within the limit tests, once all are counted."""
        used = np.flatnonzero(self._counter.used)
        members = self.problem.members
        return tuple(sorted({member.feature for split in used for member in members[split]}))


def _result(
    search: _Search, optimum: float, bound: float, limit: float, cap: int
) -> NearOptimalTrees:
    listed = _in_order(search.listed(max(cap, 1)))
    count, complete = search.counted()
    in_every = _in_every(search, [item.tree for item in listed], complete and count == len(listed))
    return NearOptimalTrees(
        optimum + search.problem.constant,
        bound,
        count if complete else max(count, len(listed)),
        complete,
        tuple(item.tree for item in listed[:cap]),
        tuple(item.loss for item in listed[:cap]),
        in_every,
        search.features() if complete else None,
    )


def _in_order(listed: list[_Listed]) -> list[_Listed]:
    """Sorted by objective; those within the tolerance of the first of them by their tests."""
    ordered: list[_Listed] = []
    group: list[_Listed] = []
    for item in sorted(listed, key=lambda item: item.objective):
        first = group[0].objective if group else item.objective
        if item.objective > first + TOLERANCE * abs(first):
            ordered += sorted(group, key=lambda item: _tests(item.tree))
            group = []
        group.append(item)
    return ordered + sorted(group, key=lambda item: _tests(item.tree))


def _tests(tree: Tree) -> tuple[Any, ...]:
    return (tree.n_nodes, tree.feature.tolist(), tree.threshold.tolist())


def _in_every(search: _Search, trees: list[Tree], all_listed: bool) -> tuple[int, ...] | None:
    """Columns without which no tree is within the limit; None where time was too short.

    The columns that all listed trees share are candidates; if more trees than these exist,
    the best tree without a column says whether it can be spared.
    """
    if not trees:
        return None
    shared = set.intersection(*(set(tree.feature[tree.feature >= 0].tolist()) for tree in trees))
    if all_listed:
        return tuple(sorted(shared))
    needed = []
    for feature in sorted(shared):
        fit = search.solve.without(feature)
        if fit.lower_bound > search.limit:
            needed.append(feature)
        elif fit.objective > search.limit:
            return None
    return tuple(needed)
