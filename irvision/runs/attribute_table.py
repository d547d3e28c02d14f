"""attributes.csv, the table of attributes that `ira evaluate` writes and `ira plot` reads."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable
from dataclasses import asdict, dataclass, fields
from pathlib import Path

from irtheory.runs.files import InputError, write_text


@dataclass(frozen=True)
class AttributeRow:
    """How well one attribute is matched on the scored images; F1 is the better of f and 1 − f.

    Attributes:
        attribute: name of the attribute.
        annotated: number of images with an annotation of it.
        prevalence: share of these in which it is present; this and all following are None without
            annotations.
        f1: F1 of the best binary column of the codes.
        null: mean of the same over shuffles of the images; None without shuffles.
        predicted_class: F1 of the best class predicted by G.
        class_oracle: F1 of the best union of true classes.
        column: name of the best column, such as "code 3 = 1".
        code: number of its code.
        tested: whether a test of the tree is named by this attribute.
    """

    attribute: str
    annotated: int
    prevalence: float | None = None
    f1: float | None = None
    null: float | None = None
    predicted_class: float | None = None
    class_oracle: float | None = None
    column: str | None = None
    code: int | None = None
    tested: bool | None = None


COLUMNS = tuple(field.name for field in fields(AttributeRow))
SHARES = ("prevalence", "f1", "null", "predicted_class", "class_oracle")


def write_attribute_table(path: Path, rows: Iterable[AttributeRow]) -> None:
    """Write a row for each attribute: exact numbers, yes or no, and empty cells for None."""
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    table.writerow(COLUMNS)
    for row in rows:
        table.writerow(_cell(value) for value in asdict(row).values())
    write_text(path, text.getvalue())


def _cell(value: str | float | bool | None) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return "" if value is None else str(value)


def read_attribute_table(path: Path) -> tuple[AttributeRow, ...]:
    """Read what `write_attribute_table` wrote.

    Raises:
        InputError: the file does not exist, is not text, has other columns, or a cell is invalid.
    """
    try:
        with path.open(encoding="utf-8", newline="") as stream:
            reader = csv.reader(stream)
            header = tuple(next(reader, []))
            lines = [(reader.line_num, cells) for cells in reader]
    except OSError as error:
        raise InputError(f"{path}: {error.strerror}") from error
    except (UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"{path}: expected a CSV text file ({error})") from error
    if header != COLUMNS:
        raise InputError(f"{path}:1: expected {','.join(COLUMNS)}, found {','.join(header)}")
    return tuple(_row(cells, f"{path}:{line}") for line, cells in lines)


def _row(cells: list[str], where: str) -> AttributeRow:
    if len(cells) != len(COLUMNS):
        raise InputError(f"{where}: expected {len(COLUMNS)} cells, found {len(cells)}")
    found = dict(zip(COLUMNS, cells, strict=True))
    shares = {name: _share(found[name], name, where) for name in SHARES}
    if found["tested"] not in ("yes", "no", ""):
        raise InputError(f"{where}: tested: expected yes or no, found {found['tested']!r}")
    return AttributeRow(
        found["attribute"],
        _whole(found["annotated"], "annotated", where) or 0,
        **shares,
        column=found["column"] or None,
        code=_whole(found["code"], "code", where),
        tested=found["tested"] == "yes" if found["tested"] else None,
    )


def _share(cell: str, name: str, where: str) -> float | None:
    if not cell:
        return None
    try:
        value = float(cell)
    except ValueError:
        value = -1.0
    if not 0 <= value <= 1:
        raise InputError(f"{where}: {name}: expected a number from 0 to 1, found {cell!r}")
    return value


def _whole(cell: str, name: str, where: str) -> int | None:
    if cell and not (cell.isascii() and cell.isdigit()):
        raise InputError(f"{where}: {name}: expected a whole number, found {cell!r}")
    return int(cell) if cell else None
