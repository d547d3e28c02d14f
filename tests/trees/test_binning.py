from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from irtheory.trees import binning
from irtheory.trees.binning import bin_columns, codes_of, cut_points
from irtheory.trees.estimators import OptimalTreeRegressor
from irtheory.trees.exact.solver import fit_exact_tree

WHOLE = (np.int8, np.int16, np.int32, np.int64, np.uint8, np.uint16, np.uint32, np.uint64)
KINDS = (np.bool_, *WHOLE, np.float32, np.float64)


def slow_ends(counts: list[int], bins: int) -> list[int]:
    """The last value of every bin but the last, by recursion around the most frequent value."""
    total, most = sum(counts), max(counts, default=0)
    if bins < 2:
        return []
    if most * bins <= total:
        share = np.cumsum(counts) * bins
        return np.searchsorted(share, total * np.arange(1, bins)).tolist()
    i = counts.index(most)
    left, right = counts[:i], counts[i + 1 :]
    if bins == 2 and left and right:
        return [i if sum(left) <= sum(right) else i - 1]
    fair = Fraction(sum(left), total - most) * (bins - 1)
    allowed = [
        own
        for own in range(len(left) + 1)
        if bool(own) == bool(left)
        and bool(bins - 1 - own) == bool(right)
        and bins - 1 - own <= len(right)
    ]
    own = min(allowed, key=lambda bins_left: (abs(bins_left - fair), -bins_left))
    around = [*([i - 1] if left else []), *([i] if right else [])]
    after = [i + 1 + end for end in slow_ends(right, bins - 1 - own)]
    return sorted([*slow_ends(left, own), *around, *after])


def slow_cut_points(column: np.ndarray, n_bins: int) -> np.ndarray:
    """Cut points by sorting float64 in numpy, one column at a time."""
    values, count = np.unique(column, return_counts=True)
    below = np.arange(len(values) - 1)
    if len(values) > n_bins:
        below = np.array(slow_ends(count.tolist(), n_bins))
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
    assert len(cuts) == min(n_bins, len(distinct)) - 1
    codes = codes_of(column[:, None], [cuts])[:, 0]
    assert set(codes) == set(range(len(cuts) + 1))
    for c, cut in enumerate(cuts):
        np.testing.assert_array_equal(column <= cut, codes <= c)


def test_quantile_bins_hold_equal_shares():
    column = np.random.default_rng(0).normal(size=800)
    codes = codes_of(column[:, None], [cut_points(column, 8)])[:, 0]
    np.testing.assert_array_equal(np.bincount(codes), np.full(8, 100))


@st.composite
def repeated(draw) -> np.ndarray:
    """A column in which some values repeat often, in any order."""
    counts = draw(st.lists(st.sampled_from([1, 1, 1, 2, 5, 40, 200]), min_size=1, max_size=30))
    values = draw(st.lists(st.integers(-999, 999), min_size=len(counts), max_size=len(counts)))
    column = np.repeat(np.array(values, float) / 8, counts)
    return column[np.random.default_rng(draw(st.integers(0, 9))).permutation(len(column))]


@given(repeated(), st.integers(2, 12), st.booleans())
def test_repeated_values_take_no_bins_from_others(column, n_bins, whole):
    x = np.round(column * 8 + 999)[:, None] % 256 if whole else column[:, None]
    found = bin_columns(x, n_bins)
    if found.cuts is None:
        assert len(np.unique(x)) <= n_bins and found.reduced == ()
        return
    values, counts = np.unique(x, return_counts=True)
    bins = min(n_bins, len(values))
    assert len(np.unique(found.codes)) == bins
    again = bin_columns(np.sort(x, axis=0), n_bins)
    np.testing.assert_array_equal(found.cuts[0], (again.cuts or [[]])[0])
    if len(values) <= n_bins:
        assert found.reduced == ()
        return
    within = [np.unique(x[found.codes == code]) for code in range(bins)]
    mixed = [int((found.codes == code).sum()) for code in range(bins) if len(within[code]) > 1]
    (reduced,) = found.reduced
    assert (reduced.column, reduced.values, reduced.bins) == (0, len(values), n_bins)
    assert reduced.widest == max(mixed)
    often = values[counts.argmax()]
    if n_bins > 2 and counts.max() * n_bins > len(x):
        assert any(len(each) == 1 and each[0] == often for each in within)


def test_a_step_among_rare_values_is_found():
    rng = np.random.default_rng(0)
    x = np.where(rng.random(4000) < 0.9, 0.0, rng.random(4000))[:, None]
    y = (x[:, 0] > 0.6).astype(float)
    assert OptimalTreeRegressor(max_depth=1, n_bins=8).fit(x, y).score(x, y) > 0.85
    assert OptimalTreeRegressor(max_depth=1, n_bins=8).fit(-x, y).score(-x, y) > 0.85
    both = np.where(rng.random(4000) < 0.5, x[:, 0], 1.0)[:, None]
    y = ((both[:, 0] > 0.3) & (both[:, 0] < 1)).astype(float)
    assert OptimalTreeRegressor(max_depth=2, n_bins=8).fit(both, y).score(both, y) > 0.85


def test_nothing_is_left_out_where_every_value_has_a_bin():
    x = np.random.default_rng(0).integers(0, 8, (50, 3)) * 1.5
    found = bin_columns(x, 8)
    assert found.reduced == () and found.left_out() == () and found.most_moved(5) == 0
    assert bin_columns(np.arange(9)[:, None], 8).left_out(["length"]) == (
        "length: 9 values in 8 bins",
    )
    assert bin_columns(np.arange(9.5, 0, -1)[:, None], 8).left_out() == ("x0: 10 values in 8 bins",)


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("depth", [1, 2])
def test_the_fewest_errors_over_all_cuts_are_bounded(seed, depth):
    rng = np.random.default_rng(seed)
    x = np.round(np.exp(rng.normal(size=(60, 2))), 1)
    cost = np.eye(2)[rng.integers(0, 2, 60)]
    every = bin_columns(x, 60)
    best = fit_exact_tree(every.codes, cost, depth, cost="linear").loss
    for n_bins in (3, 12, 30):
        found = bin_columns(x, n_bins)
        loss = fit_exact_tree(found.codes, cost, depth, cost="linear").loss
        assert best <= loss <= best + found.most_moved(depth)
    assert found.most_moved(depth) < bin_columns(x, 3).most_moved(depth)
