"""The targets of a solve as the search needs them: sums over merged rows, scaled to about 1."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float

from irtheory.trees.exact.bounds import interval_scatter, scatter_of_halves
from irtheory.trees.exact.design import BinaryTests
from irtheory.trees.exact.packed import MOST_KINDS, find_kinds
from irtheory.trees.exact.statistics import ENTROPY, LINEAR, SQUARES, WEIGHTED
from irtheory.trees.exact.targets import (
    spread_of,
    sum_class_rows,
    sum_regret_rows,
    sum_squares_rows,
)
from irtheory.trees.kernels.lanes import LANES, aligned_zeros, blocks_of, width_of

# Differences of costs that rounding may cause, relative to the sums that costs are made of. Sums
# of g rows are off by about √g · 1e-16 of their size, so this leaves a factor of about 1000 / √g.
ROUNDING = 1e-13
# Work that is done for a better bound once time is up: rows times tests times leaves, of about
# 60 ns each.
_LATE_WORK = 10_000_000
# Samples below which counting bits, a word of 64 at a time, saves nothing.
_FEW = 128
_NO_KINDS = np.zeros((0, 0), np.int64), np.zeros(0)


class Sums:
    """Target sums of the merged rows, of this solve and of the one before.

    Targets are scaled by a power of 2, and so are costs.

    Attributes:
        width: doubles in a row of sums; 0 before the first targets.
        y, q: sums [g * width] and scores of the rows as leaves [g]; old_y, old_q are those before.
        unit: cost of the kernels for a loss of 1.
        within: cost within merged rows, which every tree pays.
        size: size of the sums that costs are differences of.
        table: what the leaf rule looks up, see `statistics`.
        kinds, values: targets of few kinds, see `packed`; else empty.
    """

    def __init__(self, tests: BinaryTests, rule: int, weights: Float[np.ndarray, " m"]) -> None:
        """Sums for samples with such weights; an empty array is 1 for all."""
        self._tests, self._rule = tests, rule
        # Weights count relative to each other: the largest is brought to 1/2 … 1.
        self._heaviest = 1.0 if len(weights) == 0 else 0.5 ** np.frexp(weights.max())[1]
        self._weights = weights * self._heaviest
        self.width, self._scale = 0, 1.0
        self._bound: float | None = None

    def load(self, targets: Float[np.ndarray, "m k"], pairs: bool) -> bool:
        """Take new targets; False if the sums before are of another width or scale.

        pairs: whether sums over pairs of tests will be needed, so that kinds pay.
        """
        width = _width(self._rule, targets.shape[1])
        same = self.width == width
        if not same:
            self._allocate(width)
        if self._rule != ENTROPY:
            same &= self._rescale(float(spread_of(targets, self._rule == LINEAR)), same)
        self._bound = None
        self.table = self._table(targets)
        self.old_y, self.y, self.old_q, self.q = self.y, self.old_y, self.q, self.old_q
        self.within = self._add_up(targets)
        self.size = self._size()
        self.kinds, self.values = (
            self._find_kinds(targets) if pairs and len(targets) >= _FEW else _NO_KINDS
        )
        return same

    @property
    def unit(self) -> float:
        """Cost of the kernels for a loss of 1."""
        power = {LINEAR: 1, ENTROPY: 0}.get(self._rule, 2)
        return self._scale**power * self._heaviest

    @property
    def slack(self) -> float:
        """Least difference of costs that is not rounding."""
        return ROUNDING * self.size

    def _allocate(self, width: int) -> None:
        g, self.width = self._tests.n_rows, width
        self.y, self.old_y = aligned_zeros(g * width), aligned_zeros(g * width)
        self.q, self.old_q = np.zeros(g), np.zeros(g)

    def _rescale(self, spread: float, same: bool) -> bool:
        """Choose a scale, unless the one in use will do; whether it will."""
        size = spread * self._scale
        if same and (size == 0 or 2.0**-30 < size < 2.0**30):
            return True
        # Squares of less than this would be below the smallest float64.
        self._scale = 0.5 ** np.frexp(spread)[1] if spread > 1e-200 else 1.0
        return False

    def _table(self, targets: Float[np.ndarray, "m k"]) -> Float[np.ndarray, " size"]:
        """X log x for whole numbers, where all sums are whole; or the least weight."""
        if self._rule == WEIGHTED:
            return np.array([self._weights.min()])
        if self._rule == ENTROPY and len(self._weights) == 0 and np.isin(targets, (0, 1)).all():
            x = np.arange(len(targets) + 1.0)
            return x * np.log(np.maximum(x, 1.0))
        return np.zeros(1)

    def _add_up(self, targets: Float[np.ndarray, "m k"]) -> float:
        """Fill y and q; the cost within merged rows."""
        first, scale, into = (
            (targets, self._weights, self._tests.row_of),
            self._scale,
            (self.y, self.q),
        )
        if self._rule == LINEAR:
            return float(sum_regret_rows(*first, self.width, scale, *into))
        if self._rule == ENTROPY:
            return float(sum_class_rows(*first, self.width, self.table, *into))
        count = self._tests.design.weight
        return float(sum_squares_rows(*first, count, self.width, scale, *into))

    def _size(self) -> float:
        if self._rule == LINEAR:
            return float(np.abs(self.y).sum())
        if self._rule == ENTROPY:
            total = float(self.y.sum())
            return abs(total * np.log(max(total, 2.0)))
        return float(self.q.sum())

    def _find_kinds(self, targets: Float[np.ndarray, "m k"]) -> tuple[np.ndarray, np.ndarray]:
        """Samples of each kind of target in the merged rows, and the target rows of the kinds."""
        kind = np.empty(len(targets), np.int64)
        n = int(find_kinds(targets, kind)) if len(self._weights) == 0 else 0
        if not 0 < n <= MOST_KINDS:
            return _NO_KINDS
        g = self._tests.n_rows
        kinds = np.bincount(self._tests.row_of * n + kind, minlength=g * n).reshape(g, n)
        # The row of a kind is what remains of a sum of rows of one kind, divided by their number.
        values = np.zeros((n, self.width))
        sums, total = self.y.reshape(g, self.width), kinds.sum(axis=1)
        for v in range(n):
            pure = np.flatnonzero((kinds[:, v] > 0) & (kinds[:, v] == total))
            if not len(pure):
                return _NO_KINDS
            values[v] = sums[pure[0]] / total[pure[0]]
        return kinds, values.ravel()

    def value_bound(self, depth: int) -> float:
        """Lower bound on the cost of trees of that depth, from values alone; see `bounds`.

        Kept until the next targets, as several trees are reported when time is up.
        """
        if self._bound is None:
            self._bound = self._value_bound(depth)
        return self._bound

    def _value_bound(self, depth: int) -> float:
        g, p = self._tests.n_rows, self._tests.n_tests
        if self._rule not in (SQUARES, WEIGHTED) or depth == 0:
            return 0.0
        rows, weighted = self.y.reshape(g, self.width), self._rule == WEIGHTED
        weight = rows[:, -1].copy() if weighted else self._tests.design.weight
        outputs = [c for c in range(self.width - weighted) if rows[:, c].any()]
        both = g * (p + 1) * len(outputs) * 2**depth <= _LATE_WORK
        total, halves = 0.0, np.zeros(p if both else 0)
        for c in outputs:
            value = rows[:, c] / weight
            order = np.argsort(value, kind="stable")
            value, own = value[order], weight[order]
            total += float(interval_scatter(value, own, 2**depth))
            for f in range(len(halves)):
                on = np.ascontiguousarray(self._tests.design.bits[order, f])
                halves[f] += scatter_of_halves(value, own, on, 2 ** (depth - 1))
        if len(halves):  # a tree is a single leaf or has a root test
            total = max(total, min(float(halves.min()), float(self.q.sum())))
        return max(total * (1 - 1e-9) - self.slack, 0.0)


def _width(rule: int, k: int) -> int:
    """Doubles in a target row: see `statistics` for what the rules put there."""
    if rule == SQUARES:
        return width_of(k)
    if rule == LINEAR:
        return width_of(max(k - 1, 1))
    return LANES * max(blocks_of(k + (rule == WEIGHTED)), 1)
