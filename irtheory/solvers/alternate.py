"""Proposition 1: a gradient step on θ, then the best tree for the new network.

θ_t = θ_{t−1} − μ ∇_θ Q(θ_{t−1}, ω_{t−1}), and ω_t minimises Q(θ_t, ·) over all trees of
depth ≤ D ("gauss-seidel", what the proof uses) or Q(θ_{t−1}, ·) ("jacobi", what the
statement prints).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np

from irtheory.objectives.contract import Array, Objective, ThetaMinimum
from irtheory.solvers.trajectory import State, Step, representable
from irtheory.trees.exact import ExactTreeSolver
from irtheory.trees.greedy import fit_greedy_tree
from irtheory.trees.tree import Tree

Order = Literal["gauss-seidel", "jacobi"]
TreeStep = Literal["exact", "cart"]


@dataclass(frozen=True)
class TreeClass:
    """Ω: trees of depth ≤ max_depth with at least min_samples_leaf samples in a leaf."""

    max_depth: int = 3
    min_samples_leaf: int = 1
    threads: int | None = None


@dataclass(frozen=True, eq=False)
class _Tree:
    """A tree as the objective sees it.

    outputs T [m, k]; identity of its tests; Q − proven minimum at the θ it was fitted to; and
    a way to make the `Tree`, whose values are those of T.
    """

    outputs: Array
    structure: tuple[float, ...]
    gap: float
    make: Callable[[], Tree]


class _TreeSteps:
    """min_ω Q(θ, ·), and the ω-step that is taken (the same thing unless it is greedy)."""

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

    def minimum(self, theta: Array) -> tuple[_Tree, float]:
        """The tree of the ω-step at θ, and min_ω Q(θ, ω) from the exact solver's bound."""
        targets = self._objective.targets(theta)
        fit = self._exact.solve(targets)
        least = self._objective.min_over_trees(theta, fit.lower_bound)
        predictions, structure, make = fit.predictions, fit.structure, lambda: fit.tree
        if self._kind == "cart":
            greedy = self._greedy(targets)
            predictions, make = greedy.predict(self._codes), lambda: greedy
            structure = (*greedy.feature.tolist(), *greedy.threshold.tolist())
        outputs = self._objective.decode(predictions)
        gap = self._objective.value(theta, outputs) - least
        return _Tree(outputs, structure, gap, lambda: self._decoded(make())), least

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


class _ThetaMinima:
    """min_θ Q(·, T), remembered while T stays the same (trees of classes change rarely).

    Where no minimum is attained (separable classes without a ridge) it is NaN, and so are
    the gap and the distance made of it.
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


def alternate(
    objective: Objective,
    codes: Array,
    theta: Array,
    step_size: float,
    *,
    trees: TreeClass | None = None,
    order: Order = "gauss-seidel",
    tree_step: TreeStep = "exact",
) -> Iterator[tuple[Step, State]]:
    """Yield the steps of Proposition 1 from θ_1 = `theta`, without end.

    Args:
        objective: Q, convex and β-smooth in θ.
        codes: m × n whole numbers that the trees split on.
        theta: starting point, in the objective's shape.
        step_size: μ; the proposition asks for μ < 1/β.
        trees: the class of trees.
        order: which θ the tree of a step is fitted to.
        tree_step: "exact", or "cart" for a greedy tree (then gap_ω is what that costs).

    The iterator ends when θ grows beyond what squares can hold.
    """
    steps = _TreeSteps(objective, codes, trees or TreeClass(), tree_step)
    minima = _ThetaMinima(objective)
    eta = step_size * (1 - 0.5 * objective.smoothness().beta * step_size)
    fresh, least = steps.minimum(theta)  # best tree for the current θ, and its Q
    tree, t, changes = fresh, 1, 0
    half = violation = np.nan
    while True:
        value = objective.value(theta, tree.outputs)
        gradient = objective.grad_theta(theta, tree.outputs)
        squared = float(np.vdot(gradient, gradient))
        best = minima.at(tree.outputs)
        yield (
            Step(
                t, value, half, squared**0.5, best.value, least, value - best.value,
                value - least, float(np.linalg.norm(theta - best.theta)), violation, changes,
                tree.gap,
            ),
            State(theta, tree.outputs, tree.structure, tree.make),
        )  # fmt: skip
        theta = theta - step_size * gradient
        if not representable(theta):
            return
        half = objective.value(theta, tree.outputs)
        violation = half - value + eta * squared
        previous, older = tree, fresh
        fresh, least = steps.minimum(theta)
        tree = fresh if order == "gauss-seidel" else older
        changes += tree.structure != previous.structure
        t += 1
