"""The cells of one line, by strict rules for quotes.

A quoted cell begins and ends in its line, quotes inside it are doubled, and a cell without quotes
around it holds none. More lenient readers take everything up to the next quote, over the ends of
lines, for one cell: two stray quotes make one row of many.
"""

from __future__ import annotations

import re
from functools import cache

BLANKS = " \t"
DOUBLED = "quotes inside a quoted cell are doubled"


class BadQuote(ValueError):
    """A quote where the rules allow none; says what was expected."""


def split_line(line: str, delimiter: str) -> list[str]:
    """The cells of a line, without the blanks around them.

    Raises:
        BadQuote: a quote out of place.
    """
    if '"' not in line:
        return [cell.strip(BLANKS) for cell in line.split(delimiter)]
    quoted, bare = _patterns(delimiter)
    cells, at = [], 0
    while True:
        if found := quoted.match(line, at):
            cell = found[1].replace('""', '"')
        elif found := bare.match(line, at):
            cell = found[0]
        else:
            raise BadQuote(_fault(line[at:]))
        cells.append(cell.strip(BLANKS))
        if found.end() == len(line):
            return cells
        at = found.end() + 1


@cache
def _patterns(delimiter: str) -> tuple[re.Pattern[str], re.Pattern[str]]:
    """A quoted cell and one without quotes, up to the next delimiter or the end of the line."""
    mark = re.escape(delimiter)
    blanks = f"[{BLANKS.replace(delimiter, '')}]*"
    end = rf"(?={mark}|\Z)"
    # Possessive (*+): a doubled quote is never taken for the closing one.
    quoted = rf'{blanks}"((?:[^"]|"")*+)"{blanks}{end}'
    return re.compile(quoted), re.compile(rf'[^"{mark}]*{end}')


def _fault(rest: str) -> str:
    start = rest.lstrip(BLANKS)
    found = repr(start if len(start) <= 30 else f"{start[:29]}…")
    if not start.startswith('"'):
        return f"expected quotes around a whole cell or none, found {found} ({DOUBLED})"
    if start.replace('""', "").count('"') == 1:
        return (
            f"expected a quoted cell to end in its line, found no closing quote for {found} "
            f"({DOUBLED}, and every row is one line)"
        )
    return f"expected the end of a cell behind its closing quote, found {found} ({DOUBLED})"
