"""The columns of a table that a tree may test, and a sentence on what was done with each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Int

from irtheory.runs.files import InputError
from irtheory.tables.columns import TableColumn
from irtheory.tables.numbers import EXACT_WHOLE
from irtheory.tables.place import MOST_LETTERS, check_length, shortened, shown
from irtheory.tables.read import Table

MOST_CLASSES = 100
MOST_SHOWN = 6


@dataclass(frozen=True, eq=False)
class Features:
    """A table as a tree sees it.

    Attributes:
        columns: that a tree may test.
        classes: the different labels, ascending.
        labels: class of every row, as a place in `classes`.
        notes: one sentence on the labels and on every column, also on those that are left out.
    """

    columns: tuple[TableColumn, ...]
    classes: tuple[str, ...]
    labels: Int[np.ndarray, " m"]
    notes: tuple[str, ...]


def features_of(table: Table, most_words: int) -> Features:
    """The columns that a tree may test.

    Args:
        table: as it was read.
        most_words: text with more different words is left out.

    Raises:
        InputError: fewer than two classes, too many or one for every row, or no usable column,
            or words too long to print.
    """
    label = table.label
    names = label.levels
    _check_words(table, label, "a class")
    place = {name: number for number, name in enumerate(names)}
    labels = np.array([place[cell] for cell in label.cells])
    if not 2 <= len(names) <= MOST_CLASSES:
        raise InputError(
            f"--label {label.name}: expected 2 to {MOST_CLASSES} classes, found {len(names)} in "
            f"{len(labels)} rows"
        )
    if len(names) == len(labels):
        raise InputError(
            f"--label {label.name}: expected classes that several rows share, found another one in "
            "every row"
        )
    counts = zip(map(shortened, names), np.bincount(labels), strict=True)
    notes = [f"{label.name}: the label, {_list([f'{name} {n}' for name, n in counts])}"]
    used = []
    for column in table.features:
        usable, note = described(column, most_words)
        if usable and column.values is None:
            _check_words(table, column, "a word")
        used += [column] if usable else []
        notes.append(f"{column.name}: {note}")
    if not used:
        raise table.place.error("expected a column that a tree can test, found none")
    return Features(tuple(used), tuple(names), labels, tuple(notes))


def _check_words(table: Table, column: TableColumn, what: str) -> None:
    """Refuse words that are too long for a key or a figure, by the line of the first."""
    for word in column.levels:
        if len(word) > MOST_LETTERS:
            line = table.lines[column.cells.index(word)]
            check_length(what, word, table.place, line, column.name)


def described(column: TableColumn, most_words: int) -> tuple[bool, str]:
    """Whether a tree may test a column, and what it is."""
    gone = int(column.missing.sum())
    missing = f", {gone} missing" if gone else ""
    if gone == len(column.cells):
        return False, "left out, always missing"
    if column.values is None:
        words = column.levels
        if len(words) == 1 and not gone:
            return False, f"left out, always {shown(words[0])}"
        if len(words) > most_words:
            many = f"text with {len(words)} different words, such as {shown(words[0])}"
            return False, f"left out, {many} (--most-words)"
        return True, f"text, {len(words)} words ({_list(list(map(shown, words)))}){missing}"
    values = np.unique(column.values[~column.missing])
    if len(values) == 1 and not gone:
        return False, f"left out, always {_written(column)}"
    low, high = values[0], values[-1]
    if values.tolist() == [0, 1]:
        return True, f"0 or 1{missing}"
    kind = "whole numbers" if is_whole(column) else "numbers"
    return True, f"{kind} {low:.6g} … {high:.6g}, {len(values)} different{missing}"


def is_whole(column: TableColumn) -> bool:
    """Whether a column holds whole numbers that float64 counts one by one."""
    if column.values is None:
        return False
    values = column.values[~column.missing]
    return bool((values == np.rint(values)).all() and (np.abs(values) <= EXACT_WHOLE).all())


def _written(column: TableColumn) -> str:
    first, *others = dict.fromkeys(column.cells)
    return first + (f" (also written {_list(others)})" if others else "")


def _list(words: Sequence[str]) -> str:
    more = f", … ({len(words) - MOST_SHOWN} more)" if len(words) > MOST_SHOWN else ""
    return ", ".join(words[:MOST_SHOWN]) + more
