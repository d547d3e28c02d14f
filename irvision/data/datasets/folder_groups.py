"""Groups of images that stay in one part: patients, videos, bursts; from a table or from paths."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from jaxtyping import Shaped

from irtheory.runs.files import InputError
from irvision.data.datasets.folder_names import composed
from irvision.data.datasets.folder_reading import GROUP_TABLE
from irvision.data.datasets.lines import bad_line
from irvision.data.datasets.tables import Rows, read_header, read_rows
from irvision.settings.data import OptionError


def read_groups(folder: Path, files: Sequence[str], group: str) -> tuple[str, ...]:
    """The group of each image.

    Args:
        folder: of the images; its groups.csv, if there is one with a column `group`, is read.
        files: paths of the images, relative to the folder.
        group: a column of groups.csv, or a regular expression that is searched in each path.

    Raises:
        InputError: a wrong table; OptionError: a wrong expression, an image that it does not
            match, or all images in one group.
    """
    table, columns = folder / GROUP_TABLE, ()
    if table.is_file():
        columns, rows = read_header(table, "groups")
        if composed(group) in columns:
            return _several(group, _of_table(table, rows, columns.index(composed(group)), files))
    also = f" (nor is it a column of {table}: {', '.join(columns)})" if columns else ""
    if not columns and re.escape(group) == group:
        also = f" (nor is there a table {table})"
    return _several(group, _of_paths(files, group, also))


def check_groups(
    files: Sequence[str], groups: Sequence[str], given: Shaped[np.ndarray, " m"], group: str
) -> None:
    """OptionError if the images of a group lie in two parts that folders give."""
    first: dict[str, int] = {}
    for row, name in enumerate(groups):
        other = first.setdefault(name, row)
        if given[other] != given[row]:
            raise OptionError(
                f"--group {group}: expected the images of {name!r} in one part, found "
                f"{files[other]} in {given[other]} and {files[row]} in {given[row]}"
            )


def group_notes(groups: Sequence[str], group: str) -> tuple[str, ...]:
    """How many groups there are, and how large."""
    sizes = Counter(groups).values()
    if max(sizes) == 1:
        return (f"--group {group}: each image is a group of its own, so that it changes nothing.",)
    return (
        f"--group {group}: {len(sizes)} groups of {min(sizes)} to {max(sizes)} images, each in one "
        "part.",
    )


def _of_table(table: Path, rows: Rows, column: int, files: Sequence[str]) -> list[str]:
    groups: list[str | None] = [None] * len(files)
    for number, row, cells in read_rows(table, rows, files):
        if column >= len(cells) or not cells[column]:
            raise bad_line(table, number, "the group of the image", ",".join(cells))
        groups[row] = composed(cells[column])
    for file, name in zip(files, groups, strict=True):
        if name is None:
            raise InputError(f"{table}: expected a line for each image, found none for {file}")
    return [name for name in groups if name is not None]


def _of_paths(files: Sequence[str], group: str, also: str) -> list[str]:
    try:
        pattern = re.compile(composed(group))
    except re.error as error:
        raise OptionError(
            f"--group {group}: expected a regular expression, found an error at character "
            f"{(error.pos or 0) + 1}: {error.msg}{also}"
        ) from error
    groups = []
    for file in files:
        match = pattern.search(composed(file))
        name = match and match[1 if pattern.groups else 0]
        if not name:
            raise OptionError(
                f"--group {group}: expected a match in the path of each image, found none in "
                f"{file}{also}"
            )
        groups.append(name)
    return groups


def _several(group: str, groups: Sequence[str]) -> tuple[str, ...]:
    if len(set(groups)) < 2:
        raise OptionError(
            f"--group {group}: expected two groups at least, found all images in {groups[0]!r}"
        )
    return tuple(groups)
