"""From the lines of a file to a header and rows of cells, all of one length."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from irtheory.tables.cells import BadQuote, split_line
from irtheory.tables.place import Place, check_length

MOST_CELLS = 20_000_000
DELIMITERS = {",": "commas", ";": "semicolons", "\t": "tabs", "|": "bars"}
LOOKED_AT = 200
# A line that spreadsheets write above the header.
SEP = re.compile(r'"?sep=(.)"?', re.IGNORECASE)

Numbered = tuple[int, str]


@dataclass(frozen=True, eq=False)
class Grid:
    """The cells of a table, none of which has a meaning yet.

    Attributes:
        header: names of the columns; those without a name are called by their number.
        unnamed: which columns had no name.
        columns: the cells of each column, from the first row to the last.
        lines: the line of each row, from 1.
        delimiter: what parts the cells.
        notes: how the file was read, one sentence each.
    """

    header: tuple[str, ...]
    unnamed: tuple[int, ...]
    columns: list[list[str]]
    lines: list[int]
    delimiter: str
    notes: tuple[str, ...]


def read_grid(lines: Sequence[str], place: Place, delimiter: str | None) -> Grid:
    """Header and columns of a table.

    Args:
        lines: of the file; blank ones are skipped.
        place: the file in messages.
        delimiter: what parts the cells; None to find out.

    Raises:
        InputError: no header, no rows, a quote out of place, a row of another length, a name or
            the header twice, or too many cells.
    """
    numbered = [(number, line) for number, line in enumerate(lines, 1) if line.strip(" \t")]
    numbered, delimiter, notes = _delimiter(numbered, place, delimiter)
    if len(numbered) < 2:
        rows = max(len(numbered) - 1, 0)
        raise place.error(f"expected a header line and rows, found {rows} rows")
    _check_size(numbered, place, delimiter)
    first = _split(numbered[0], place, delimiter)
    header, unnamed = _header(first, place, numbered[0][0])
    rows = _rows(numbered[1:], place, delimiter, first)
    columns = [list(column) for column in zip(*rows, strict=True)]
    return Grid(header, unnamed, columns, [n for n, _ in numbered[1:]], delimiter, tuple(notes))


def _delimiter(
    numbered: list[Numbered], place: Place, asked: str | None
) -> tuple[list[Numbered], str, list[str]]:
    """The lines without a `sep=` line, the delimiter, and a note unless it is the usual one."""
    found = SEP.fullmatch(numbered[0][1].strip(" ")) if numbered else None
    if found is not None:
        if asked not in (None, found[1]):
            raise place.error(f"expected sep={asked} (--delimiter), found sep={found[1]}", 1)
        return numbered[1:], found[1], [f"cells are parted by '{found[1]}', as its first line says"]
    if asked is not None:
        return numbered, asked, []
    letter = _found_delimiter([line for _, line in numbered[:LOOKED_AT]], place)
    return numbered, letter, [] if letter == "," else [f"cells are parted by {DELIMITERS[letter]}"]


def _found_delimiter(lines: Sequence[str], place: Place) -> str:
    """The delimiter that parts all lines into equally many cells, or at least the header."""
    widths = {letter: [_width(line, letter) for line in lines] for letter in DELIMITERS}
    able = [letter for letter, found in widths.items() if found and found[0] > 1]
    even = [letter for letter in able if len(set(widths[letter])) == 1]
    if len(even) > 1:
        names = " and ".join(DELIMITERS[letter] for letter in even)
        raise place.error(f"expected one way to part its cells, found {names}; pass --delimiter")
    # Reading then names the line that differs.
    return even[0] if even else max(able, key=lambda letter: widths[letter][0], default=",")


def _width(line: str, delimiter: str) -> int:
    try:
        return len(split_line(line, delimiter))
    except BadQuote:
        return 0


def _check_size(numbered: list[Numbered], place: Place, delimiter: str) -> None:
    cells = sum(line.count(delimiter) + 1 for _, line in numbered)
    if cells > MOST_CELLS:
        raise place.error(f"expected at most {MOST_CELLS} cells, found about {cells}")


def _split(line: Numbered, place: Place, delimiter: str) -> list[str]:
    try:
        return split_line(line[1], delimiter)
    except BadQuote as error:
        raise place.error(str(error), line[0]) from None


def _header(cells: list[str], place: Place, line: int) -> tuple[tuple[str, ...], tuple[int, ...]]:
    for name in cells:
        check_length("the name of a column", name, place, line)
    for name, times in Counter(name for name in cells if name).items():
        if times > 1:
            raise place.error(f"column '{name}' appears twice in the header", line)
    unnamed = tuple(i for i, name in enumerate(cells) if not name)
    taken = set(cells)
    names = list(cells)
    for i in unnamed:
        name = f"column {i + 1}"
        names[i] = f"{name} (no name)" if name in taken else name
    return tuple(names), unnamed


def _rows(
    numbered: Sequence[Numbered], place: Place, delimiter: str, header: list[str]
) -> Iterator[list[str]]:
    width = len(header)
    for line in numbered:
        row = _split(line, place, delimiter)
        if len(row) != width:
            hint = _hint(line[1], delimiter, width)
            raise place.error(f"expected {width} cells, found {len(row)}{hint}", line[0])
        if row == header:
            raise place.error("expected a row, found the header again", line[0])
        yield row


def _hint(line: str, delimiter: str, width: int) -> str:
    other = [name for d, name in DELIMITERS.items() if d != delimiter and _width(line, d) == width]
    return f"; it has {width} cells parted by {other[0]}" if other and width > 1 else ""
