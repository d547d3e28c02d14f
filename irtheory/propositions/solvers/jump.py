"""Proposition 1 by leaps: the closed form from one change of the tree to the next."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from irtheory.propositions.objectives.contract import Array, squared_norm
from irtheory.propositions.objectives.squared import SquaredLoss
from irtheory.propositions.solvers.alternate import Before, Rows
from irtheory.propositions.solvers.dynamics import Segment, leaf_means, settling
from irtheory.propositions.solvers.trajectory import State, Step
from irtheory.propositions.solvers.tree_steps import BestTree, TreeClass, TreeSteps

# The length of a leap, as a share of the steps since the last change of the tree. The best tree is
# computed after every leap, so a tree that is best only within one leap is missed.
STRIDE = 0.25


@dataclass(frozen=True, eq=False)
class _Seen:
    """θ after `steps` steps of a segment, the best tree there and min_ω Q."""

    steps: int
    theta: Array
    tree: BestTree
    least: float


def jump(
    objective: SquaredLoss,
    codes: Array,
    theta: Array,
    step_size: float,
    *,
    trees: TreeClass | None = None,
    last: int = 2**53,
) -> Iterator[tuple[Step, State]]:
    """Yield some of the steps that `alternate` would take in the order gauss-seidel.

    The rows have the same t as with single steps. Every change of the tree that is noticed has a
    row, which is found by bisection; so has t = `last`, where the iterator ends.

    The arguments are those of `alternate`, with μ < 2/β, and `last`, the last step to go to.

    Raises:
        ValueError: a step size for which the closed form diverges.
    """
    if step_size * objective.smoothness().beta >= 2:
        raise ValueError(f"step_size: expected μ < 2/β for the closed form, found {step_size:.6g}")
    best = TreeSteps(objective, codes, trees or TreeClass(), "exact")
    rows, t, changes = Rows(objective, step_size), 1, 0
    tree, least = best.minimum(theta)
    gradient = objective.grad_theta(theta, tree.outputs)
    yield rows.row(t, theta, gradient, tree, least, changes, None)
    while t < last:
        segment = Segment(settling(objective, tree.leaf_of), theta, step_size)
        here = _Seen(0, theta, tree, least)
        while here.tree.structure == tree.structure and t + here.steps < last:
            furthest = min(here.steps + 1 + int(STRIDE * here.steps), last - t)
            here = _first_change(segment, best, here, furthest)
            before = _before(objective, segment.at(here.steps - 1), tree)
            changes += here.tree.structure != tree.structure
            gradient = objective.grad_theta(here.theta, here.tree.outputs)
            yield rows.row(
                t + here.steps, here.theta, gradient, here.tree, here.least, changes, before
            )
        t, theta, tree, least = t + here.steps, here.theta, here.tree, here.least


def _before(objective: SquaredLoss, theta: Array, tree: BestTree) -> Before:
    """The step that starts at θ with the tests of this tree."""
    T = leaf_means(objective.outputs(theta), tree.leaf_of)
    gradient = objective.grad_theta(theta, T)
    return Before(T, objective.value(theta, T), squared_norm(gradient))


def _first_change(segment: Segment, best: TreeSteps, known: _Seen, furthest: int) -> _Seen:
    """Bisect for the first step whose best tree is not that of `known`; else take `furthest`."""

    def look(steps: int) -> _Seen:
        theta = segment.at(steps)
        return _Seen(steps, theta, *best.minimum(theta))

    same, other = known.steps, look(furthest)
    if other.tree.structure == known.tree.structure:
        return other
    while other.steps - same > 1:
        middle = look((same + other.steps) // 2)
        if middle.tree.structure == known.tree.structure:
            same = middle.steps
        else:
            other = middle
    return other
