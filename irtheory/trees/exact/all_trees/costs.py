"""What leaves cost, for all splits of a node at once, in whole units.

Costs are counted in units, a power of two far below the budget, so that sums of them are
exact and equal costs stay equal. Products of matrices give the sums of all leaves of depth 1
or 2 below a node; where rounding in them could be seen, the leaves that may fit the budget
are evaluated again, each about its own mean.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int

from irtheory.trees.exact.all_trees.problem import Problem

# Stands for a leaf that is too small or costs more than the budget; twice it fits int64.
FAR = 2**61
# Rounding of a product of matrices, relative to what a node holds.
_ROUNDING = 1e-13
# Numbers of a block in which leaves are evaluated one by one.
_BLOCK = 2**21


def check_tables(problem: Problem, max_depth: int, allowed: int) -> None:
    """ValueError where the tables of all pairs of splits need more than `allowed` bytes."""
    p, k = len(problem.members), problem.targets.shape[1]
    needed = 8 * p * p * (4 * k + 20) if max_depth >= 2 else 0
    if needed > allowed:
        raise ValueError(
            f"max_memory: expected at least {needed:,} bytes for all pairs of {p} tests, found"
            f" {allowed:,}; fewer codes per column make fewer tests"
        )


class Node(NamedTuple):
    """Sums of the rows at a node. For squared error they are taken about the node's mean."""

    rows: Int[np.ndarray, " r"]
    parts: Bool[np.ndarray, "p r"]
    samples: Float[np.ndarray, " r"]
    mass: Float[np.ndarray, " r"]
    sums: Float[np.ndarray, "r k"]
    squares: Float[np.ndarray, " r"]


class Halves(NamedTuple):
    """Units of the trees of depth ≤ 1 on both sides of every split.

    Column 0 is the leaf, column 1 + j the split j; [p, p + 1], and their minima [p].
    """

    off: Int[np.ndarray, "p q"]
    on: Int[np.ndarray, "p q"]
    best_off: Int[np.ndarray, " p"]
    best_on: Int[np.ndarray, " p"]


