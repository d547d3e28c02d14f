"""Which column of a table, cut where, parts the samples most nearly as a test on a code does.

A code is a function of all columns. Readers know the columns, so that a key of codes says beside
each test which cut of one column comes closest to it, and for how many samples it is the same.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float

from irtheory.trees.short_tree import ShortTree
from irtheory.trees.writing import shortest_between

# A cut is told where it is right for at least this share of either side.
LEAST = 0.9


@dataclass(frozen=True)
class ColumnCut:
    """A cut of a column that comes close to a test on a code.

    Attributes:
        column: number of the column.
        low, high: neighbouring values, between which the cut lies.
        above: whether larger values go with a code that passes its test.
        same: share of the samples for which cut and test say the same.
    """

    column: int
    low: float
    high: float
    above: bool
    same: float

    def words(self, names: Sequence[str], passed: bool) -> str:
        """One side, such as "petal length > 2.45"; for how many samples, unless for all."""
        sign = ">" if passed == self.above else "≤"
        told = f"{names[self.column]} {sign} {shortest_between(self.low, self.high)}"
        return told if self.same == 1 else f"{told} in {_percent(self.same)} of samples"


def _percent(share: float) -> str:
    """A share below 1, which is never rounded up to all."""
    return f"{min(round(100 * share, 1), 99.9):g}%"


def best_cut(x: Float[np.ndarray, "m p"], passes: Bool[np.ndarray, " m"]) -> ColumnCut | None:
    """The cut that is right for the largest share of its worse side; None below `LEAST`.

    Among equal ones the cut that is right for more samples wins, then the first column.
    """
    on, off = int(passes.sum()), int((~passes).sum())
    if not on or not off:
        return None
    best: tuple[float, float] = (LEAST, 0.0)
    found = None
    for column in range(x.shape[1]):
        order = np.argsort(x[:, column], kind="stable")
        values, side = x[order, column], passes[order]
        places = np.flatnonzero(values[1:] > values[:-1])
        if not len(places):
            continue
        # Shares of both sides at or below each cut.
        on_below, off_below = np.cumsum(side)[places] / on, np.cumsum(~side)[places] / off
        for above in (True, False):
            right_on = 1 - on_below if above else on_below
            right_off = off_below if above else 1 - off_below
            worse = np.minimum(right_on, right_off).round(12)
            same = ((right_on * on + right_off * off) / len(x)).round(12)
            at = int(np.lexsort((-same, -worse))[0])
            if (worse[at], same[at]) > best or (found is None and worse[at] >= LEAST):
                best = float(worse[at]), float(same[at])
                low, high = float(values[places[at]]), float(values[places[at] + 1])
                found = ColumnCut(column, low, high, above, best[1])
    return found


def cuts_of(
    short: ShortTree, codes: np.ndarray, x: Float[np.ndarray, "m p"]
) -> Mapping[int, ColumnCut]:
    """The best cut for each test of a tree on codes, by node, among the samples that reach it.

    Args:
        short: the tree for readers.
        codes: of the samples, the columns of the tree.
        x: their table.
    """
    tree = short.tree
    reached = tree.decision_path(codes)
    found = {}
    for node in np.flatnonzero(tree.feature >= 0).tolist():
        rows = reached[:, node]
        passes = codes[rows, tree.feature[node]] > tree.threshold[node]
        cut = best_cut(x[rows], passes)
        if cut is not None:
            found[node] = cut
    return found
