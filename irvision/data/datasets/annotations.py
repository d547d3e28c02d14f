"""The only readers of attribute values; only evaluation uses them, never training.

Results hold zeros and ones as float32, NaN where an annotation is missing.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float32, Int, Shaped

from irtheory.runs.files import InputError
from irvision.data.datasets import tables
from irvision.data.datasets.lines import bad_line, is_number, numbered_lines

# Number of fields before the attributes in a line of aPascal or aYahoo.
OBJECT_FIELDS = 6
# First and last degree of certainty in CUB; the first means that the part is not visible.
NOT_VISIBLE, DEFINITELY = 1, 4
CUB_LINE = "image, attribute, 0 or 1, certainty 1 to 4 and a time"
# What programs write for no, yes and not known, in any letter case.
CELLS = {
    **dict.fromkeys(("0", "0.0", "false"), 0.0),
    **dict.fromkeys(("1", "1.0", "true"), 1.0),
    **dict.fromkeys(("", "nan", "na", "<na>"), np.nan),
}


def read_object_attributes(
    file: Path, lines: Int[np.ndarray, " m"], count: int
) -> Float32[np.ndarray, "m n"]:
    """The `count` attributes in some lines (numbered from 1, ascending) of aPascal or aYahoo."""
    wanted, rows = set(lines.tolist()), []
    for number, line in numbered_lines(file):
        if number in wanted:
            rows.append(_binary(file, number, line.split()[OBJECT_FIELDS:], count))
    return np.array(rows, dtype=np.float32)


def read_class_attributes(file: Path, classes: int, count: int) -> Float32[np.ndarray, "k n"]:
    """A matrix of zeros and ones, one line per class."""
    rows = [_binary(file, number, line.split(), count) for number, line in numbered_lines(file)]
    if len(rows) != classes:
        raise InputError(f"{file}: expected {classes} lines, one per class, found {len(rows)}")
    return np.array(rows, dtype=np.float32)


def read_image_attributes(
    file: Path, images: Sequence[int], count: int
) -> Float32[np.ndarray, "m n"]:
    """Attributes of CUB: lines `image attribute present certainty time`, some with more fields.

    Only the first four fields are used; in lines with too many, the extra fields follow these.
    An attribute that is not visible counts as missing, whatever the line says of its presence.

    Args:
        file: of some millions of lines.
        images: numbers of the images in the file; lines of other images are ignored.
        count: number of attributes.

    Raises:
        InputError: a malformed line, or one that contradicts another.
    """
    table = _four_columns(file, count)
    _check_agreed(file, table)
    order = np.argsort(images)
    numbers = np.asarray(images)[order]
    place = np.searchsorted(numbers, table[:, 0]).clip(max=len(numbers) - 1)
    known = (numbers[place] == table[:, 0]) & (table[:, 3] != NOT_VISIBLE)
    values = np.full((len(images), count), np.nan, dtype=np.float32)
    values[order[place[known]], table[known, 1] - 1] = table[known, 2]
    return values


def read_csv_attributes(
    file: Path, images: Sequence[str]
) -> tuple[tuple[str, ...], Float32[np.ndarray, "m n"]]:
    """Names and values of a table with a header: `image`, then one column for each attribute.

    Args:
        file: comma-separated; cells are 0, 1 or empty (unknown), or other words of `CELLS`.
        images: paths relative to the folder of the file; images without a line are unknown.

    Raises:
        InputError: a wrong header or cell, or an image that does not exist or is listed twice.
    """
    names, lines = tables.read_header(file, "attributes")
    values = np.full((len(images), len(names)), np.nan, dtype=np.float32)
    for number, row, cells in tables.read_rows(file, lines, images):
        words = [cell.casefold() for cell in cells]
        if len(words) != len(names) or not set(words) <= CELLS.keys():
            raise bad_line(file, number, f"{len(names)} cells of 0, 1 or nothing", ",".join(cells))
        values[row] = [CELLS[word] for word in words]
    return names, values


def _binary(file: Path, number: int, fields: Sequence[str], count: int) -> Shaped[np.ndarray, " n"]:
    if len(fields) != count or not set(fields) <= {"0", "1"}:
        found = f"{len(fields)} fields: {' '.join(fields)}"
        raise bad_line(file, number, f"{count} attributes, 0 or 1 each", found)
    return np.array(fields, dtype=np.float32)


def _four_columns(file: Path, count: int) -> Int[np.ndarray, "lines 4"]:
    """The first four fields of every line, checked."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # of an empty file
            table = np.loadtxt(
                file, np.int32, comments=None, usecols=(0, 1, 2, 3), ndmin=2, encoding="utf-8"
            )
    except OSError as error:
        raise InputError(f"{file}: expected a text file, found: {error.strerror}") from error
    except ValueError:
        table = None
    if table is None or not len(table) or not np.all(_is_sound(*table.T, count=count)):
        raise _first_bad_line(file, count)
    return table


def _check_agreed(file: Path, table: Int[np.ndarray, "lines 4"]) -> None:
    """InputError if two lines differ on the same attribute of the same image."""
    image, attribute, present, certainty = table.T.astype(np.int64)
    pair = image * (attribute.max() + 1) + attribute
    # One number per line: sorting brings lines of the same pair together, also for millions.
    lines = np.sort(pair * 10 + present * 5 + certainty)
    differs, same = lines[1:] != lines[:-1], lines[1:] // 10 == lines[:-1] // 10
    again = lines[1:][differs & same] // 10
    if len(again):
        image, attribute = divmod(int(again[0]), int(attribute.max()) + 1)
        raise InputError(
            f"{file}: expected one statement on attribute {attribute} of image {image}, found two "
            "that differ"
        )


def _is_sound(image: Any, attribute: Any, present: Any, certainty: Any, count: int) -> Any:
    """Whether the fields of a line are in range; for integers, or columns of them."""
    named = (image >= 1) & (image < 1 << 31) & (attribute >= 1) & (attribute <= count)
    marked = (present == 0) | (present == 1)
    return named & marked & (certainty >= NOT_VISIBLE) & (certainty <= DEFINITELY)


def _first_bad_line(file: Path, count: int) -> InputError:
    for number, line in numbered_lines(file):
        fields = line.split()[:4]
        whole = len(fields) == 4 and all(is_number(field) for field in fields)
        if not whole or not _is_sound(*map(int, fields), count=count):
            return bad_line(file, number, CUB_LINE, line)
    return InputError(f"{file}: expected lines of {CUB_LINE}, found none")
