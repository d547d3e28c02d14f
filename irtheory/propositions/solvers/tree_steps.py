"""The ω-step: the best tree for a network, and the best network for a tree."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from irtheory.propositions.objectives.contract import Array, Objective, ThetaMinimum
from irtheory.trees.exact.greedy import fit_greedy_tree
from irtheory.trees.exact.solver import ExactTreeSolver
from irtheory.trees.tree import Tree

TreeStep = Literal["exact", "greedy"]


@dataclass(frozen=True)
class TreeClass:
    """Ω: trees of depth ≤ max_depth with at least min_samples_leaf samples in a leaf."""

    max_depth: int = 3
    min_samples_leaf: int = 1
    threads: int | None = None


@dataclass(frozen=True, eq=False)
class BestTree:
    """A tree by its effect on the objective.

    Attributes:
        outputs: T, [m, k].
        structure: identity of its tests.
        gap: Q minus its proven minimum, at the θ to which the tree was fitted.
        make: makes the `Tree`, whose values are those of T.
        leaf_of: leaf of every sample in the exact tree, [m].
    """

    outputs: Array
    structure: tuple[float, ...]
    gap: float
    make: Callable[[], Tree]
    leaf_of: NDArray[np.int64]


class TreeSteps:
    """min_ω Q(θ, ·) and the ω-step that is taken; they are the same unless the step is greedy."""

    def __init__(self, objective: Objective, codes: Array, trees: TreeClass, kind: TreeStep):
        self._objective, self._codes = objective, codes
        self._trees, self._kind = trees, kind
        self._exact = ExactTreeSolver(
            codes,
            trees.max_depth,
            cost=objective.leaf_cost,
            min_samples_leaf=trees.min_samples_leaf,
            threads=trees.threads,
        )

    def minimum(self, theta: Array) -> tuple[BestTree, float]:
        """The tree of the ω-step at θ, and min_ω Q(θ, ω) from the exact solver's bound."""
        targets = self._objective.targets(theta)
        fit = self._exact.solve(targets)
        least = self._objective.min_over_trees(theta, fit.lower_bound)
        predictions, structure, make = fit.predictions, fit.structure, lambda: fit.tree
        if self._kind == "greedy":
            greedy = self._greedy(targets)
            predictions, make = greedy.predict(self._codes), lambda: greedy
            structure = (*greedy.feature.tolist(), *greedy.threshold.tolist())
        outputs = self._objective.decode(predictions)
        gap = self._objective.value(theta, outputs) - least
        made = BestTree(outputs, structure, gap, lambda: self._decoded(make()), fit.leaf_of)
        return made, least

    def _decoded(self, tree: Tree) -> Tree:
        return tree.with_values(self._objective.decode(tree.value))

    def _greedy(self, targets: Array) -> Tree:
        return fit_greedy_tree(
            self._codes,
            targets,
            self._trees.max_depth,
            cost=self._objective.leaf_cost,
            min_samples_leaf=self._trees.min_samples_leaf,
        )


class ThetaMinima:
    """min_θ Q(·, T), cached as long as T stays the same (trees of classes change rarely).

    If no minimum is attained (separable classes without a ridge) it is NaN, and so are the gap
    and the distance computed from it.
    """

    def __init__(self, objective: Objective):
        self._objective = objective
        self._last: tuple[Array, ThetaMinimum] | None = None

    def at(self, tree_outputs: Array) -> ThetaMinimum:
        """The minimiser for these tree outputs [m, k]."""
        if self._last is not None and np.array_equal(self._last[0], tree_outputs):
            return self._last[1]
        start = None if self._last is None else self._last[1].theta
        self._last = tree_outputs, self._minimise(tree_outputs, start)
        return self._last[1]

    def _minimise(self, tree_outputs: Array, start: Array | None) -> ThetaMinimum:
        if start is not None and not np.isfinite(start).all():
            start = None
        try:
            return self._objective.minimise_theta(tree_outputs, start)
        except RuntimeError as error:
            nowhere = np.full(self._objective.theta_shape, np.nan)
            return ThetaMinimum(nowhere, np.nan, np.nan, str(error))
