from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from irtheory.trees import binning
from irtheory.trees.binning import bin_columns, codes_of, cut_points

WHOLE = (np.int8, np.int16, np.int32, np.int64, np.uint8, np.uint16, np.uint32, np.uint64)
KINDS = (np.bool_, *WHOLE, np.float32, np.float64)


def slow_cut_points(column: np.ndarray, n_bins: int) -> np.ndarray:
    """Cut points by sorting float64 in numpy, one column at a time."""
    values, count = np.unique(column, return_counts=True)
    below = np.arange(len(values) - 1)
    if len(values) > n_bins:
        share = np.cumsum(count) / len(column)
        wanted = np.searchsorted(share, np.arange(1, n_bins) / n_bins - 1e-12)
        below = np.unique(np.minimum(wanted, len(values) - 2))
    low, high = values[below], values[below + 1]
    middle = low / 2 + high / 2
    return np.where((middle >= low) & (middle < high), middle, low)


def slow(x: np.ndarray, n_bins: int) -> tuple[np.ndarray, list[np.ndarray]]:
    cuts = [slow_cut_points(column, n_bins) for column in x.astype(np.float64).T]
    columns = [np.searchsorted(c, v) for c, v in zip(cuts, x.astype(np.float64).T, strict=True)]
    return np.stack(columns, axis=1), cuts


def assert_as_slow(x: np.ndarray, n_bins: int, threads: int | None = None) -> None:
    found, (codes, cuts) = bin_columns(x, n_bins, threads), slow(x, n_bins)
    if found.cuts is None:
        # The values are the codes: every cut lies half-way between values of its column.
        np.testing.assert_array_equal(found.codes, x)
        for column, cut in zip(x.T.astype(np.float64), cuts, strict=True):
            values = np.unique(column)
            np.testing.assert_array_equal((values[:-1] + values[1:]) / 2, cut)
        return
    np.testing.assert_array_equal(found.codes, codes)
    for own, cut in zip(found.cuts, cuts, strict=True):
        np.testing.assert_array_equal(own, cut)


@st.composite
def matrices(draw) -> np.ndarray:
    """Columns of one type: few values or many, the extremes of the type, neighbours, ±0."""
    kind = np.dtype(draw(st.sampled_from(KINDS)))
    shape = draw(st.tuples(st.integers(1, 40), st.integers(1, 11)))
    if kind.kind == "f":
        step = np.nextafter(kind.type(1), kind.type(2))
        some = st.sampled_from([0.0, -0.0, 1.0, float(step), -1.0, 5.0, 255.0, 256.0, 0.5])
        other = st.floats(allow_nan=False, allow_infinity=False, width=8 * kind.itemsize)
        elements = draw(st.sampled_from([some, other, st.integers(0, 300).map(float)]))
    elif kind.kind == "b":
        elements = st.booleans()
    else:
        ends = np.iinfo(kind)
        few = st.integers(max(ends.min, -2), 3)
        bytes_ = st.integers(0, min(ends.max, 255))
        elements = draw(st.sampled_from([few, bytes_, st.integers(int(ends.min), int(ends.max))]))
    x = draw(arrays.arrays(kind, shape, elements=elements))
    if draw(st.booleans()):
        x[:, 0] = x[0, 0]
    return draw(st.sampled_from([x, np.asfortranarray(x), np.repeat(x, 2, axis=1)[:, ::2]]))


@given(matrices(), st.integers(2, 12))
def test_cuts_and_codes_are_those_of_numpy(x, n_bins):
    assert_as_slow(x, n_bins)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("n_bins", [2, 31, 255, 256, 257, 5000])
def test_many_rows_and_values(kind, n_bins):
    rng = np.random.default_rng(n_bins)
    x = np.exp(rng.normal(3, 2, size=(3000, 9)))
    x[:, 0] %= 3
    x[:, 1] = 7
    x[:, 2:4] *= -1 if np.dtype(kind).kind in "if" else 1
    if np.dtype(kind).kind in "iu":
        x = np.clip(x, np.iinfo(kind).min, np.iinfo(kind).max)
    assert_as_slow(x.astype(kind), n_bins)
    assert_as_slow(np.abs(x % 256).astype(kind), n_bins)


@pytest.mark.parametrize("kind", KINDS)
def test_any_number_of_threads_gives_the_same(kind, monkeypatch):
    monkeypatch.setattr(binning, "_SMALL", 0)
    rng = np.random.default_rng(0)
    for top in (100, 30_000):
        x = rng.integers(0, top, size=(301, 19))
        if np.dtype(kind).itemsize == 1:
            x %= 128
        for threads in (1, 2, 3, 40):
            for n_bins in (8, 200):
                assert_as_slow(x.astype(kind), n_bins, threads)


def test_bytes_with_few_values_are_not_copied():
    x = np.random.default_rng(0).integers(0, 4, (600, 600)).astype(np.uint8)
    assert bin_columns(x, 4).codes is x
    assert bin_columns(x * np.uint8(80), 4).codes.base is None  # few values, though large ones
    assert bin_columns(x > 1, 2).codes.dtype == np.uint8


@pytest.mark.parametrize("wrong", [-1, 256, 2**40, -(2**63)])
def test_one_entry_that_is_no_byte_is_seen_wherever_it_is(wrong):
    for row, column in ((0, 0), (63, 64), (64, 63), (129, 129)):
        x = np.zeros((130, 130), np.int64)
        x[row, column] = wrong
        assert_as_slow(x, 4)
        assert_as_slow(x.astype(np.float64), 4)
        assert_as_slow(x + 0.5 * (x != 0), 4)


def test_whole_numbers_beyond_two_to_the_53_are_parted_where_float64_parts_them():
    x = 2**53 + np.array([[0], [1], [2], [5]])
    (cuts,) = bin_columns(x, 4).cuts or [[]]
    assert list(cuts) == [2.0**53, 2.0**53 + 2]
    assert_as_slow(x, 4)
    assert_as_slow(np.array([[2**64 - 1], [2**64 - 2], [0]], np.uint64), 4)


@given(st.lists(st.floats(allow_nan=False, allow_infinity=False)), st.integers(2, 9))
def test_cut_points_of_one_column(column, n_bins):
    np.testing.assert_array_equal(
        cut_points(np.array(column), n_bins), slow_cut_points(np.array(column), n_bins)
    )


@given(st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=1), st.integers(2, 9))
def test_cuts_part_the_values_and_codes_count_them(column, n_bins):
    column = np.array(column)
    cuts, distinct = cut_points(column, n_bins), np.unique(column)
    assert len(cuts) <= min(n_bins, len(distinct)) - 1
    assert len(distinct) > n_bins or len(cuts) == len(distinct) - 1
    codes = codes_of(column[:, None], [cuts])[:, 0]
    assert set(codes) == set(range(len(cuts) + 1))
    for c, cut in enumerate(cuts):
        np.testing.assert_array_equal(column <= cut, codes <= c)


def test_quantile_bins_hold_equal_shares():
    column = np.random.default_rng(0).normal(size=800)
    codes = codes_of(column[:, None], [cut_points(column, 8)])[:, 0]
    np.testing.assert_array_equal(np.bincount(codes), np.full(8, 100))
