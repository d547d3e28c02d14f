"""Area under the ROC curve from midranks, for all columns and attributes at once."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]


def midranks(values: npt.NDArray) -> tuple[Floats, npt.NDArray]:
    """Ranks 1 … n of each column, equal values sharing their mean rank; and the sorted columns.

    Args:
        values: n × d.

    Returns:
        n × d midranks and d × n ascending values.
    """
    columns = np.ascontiguousarray(values.T)
    # Stable means radix sort for small integers; for floats the default is faster.
    order = np.argsort(columns, axis=1, kind="stable" if columns.dtype.kind in "iu" else None)
    ascending = np.take_along_axis(columns, order, axis=1)
    n = columns.shape[1]
    place = np.broadcast_to(np.arange(n, dtype=np.float64), columns.shape)
    new = np.ones(columns.shape, dtype=bool)
    np.not_equal(ascending[:, 1:], ascending[:, :-1], out=new[:, 1:])
    if new.all():
        middle = place
    else:
        first = np.maximum.accumulate(np.where(new, place, 0), axis=1)
        ends = np.column_stack([new[:, 1:], np.ones(len(columns), dtype=bool)])
        last = np.minimum.accumulate(np.where(ends, place, n)[:, ::-1], axis=1)[:, ::-1]
        middle = (first + last) / 2
    ranks = np.empty(columns.shape)
    np.put_along_axis(ranks, order, middle + 1, axis=1)
    return ranks.T, ascending


def auc_excess(ranks: Floats, positive: Floats) -> Floats:
    """AUC − ½ of every column for every attribute, d × n; exactly 0 for a constant column.

    With R the sum of the ranks of the p positives among N, AUC − ½ = (2R − p(N + 1)) / (2p(N − p)).

    Args:
        ranks: N × d midranks.
        positive: N × n zeros and ones, neither all 0 nor all 1 in a column.
    """
    size, p = len(ranks), positive.sum(0)
    return (2 * (ranks.T @ positive) - p * (size + 1)) / (2 * p * (size - p))
