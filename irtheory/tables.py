"""A user's own CSV table as a problem: columns become codes, one column the label."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
from jaxtyping import Float, Int

from irtheory.runs import InputError
from irtheory.synthetic import Problem

MAX_LEVELS = 16  # integer columns with at most so many values are codes as they are
MAX_WORDS = 10  # text columns with at most so many words become one binary column a word
MAX_CLASSES = 100


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


def bin_column(values: Float[np.ndarray, " m"], bins: int) -> Int[np.ndarray, " m"]:
    """Codes 0, 1, … by quantile cut points, at most `bins` of them (fewer where values repeat)."""
    cuts = np.quantile(values, np.arange(1, bins) / bins)
    # A cut at the smallest value would part nothing; the next value is where it may lie.
    cuts = np.unique(np.maximum(cuts, np.unique(values)[:2][-1]))
    return np.unique(np.searchsorted(cuts, values, side="right"), return_inverse=True)[1]


def encode_column(
    name: str, cells: list[str], bins: int
) -> tuple[list[tuple[str, Int[np.ndarray, " m"]]], str]:
    """Code columns made of one column of the table, and a sentence that says how."""
    values = _numbers(cells)
    if values is None:
        return _encode_words(name, cells)
    levels = np.unique(values)
    whole = bool((values == np.rint(values)).all())
    if len(levels) == 1:
        return [], f"{name}: dropped, always {cells[0]}"
    if whole and len(levels) <= MAX_LEVELS:
        kind = "binary" if len(levels) == 2 else f"whole numbers, {len(levels)} values"
        return [(name, values.astype(np.int64))], f"{name}: {kind}, codes as they are"
    codes = bin_column(values, bins)
    return [(name, codes)], f"{name}: numbers, binned at quantiles into {codes.max() + 1} codes"


def _encode_words(name: str, cells: list[str]) -> tuple[list[tuple[str, np.ndarray]], str]:
    words = sorted(set(cells))
    if len(words) == 1:
        return [], f"{name}: dropped, always {cells[0]}"
    if len(words) > MAX_WORDS:
        return [], f"{name}: ignored, text with {len(words)} different values"
    shown = words[1:] if len(words) == 2 else words
    columns = [(f"{name}={w}", np.array([int(c == w) for c in cells])) for w in shown]
    return columns, f"{name}: text, {len(words)} values, {len(columns)} binary columns"


def table_problem(path: Path, label: str | None, bins: int = 8) -> Problem:
    """Read a CSV table; every column but `label` becomes codes.

    Binary and integer columns (up to 16 values) are codes as they are, other numbers are
    binned at quantiles, text with up to 10 values becomes binary columns, other text is left out.

    Raises:
        InputError: unreadable file, unknown or missing label column, fewer than two classes or
            more than 100, no usable column, fewer samples than classes.
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
    columns: list[tuple[str, np.ndarray]] = []
    notes = [f"{path.name}: {len(rows)} rows, label {label} with {len(class_names)} classes"]
    for name, column in cells.items():
        made, note = encode_column(name, column, bins)
        columns += made
        notes.append(note)
    if not columns:
        raise InputError(f"--data {path}: no column can be used as a feature")
    names, codes = zip(*columns, strict=True)
    return Problem(
        np.stack(codes, axis=1), classes, tuple(names), tuple(map(str, class_names)), tuple(notes)
    )
