"""Binary tests on integer codes, merged into the smallest equivalent problem.

Every threshold of every code column becomes one binary test x[feature] <= threshold.
Rows with equal test vectors can never be parted by a tree, so they become one weighted
row ("equivalent points"); tests that split the rows alike (equal or complementary
columns) become one test, the one with the lowest feature and threshold.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int, Num

from irtheory.trees.checks import check_codes
from irtheory.trees.exact.memory import check_tests
from irtheory.trees.exact.ones import columns_of_ones, fingerprints, rows_of_ones


class Design(NamedTuple):
    """What the kernels read: g merged rows by p kept tests, in three orders."""

    bits: np.ndarray  # uint8 [g, p], 1 = "on"
    indptr: np.ndarray  # uintp [g + 1], row -> its tests that are on
    indices: np.ndarray  # uintp
    colptr: np.ndarray  # uintp [p + 1], test -> its rows that are on
    rows: np.ndarray  # uintp
    offset: np.ndarray  # uintp [p], pair (i < j) sits at offset[i] + j (modulo 2^64)
    weight: np.ndarray  # float64 [g], training samples in each merged row


# Half-way between two whole numbers up to here is still a float of its own.
_LARGEST = 2**52


@dataclass(frozen=True)
class BinaryTests:
    """The kept tests of a code matrix and the merged rows they see.

    Attributes:
        feature, threshold: test j sends x[feature[j]] <= threshold[j] to the left.
        flipped: the bit of test j is 1 on the left (rarer) side instead of the right.
        row_of: merged row of every sample, [m].
        row_codes: the codes of each merged row, [g, n].
        design: the arrays for the kernels.
    """

    feature: Int[np.ndarray, " p"]
    threshold: Float[np.ndarray, " p"]
    flipped: Bool[np.ndarray, " p"]
    row_of: Int[np.ndarray, " m"]
    row_codes: Num[np.ndarray, "g n"]
    design: Design

    @cached_property
    def place_of(self) -> dict[tuple[int, float], int]:
        """Number of the test with a feature and a threshold."""
        named = zip(self.feature.tolist(), self.threshold.tolist(), strict=True)
        return {test: j for j, test in enumerate(named)}

    @property
    def n_features(self) -> int:
        """Columns of the code matrix, n."""
        return self.row_codes.shape[1]

    @property
    def n_rows(self) -> int:
        """Merged rows, g."""
        return len(self.design.weight)

    @property
    def n_tests(self) -> int:
        """Kept tests, p."""
        return len(self.feature)

    @property
    def deepest(self) -> int:
        """Depth that no tree exceeds whose every split parts some rows, min(p, g − 1)."""
        return min(self.n_tests, self.n_rows - 1)


def all_tests(
    codes: Num[np.ndarray, "m n"], memory: int | None = None
) -> tuple[Bool[np.ndarray, "m p"], Int[np.ndarray, " p"], Float[np.ndarray, " p"]]:
    """One test per gap between consecutive values of each column; bit 1 = above it.

    Raises:
        ValueError: the tests need more than `memory` bytes.
    """
    m, low, high = len(codes), codes.min(axis=0), codes.max(axis=0)
    if ((low == high) | ((low == 0) & (high == 1))).all():
        feature = np.flatnonzero(low != high)
        check_tests(m, len(feature), memory)
        bits = codes.astype(np.bool_)
        bits = bits if len(feature) == bits.shape[1] else bits[:, feature]
        return bits, feature, np.full(len(feature), 0.5)
    thresholds = []
    for column in codes.T:
        values = np.unique(column).astype(np.float64)
        thresholds.append((values[:-1] + values[1:]) / 2)
    feature = np.repeat(np.arange(len(thresholds)), [len(t) for t in thresholds])
    check_tests(m, len(feature), memory)
    bits = np.empty((m, len(feature)), np.bool_)
    for j in np.unique(feature):
        bits[:, feature == j] = codes[:, j : j + 1] > thresholds[j]
    return bits, feature.astype(np.int64), np.concatenate(thresholds)


def _keys(bits: Bool[np.ndarray, "a b"]) -> np.ndarray:
    """One value for each row, equal for equal rows, as sorting rows is slow."""
    packed = np.ascontiguousarray(np.packbits(bits, axis=1))
    if packed.shape[1] > 8:
        return packed.view(np.dtype((np.void, packed.shape[1]))).ravel()
    whole = np.zeros((len(bits), 8), np.uint8)
    whole[:, : packed.shape[1]] = packed
    return whole.view(np.uint64).ravel()


def _distinct_splits(bits: Bool[np.ndarray, "m p"]) -> Int[np.ndarray, " kept"]:
    """First column of each class of columns that are equal up to complement."""
    # Marks need not differ from run to run: columns with equal fingerprints are compared.
    marks = np.random.default_rng(0).integers(0, 2**64, len(bits), np.uint64)
    prints = np.empty(bits.shape[1], np.uint64)
    fingerprints(bits, marks, prints)
    prints = np.minimum(prints, marks.sum() - prints)
    if len(np.unique(prints)) == len(prints):
        return np.arange(len(prints))
    kept, firsts = [], {}
    for j, own in enumerate(prints.tolist()):
        column = bits[:, j] ^ bits[0, j]
        seen = firsts.setdefault(own, [])
        if not any(np.array_equal(column, one) for one in seen):
            seen.append(column)
            kept.append(j)
    return np.array(kept)


def _merge(
    bits: Bool[np.ndarray, "m p"], weight: Float[np.ndarray, " m"] | None, merge_rows: bool
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """First row of each merged row, merged row of each row, and number of samples."""
    if not merge_rows or bits.shape[1] == 0:
        row_of = np.zeros(len(bits), np.int64) if merge_rows else np.arange(len(bits))
        first = np.zeros(1, np.int64) if merge_rows else row_of
    else:
        _, first, row_of = np.unique(_keys(bits), return_index=True, return_inverse=True)
    return first, row_of, np.bincount(row_of, weight).astype(np.float64)


def _pair_offsets(p: int) -> np.ndarray:
    # Before the pairs of i come (p − 1) + … + (p − i) = i p − i (i + 1) / 2 others, and its own
    # begin with j = i + 1.
    i = np.arange(p, dtype=np.int64)
    return (i * p - i * (i + 1) // 2 - i - 1).astype(np.uintp)


def design_of(bits: Bool[np.ndarray, "g p"], weight: Float[np.ndarray, " g"]) -> Design:
    """Arrange rows and their weights for the kernels."""
    bits = np.require(bits, np.uint8, ["C", "W"])
    (g, p), ones = bits.shape, np.count_nonzero(bits)
    indptr, indices = np.empty(g + 1, np.uintp), np.empty(ones, np.uintp)
    colptr, rows = np.empty(p + 1, np.uintp), np.empty(ones, np.uintp)
    rows_of_ones(bits, indptr, indices)
    columns_of_ones(indptr, indices, colptr, rows)
    return Design(
        bits,
        indptr,
        indices,
        colptr,
        rows,
        _pair_offsets(bits.shape[1]),
        np.ascontiguousarray(weight, np.float64),
    )


def binary_tests(
    codes: Num[np.ndarray, "m n"],
    merge_rows: bool = True,
    merge_columns: bool = True,
    memory: int | None = None,
) -> BinaryTests:
    """Turn integer codes into the binary problem that the exact solver searches.

    Args:
        codes: m × n whole numbers.
        merge_rows: treat samples with equal tests as one weighted row.
        merge_columns: keep one test of each set that splits the samples alike.
        memory: bytes that this may take; None is a share of what is free.

    Raises:
        ValueError: bad codes, see `irtheory.trees.checks.check_codes`; or beyond ±2^52,
            where half-way between neighbouring whole numbers there is no float; or more
            tests than fit into `memory`.
    """
    small = getattr(codes, "dtype", None) in (np.uint8, np.bool_)
    codes = check_codes(codes, -_LARGEST, _LARGEST, np.uint8 if small else np.float64)
    bits, feature, threshold = all_tests(codes, memory)
    return _arranged(codes, bits, (feature, threshold), None, merge_rows, merge_columns)


def restricted(
    tests: BinaryTests,
    inside: Bool[np.ndarray, " m"],
    merge_rows: bool = True,
    merge_columns: bool = True,
) -> BinaryTests:
    """The same tests on some of the samples, less those that no longer part any of them.

    Samples of one merged row are inside or outside together. Thresholds stay what they are on
    all samples, so that a tie between tests is settled in a subtree as it would be in the
    whole tree.
    """
    here = np.zeros(tests.n_rows, np.bool_)
    here[tests.row_of[inside]] = True
    rows = np.flatnonzero(here)
    above = tests.design.bits[rows].astype(bool) ^ tests.flipped
    parting = np.flatnonzero(above.any(axis=0) & ~above.all(axis=0))
    named = tests.feature[parting], tests.threshold[parting]
    codes, weight = tests.row_codes[rows], tests.design.weight[rows]
    of_rows = _arranged(codes, above[:, parting], named, weight, merge_rows, merge_columns)
    place = np.cumsum(here) - 1
    return replace(of_rows, row_of=of_rows.row_of[place[tests.row_of[inside]]])


def _arranged(codes, bits, named, weight, merge_rows: bool, merge_columns: bool) -> BinaryTests:
    """Merge what can be merged and lay it out for the kernels; `weight` None is 1 a row."""
    feature, threshold = named
    if merge_columns and bits.shape[1] and len(kept := _distinct_splits(bits)) < bits.shape[1]:
        bits, feature, threshold = bits[:, kept], feature[kept], threshold[kept]
    first, row_of, weight = _merge(bits, weight, merge_rows)
    # Work grows with the square of the bits that are on, so the rarer side is "on".
    rows = np.ascontiguousarray(bits[first])
    flipped = 2 * rows.view(np.uint8).sum(axis=0, dtype=np.uint32) > len(rows)
    return BinaryTests(
        feature, threshold, flipped, row_of, codes[first], design_of(rows ^ flipped, weight)
    )


@dataclass(frozen=True)
class Pruning:
    """Rules that make the search smaller without changing its result.

    Attributes:
        merge_rows: samples with equal codes become one weighted row.
        merge_columns: tests that split the samples alike become one.
        incumbent: skip what cannot beat the best tree known so far.
        reuse: carry lower bounds from one solve to the next.
    """

    merge_rows: bool = True
    merge_columns: bool = True
    incumbent: bool = True
    reuse: bool = True
