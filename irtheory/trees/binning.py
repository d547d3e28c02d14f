"""Columns of numbers cut into codes: the code of a value counts its column's cut points below it.

A column with at most `n_bins` distinct values is cut between any two neighbours. One with more is
cut into `n_bins` bins: a value that more than its share of the samples have gets a bin of its own,
and the others lie between quantiles (`Binned.reduced` names such columns). A matrix of whole
numbers 0 … 255 is counted in a table of 256 cells a column, and holds codes already if no column
has too many values; the columns of others are sorted. Values are compared as float64, so whole
numbers beyond ±2^53 are told apart only where those differ.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
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


@dataclass(frozen=True)
class Reduced:
    """A column with more distinct values than bins, so that some of its cuts were left out.

    Attributes:
        column: its number.
        values: how many distinct values it has.
        bins: into how many bins it was cut.
        widest: most samples in one of those bins that hold several values.
    """

    column: int
    values: int
    bins: int
    widest: int


@dataclass(frozen=True, eq=False)
class Binned:
    """A matrix as codes.

    Attributes:
        codes: [m, n]; uint8 where at most 256 bins were asked for, else int64.
        cuts: ascending cut points of each column, x ≤ cuts[c] iff its code is ≤ c; None where
            the codes are the entries of x themselves.
        reduced: the columns that were not cut between any two of their values, ascending.
    """

    codes: Int[np.ndarray, "m n"]
    cuts: Cuts | None
    reduced: tuple[Reduced, ...] = ()

    def in_units_of_x(self, tree: Tree) -> Tree:
        """The tree on these codes with the thresholds that it has on x."""
        return tree if self.cuts is None else in_units_of_x(tree, self.cuts)

    def most_moved(self, depth: int) -> int:
        """Samples of x whose leaf may differ, at most, if a tree may cut between any two values.

        Take any tree of that depth on x and move each of its thresholds to the end of its bin that
        has fewer of the samples there: what results is a tree on the codes. A node moves half of
        a bin at most, and the nodes of a level half of all samples. So the fewest errors of trees
        on x lie at most that many below the fewest errors of trees on the codes (of leaves of any
        size); 0 means that nothing was left out.
        """
        m, half = len(self.codes), max((each.widest for each in self.reduced), default=0) // 2
        # From a level with more nodes than samples on, m bounds every further one.
        return min(m, sum(min(half << min(level, 62), m // 2) for level in range(depth)))

    def left_out(self, names: Sequence[str] | None = None) -> tuple[str, ...]:
        """A sentence for each column of `reduced`, such as "x3: 500 values in 8 bins"."""
        return tuple(
            f"{f'x{each.column}' if names is None else names[each.column]}: "
            f"{each.values} values in {each.bins} bins"
            for each in self.reduced
        )


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
def _most_frequent(upto, first, stop):
    """The value among first … stop − 1 that most samples have, the lowest of equals; how many."""
    best, most = first, np.int64(0)
    before = upto[first - 1] if first else np.int64(0)
    for i in range(first, stop):
        if upto[i] - before > most:
            best, most = i, upto[i] - before
        before = upto[i]
    return best, most


@kernel
def _end_at_quantiles(upto, first, stop, bins, ends):
    """Mark where the bins of the values first … stop − 1 end, none of which fills a bin alone.

    Bin b = 1 … bins − 1 ends at the first value with share[≤ value] ≥ b/bins. As no value has more
    than 1/bins of the samples, these are different values, and the last value is none of them.
    """
    before = upto[first - 1] if first else np.int64(0)
    mass = upto[stop - 1] - before
    for b in range(1, bins):
        low, high = first, stop - 1
        while low < high:
            middle = (low + high) // 2
            if (upto[middle] - before) * bins >= b * mass:
                high = middle
            else:
                low = middle + 1
        ends[low] = True


@kernel
def _end_around(upto, first, stop, bins, value, ends):
    """Mark where the own bin of a frequent value ends; returns how many bins each side gets.

    The sides share the other bins in proportion to their samples, but a side has one bin at least
    and no more than values. Of two bins, the side with fewer samples shares one with the value.
    """
    left, right = value - first, stop - 1 - value
    start = upto[first - 1] if first else np.int64(0)
    below = (upto[value - 1] if value else np.int64(0)) - start
    above = upto[stop - 1] - upto[value]
    if bins == 2 and left and right:
        ends[value if below <= above else value - 1] = True
        return 0, 0
    if left:
        ends[value - 1] = True
    if right:
        ends[value] = True
    fair = (2 * (bins - 1) * below + below + above) // (2 * (below + above))
    own = min(max(fair, bins - 1 - right, np.int64(left > 0)), left, bins - 1 - (right > 0))
    return own, bins - 1 - own


@kernel
def _end_bins(upto, n_bins, ends):
    """Mark the last value of every bin but the last; there are more values than bins.

    A run of values is cut at quantiles if none of them has more samples than a fair share, one
    bin's. Else the most frequent value gets a bin of its own, and both sides of it are runs with
    fewer bins. So n_bins bins come out, however often values repeat.
    """
    run = np.empty((n_bins + 1, 3), np.int64)
    run[0, 0], run[0, 1], run[0, 2] = 0, len(upto), n_bins
    waiting = 1
    while waiting:
        waiting -= 1
        first, stop, bins = run[waiting]
        if bins < 2:
            continue
        value, most = _most_frequent(upto, first, stop)
        mass = upto[stop - 1] - (upto[first - 1] if first else 0)
        if most * bins <= mass:
            _end_at_quantiles(upto, first, stop, bins, ends)
            continue
        left, right = _end_around(upto, first, stop, bins, value, ends)
        run[waiting, 0], run[waiting, 1], run[waiting, 2] = first, value, left
        run[waiting + 1, 0], run[waiting + 1, 1], run[waiting + 1, 2] = value + 1, stop, right
        waiting += 2


@kernel
def _choose(values, upto, n_bins, cuts):
    """Cut points of a column into `cuts`; returns their number and the widest bin that is mixed.

    values are distinct and ascending, and upto[i] samples are ≤ values[i]. The widest mixed bin is
    the most samples in a bin of several values, 0 if every value has a bin.
    """
    few = len(values) <= n_bins
    ends = np.zeros(len(values), np.bool_)
    if not few:
        _end_bins(upto, n_bins, ends)
    n, start, before, widest = 0, 0, np.int64(0), np.int64(0)
    for i in range(len(values)):
        last = i == len(values) - 1
        if few or last or ends[i]:
            if i > start:
                widest = max(widest, upto[i] - before)
            start, before = i + 1, upto[i]
            if not last:
                low, high = values[i], values[i + 1]
                middle = low / 2 + high / 2
                # Between neighbouring floats there is no middle: rounding may give the upper one.
                cuts[n] = middle if low <= middle < high else low
                n += 1
    return n, widest


@kernel
def cut_counted(counts, n_bins, cuts, found, code):
    """Cut points of columns with counts [n, 256] of bytes, and the code of every byte.

    found [n, 3] receives the numbers of cuts and distinct values, and the widest mixed bin.
    """
    values, upto = np.empty(LEVELS), np.empty(LEVELS, np.int64)
    for j in range(len(counts)):
        d, total = 0, 0
        for byte in range(LEVELS):
            if counts[j, byte]:
                total += counts[j, byte]
                values[d], upto[d] = byte, total
                d += 1
        n, widest = _choose(values[:d], upto[:d], n_bins, cuts[j])
        found[j, 0], found[j, 1], found[j, 2] = n, d, widest
        below = 0
        for byte in range(LEVELS):
            while below < n and cuts[j, below] < byte:
                below += 1
            code[j, byte] = below


@kernel
def cut_sorted(ordered, n_bins, cuts, found):
    """Cut points of columns whose values are given in ascending order, [c, m].

    found [c, 3] receives the numbers of cuts and distinct values, and the widest mixed bin.
    """
    m = ordered.shape[1]
    values, upto = np.empty(m), np.empty(m, np.int64)
    for j in range(len(ordered)):
        d = 0
        for i in range(m):
            d += i > 0 and ordered[j, i] != ordered[j, i - 1]
            values[d], upto[d] = ordered[j, i], i + 1
        n, widest = _choose(values[: d + 1], upto[: d + 1], n_bins, cuts[j])
        found[j, 0], found[j, 1], found[j, 2] = n, d + 1, widest


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
        n_bins: values per column that may be told apart, at least 2. A column with more is cut
            into exactly so many bins, and stands in `Binned.reduced`.
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
    cuts, found = np.empty((n, LEVELS - 1)), np.empty((n, 3), np.int64)
    code, codes = np.empty((n, LEVELS), np.uint8), np.empty(x.shape, np.uint8)
    cut_counted(counts, n_bins, cuts, found, code)
    _in_parts(len(x), threads, lambda begin, end: look_up(x, code, begin, end, codes))
    return _binned(codes, cuts, found)


def _bin_sorted(x: Num[np.ndarray, "m n"], n_bins: int, threads: int) -> Binned:
    m, n = x.shape
    kind = np.result_type(x, np.float32)  # holds small integers exactly and is sorted faster
    cuts, found = np.empty((n, min(n_bins, m) - 1)), np.empty((n, 3), np.int64)
    codes = np.empty((m, n), np.uint8 if n_bins <= LEVELS else np.int64)

    def cut(group: int, columns: Any) -> None:
        first = group * _TOGETHER
        columns = columns[: n - first]
        own = slice(first, first + len(columns))
        by_column(x, first, columns)
        cut_sorted(np.sort(columns, axis=1), min(n_bins, m), cuts[own], found[own])
        write_codes(columns, cuts[own], found[own, 0], first, codes)

    groups = -(-n // _TOGETHER)
    spaces = [np.empty((_TOGETHER, m), kind) for _ in range(min(threads, groups))]
    run_each(groups, cut, spaces, None, None)
    return _binned(codes, cuts, found)


def _binned(
    codes: Int[np.ndarray, "m n"], cuts: Float[np.ndarray, "n most"], found: Int[np.ndarray, "n 3"]
) -> Binned:
    """Codes and cuts as a `Binned`; `found` is what the kernels say of every column."""
    own = [cut[:k] for cut, k in zip(cuts, found[:, 0].tolist(), strict=True)]
    fewer = np.flatnonzero(found[:, 0] + 1 < found[:, 1]).tolist()
    reduced = (Reduced(j, int(found[j, 1]), int(found[j, 0]) + 1, int(found[j, 2])) for j in fewer)
    return Binned(codes, own, tuple(reduced))


def cut_points(column: Float[np.ndarray, " m"], n_bins: int) -> Float[np.ndarray, " cuts"]:
    """At most `n_bins` − 1 ascending thresholds, each between two neighbouring values."""
    ordered = np.sort(np.asarray(column, np.float64))
    most = min(n_bins, len(ordered))
    cuts, found = np.empty((1, max(most - 1, 0))), np.zeros((1, 3), np.int64)
    if len(ordered):
        cut_sorted(ordered[None], most, cuts, found)
    return cuts[0, : found[0, 0]]


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
