"""Which cells are numbers: a decimal pattern, and what float64 can tell apart."""

from __future__ import annotations

import math
import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Literal

Mark = Literal[".", ","]
# Digits are those of ASCII: float() also reads 1_1, full-width digits, and words.
PATTERNS: dict[Mark, re.Pattern[str]] = {
    mark: re.compile(
        rf"[+-]?(?:[0-9]+(?:{re.escape(mark)}[0-9]*)?|{re.escape(mark)}[0-9]+)(?:[eE][+-]?[0-9]+)?"
    )
    for mark in (".", ",")
}
ALL_NUMBERS = {
    mark: re.compile(rf"(?:{pattern.pattern}\n)*+") for mark, pattern in PATTERNS.items()
}
# A number without a digit other than 0 before its exponent.
ZERO = re.compile(r"[+-]?[0.,]+(?:[eE].*)?")
WHOLE = re.compile(r"[+-]?[0-9]+")
THOUSANDS = re.compile(r"[+-]?[1-9][0-9]{0,2}(?:[.,][0-9]{3})")
LEADING_ZERO = re.compile(r"[+-]?0[0-9]+")
# Above this, float64 cannot represent every whole number.
EXACT_WHOLE = 2**53
SMALLEST, DIGITS = 2.0**-1022, 15


class BadNumber(ValueError):
    """A cell that float64 cannot hold; says what was expected and found."""

    def __init__(self, cell: str, why: str) -> None:
        super().__init__(why)
        self.cell = cell


def is_number(cell: str, mark: Mark) -> bool:
    """Whether a cell is a number with that decimal mark."""
    return PATTERNS[mark].fullmatch(cell) is not None


def numbers_among(cells: Collection[str], mark: Mark) -> set[str]:
    """The cells that are numbers; none of them holds a line end."""
    # One match for all is much faster than one for each, and most columns are all numbers.
    if cells and ALL_NUMBERS[mark].fullmatch("\n".join(cells) + "\n"):
        return set(cells)
    return {cell for cell in cells if is_number(cell, mark)}


def other(mark: Mark) -> Mark:
    """The other decimal mark."""
    return "," if mark == "." else "."


def numbers_of(cells: Sequence[str], mark: Mark) -> dict[str, float]:
    """The number of each cell, all of which are numbers; different numbers stay different.

    Raises:
        BadNumber: a number too large or too small for float64, a whole number above 2^53, or two
            numbers that differ in digits that float64 lacks.
    """
    values = [float(cell.replace(mark, ".")) for cell in cells]
    large = 10.0**DIGITS
    for cell, value in zip(cells, values, strict=True):
        if not SMALLEST <= abs(value) <= large:
            _check_size(cell, value)
    found = dict(zip(cells, values, strict=True))
    if any(len(cell) > DIGITS for cell in cells):
        _check_apart(found, mark)
    return found


def _check_size(cell: str, value: float) -> None:
    if math.isinf(value):
        raise BadNumber(cell, "expected a number below 1.8e308")
    if abs(value) < SMALLEST and not ZERO.fullmatch(cell):
        raise BadNumber(cell, "expected 0 or a number above 2.3e-308")
    if WHOLE.fullmatch(cell) and abs(Decimal(cell)) > EXACT_WHOLE:
        raise BadNumber(cell, f"expected a whole number up to {EXACT_WHOLE}, which float64 holds")


def _check_apart(values: Mapping[str, float], mark: Mark) -> None:
    exact: dict[float, tuple[str, Decimal]] = {}
    for cell, value in values.items():
        written = Decimal(cell.replace(mark, "."))
        first, before = exact.setdefault(value, (cell, written))
        if written != before:
            raise BadNumber(
                cell, f"expected numbers that float64 tells apart; '{first}' is the same there"
            )


def marked(cells: Iterable[str], mark: Mark) -> list[str]:
    """The cells that are numbers with that mark in them."""
    return [cell for cell in cells if mark in cell and is_number(cell, mark)]


def is_of_thousands(cells: Iterable[str]) -> bool:
    """Whether all cells with a comma may also be whole numbers with a mark at the thousands."""
    return all(THOUSANDS.fullmatch(cell) for cell in cells if "," in cell)
