"""Proposition 1: a gradient step on θ, then the best tree for the new network.

θ_t = θ_{t−1} − μ ∇_θ Q(θ_{t−1}, ω_{t−1}), and ω_t minimises Q(θ_t, ·) over all trees of
depth ≤ D ("gauss-seidel", what the proof uses) or Q(θ_{t−1}, ·) ("jacobi", what the
statement prints).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

import numpy as np

from irtheory.objectives.contract import Array, Objective, squared_norm
from irtheory.solvers.trajectory import State, Step, representable
from irtheory.solvers.tree_steps import BestTree, ThetaMinima, TreeClass, TreeStep, TreeSteps

Order = Literal["gauss-seidel", "jacobi"]


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
    steps = TreeSteps(objective, codes, trees or TreeClass(), tree_step)
    rows = Rows(objective, step_size)
    fresh, least = steps.minimum(theta)  # best tree for the current θ, and its Q
    tree, t, changes = fresh, 1, 0
    moved = None
    while True:
        yield rows.row(t, theta, tree, least, changes, moved)
        previous, older, before = tree, fresh, theta
        theta = theta - step_size * objective.grad_theta(theta, tree.outputs)
        if not representable(theta):
            return
        moved = before, tree.outputs
        fresh, least = steps.minimum(theta)
        tree = fresh if order == "gauss-seidel" else older
        changes += tree.structure != previous.structure
        t += 1


class Rows:
    """Makes the rows of a trajectory of Proposition 1."""

    def __init__(self, objective: Objective, step_size: float) -> None:
        self._objective, self._minima = objective, ThetaMinima(objective)
        self._eta = step_size * (1 - 0.5 * objective.smoothness().beta * step_size)

    def row(
        self,
        t: int,
        theta: Array,
        tree: BestTree,
        least: float,
        changes: int,
        before: tuple[Array, Array] | None,
    ) -> tuple[Step, State]:
        """Step t at θ_t with its tree, min_ω Q there and (θ_{t−1}, T_{t−1}), None at t = 1."""
        objective = self._objective
        value = objective.value(theta, tree.outputs)
        best = self._minima.at(tree.outputs)
        norm = float(np.linalg.norm(objective.grad_theta(theta, tree.outputs)))
        half, violation = np.nan, np.nan
        if before is not None:
            half = objective.value(theta, before[1])
            gradient = objective.grad_theta(*before)
            violation = half - objective.value(*before) + self._eta * squared_norm(gradient)
        return (
            Step(
                t, value, half, norm, best.value, least, value - best.value, value - least,
                float(np.linalg.norm(theta - best.theta)), violation, changes, tree.gap,
            ),
            State(theta, tree.outputs, tree.structure, tree.make),
        )  # fmt: skip
