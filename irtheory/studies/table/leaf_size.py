"""Whether any test leaves as many rows on both sides as --min-samples-leaf asks for."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from jaxtyping import Int

from irtheory.runs.files import InputError
from irtheory.studies.table.settings import TableSettings
from irtheory.tables.columns import TableColumn


def check_leaf_size(columns: Sequence[TableColumn], settings: TableSettings) -> None:
    """Refuse a size of leaves that no test of the training rows can meet.

    Args:
        columns: that the tree may test, training rows alone.
        settings: resolved.

    Raises:
        InputError: names the option and the largest size that a test can meet.
    """
    rows, asked = len(columns[0].cells), settings.min_samples_leaf
    # Codes of a network may divide the rows anywhere.
    own = settings.method != "ira"
    most = max(map(_largest_smaller_side, columns)) if own else rows // 2
    if 1 < asked > most:
        why = "no test of a column leaves more" if own else "no test leaves more"
        raise InputError(
            f"--min-samples-leaf: expected at most {most}, as {why} of the {rows} training rows "
            f"on both its sides, found {asked}"
        )


def _largest_smaller_side(column: TableColumn) -> int:
    """Rows on the smaller side of the test of a column that divides the rows most evenly."""
    rows, gone = len(column.cells), int(column.missing.sum())
    sides = _left_sides(column)
    # Missing cells go to either side, or are tested themselves.
    left = np.concatenate([sides, sides + gone, [gone]])
    return int(np.minimum(left, rows - left).max())


def _left_sides(column: TableColumn) -> Int[np.ndarray, " tests"]:
    """Rows for which a test holds, of all tests of a column, without missing cells."""
    known = ~column.missing
    if column.values is not None:
        return np.cumsum(np.unique(column.values[known], return_counts=True)[1])
    words = np.array(column.cells, dtype=object)[known]
    return np.unique(words.astype(str), return_counts=True)[1]
