"""Numbers and names as text that a reader cannot mistake: exact, rounded, told apart."""

from __future__ import annotations

import math
import unicodedata
from collections import Counter
from collections.abc import Sequence

# A number that differs from a whole one by less than this share of it is rounding error.
NOISE = 1e-9
MOST_DIGITS = 17
# Spreadsheets take a cell that begins so for a formula.
FORMULA = ("=", "+", "-", "@", "\t", "\r")
# Marks that change the direction of all that follows them.
TURNING = "\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"


def exact(number: float) -> str:
    """The shortest decimal that reads back as the same number; no ``.0``, no minus zero."""
    return repr(float(number) + 0.0).removesuffix(".0")


def rounded(number: float, precision: int = 3) -> str:
    """``precision`` significant digits, and more where fewer would say something else.

    The integer part keeps all its digits, and a number that is not whole does not become a whole
    one below that size: 0.9996 is not written as 1.
    """
    number = float(number)
    whole = 1 + math.floor(math.log10(abs(number))) if number else 1
    least = min(max(precision, whole), MOST_DIGITS)
    differs = abs(number - round(number)) > NOISE * max(1.0, abs(number))
    for digits in range(least, MOST_DIGITS + 1):
        shown = float(f"{number:.{digits}g}")
        if whole >= precision or not (differs and shown.is_integer()):
            return exact(shown)
    return exact(number)


def shortest_between(low: float, high: float) -> str:
    """The middle of low ≤ d < high, rounded to as few digits as it can be within the gap.

    A test x ≤ d parts the same values as any other cut between these two.

    Raises:
        ValueError: no such numbers.
    """
    if not low < high or not (math.isfinite(low) and math.isfinite(high)):
        raise ValueError(f"gap: expected finite low < high, found {low} and {high}")
    middle = low / 2 + high / 2
    for digits in range(1, MOST_DIGITS + 1):
        shown = float(f"{middle:.{digits}g}")
        if low <= shown < high:
            return exact(shown)
    return exact(low)


def one_line(name: str) -> str:
    """A name in one line, with single spaces; characters that control the output are escaped."""
    return "".join(repr(c)[1:-1] if _controls(c) else c for c in " ".join(name.split()))


def _controls(letter: str) -> bool:
    """Whether it is a control character, half of a surrogate pair, or turns the writing round."""
    return unicodedata.category(letter) in ("Cc", "Cs") or letter in TURNING


def _look(name: str) -> str:
    """What a name looks like: letters may be composed differently, and some leave no trace."""
    letters = (c for c in one_line(name) if unicodedata.category(c) != "Cf")
    return unicodedata.normalize("NFKC", "".join(letters)).strip()


def told_apart(names: Sequence[str], noun: str, lines: bool = False) -> list[str]:
    """Names of which no two print alike and none is empty.

    Those that would are followed by their number: "x y (column 3)".

    Args:
        names: what the things are called.
        noun: what they are, such as "column".
        lines: keep line ends in names; otherwise each becomes one line.
    """
    shown = []
    for number, name in enumerate(names):
        parts = map(one_line, name.splitlines() if lines else [name])
        shown.append("\n".join(filter(_look, parts)) or f"{noun} {number}")
    while True:
        looks = [_look(name) for name in shown]
        often = Counter(looks)
        if len(often) == len(looks):
            return shown
        shown = [
            f"{name} ({noun} {number})" if often[look] > 1 else name
            for number, (name, look) in enumerate(zip(shown, looks, strict=True))
        ]


def safe_cell(text: str) -> str:
    """A cell of a CSV file that no spreadsheet takes for a formula: an apostrophe comes first.

    Numbers stay as they are. A text that begins with such an apostrophe gets another one, so that
    ``plain_cell`` gives back any text.
    """
    kept = text[1:] if text.startswith("'") else text
    return f"'{text}" if kept.startswith((*FORMULA, "'")) and not _is_number(text) else text


def plain_cell(cell: str) -> str:
    """The text that ``safe_cell`` made a cell of."""
    inner = cell[1:]
    return inner if cell.startswith("'") and inner.startswith((*FORMULA, "'")) else cell


def _is_number(text: str) -> bool:
    try:
        return math.isfinite(float(text))
    except ValueError:
        return False
