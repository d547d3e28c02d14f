"""Whole numbers that float64 cannot tell apart are refused, as a tree would merge them."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal
from fractions import Fraction
from typing import Any, NoReturn

import numpy as np

# Whole numbers from -EXACT to EXACT are different as float64.
EXACT = 2**53
_LONG = 10**40


def refuse_merged(argument: str, column: str | None, values: np.ndarray) -> None:
    """Refuse an array of whole numbers if one is beyond ±2^53 (ValueError); others pass.

    Args:
        argument: what the message starts with, such as "X".
        column: its name for the message; None where there is only one.
        values: [m] of any type.
    """
    if values.dtype.kind not in "iu" or values.dtype.itemsize < 8:
        return
    wrong = (values > EXACT) | (values < -EXACT)
    if wrong.any():
        row = int(np.argmax(wrong))
        _refuse(argument, column, row, int(values[row]))


def refuse_merged_cells(argument: str, column: str | None, cells: Iterable[Any]) -> None:
    """Refuse whole numbers beyond ±2^53 among Python objects (ValueError); others pass.

    Decimals and fractions of that size are refused where float64 holds another number.
    """
    for row, cell in enumerate(cells):
        if isinstance(cell, int | np.integer):
            if abs(int(cell)) > EXACT:
                _refuse(argument, column, row, cell)
        elif isinstance(cell, Decimal | Fraction) and _is_rounded(cell):
            _refuse(argument, column, row, cell)


def _is_rounded(cell: Decimal | Fraction) -> bool:
    finite = isinstance(cell, Fraction) or cell.is_finite()
    return finite and EXACT < abs(cell) < 2**1023 and float(cell) != cell


def _refuse(argument: str, column: str | None, row: int, found: Any) -> NoReturn:
    # Python writes no whole numbers of thousands of digits.
    shown = str(found) if abs(found) < _LONG else "one beyond 10^40"
    place = f"row {row}" if column is None else f"row {row} of column {column!r}"
    raise ValueError(
        f"{argument}: expected whole numbers up to 2^53, which float64 tells apart, found {shown} "
        f"in {place}; subtract an offset first"
    )
