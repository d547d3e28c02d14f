"""Binary tests on integer codes, merged into the smallest equivalent problem.

Every threshold of every code column becomes one binary test x[feature] <= threshold.
Rows with equal test vectors can never be parted by a tree, so they become one weighted
row ("equivalent points"); tests that split the rows alike (equal or complementary
columns) become one test, the one with the lowest feature and threshold.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int, Num

from irtheory.trees.checks import check_codes
from irtheory.trees.exact.memory import check_tests
from irtheory.trees.exact.ones import columns_of_ones, rows_of_ones


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
    row_codes: Float[np.ndarray, "g n"]
    design: Design

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
    codes: Float[np.ndarray, "m n"], memory: int | None = None
) -> tuple[Bool[np.ndarray, "m p"], Int[np.ndarray, " p"], Float[np.ndarray, " p"]]:
    """One test per gap between consecutive values of each column; bit 1 = above it.

    Raises:
        ValueError: the tests need more than `memory` bytes.
    """
    m, low, high = len(codes), codes.min(axis=0), codes.max(axis=0)
    if ((low == high) | ((low == 0) & (high == 1))).all():
        feature = np.flatnonzero(low != high)
        check_tests(m, len(feature), memory)
        return codes[:, feature] == 1, feature, np.full(len(feature), 0.5)
    thresholds = []
    for column in codes.T:
        values = np.unique(column)
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
    # Columns that read 0 in the first row: of a column and its complement, one and the same.
    return np.sort(np.unique(_keys(bits.T ^ bits[0][:, None]), return_index=True)[1])


def _merge(bits: Bool[np.ndarray, "m p"], merge_rows: bool):
    """First sample of each merged row, merged row of each sample, and row weights."""
    if not merge_rows or bits.shape[1] == 0:
        everyone = np.zeros(len(bits), np.int64) if merge_rows else np.arange(len(bits))
        first = np.unique(everyone, return_index=True)[1]
        return first, everyone, np.bincount(everyone).astype(np.float64)
    _, first, row_of, count = np.unique(
        _keys(bits), return_index=True, return_inverse=True, return_counts=True
    )
    return first, row_of, count.astype(np.float64)


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
    codes = check_codes(codes, -_LARGEST, _LARGEST, np.float64)
    return _arranged(codes, *all_tests(codes, memory), merge_rows, merge_columns)


def restricted(
    tests: BinaryTests,
    inside: Bool[np.ndarray, " m"],
    merge_rows: bool = True,
    merge_columns: bool = True,
) -> BinaryTests:
    """The same tests on some of the samples, less those that no longer part any of them.

    Thresholds stay what they are on all samples, so that a tie between tests is settled
    in a subtree as it would be in the whole tree.
    """
    rows = tests.row_of[inside]
    above = tests.design.bits[rows].astype(bool) ^ tests.flipped
    parting = np.flatnonzero(above.any(axis=0) & ~above.all(axis=0))
    named = (above[:, parting], tests.feature[parting], tests.threshold[parting])
    return _arranged(tests.row_codes[rows], *named, merge_rows, merge_columns)


def _arranged(codes, bits, feature, threshold, merge_rows: bool, merge_columns: bool):
    """Merge what can be merged and lay it out for the kernels."""
    if merge_columns and bits.shape[1]:
        kept = _distinct_splits(bits)
        bits, feature, threshold = bits[:, kept], feature[kept], threshold[kept]
    first, row_of, weight = _merge(bits, merge_rows)
    # Work grows with the square of the bits that are on, so the rarer side is "on".
    flipped = bits[first].mean(axis=0) > 0.5
    design = design_of(bits[first] ^ flipped, weight)
    return BinaryTests(feature, threshold, flipped, row_of, codes[first], design)


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
