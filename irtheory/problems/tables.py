"""A CSV table of the user as a problem: one column is the label, the others become codes."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from jaxtyping import Float, Int

from irtheory.problems.synthetic import Column, Problem
from irtheory.runs.files import InputError
from irtheory.trees.binning import codes_of, cut_points
from irtheory.trees.tree import Tree

MAX_LEVELS = 16  # integer columns with at most this many values are used as codes unchanged
MAX_WORDS = 10  # text columns with at most this many words become one binary column per word
MAX_CLASSES = 100
EXACT_WHOLE = 2**53  # above this, float64 cannot represent every whole number


def read_rows(path: Path) -> tuple[list[str], list[list[str]]]:
    """Header and rows of a CSV file.

    Raises:
        InputError: no such file, not text, no header, no rows, or a row of another length
            (with its line).
    """
    try:
        with path.open(encoding="utf-8-sig", newline="") as stream:
            reader = csv.reader(stream)
            header = next(reader, [])
            rows = [(reader.line_num, row) for row in reader if row]
    except OSError as error:
        raise InputError(f"--data {path}: {error.strerror}") from error
    except (UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"--data {path}: expected a CSV text file ({error})") from error
    header = [name.strip() for name in header]
    if not header or not rows:
        raise InputError(f"--data {path}: expected a header line and rows, found {len(rows)} rows")
    if len(set(header)) < len(header):
        twice = next(name for name in header if header.count(name) > 1)
        raise InputError(f"--data {path}: column '{twice}' appears twice in the header")
    for line, row in rows:
        if len(row) != len(header):
            raise InputError(
                f"--data {path} line {line}: expected {len(header)} cells, found {len(row)}"
            )
        if any(not cell.strip() for cell in row):
            empty = header[[not cell.strip() for cell in row].index(True)]
            raise InputError(f"--data {path} line {line}: column '{empty}' is empty")
    return header, [[cell.strip() for cell in row] for _, row in rows]


def _numbers(cells: list[str]) -> Float[np.ndarray, " m"] | None:
    try:
        values = np.array([float(cell) for cell in cells])
    except ValueError:
        return None
    return values if np.isfinite(values).all() else None


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
    name: str, cells: list[str], bins: int
) -> tuple[list[tuple[Column, Int[np.ndarray, " m"]]], str]:
    """Code columns made from one column of the table, and a sentence that says how."""
    values = _numbers(cells)
    if values is None:
        return _encode_words(name, cells)
    levels = np.unique(values)
    whole = bool((values == np.rint(values)).all() and np.abs(values).max() < EXACT_WHOLE)
    if len(levels) == 1:
        return [], f"{name}: dropped, always {cells[0]}"
    if whole and len(levels) <= MAX_LEVELS:
        binary = levels.tolist() == [0, 1]
        how = "binary" if binary else f"whole numbers, {len(levels)} values"
        column = Column(name, "binary" if binary else "whole")
        return [(column, values.astype(np.int64))], f"{name}: {how}, codes as they are"
    codes, cuts = bin_column(values, bins)
    shown = ", ".join(f"{cut:.6g}" for cut in cuts)
    note = f"{name}: numbers, binned at {shown} into {len(cuts) + 1} codes"
    return [(Column(name, "binned", cuts), codes)], note


def _encode_words(name: str, cells: list[str]) -> tuple[list[tuple[Column, np.ndarray]], str]:
    words = sorted(set(cells))
    if len(words) == 1:
        return [], f"{name}: dropped, always {cells[0]}"
    if len(words) > MAX_WORDS:
        return [], f"{name}: ignored, text with {len(words)} different values"
    shown = words[1:] if len(words) == 2 else words
    columns = [
        (Column(f"{name}={w}", "word"), np.array([int(c == w) for c in cells])) for w in shown
    ]
    return columns, f"{name}: text, {len(words)} values, {len(columns)} binary columns"


def table_problem(path: Path, label: str | None, bins: int = 8) -> Problem:
    """Read a CSV table; every column except `label` becomes codes.

    Binary and integer columns (up to 16 values) are used as codes unchanged, other numbers are
    binned at quantiles, text with up to 10 values becomes binary columns, other text is left out.

    Raises:
        InputError: unreadable file, unknown or missing label column, fewer than two classes or
            more than 100, no usable column.
    """
    if label is None:
        raise InputError("--data needs --label COLUMN, the column that holds the class")
    if bins < 2:
        raise InputError(f"--bins: expected at least 2, found {bins}")
    header, rows = read_rows(path)
    if label not in header:
        raise InputError(f"--label {label}: no such column in {path}; found {', '.join(header)}")
    cells = dict(zip(header, map(list, zip(*rows, strict=True)), strict=True))
    class_names, classes = np.unique(cells.pop(label), return_inverse=True)
    if not 2 <= len(class_names) <= MAX_CLASSES:
        raise InputError(
            f"--label {label}: expected 2 to {MAX_CLASSES} classes, found {len(class_names)}"
        )
    made: list[tuple[Column, np.ndarray]] = []
    notes = [f"{path.name}: {len(rows)} rows, label {label} with {len(class_names)} classes"]
    for name, column in cells.items():
        encoded, note = encode_column(name, column, bins)
        made += encoded
        notes.append(note)
    if not made:
        raise InputError(f"--data {path}: no column can be used as a feature")
    columns, codes = zip(*made, strict=True)
    return Problem(
        np.stack(codes, axis=1),
        classes,
        tuple(column.name for column in columns),
        tuple(map(str, class_names)),
        tuple(notes),
        columns=columns,
    )


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
