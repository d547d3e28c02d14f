"""Binary columns of one code or unit, and how far their F1 lies above chance."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
QUARTILES = (0.25, 0.5, 0.75)


@dataclass(frozen=True)
class Cuts:
    """Binary columns of d columns of values: 1[v = j] for levels j, or 1[v > t].

    Attributes:
        points: L × d levels j or thresholds t.
        equal: True for 1[v = j], False for 1[v > t].
    """

    points: npt.NDArray
    equal: bool

    def indicator(self, values: npt.NDArray, cut: int, columns: slice | int) -> npt.NDArray:
        """Value of one cut for `values` (rows × the columns, or the rows of one column)."""
        point = self.points[cut, columns]
        return values == point if self.equal else values > point


def level_cuts(bits: int, d: int) -> Cuts:
    """1[v = j] for the 2^bits levels of d codes."""
    return Cuts(np.repeat(np.arange(2**bits)[:, None], d, axis=1), equal=True)


def quartile_cuts(ascending: npt.NDArray) -> Cuts:
    """1[v > t] at the order statistics ⌊q (N − 1)⌋ of d × N sorted values."""
    last = ascending.shape[1] - 1
    return Cuts(np.stack([ascending[:, int(q * last)] for q in QUARTILES]), equal=False)


def best_cuts(
    cuts: Cuts, values: npt.NDArray, positive: Floats
) -> tuple[npt.NDArray, npt.NDArray, npt.NDArray]:
    """The binary column or complement of the largest F1 excess with each attribute.

    Args:
        cuts: L cuts of d columns.
        values: N × d.
        positive: N × n zeros and ones.

    Returns:
        n booleans (complemented), n column indices and n cut indices. Ties go to the
        column itself before its complement, then to the lowest column, then the lowest cut.
    """
    size, p = len(values), positive.sum(0)
    narrow = positive.astype(np.float32)
    n_cuts, d = cuts.points.shape
    on = np.empty((d, n_cuts, 1))
    both = np.empty((d, n_cuts, len(p)))
    for cut in range(n_cuts):
        indicator = cuts.indicator(values, cut, slice(None)).astype(np.float32)
        on[:, cut, 0] = indicator.sum(0)
        both[:, cut] = indicator.T @ narrow
    plain = _excess_from_counts(both, p, on, size)
    complement = _excess_from_counts(p - both, p, size - on, size)
    # Rounded, so that equal excesses of different counts are ties.
    both_ways = np.stack([plain, complement]).round(12)
    flat = both_ways.reshape(-1, len(p)).argmax(0)
    complemented, column, cut = np.unravel_index(flat, (2, d, n_cuts))
    return complemented.astype(bool), column, cut


def _excess_from_counts(
    both: npt.NDArray, p: npt.NDArray, on: npt.NDArray, size: int
) -> npt.NDArray[np.float64]:
    """F1 minus its mean over permutations, 2 (|f ∧ g| − |f||g|/N) / (|f| + |g|)."""
    return 2 * (both - p * on / size) / np.maximum(p + on, 1)


def f1_excess(positive: npt.NDArray, indicator: npt.NDArray) -> float:
    """F1 minus its mean over all permutations of the attribute.

    |f| + |g| is fixed under permutations and E|f ∧ g| = |f||g|/N, so the mean is exact.

    Args:
        positive: N zeros and ones.
        indicator: N zeros and ones.
    """
    p, on, size = int(positive.sum()), int(indicator.sum()), len(positive)
    both = int((positive.astype(bool) & indicator.astype(bool)).sum())
    return 2 * (both - p * on / size) / max(p + on, 1)
