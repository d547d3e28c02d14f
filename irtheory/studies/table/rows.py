"""Which rows are held out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Int

from irtheory.tables.columns import TableColumn
from irtheory.tables.place import counted


@dataclass(frozen=True, eq=False)
class Split:
    """Rows to train on and rows held out, ascending, and what there is to say about them."""

    train: Int[np.ndarray, " train"]
    test: Int[np.ndarray, " test"]
    notes: tuple[str, ...]


def split_rows(
    classes: Int[np.ndarray, " m"], columns: Sequence[TableColumn], share: float, seed: int
) -> Split:
    """Hold out a share of the rows of every class, and at least one row of each to train on.

    A row with a word, or a missing cell, that no row to train on has in that column is not held
    out: no tree could place it.

    Args:
        classes: of the rows.
        columns: that a tree may test.
        share: in 0 … 0.9.
        seed: of the draw.
    """
    rng = np.random.default_rng(seed)
    held = np.zeros(len(classes), np.bool_)
    alone = 0
    for number in np.unique(classes):
        rows = rng.permutation(np.flatnonzero(classes == number))
        count = min(round(share * len(rows)), len(rows) - 1)
        alone += len(rows) == 1 and share > 0
        held[rows[:count]] = True
    back = _without_place(held, columns)
    held[back] = False
    notes = []
    if alone:
        notes.append(
            f"{counted(alone, 'class', 'classes')} with a single row, which is one to train on"
        )
    if back:
        notes.append(
            f"{counted(len(back), 'row')} more to train on: no other has their word, or a missing "
            "cell, in some column"
        )
    return Split(np.flatnonzero(~held), np.flatnonzero(held), tuple(notes))


def _without_place(held: np.ndarray, columns: Sequence[TableColumn]) -> list[int]:
    """The held-out rows that training on the others would leave without a place."""
    train = np.flatnonzero(~held)
    cells = [_places(column) for column in columns]
    seen = [{column[row] for row in train} for column in cells]
    back = []
    for row in np.flatnonzero(held).tolist():
        if any(column[row] not in known for column, known in zip(cells, seen, strict=True)):
            back.append(row)
            for column, known in zip(cells, seen, strict=True):
                known.add(column[row])
    return back


def _places(column: TableColumn) -> list[str | None]:
    """What must have been seen: a word, or that a cell is missing; all numbers are one."""
    cells = column.cells if column.values is None else [""] * len(column.cells)
    return [None if gone else cell for cell, gone in zip(cells, column.missing, strict=True)]
