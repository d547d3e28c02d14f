"""Which cells are numbers, and that different numbers stay different."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from irtheory.tables.numbers import BadNumber, is_number, numbers_among, numbers_of

WORDS = ["1_1", "１１", "0x10", "nan", "inf", "1e", "", ".", "+", "1 2", "1,5", "٣", "1.5.2", "−1"]
NUMBERS = ["1", "-1", "+1", "1.", ".5", "1e3", "1E-3", "007", "1.50", "-0"]


@pytest.mark.parametrize("cell", WORDS)
def test_words_are_no_numbers(cell: str) -> None:
    assert not is_number(cell, ".")
    assert numbers_among({cell, "1", "2.5"}, ".") == {"1", "2.5"}


@pytest.mark.parametrize("cell", NUMBERS)
def test_numbers_are_those_that_float_reads(cell: str) -> None:
    assert is_number(cell, ".") and numbers_of([cell], ".") == {cell: float(cell)}
    comma = cell.replace(".", ",")
    assert is_number(comma, ",") and numbers_of([comma], ",") == {comma: float(cell)}
    assert is_number(comma, ".") == ("." not in cell)


@given(st.lists(st.text(st.sampled_from("01.e-_+"), min_size=1, max_size=6)))
def test_all_at_once_is_each_on_its_own(cells: list[str]) -> None:
    assert numbers_among(cells, ".") == {cell for cell in cells if is_number(cell, ".")}


digits = st.integers(-(10**20), 10**20)


@given(st.lists(st.tuples(digits, st.integers(-25, 5)), min_size=1, max_size=4))
def test_equal_floats_are_equal_numbers(drawn: list[tuple[int, int]]) -> None:
    """Against decimal arithmetic: no two cells are merged that differ."""
    cells = [f"{mantissa}e{exponent}" for mantissa, exponent in drawn]
    merged = len(set(map(float, cells))) < len(set(map(Decimal, cells)))
    if merged:
        with pytest.raises(BadNumber):
            numbers_of(cells, ".")
    else:
        assert numbers_of(cells, ".") == {cell: float(cell) for cell in cells}


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_what_python_prints_is_read_exactly(value: float) -> None:
    assume(value == 0 or abs(value) >= 2.0**-1022)
    assert numbers_of([repr(value)], ".") == {repr(value): value}


@pytest.mark.parametrize(
    ("cells", "words"),
    [
        (["1e999"], "below 1.8e308"),
        (["1e-400"], "expected 0 or a number above"),
        (["9007199254740993"], "whole number up to 9007199254740992"),
        (["-" + "9" * 400], "below 1.8e308"),
        (["0." + "0" * 5000 + "1"], "expected 0 or a number above"),
        (["9007199254740992.0", "9007199254740993.0"], "tells apart"),
        (["0.1", "0.1000000000000000055"], "tells apart"),
    ],
)
def test_what_float64_cannot_hold_is_refused(cells: list[str], words: str) -> None:
    with pytest.raises(BadNumber, match=words) as refusal:
        numbers_of(cells, ".")
    assert refusal.value.cell == cells[-1]


def test_zeros_in_any_spelling_are_zero() -> None:
    cells = ["0", "-0.0", "0e-999", "00", "0" * 20]
    assert set(numbers_of(cells, ".").values()) == {0.0}
