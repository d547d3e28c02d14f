"""names.csv: what an expert calls the two sides of a code.

`ira name` writes the file with one row for each code that T tests; people fill in two columns.
Keys, figures, reports and explanations then use these words. A row without words names nothing.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from irtheory.runs.files import InputError
from irtheory.trees.writing import plain_cell
from irvision.runs.names import NAMES

# The columns that are read; others are for the reader of the file.
CODE, HIGH, LOW = "code", "name", "opposite"
LONGEST_NAME, LARGEST_FILE, MOST_DIGITS = 120, 10_000_000, 9
# Between the cells of a row; spreadsheets write all three.
DELIMITERS = (",", ";", "\t")
BYTE_ORDER_MARK = "\ufeff"


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


@dataclass(frozen=True)
class NameFile:
    """A names.csv as it stands.

    Attributes:
        header: the columns, those that people added too.
        rows: by code, the cells of its row, in the order of the file.
        names: what the codes are called that have a name.
        delimiter: between cells.
        marked: whether the file begins with a byte order mark, as spreadsheets want it.
    """

    header: tuple[str, ...]
    rows: dict[int, tuple[str, ...]]
    names: dict[int, CodeName]
    delimiter: str
    marked: bool


def read_code_names(run: Path, dim: int) -> dict[int, CodeName]:
    """The codes of a run that an expert has named; empty without a names.csv.

    Args:
        run: folder of the run.
        dim: d; codes are 0 … d − 1.

    Raises:
        InputError: that of `read_name_file`.
    """
    found = read_name_file(run, dim)
    return {} if found is None else found.names


def read_name_file(run: Path, dim: int) -> NameFile | None:
    """The names.csv of a run, or None if there is none.

    Args:
        run: folder of the run.
        dim: d; codes are 0 … d − 1.

    Raises:
        InputError: the file cannot be read; names the line, what was expected and what was found.
    """
    path = run / NAMES
    if not path.exists() and not path.is_symlink():
        return None
    text = _text(path)
    marked, text = text.startswith(BYTE_ORDER_MARK), text.removeprefix(BYTE_ORDER_MARK)
    delimiter = _delimiter(text, path)
    lines = _rows(text, delimiter, path)
    first, header = next(lines, (1, ()))
    header = tuple(cell.strip() for cell in header)
    _check_header(header, f"{path}:{first}")
    rows: dict[int, tuple[str, ...]] = {}
    names: dict[int, CodeName] = {}
    seen: dict[int, int] = {}
    for line, cells in lines:
        where = f"{path}:{line}"
        if len(cells) != len(header):
            raise InputError(f"{where}: expected {len(header)} cells, found {len(cells)}")
        row = dict(zip(header, cells, strict=True))
        code = _code(row[CODE], dim, f"{where}: {CODE}")
        if code in seen:
            raise InputError(f"{where}: code {code}: expected one row, found line {seen[code]} too")
        seen[code], rows[code] = line, cells
        high, low = (_words(row[column], f"{where}: {column}") for column in (HIGH, LOW))
        if high and high == low:
            raise InputError(f"{where}: expected two different words, found {high!r} twice")
        if high or low:
            names[code] = CodeName(high, low)
    return NameFile(header, rows, names, delimiter, marked)


def _text(path: Path) -> str:
    try:
        if path.is_symlink():
            raise InputError(f"{path}: expected a file, found a link")
        if path.stat().st_size > LARGEST_FILE:
            raise InputError(f"{path}: expected at most {LARGEST_FILE:,} bytes, found more")
        content = path.read_bytes()
    except OSError as error:
        raise InputError(f"{path}: expected a CSV text file ({error.strerror})") from error
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        found = content[error.start : error.start + 1].hex()
        raise InputError(
            f"{path}:{line}: expected a text file in UTF-8, found the byte 0x{found}; save it "
            "from the spreadsheet as CSV in UTF-8"
        ) from error


def _delimiter(text: str, path: Path) -> str:
    """What parts the cells: that with which the first line has the columns that are read."""
    head = text.lstrip("\r\n").splitlines()[:1]
    for delimiter in DELIMITERS:
        cells = [cell.strip().strip('"').strip() for cell in "".join(head).split(delimiter)]
        if {CODE, HIGH, LOW} <= set(cells):
            return delimiter
    raise InputError(
        f"{path}:1: expected the columns {CODE}, {HIGH} and {LOW}, found {''.join(head)!r:.80}"
    )


def _rows(text: str, delimiter: str, path: Path) -> Iterator[tuple[int, tuple[str, ...]]]:
    """Each row that is not empty, with the number of its first line."""
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    begins = 1
    while True:
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            raise InputError(
                f"{path}:{begins}: expected cells of CSV, with whole cells in quotation marks, "
                f"found {_line(text, begins)!r:.60} ({error})"
            ) from error
        if any(map(str.strip, cells)):
            yield begins, tuple(map(plain_cell, cells))
        begins = reader.line_num + 1


def _line(text: str, number: int) -> str:
    return text.splitlines()[number - 1] if number <= len(text.splitlines()) else ""


def _check_header(header: tuple[str, ...], where: str) -> None:
    for column in filter(None, header):
        if header.count(column) > 1:
            raise InputError(f"{where}: expected one column {column!r:.60}, found several")


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
