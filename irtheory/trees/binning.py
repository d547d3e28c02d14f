"""Columns of numbers cut into codes: the code of a value counts its column's cut points below it.

A column with at most `n_bins` distinct values is cut between any two neighbours, one with more
at quantiles. A matrix of whole numbers 0 … 255 is counted in a table of 256 cells a column, and
holds codes already if no column has too many values; the columns of others are sorted. Values
are compared as float64, so whole numbers beyond ±2^53 are told apart only where those differ.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from jaxtyping import Float, Int, Num, UInt8

from irtheory.trees.kernels.kernel import kernel
from irtheory.trees.kernels.workers import default_threads, run_each
from irtheory.trees.tree import Tree

LEVELS = 256
# Columns that are sorted together: their eight float64 of a row are one cache line.
_TOGETHER = 8
_TILE = 64
# Entries of x below which starting threads costs more than it saves.
_SMALL = 2**18

Cuts = list[Float[np.ndarray, " cuts"]]


@dataclass(frozen=True, eq=False)
class Binned:
    """A matrix as codes.

    Attributes:
        codes: [m, n]; uint8 where at most 256 bins were asked for, else int64.
        cuts: ascending cut points of each column, x ≤ cuts[c] iff its code is ≤ c; None where
            the codes are the entries of x themselves.
    """

    codes: Int[np.ndarray, "m n"]
    cuts: Cuts | None

    def in_units_of_x(self, tree: Tree) -> Tree:
        """The tree on these codes with the thresholds that it has on x."""
        return tree if self.cuts is None else in_units_of_x(tree, self.cuts)


@kernel
def narrow(x, lowest, highest, begin, end, out):
    """Fill out = x as bytes for rows begin … end − 1; returns the largest, −1 if one is none.

    A float outside 0 … 255 has no defined byte, so numbers are first brought between `lowest`
    and `highest` (0 and 255, or less where the type of x ends earlier): a number is a byte if
    and only if it equals what comes out. Turns of the inner loop share only a maximum and a
    disjunction, which vector code can do; tiles reuse cache lines if x is stored by columns.
    """
    largest = np.int64(0)
    for i0 in range(begin, end, _TILE):
        wrong, most = False, np.uint8(0)
        for j0 in range(0, x.shape[1], _TILE):
            for i in range(i0, min(i0 + _TILE, end)):
                for j in range(j0, min(j0 + _TILE, x.shape[1])):
                    byte = np.uint8(min(max(x[i, j], lowest), highest))
                    wrong |= byte != x[i, j]
                    most = max(most, byte)
                    out[i, j] = byte
        if wrong:
            return np.int64(-1)
        largest = max(largest, np.int64(most))
    return largest


@kernel
def count_bytes(x, first, stop, counts):
    """Fill counts[j, v] = how often column j holds v, for j = first … stop − 1.

    A tile's counts (128 kB) stay in the second-level cache while all rows pass.
    """
    for j0 in range(first, stop, _TILE):
        for i in range(len(x)):
            for j in range(j0, min(j0 + _TILE, stop)):
                counts[j, np.uintp(x[i, j])] += 1


@kernel
def look_up(x, code, begin, end, out):
    """Fill out[i, j] = code[j, x[i, j]] for rows begin … end − 1."""
    for i in range(begin, end):
        for j in range(x.shape[1]):
            out[i, j] = code[j, np.uintp(x[i, j])]


@kernel
def by_column(x, first, out):
    """Fill out [c, m] = columns first … first + c − 1 of x, in tiles that reuse cache lines."""
    for i0 in range(0, len(x), _TILE):
        for j in range(len(out)):
            for i in range(i0, min(i0 + _TILE, len(x))):
                out[j, i] = x[i, first + j]


@kernel
def _first_share(upto, wanted):
    """First i with upto[i] / upto[-1] ≥ wanted, by bisection, as upto ascends."""
    low, high = 0, len(upto) - 1
    while low < high:
        middle = (low + high) // 2
        if upto[middle] / upto[-1] >= wanted:
            high = middle
        else:
            low = middle + 1
    return low


@kernel
def _choose(values, upto, n_bins, cuts):
    """Cut points of a column into `cuts`; returns their number.

    values are distinct and ascending, and upto[i] samples are ≤ values[i]. With more values
    than bins, bin b = 1 … n_bins − 1 ends at the first value with share[≤ value] ≥ b/n_bins
    (less rounding), or at the last value but one if that comes earlier.
    """
    last = len(values) - 2
    few = len(values) <= n_bins
    n, before = 0, -1
    for b in range(1, len(values) if few else n_bins):
        i = b - 1 if few else min(_first_share(upto, b / n_bins - 1e-12), last)
        if i > before:  # else the bin ends with the one before it
            low, high = values[i], values[i + 1]
            middle = low / 2 + high / 2
            # Between neighbouring floats there is no middle: rounding may give the upper one.
            cuts[n] = middle if low <= middle < high else low
            n, before = n + 1, i
    return n


@kernel
def cut_counted(counts, n_bins, cuts, n_cuts, code):
    """Cut points of columns with counts [n, 256] of bytes, and the code of every byte."""
    values, upto = np.empty(LEVELS), np.empty(LEVELS, np.int64)
    for j in range(len(counts)):
        d, total = 0, 0
        for byte in range(LEVELS):
            if counts[j, byte]:
                total += counts[j, byte]
                values[d], upto[d] = byte, total
                d += 1
        n_cuts[j] = _choose(values[:d], upto[:d], n_bins, cuts[j])
        below = 0
        for byte in range(LEVELS):
            while below < n_cuts[j] and cuts[j, below] < byte:
                below += 1
            code[j, byte] = below


@kernel
def cut_sorted(ordered, n_bins, cuts, n_cuts):
    """Cut points of columns whose values are given in ascending order, [c, m]."""
    m = ordered.shape[1]
    values, upto = np.empty(m), np.empty(m, np.int64)
    for j in range(len(ordered)):
        d = 0
        for i in range(m):
            d += i > 0 and ordered[j, i] != ordered[j, i - 1]
            values[d], upto[d] = ordered[j, i], i + 1
        n_cuts[j] = _choose(values[: d + 1], upto[: d + 1], n_bins, cuts[j])


@kernel
def write_codes(columns, cuts, n_cuts, first, codes):
    """Fill codes[i, first + j] = number of cut points of column j below columns[j, i].

    The search halves what is left without a branch on values, which no processor could foresee,
    so the searches of several samples overlap.
    """
    for i0 in range(0, columns.shape[1], _TILE):
        for j in range(len(columns)):
            own, n = cuts[j], np.uintp(n_cuts[j])
            for i in range(i0, min(i0 + _TILE, columns.shape[1])):
                value, below, left = columns[j, i], np.uintp(0), n
                while left > np.uintp(0):
                    half = (left + np.uintp(1)) >> np.uintp(1)
                    below += half if own[below + half - np.uintp(1)] < value else np.uintp(0)
                    left = left >> np.uintp(1)
                codes[i, first + j] = below


def bin_columns(x: Num[np.ndarray, "m n"], n_bins: int, threads: int | None = None) -> Binned:
    """Cut the columns of x into at most `n_bins` codes each.

    Args:
        x: finite integers, booleans, float32 or float64.
        n_bins: values per column that may be told apart, at least 2.
        threads: threads that cut; None takes all cores that NUMBA_NUM_THREADS leaves.
    """
    threads = threads or default_threads() if x.size >= _SMALL else 1
    small, largest = _as_bytes(x, threads)
    if small is None:
        return _bin_sorted(x, n_bins, threads)
    return Binned(small, None) if largest < n_bins else _bin_counted(small, n_bins, threads)


def _in_parts(n: int, threads: int, part: Callable[[int, int], None]) -> None:
    """Call part(begin, end) for consecutive ranges that cover 0 … n − 1, one a thread."""
    ends = [n * i // threads for i in range(threads + 1)]
    run_each(threads, lambda i, _: part(ends[i], ends[i + 1]), [None] * threads, None, None)


def _as_bytes(
    x: Num[np.ndarray, "m n"], threads: int
) -> tuple[UInt8[np.ndarray, "m n"], int] | tuple[None, int]:
    """The bytes of x and the largest of them; None if its entries are not whole or not 0 … 255."""
    if x.dtype == np.bool_:
        return x.view(np.uint8), 1
    if x.dtype == np.uint8:
        return x, int(x.max())
    highest = LEVELS - 1
    if x.dtype.kind in "iu":
        highest = min(highest, int(np.iinfo(x.dtype).max))
    bounds = x.dtype.type(0), x.dtype.type(highest)
    if narrow(x, *bounds, 0, 1, small := np.empty(x.shape, np.uint8)) < 0:
        return None, -1  # most matrices of other numbers show it in their first row
    largest = []
    _in_parts(len(x), threads, lambda i, j: largest.append(narrow(x, *bounds, i, j, small)))
    return (None, -1) if min(largest) < 0 else (small, max(largest))


def _bin_counted(x: UInt8[np.ndarray, "m n"], n_bins: int, threads: int) -> Binned:
    n = x.shape[1]
    counts = np.zeros((n, LEVELS), np.int64)
    _in_parts(n, threads, lambda first, stop: count_bytes(x, first, stop, counts))
    if np.count_nonzero(counts, axis=1).max() <= n_bins:
        return Binned(x, None)
    cuts, n_cuts = np.empty((n, LEVELS - 1)), np.empty(n, np.int64)
    code, codes = np.empty((n, LEVELS), np.uint8), np.empty(x.shape, np.uint8)
    cut_counted(counts, n_bins, cuts, n_cuts, code)
    _in_parts(len(x), threads, lambda begin, end: look_up(x, code, begin, end, codes))
    return Binned(codes, _cut_lists(cuts, n_cuts))


def _bin_sorted(x: Num[np.ndarray, "m n"], n_bins: int, threads: int) -> Binned:
    m, n = x.shape
    kind = np.result_type(x, np.float32)  # holds small integers exactly and is sorted faster
    cuts, n_cuts = np.empty((n, min(n_bins, m) - 1)), np.empty(n, np.int64)
    codes = np.empty((m, n), np.uint8 if n_bins <= LEVELS else np.int64)

    def cut(group: int, columns: Any) -> None:
        first = group * _TOGETHER
        columns = columns[: n - first]
        own = slice(first, first + len(columns))
        by_column(x, first, columns)
        cut_sorted(np.sort(columns, axis=1), n_bins, cuts[own], n_cuts[own])
        write_codes(columns, cuts[own], n_cuts[own], first, codes)

    groups = -(-n // _TOGETHER)
    spaces = [np.empty((_TOGETHER, m), kind) for _ in range(min(threads, groups))]
    run_each(groups, cut, spaces, None, None)
    return Binned(codes, _cut_lists(cuts, n_cuts))


def _cut_lists(cuts: Float[np.ndarray, "n most"], n_cuts: Int[np.ndarray, " n"]) -> Cuts:
    return [own[:k] for own, k in zip(cuts, n_cuts.tolist(), strict=True)]


def cut_points(column: Float[np.ndarray, " m"], n_bins: int) -> Float[np.ndarray, " cuts"]:
    """At most `n_bins` − 1 ascending thresholds, each between two neighbouring values."""
    ordered = np.sort(np.asarray(column, np.float64))
    cuts, n_cuts = np.empty((1, max(min(n_bins, len(ordered)) - 1, 0))), np.zeros(1, np.int64)
    if len(ordered):
        cut_sorted(ordered[None], n_bins, cuts, n_cuts)
    return cuts[0, : n_cuts[0]]


def codes_of(x: Float[np.ndarray, "m n"], cuts: Cuts) -> Int[np.ndarray, "m n"]:
    """Number of cut points of its column below each entry, so that x ≤ cuts[c] iff code ≤ c."""
    columns = [np.searchsorted(cut, column) for cut, column in zip(cuts, x.T, strict=True)]
    return np.stack(columns, axis=1)


def in_units_of_x(tree: Tree, cuts: Cuts) -> Tree:
    """The tree on codes with cut points for thresholds: x ≤ cuts[c] iff its code is ≤ c."""
    threshold = tree.threshold.copy()
    for node in np.flatnonzero(tree.feature >= 0):
        threshold[node] = cuts[tree.feature[node]][int(threshold[node])]
    return replace(tree, threshold=threshold)