class Costs:
    """Costs of leaves of one problem in units of `unit`, up to `budget` units.

    A penalty is part of the cost of every leaf.
    """

    def __init__(self, problem: Problem, limit: float, leaf_penalty: float = 0.0) -> None:
        """Choose the unit for costs up to `limit`."""
        self.problem = problem
        self.leaf_penalty = leaf_penalty
        # 36 bits: rounding 32 leaves to units is below 1e-9 of the limit.
        self.unit = 2.0 ** np.floor(np.log2(limit) - 36) if limit > 0 else 2.0**-1000
        self.budget = int(np.floor(limit / self.unit))

    def units(self, cost: float) -> int:
        """A cost in units, rounded down: a bound stays a bound."""
        with np.errstate(over="ignore"):
            return int(np.floor(np.minimum(max(cost, 0.0) / self.unit, FAR)))

    def node(self, rows: Int[np.ndarray, " r"]) -> Node:
        """The sums at a node."""
        p = self.problem
        mass, mean = p.mass[rows], p.mean[rows]
        if p.cost == "squared_error":
            mean = mean - mean[0]
            mean = mean - (mass @ mean) / mass.sum()
        sums = mass[:, None] * mean
        squares = p.within[rows]
        if p.cost == "squared_error":
            squares = squares + (sums * mean).sum(axis=1)
        return Node(rows, p.parts[:, rows], p.samples[rows], mass, sums, squares)

    def leaf(self, node: Node) -> int:
        """Units of the node as a leaf."""
        everything = np.ones((1, len(node.rows)), bool)
        return int(self._rounded(self._one_by_one(node, everything))[0])

    def stumps(self, node: Node, budget: int) -> Int[np.ndarray, " p"]:
        """Units of every split into two leaves; FAR above the budget."""
        on, off = self._sides(node)
        cost = on + off
        return self._within(node, cost, budget, lambda t: (node.parts[t], ~node.parts[t]))

    def halves(self, node: Node, budget: int) -> Halves:
        """Units of all trees of depth ≤ 1 on both sides of every split."""
        leaf_on, leaf_off = self._sides(node)
        pair_on, pair_off = self._pairs(node)
        parts = node.parts
        on = np.column_stack([leaf_on, pair_on])
        off = np.column_stack([leaf_off, pair_off])

        def leaves(sides: Bool[np.ndarray, "p r"], cells: Int[np.ndarray, " c"]):
            side, column = np.divmod(cells, 1 + len(parts))
            whole, inside = sides[side], parts[np.maximum(column - 1, 0)] & (column > 0)[:, None]
            return whole & inside, whole & ~inside

        shape = on.shape
        on = self._within(node, on.ravel(), budget, lambda c: leaves(parts, c)).reshape(shape)
        off = self._within(node, off.ravel(), budget, lambda c: leaves(~parts, c)).reshape(shape)
        return Halves(off, on, off.min(axis=1), on.min(axis=1))

    def least_halves(self, node: Node) -> float:
        """Lower bound of the cost of all trees of depth ≤ 2 at a node."""
        leaf = float(self._one_by_one(node, np.ones((1, len(node.rows)), bool))[0])
        if not len(node.parts):
            return leaf
        leaf_on, leaf_off = self._sides(node)
        pair_on, pair_off = self._pairs(node)
        on = np.minimum(leaf_on, pair_on.min(axis=1))
        off = np.minimum(leaf_off, pair_off.min(axis=1))
        return max(min(leaf, float((on + off).min())) - self._slack(node), 0.0)

    def _slack(self, node: Node) -> float:
        """How far a product of matrices may be from the cost of a leaf."""
        if self.problem.cost == "squared_error":
            return _ROUNDING * float(node.squares.sum())
        return _ROUNDING * float(np.abs(node.sums).sum() + node.mass.sum())

    def _within(self, node: Node, cost: np.ndarray, budget: int, leaves) -> np.ndarray:
        """Costs in units; those that may fit the budget without the rounding of products."""
        slack = self._slack(node)
        fitting = np.flatnonzero(cost <= (budget + 0.5) * self.unit + slack)
        units = np.full(len(cost), FAR, np.int64)
        if slack <= self.unit / 8:
            units[fitting] = self._rounded(cost[fitting])
        else:
            step = max(_BLOCK // max(node.sums.size, 1), 1)
            for start in range(0, len(fitting), step):
                cells = fitting[start : start + step]
                one, other = leaves(cells)
                units[cells] = self._rounded(
                    self._one_by_one(node, one) + self._one_by_one(node, other)
                )
        units[units > budget] = FAR
        return units

    def _rounded(self, cost: np.ndarray) -> np.ndarray:
        with np.errstate(over="ignore"):  # beyond all numbers is FAR
            return np.rint(np.minimum(cost / self.unit, FAR)).astype(np.int64)

    def _one_by_one(self, node: Node, inside: Bool[np.ndarray, "c r"]) -> Float[np.ndarray, " c"]:
        """Cost of each leaf that holds the rows marked in `inside`, 0 where there are none."""
        part = inside.astype(np.float64)
        mass, sums = part @ node.mass, part @ node.sums
        penalty = np.where(mass > 0, self.leaf_penalty, 0.0)
        if self.problem.cost != "squared_error":
            return penalty + _own(self.problem.cost, mass, list(sums.T))
        # About one of its own rows: sums of large numbers would lose a small scatter, and rows
        # with equal targets have no scatter at all.
        mean = self.problem.mean[node.rows]
        shifted = mean[None] - mean[inside.argmax(axis=1)][:, None]
        weight = part * node.mass
        centre = (weight[:, None] @ shifted) / np.where(mass > 0, mass, 1.0)[:, None, None]
        apart = ((shifted - centre) ** 2).sum(axis=2)
        return penalty + (weight * apart).sum(axis=1) + part @ self.problem.within[node.rows]

    def _sides(self, node: Node) -> tuple[np.ndarray, np.ndarray]:
        """Cost of both sides of every split as leaves, inf where one is too small."""
        part = node.parts.astype(np.float64)
        samples, mass, sums = part @ node.samples, part @ node.mass, part @ node.sums
        squares, all_squares = part @ node.squares, node.squares.sum()
        least = self.problem.min_samples_leaf
        fits = (samples >= least) & (node.samples.sum() - samples >= least)
        on = self._leaves(mass, list(sums.T)) + squares + self.leaf_penalty
        rest = node.sums.sum(axis=0) - sums
        off = self._leaves(node.mass.sum() - mass, list(rest.T)) + all_squares - squares
        off += self.leaf_penalty
        return np.where(fits, on, np.inf), np.where(fits, off, np.inf)

    def _pairs(self, node: Node) -> tuple[np.ndarray, np.ndarray]:
        """Cost of split j on either side of split i, [p, p]; inf where a leaf is too small."""
        part = node.parts.astype(np.float64)

        def tables(values: np.ndarray) -> list[np.ndarray]:
            """Sums over the four leaves: on-on, on-off, off-on, off-off."""
            both, single = (part * values) @ part.T, part @ values
            one, other = single[:, None], single[None, :]
            return [both, one - both, other - both, values.sum() - one - other + both]

        count, mass = tables(node.samples), tables(node.mass)
        sums = [tables(column) for column in node.sums.T]
        cost = [self._leaves(mass[i], [table[i] for table in sums]) for i in range(4)]
        fits = [table > self.problem.min_samples_leaf - 0.5 for table in count]
        on = part @ node.squares + 2 * self.leaf_penalty
        off = node.squares.sum() - on + 4 * self.leaf_penalty
        return (
            np.where(fits[0] & fits[1], cost[0] + cost[1] + on[:, None], np.inf),
            np.where(fits[2] & fits[3], cost[2] + cost[3] + off[:, None], np.inf),
        )

    def _leaves(self, mass: np.ndarray, sums: list[np.ndarray]) -> np.ndarray:
        """Cost of leaves with these sums, for squared error less the squares."""
        if self.problem.cost != "squared_error":
            return _own(self.problem.cost, mass, sums)
        squares = sum((column**2 for column in sums), np.zeros_like(mass))
        return -np.divide(squares, mass, out=np.zeros_like(mass), where=mass > 0)


def _own(cost: str, mass: np.ndarray, sums: list[np.ndarray]) -> np.ndarray:
    """The linear cost, or the entropy in nats."""
    if cost == "linear":
        return np.minimum.reduce(sums)
    total = np.zeros_like(mass)
    # The sum of the columns is the mass; where one column has it all, exactly so.
    whole = np.add.reduce(sums)
    whole = np.log(whole, out=np.zeros_like(mass), where=whole > 0)
    for column in sums:
        logs = np.log(column, out=np.zeros_like(mass), where=column > 0)
        total += np.where(column > 0, column * (whole - logs), 0.0)
    return total
