"""A CSV table of the user as a problem: one column is the label, the others become codes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from jaxtyping import Float, Int

from irtheory.problems.synthetic import Column, Problem
from irtheory.runs.files import InputError
from irtheory.tables.columns import TableColumn
from irtheory.tables.numbers import EXACT_WHOLE
from irtheory.tables.options import PLAIN, TableOptions
from irtheory.tables.place import counted, shown
from irtheory.tables.read import Table, read_table
from irtheory.trees.binning import codes_of, cut_points
from irtheory.trees.tree import Tree

MAX_LEVELS = 16  # integer columns with at most this many values are used as codes unchanged
MAX_WORDS = 10  # text columns with at most this many words become one binary column per word
MAX_CLASSES = 100


def bin_column(
    values: Float[np.ndarray, " m"], bins: int
) -> tuple[Int[np.ndarray, " m"], tuple[float, ...]]:
    """Codes 0, 1, … by quantiles, at most `bins` of them (fewer where values repeat).

    Returns:
        The codes, and the ascending cut points: code ≤ c where the value is ≤ cuts[c].
    """
    cuts = cut_points(values, bins)
    # A key prints a cut at 0.5 as present or absent. The next value below it separates the same
    # samples.
    cuts[cuts == 0.5] = values[values <= 0.5].max(initial=-np.inf)
    codes = codes_of(values[:, None], [cuts])[:, 0]
    # Six digits are easier to read in a key; they are used if they separate the same samples.
    short = np.array([float(f"{cut:.6g}") for cut in cuts])
    if 0.5 not in short and (codes_of(values[:, None], [short])[:, 0] == codes).all():
        cuts = short
    return codes, tuple(cuts.tolist())


def encode_column(
    column: TableColumn, bins: int
) -> tuple[list[tuple[Column, Int[np.ndarray, " m"]]], str]:
    """Code columns made from one column of the table, and a sentence that says how.

    No cell is missing.
    """
    values, name = column.values, column.name
    if values is None:
        return _encode_words(column)
    levels = np.unique(values)
    whole = bool((values == np.rint(values)).all() and np.abs(values).max() <= EXACT_WHOLE)
    if len(levels) == 1:
        return [], f"{name}: dropped, always {_always(column.cells)}"
    if whole and len(levels) <= MAX_LEVELS:
        binary = levels.tolist() == [0, 1]
        how = "binary" if binary else f"whole numbers, {len(levels)} values"
        made = Column(name, "binary" if binary else "whole")
        return [(made, values.astype(np.int64))], f"{name}: {how}, codes as they are"
    codes, cuts = bin_column(values, bins)
    at = ", ".join(f"{cut:.6g}" for cut in cuts)
    note = f"{name}: numbers, binned at {at} into {len(cuts) + 1} codes"
    return [(Column(name, "binned", cuts), codes)], note


def _always(cells: list[str]) -> str:
    """The one value of a column, and how else it is written."""
    first, *others = dict.fromkeys(cells)
    return first + (f" (also written {', '.join(others[:3])})" if others else "")


def _encode_words(column: TableColumn) -> tuple[list[tuple[Column, np.ndarray]], str]:
    name, cells, words = column.name, column.cells, column.levels
    if len(words) == 1:
        return [], f"{name}: dropped, always {cells[0]}"
    if len(words) > MAX_WORDS:
        example = f"such as {shown(words[0])}"
        return [], f"{name}: ignored, text with {len(words)} different values, {example}"
    coded = words[1:] if len(words) == 2 else words
    columns = [
        (Column(f"{name}={w}", "word"), np.array([int(c == w) for c in cells])) for w in coded
    ]
    return columns, f"{name}: text, {len(words)} values, {len(columns)} binary columns"


def table_problem(
    path: Path, label: str | None, bins: int = 8, options: TableOptions = PLAIN
) -> Problem:
    """Read a CSV table; every column except `label` becomes codes.

    Binary and integer columns (up to 16 values) are used as codes unchanged, other numbers are
    binned at quantiles, text with up to 10 values becomes binary columns, other text is left out.
    With `options.na`, rows with a missing cell are left out.

    Raises:
        InputError: unreadable file, unknown or missing label column, fewer than two classes or
            more than 100, no usable column.
    """
    if label is None:
        raise InputError("--data needs --label COLUMN, the column that holds the class")
    if bins < 2:
        raise InputError(f"--bins: expected at least 2, found {bins}")
    table = read_table(path, label, options, "--data")
    features, labels, left_out = _complete(table)
    class_names = labels.levels
    place = {name: number for number, name in enumerate(class_names)}
    classes = np.array([place[cell] for cell in labels.cells])
    if not 2 <= len(class_names) <= MAX_CLASSES:
        raise InputError(
            f"--label {label}: expected 2 to {MAX_CLASSES} classes, found {len(class_names)}"
        )
    made: list[tuple[Column, np.ndarray]] = []
    rows, of_classes = len(labels.cells), f"label {label} with {len(class_names)} classes"
    notes = [f"{path.name}: {rows} rows, {of_classes}", *table.notes, *left_out]
    for column in features:
        encoded, note = encode_column(column, bins)
        made += encoded
        notes.append(note)
    if not made:
        raise InputError(f"--data {path}: no column can be used as a feature")
    columns, codes = zip(*made, strict=True)
    return Problem(
        np.stack(codes, axis=1),
        classes,
        tuple(column.name for column in columns),
        tuple(class_names),
        (*notes, *table.remarks),
        columns=columns,
    )


def _complete(table: Table) -> tuple[list[TableColumn], TableColumn, list[str]]:
    """The columns without rows that lack a cell, the labels of the others, and notes.

    Cells of text that is not used do not matter; a column without any cell is not used.
    """
    notes = [f"{c.name}: dropped, always missing" for c in table.features if c.missing.all()]
    features = [column for column in table.features if not column.missing.all()]
    gone = np.zeros(len(table.lines), np.bool_)
    for column in features:
        if column.values is not None or len(column.levels) <= MAX_WORDS:
            gone |= column.missing
    if not gone.any():
        return features, table.label, notes
    kept = np.flatnonzero(~gone).tolist()
    line = table.lines[int(gone.argmax())]
    notes.append(
        f"{counted(int(gone.sum()), 'row')} left out, where a cell is missing (first: line {line})"
    )
    if not kept:
        raise table.place.error("expected a row without missing cells, found none")
    return [column.rows(kept) for column in features], table.label.rows(kept), notes


def tree_in_units(tree: Tree, columns: Sequence[Column]) -> Tree:
    """The tree with its tests in the units of the table, for printing.

    The threshold of a binned column becomes its cut point, that of a column of whole numbers a
    whole number (x > 2 instead of x > 2.5); tests of 0 and 1 stay at 0.5. Without columns the tree
    is returned unchanged.
    """
    threshold = tree.threshold.copy()
    for node in np.flatnonzero(tree.feature >= 0) if columns else ():
        column, below = columns[tree.feature[node]], np.floor(threshold[node])
        if column.cuts is not None:
            threshold[node] = column.cuts[int(below)]
        elif column.kind == "whole":
            threshold[node] = below
    return replace(tree, threshold=threshold)
