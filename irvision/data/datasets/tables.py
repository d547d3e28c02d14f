"""Tables of images: CSV files with a header `image`, then columns; lines name images by path."""

from __future__ import annotations

import csv
from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path, PurePosixPath

from irvision.data.datasets.folder_names import composed
from irvision.data.datasets.lines import bad_line, numbered_lines

# Numbers of lines from 1, and their cells.
Rows = Iterator[tuple[int, list[str]]]


def read_header(file: Path, what: str) -> tuple[tuple[str, ...], Rows]:
    """The columns behind `image`, and the lines that follow.

    Args:
        file: comma-separated, UTF-8 with or without a byte order mark.
        what: the columns are, in messages.

    Raises:
        InputError: another header, or a file that cannot be read.
    """
    lines = ((number, _cells(file, number, line)) for number, line in numbered_lines(file))
    number, (first, *columns) = next(lines, (1, [""]))
    names = [composed(name) for name in columns]
    distinct = len(set(names)) == len(names) and all(names)
    if not names or first != "image" or not distinct:
        found = ",".join((first, *columns))
        raise bad_line(file, number, f"a header: image, then names of {what}", found)
    return tuple(names), lines


def read_rows(
    file: Path, rows: Rows, images: Sequence[str]
) -> Iterator[tuple[int, int, list[str]]]:
    """The number of each line, its image as a place in `images`, and the other cells.

    Images are found whatever the way in which their accented letters are stored, with slashes or
    backslashes, with or without a leading `./`.

    Raises:
        InputError: an image that is not one of these, or in two lines.
    """
    exact = {image: row for row, image in enumerate(images)}
    similar: dict[PurePosixPath, list[int]] = defaultdict(list)
    for row, image in enumerate(images):
        similar[_plain(image)].append(row)
    seen: set[int] = set()
    for number, (image, *cells) in rows:
        found = [exact[image]] if image in exact else similar.get(_plain(image), [])
        if len(found) != 1 or found[0] in seen:
            raise bad_line(file, number, "an image of this folder, once", image)
        seen.add(found[0])
        yield number, found[0], cells


def _plain(image: str) -> PurePosixPath:
    return PurePosixPath(composed(image).replace("\\", "/"))


def _cells(file: Path, number: int, line: str) -> list[str]:
    """Cells of one line; quoted line breaks are not supported."""
    try:
        return [cell.strip() for cell in next(csv.reader([line]))]
    except csv.Error as error:
        raise bad_line(file, number, "comma-separated cells", line) from error
