"""Integer codes as the greedy search reads them: ranks, and columns joined into one.

One pass over the rows that sorts them by the joint code of g columns serves g columns: the
sums of each are marginals of the joint table. So columns are joined in twos, fours and
eights as long as a joint code stays below 256.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int, UInt8

from irtheory.trees.kernels.kernel import kernel

LEVELS = 256
# The largest number of columns that are joined; columns are padded to a multiple of it.
JOINED = 8
# Rows that are transposed together, so that they stay in the first-level cache meanwhile.
_TILE = 64


@dataclass(frozen=True)
class CodeColumns:
    """The columns a tree may test, for m samples.

    Attributes:
        column: the tested columns' places among all columns, ascending, [d].
        n_columns: number of all columns.
        levels: most distinct codes of a tested column, L.
        threshold: half-way between consecutive codes of a column, [d, L − 1]; NaN past its last.
        joints: rank codes of 1, 2, 4 and 8 joined columns, the first column the highest
            digit, none where that is 256 codes or more; columns past d are constant.
    """

    column: Int[np.ndarray, " d"]
    n_columns: int
    levels: int
    threshold: Float[np.ndarray, "d gaps"]
    joints: tuple[UInt8[np.ndarray, "groups m"], ...]

    @property
    def joined(self) -> int:
        """Most columns that are joined."""
        return 2 ** max(sum(len(joint) > 0 for joint in self.joints) - 1, 0)

    @property
    def rank(self) -> UInt8[np.ndarray, "padded m"]:
        """Place of each code among the codes of its column, column by column."""
        return self.joints[0]


def check_columns(columns: Sequence[int] | None, n: int) -> Int[np.ndarray, " d"]:
    """The columns 0 … n − 1 that may be tested, ascending.

    Raises:
        ValueError: not whole numbers, none, or one of them outside 0 … n − 1.
    """
    if columns is None:
        return np.arange(n)
    found = np.asarray(columns)
    if found.ndim != 1 or found.size == 0 or found.dtype.kind not in "iu":
        raise ValueError(f"columns: expected a list of whole numbers, found {columns!r}")
    if found.min() < 0 or found.max() >= n:
        raise ValueError(f"columns: expected 0 … {n - 1}, found {found.min()} … {found.max()}")
    return np.unique(found).astype(np.int64)


@kernel
def transpose(codes, columns, by_column, present):
    """Fill by_column [d, m] = codes [m, n] at `columns`, and which codes each column holds."""
    for begin in range(0, len(codes), _TILE):
        end = min(begin + _TILE, len(codes))
        for j in range(len(columns)):
            own, column = by_column[j], np.uintp(columns[j])
            for i in range(np.uintp(begin), np.uintp(end)):
                own[i] = codes[i, column]
    for j in range(len(columns)):
        column, held = by_column[j], present[j]
        for i in range(np.uintp(len(column))):
            held[np.uintp(column[i])] = True


@kernel
def rank_codes(by_column, place):
    """Replace each code of column j by place[j, code]."""
    for j in range(len(by_column)):
        for i in range(by_column.shape[1]):
            by_column[j, i] = place[j, by_column[j, i]]


@kernel
def reorder(rank, rows, begins, ends, first, stop, out):
    """out[j, t] = rank[j, rows[t]] for columns j = first … stop − 1 and some ranges of t."""
    for j in range(first, stop):
        column, own = rank[j], out[j]
        for i in range(len(begins)):
            for t in range(np.uintp(begins[i]), np.uintp(ends[i])):
                own[t] = column[rows[t]]


def arrange(codes: UInt8[np.ndarray, "m n"], columns: Int[np.ndarray, " c"]) -> CodeColumns:
    """Rank the codes of the columns that vary, and join columns."""
    padded = -len(columns) % JOINED + len(columns)
    by_column = np.zeros((padded, len(codes)), np.uint8)
    present = np.zeros((len(columns), LEVELS), np.bool_)
    transpose(codes, columns, by_column, present)
    # A constant column cannot be split, and joining it would waste a digit of a joint code.
    count = present.sum(axis=1)
    varies = count > 1
    if not varies.all():
        columns, present, count = columns[varies], present[varies], count[varies]
        padded = -len(columns) % JOINED + len(columns)
        kept = np.zeros((padded, len(codes)), np.uint8)
        kept[: len(columns)] = by_column[: len(varies)][varies]
        by_column = kept
    highest = LEVELS - 1 - np.argmax(present[:, ::-1], axis=1)
    if (highest >= count).any():  # else every code is its own rank
        rank_codes(by_column[: len(columns)], (np.cumsum(present, axis=1) - 1).astype(np.uint8))
    levels = int(count.max(initial=1))
    threshold = _half_way(present, levels)
    return CodeColumns(columns, codes.shape[1], levels, threshold, _joined(by_column, levels))


def _half_way(present: np.ndarray, levels: int) -> Float[np.ndarray, "d gaps"]:
    # np.nonzero lists codes by column, ascending: a rank is a place less the column's first.
    column, code = np.nonzero(present)
    rank = np.arange(len(code)) - np.searchsorted(column, column)
    value = np.full((len(present), levels), np.nan)
    value[column, rank] = code
    return (value[:, :-1] + value[:, 1:]) / 2


def _joined(rank: UInt8[np.ndarray, "d m"], levels: int) -> tuple[np.ndarray, ...]:
    # The joint code of a pair is (code of the first) · levels + (code of the second), and the
    # same again for pairs of pairs, with levels² in place of levels.
    joints, cells = [rank], levels
    while cells**2 <= LEVELS and len(joints) < JOINED.bit_length():
        cells, last = cells**2, joints[-1]
        joints.append(last[0::2] * np.uint8(cells // int(cells**0.5)) + last[1::2])
    none = np.zeros((0, rank.shape[1]), np.uint8)
    return (*joints, *[none] * (JOINED.bit_length() - len(joints)))
