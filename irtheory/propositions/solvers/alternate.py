"""Proposition 1: a gradient step on θ, then the best tree for the new network.

θ_t = θ_{t−1} − μ ∇_θ Q(θ_{t−1}, ω_{t−1}), and ω_t minimises Q(θ_t, ·) over all trees of
depth ≤ D ("gauss-seidel", as in the proof) or Q(θ_{t−1}, ·) ("jacobi", as the statement is
printed).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np

from irtheory.propositions.objectives.contract import Array, Objective, squared_norm
from irtheory.propositions.solvers.trajectory import State, Step, representable
from irtheory.propositions.solvers.tree_steps import (
    BestTree,
    ThetaMinima,
    TreeClass,
    TreeStep,
    TreeSteps,
)

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
    """Yield the steps of Proposition 1 from θ_1 = `theta`; the caller decides when to stop.

    Args:
        objective: Q, convex and β-smooth in θ.
        codes: m × n whole numbers that the trees split on.
        theta: starting point, in the objective's shape.
        step_size: μ; the proposition asks for μ < 1/β.
        trees: the class of trees.
        order: which θ the tree of a step is fitted to.
        tree_step: "exact" or "greedy" (gap_ω is then how much worse it is).

    The iterator ends by itself when θ grows so large that its squares overflow.
    """
    steps = TreeSteps(objective, codes, trees or TreeClass(), tree_step)
    rows = Rows(objective, step_size)
    fresh, least = steps.minimum(theta)  # best tree for the current θ, and its Q
    tree, t, changes = fresh, 1, 0
    before = None
    while True:
        gradient = objective.grad_theta(theta, tree.outputs)
        step, state = rows.row(t, theta, gradient, tree, least, changes, before)
        yield step, state
        before = Before(tree.outputs, step.value, squared_norm(gradient))
        previous, older = tree, fresh
        theta = theta - step_size * gradient
        if not representable(theta):
            return
        fresh, least = steps.minimum(theta)
        tree = fresh if order == "gauss-seidel" else older
        changes += tree.structure != previous.structure
        t += 1


@dataclass(frozen=True, eq=False)
class Before:
    """Where a step started: T_{t−1}, Q(θ_{t−1}, ω_{t−1}) and the squared norm of its gradient."""

    tree_outputs: Array
    value: float
    squared: float


class Rows:
    """Makes the rows of a trajectory of Proposition 1."""

    def __init__(self, objective: Objective, step_size: float) -> None:
        self._objective, self._minima = objective, ThetaMinima(objective)
        self._eta = step_size * (1 - 0.5 * objective.smoothness().beta * step_size)

    def row(
        self,
        t: int,
        theta: Array,
        gradient: Array,
        tree: BestTree,
        least: float,
        changes: int,
        before: Before | None,
    ) -> tuple[Step, State]:
        """Step t at θ_t with ∇_θ Q, its tree and min_ω Q there; `before` is None at t = 1."""
        value = self._objective.value(theta, tree.outputs)
        best = self._minima.at(tree.outputs)
        half, violation = np.nan, np.nan
        if before is not None:
            half = self._objective.value(theta, before.tree_outputs)
            violation = half - before.value + self._eta * before.squared
        return (
            Step(
                t, value, half, squared_norm(gradient) ** 0.5, best.value, least,
                value - best.value, value - least, float(np.linalg.norm(theta - best.theta)),
                violation, changes, tree.gap,
            ),
            State(theta, tree.outputs, tree.structure, tree.make),
        )  # fmt: skip
