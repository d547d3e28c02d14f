"""names.csv: what an expert calls the two sides of a code.

`ira name` writes the file with one row for each code that T tests; people fill in two columns.
Keys, figures, reports and explanations then use these words. A row without words names nothing.
"""

from __future__ import annotations

import csv
from dataclasses import dataclass
from pathlib import Path

from irtheory.runs.files import InputError
from irvision.runs.names import NAMES

# The columns that are read; others are for the reader of the file.
CODE, HIGH, LOW = "code", "name", "opposite"
LONGEST_NAME, LARGEST_FILE, MOST_DIGITS = 120, 10_000_000, 9


@dataclass(frozen=True)
class CodeName:
    """Words of an expert for a code.

    Attributes:
        high: what images show whose code is high (at one bit: present), or empty.
        low: what images show whose code is low (at one bit: absent), or empty.
    """

    high: str
    low: str

    def words(self, passed: bool) -> str:
        """One side of a test on the code, such as "stripes present" or "plain wings"."""
        if self.high and self.low:
            return self.high if passed else self.low
        if self.high:
            return f"{self.high} {'present' if passed else 'absent'}"
        return f"{self.low} {'absent' if passed else 'present'}"


def read_code_names(run: Path, dim: int) -> dict[int, CodeName]:
    """The codes of a run that an expert has named; empty without a names.csv.

    Args:
        run: folder of the run.
        dim: d; codes are 0 … d − 1.

    Raises:
        InputError: the file cannot be read; names the line, what was expected and what was found.
    """
    path = run / NAMES
    if not path.exists():
        return {}
    names: dict[int, CodeName] = {}
    seen: dict[int, int] = {}
    for line, row in _rows(path):
        code = _code(row[CODE], dim, f"{path}:{line}: {CODE}")
        if code in seen:
            raise InputError(
                f"{path}:{line}: code {code}: expected one row, found line {seen[code]} too"
            )
        seen[code] = line
        high, low = (_words(row[column], f"{path}:{line}: {column}") for column in (HIGH, LOW))
        if high and high == low:
            raise InputError(f"{path}:{line}: expected two different words, found {high!r} twice")
        if high or low:
            names[code] = CodeName(high, low)
    return names


def _rows(path: Path) -> list[tuple[int, dict[str, str]]]:
    try:
        if path.stat().st_size > LARGEST_FILE:
            raise InputError(f"{path}: expected at most {LARGEST_FILE:,} bytes, found more")
        with path.open(encoding="utf-8-sig", newline="") as stream:
            reader = csv.reader(stream, strict=True)
            header = next(reader, [])
            lines = [(reader.line_num, cells) for cells in reader if any(map(str.strip, cells))]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"{path}: expected a CSV text file in UTF-8 ({error})") from error
    header = [cell.strip() for cell in header]
    for column in (CODE, HIGH, LOW):
        if header.count(column) != 1:
            raise InputError(
                f"{path}:1: expected one column {column!r}, found {', '.join(header)!r:.80}"
            )
    for line, cells in lines:
        if len(cells) != len(header):
            raise InputError(f"{path}:{line}: expected {len(header)} cells, found {len(cells)}")
    return [(line, dict(zip(header, cells, strict=True))) for line, cells in lines]


def _code(cell: str, dim: int, where: str) -> int:
    cell = cell.strip()
    known = cell.isascii() and cell.isdigit() and len(cell) <= MOST_DIGITS and int(cell) < dim
    if not known:
        raise InputError(f"{where}: expected a code 0 … {dim - 1}, found {cell!r:.60}")
    return int(cell)


def _words(cell: str, where: str) -> str:
    words = " ".join(cell.split())
    if len(words) > LONGEST_NAME or not words.isprintable():
        raise InputError(
            f"{where}: expected up to {LONGEST_NAME} printable characters, found {cell!r:.60}"
        )
    return words
