"""Optimal trees of every size: over all penalties per leaf, and for a given number of leaves."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
from jaxtyping import Num

from irtheory.checks import check_whole
from irtheory.trees.choices import Cost
from irtheory.trees.exact.all_trees.bounds import Bounds, OutOfTime
from irtheory.trees.exact.all_trees.build import tree_of
from irtheory.trees.exact.all_trees.costs import Costs, check_tables
from irtheory.trees.exact.all_trees.problem import Problem, problem_of
from irtheory.trees.exact.all_trees.sizes import SizeSearch
from irtheory.trees.exact.hull import TOLERANCE, Hull, Vertex
from irtheory.trees.exact.memory import default_memory
from irtheory.trees.exact.solver import ExactFit, check_limits
from irtheory.trees.exact.structure import heap_of, leaves_of
from irtheory.trees.tree import Tree

__all__ = ["OptimalPath", "fit_exact_tree_of_size", "optimal_tree_path"]


@dataclass(frozen=True)
class OptimalPath:
    """The best trees for all penalties α ≥ 0 per leaf.

    Tree i minimises loss + α · leaves for every α from `alphas[i]` to `alphas[i + 1]`, the last
    one for every larger α. Trees that are best for a single α only are left out.

    Attributes:
        alphas: where each tree begins to be best, ascending from 0.
        leaves: leaves of each tree, falling to 1.
        losses: cost of each tree without penalties, a sum over samples.
        trees: the trees.
        proven: False if the time limit ended a search; better trees may then exist.
    """

    alphas: tuple[float, ...]
    leaves: tuple[int, ...]
    losses: tuple[float, ...]
    trees: tuple[Tree, ...]
    proven: bool

    def tree_at(self, alpha: float) -> Tree:
        """The best tree for a penalty; at a breakpoint the smaller one.

        Raises:
            ValueError: the penalty is not a number ≥ 0.
        """
        if not alpha >= 0:
            raise ValueError(f"alpha: expected a number ≥ 0, found {alpha!r}")
        return self.trees[int(np.searchsorted(self.alphas, alpha, "right")) - 1]


def optimal_tree_path(
    codes: Num[np.ndarray, "m n"],
    targets: Num[np.ndarray, "m k"],
    max_depth: int,
    *,
    cost: Cost = "squared_error",
    sample_weight: npt.ArrayLike | None = None,
    min_samples_leaf: int = 1,
    time_limit: float | None = None,
    max_memory: int | None = None,
    threads: int | None = None,
) -> OptimalPath:
    """The optimal trees of depth ≤ `max_depth` over all penalties per leaf.

    They are the corners of the lower convex hull of (leaves, loss) over all trees. One solve
    finds each of them, and one more proves that each edge between two is empty.

    Arguments and errors are those of `ExactTreeSolver` and its `solve`.
    """
    start = time.perf_counter()
    check_limits(time_limit, max_memory)
    hull = Hull(
        *(codes, targets, max_depth),
        None if time_limit is None else start + float(time_limit),
        cost=cost,
        sample_weight=sample_weight,
        min_samples_leaf=min_samples_leaf,
        max_memory=max_memory,
        threads=threads,
    )
    largest = hull.solve(0.0)
    found = [largest]
    if largest.leaves > 1:
        leaf = hull.leaf()
        found = [largest, *hull.between(largest, leaf), leaf]
    corners, alphas = _corners(found)
    return OptimalPath(
        alphas,
        tuple(vertex.leaves for vertex in corners),
        tuple(vertex.loss + hull.constant for vertex in corners),
        tuple(vertex.fit.tree for vertex in corners),
        hull.proven,
    )


def _corners(found: list[Vertex]) -> tuple[list[Vertex], tuple[float, ...]]:
    """The trees that are best for a range of penalties, and where each range begins."""
    corners, alphas = [found[0]], [0.0]
    for vertex in found[1:]:
        while True:
            gain = vertex.loss - corners[-1].loss
            same = gain <= TOLERANCE * abs(corners[-1].loss)
            alpha = 0.0 if same else gain / (corners[-1].leaves - vertex.leaves)
            if alpha > alphas[-1] or (len(corners) == 1 and alpha > 0):
                break
            corners.pop()
            alphas.pop()
            if not corners:
                alpha = 0.0
                break
        corners.append(vertex)
        alphas.append(alpha)
    return corners, tuple(alphas)


def fit_exact_tree_of_size(
    codes: Num[np.ndarray, "m n"],
    targets: Num[np.ndarray, "m k"],
    max_depth: int,
    max_leaf_nodes: int,
    *,
    cost: Cost = "squared_error",
    sample_weight: npt.ArrayLike | None = None,
    min_samples_leaf: int = 1,
    time_limit: float | None = None,
    max_memory: int | None = None,
    threads: int | None = None,
) -> ExactFit:
    """The best tree of depth ≤ `max_depth` with at most `max_leaf_nodes` leaves.

    Penalties per leaf give the best trees of some sizes and a lower bound for all others. If
    that leaves a gap, every test of the root is combined with every way to share the leaves
    between its halves, as far as penalised bounds of the halves allow.

    Arguments, result and errors are those of `ExactTreeSolver` and its `solve`.
    """
    start = time.perf_counter()
    check_limits(time_limit, max_memory)
    most = check_whole("max_leaf_nodes", max_leaf_nodes, 1)
    deadline = None if time_limit is None else start + float(time_limit)
    settings: dict[str, Any] = {
        "cost": cost,
        "sample_weight": sample_weight,
        "min_samples_leaf": min_samples_leaf,
        "max_memory": max_memory,
        "threads": threads,
    }
    hull = Hull(codes, targets, max_depth, deadline, **settings)
    fit = _of_size(hull, codes, most, deadline, start, settings)
    constant = hull.constant
    return replace(
        fit,
        loss=fit.loss + constant,
        objective=fit.objective + constant,
        lower_bound=fit.lower_bound + constant,
    )


def _of_size(
    hull: Hull, codes: Any, most: int, deadline: float | None, start: float,
    settings: dict[str, Any],
) -> ExactFit:  # fmt: skip
    """The best tree with at most `most` leaves for the targets of the hull."""
    near = _closest(hull, most)
    if near.closed or not hull.proven:
        return _known(near, near.bound, start, hull.proven)
    allowed = settings["max_memory"]
    memory = default_memory() if allowed is None else int(allowed)
    problem = problem_of(
        codes, hull.targets, settings["sample_weight"], settings["cost"],
        settings["min_samples_leaf"], memory,
    )  # fmt: skip
    check_tables(problem, hull.solver.depth, memory)
    search = _size_search(problem, near, deadline, settings["threads"])
    try:
        least, ranked = search.best(hull.solver.depth)
    except OutOfTime:
        return _known(near, near.bound, start, False)
    if ranked is None:
        return _known(near, near.vertex.loss, start, True)
    tree, loss = tree_of(problem, ranked)
    least += problem.constant
    if loss >= near.vertex.loss - TOLERANCE * abs(near.vertex.loss):
        return _known(near, least, start, True)
    return _fitted(near.vertex.fit, hull, np.asarray(codes), tree, loss, least, start)


@dataclass(frozen=True)
class _Near:
    """The best known tree of at most `most` leaves, a lower bound, and the penalty behind it."""

    vertex: Vertex
    most: int
    bound: float
    penalty: float

    @property
    def closed(self) -> bool:
        """Whether bound and loss agree up to ties and rounding."""
        size = abs(self.vertex.loss) + self.penalty * self.most
        on_hull = self.vertex.leaves == self.most
        return on_hull or self.vertex.loss - self.bound <= 2 * TOLERANCE * size


def _closest(hull: Hull, most: int) -> _Near:
    """Go down the hull to the edge that spans `most` leaves."""
    larger = hull.solve(0.0)
    if larger.leaves <= most:
        return _Near(larger, most, larger.lower, 0.0)
    smaller = hull.leaf()
    if most == 1:
        return _Near(smaller, most, smaller.lower, 0.0)
    bound, penalty, below = larger.lower, 0.0, True
    while below and smaller.leaves < most:
        found, below = hull.crossing(larger, smaller)
        if found.least_loss(most) > bound:
            bound, penalty = found.least_loss(most), found.penalty
        if below and found.leaves <= most:
            smaller = found
        elif below:
            larger = found
    return _Near(smaller, most, min(bound, smaller.loss), penalty)


def _size_search(
    problem: Problem, near: _Near, deadline: float | None, threads: int | None
) -> SizeSearch:
    """The search for what is better than the tree that is known."""
    spent = near.vertex.loss - problem.constant
    # Among whole costs, such as misclassified samples, what is better is better by 1.
    limit = spent - 0.5 if _whole(problem) else spent + TOLERANCE * abs(near.vertex.loss)
    costs = Costs(problem, max(limit, 0.0))
    bounds = Bounds(costs, deadline, threads, near.penalty)
    return SizeSearch(costs, bounds, near.most)


def _whole(problem: Problem) -> bool:
    """Whether all trees cost whole numbers."""
    if problem.cost != "linear":
        return False
    weighted = problem.weight[:, None] * problem.targets
    return bool((weighted == np.rint(weighted)).all() and weighted.sum() < 2**52)


def _known(near: _Near, bound: float, start: float, proven: bool) -> ExactFit:
    """The tree of the hull as the result."""
    return _result(near.vertex.fit, near.vertex.loss, bound, start, proven)


def _fitted(
    fit: ExactFit, hull: Hull, codes: np.ndarray, tree: Tree, loss: float, bound: float,
    start: float,
) -> ExactFit:  # fmt: skip
    """Another tree as the result."""
    tests, depth = hull.solver.tests, hull.solver.depth
    heap = heap_of(tree, tests, depth)
    assert heap is not None, "the tree tests what the search tests"
    changed = replace(
        fit,
        predictions=tree.predict(codes),
        structure=tuple(heap.tolist()),
        leaf_of=leaves_of(heap, tests, codes),
        _tests=tests,
    )
    return _result(changed, loss, bound, start, True)


def _result(fit: ExactFit, loss: float, bound: float, start: float, proven: bool) -> ExactFit:
    """A fit whose objective is the loss alone."""
    return replace(
        fit,
        loss=loss,
        objective=loss,
        lower_bound=min(bound, loss),
        status="optimal" if proven else "time_limit",
        trace=(),
        statistics=replace(fit.statistics, seconds=time.perf_counter() - start),
    )
