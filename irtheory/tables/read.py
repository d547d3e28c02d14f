"""A CSV table of a user, read strictly: columns of numbers and words, and notes on them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from irtheory.runs.files import InputError
from irtheory.tables.columns import Reading, TableColumn, found_mark, refuse_missing
from irtheory.tables.grid import Grid, read_grid
from irtheory.tables.missing import is_doubtful
from irtheory.tables.numbers import Mark
from irtheory.tables.options import FileOptions, TableOptions
from irtheory.tables.place import Place, counted
from irtheory.tables.remarks import (
    header_note,
    id_note,
    leak_note,
    numbers_note,
    words_note,
)
from irtheory.tables.source import read_lines

FEW = 3
MOST_NAMED = 30


@dataclass(frozen=True, eq=False)
class Table:
    """A table with one column of labels.

    Attributes:
        place: the file in messages.
        label: the column of labels, words without missing cells.
        features: the other columns, in the order of the file.
        index: the column of --index, or None.
        lines: the line of each row.
        mark: decimal mark of its numbers.
        notes: how it was read, one sentence each.
        remarks: what may be wrong with its columns, one sentence each.
        suspects: names of the columns that say which row or give the label away.
    """

    place: Place
    label: TableColumn
    features: tuple[TableColumn, ...]
    index: TableColumn | None
    lines: list[int]
    mark: Mark
    notes: tuple[str, ...]
    remarks: tuple[str, ...]
    suspects: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class Rows:
    """Rows of a table with columns that are known.

    Attributes:
        place: the file in messages.
        columns: those that were asked for, in that order.
        label, index: the columns of labels and names, where the table has them.
        lines: the line of each row.
        notes: how it was read, one sentence each.
    """

    place: Place
    columns: tuple[TableColumn, ...]
    label: TableColumn | None
    index: TableColumn | None
    lines: list[int]
    notes: tuple[str, ...]


def header_of(path: Path, options: FileOptions) -> tuple[str, ...]:
    """The names of the columns of a table; InputError for one that cannot be read."""
    place = Place(str(path))
    lines, _ = read_lines(path, place, options.encoding)
    return read_grid(lines, place, options.delimiter).header


def read_rows(
    path: Path,
    names: Sequence[str],
    kinds: Mapping[str, bool],
    options: FileOptions,
    label: str,
    index: str | None,
) -> Rows:
    """Read columns that are known, in any order; others are ignored with a note.

    Args:
        path: of the file.
        names: of all columns that the table must have.
        kinds: of those that are needed, whether they hold numbers; cells of the others may be
            anything.
        options: how to read the file; without `na`, all words that may stand for missing cells
            do.
        label: column of labels, which may be missing, as may be its cells.
        index: column of names, which may be missing.

    Raises:
        InputError: a file, line or column that cannot be used.
    """
    place = Place(str(path))
    lines, notes = read_lines(path, place, options.encoding)
    grid = read_grid(lines, place, options.delimiter)
    if lacking := [name for name in names if name not in grid.header]:
        shown = ", ".join(lacking[:MOST_NAMED])
        raise place.error(
            f"expected the columns of training, found none called {shown} "
            f"among {', '.join(grid.header[:MOST_NAMED])}"
        )
    others = [name for name in grid.header if name not in {*names, label, index}]
    extra = [f"columns that the model does not use: {', '.join(others)}"] if others else []
    needed = [name for name in grid.header if name in kinds or name == label]
    na = options.na
    if na is None:
        # Training had no missing cells: whoever knows that says so better.
        found = dict(zip(grid.header, grid.columns, strict=True))
        na = tuple({cell for name in needed for cell in set(found[name]) if is_doubtful(cell)})
    numeric = [name for name, is_numeric in kinds.items() if is_numeric]
    mark, mark_note = found_mark(grid, place, numeric, options.decimal)
    reading = Reading(place, grid.lines, mark, na, fixed=True)
    cells = dict(zip(grid.header, grid.columns, strict=True))
    return Rows(
        place,
        tuple(reading.column(name, cells[name], kinds.get(name, False)) for name in names),
        reading.column(label, cells[label], False) if label in cells else None,
        reading.column(index, cells[index], False) if index in cells and index else None,
        grid.lines,
        (*notes, *grid.notes, *([mark_note] if mark_note else []), *extra),
    )


def read_table(path: Path, label: str, options: TableOptions, flag: str = "") -> Table:
    """Read a table whose column `label` holds the class of every row.

    Args:
        path: of the file.
        label: name of the column with the labels, which are words as they are written.
        options: how to read it.
        flag: the option that named the file, for messages; empty for an argument.

    Raises:
        InputError: a file, line, column or option that cannot be used.
    """
    place = Place(f"{flag} {path}".strip())
    lines, notes = read_lines(path, place, options.encoding)
    grid = read_grid(lines, place, options.delimiter)
    _check_names(grid, path, label, options)
    used, empty = _used(grid, label, options)
    if options.na is None:
        refuse_missing(grid, place, {*used, label})
    numeric = [name for name in used if name not in options.text]
    mark, mark_note = found_mark(grid, place, numeric, options.decimal)
    reading = Reading(place, grid.lines, mark, options.na)
    cells = dict(zip(grid.header, grid.columns, strict=True))
    made = {
        name: reading.column(name, cells[name], False if name in options.text else None)
        for name in used
    }
    labels = reading.column(label, cells[label], numeric=False)
    index = None
    if options.index is not None:
        index = Reading(place, grid.lines, mark, None).column(
            options.index, cells[options.index], numeric=False
        )
    kept = [row for row, gone in enumerate(labels.missing) if not gone]
    without = [grid.lines[row] for row, gone in enumerate(labels.missing) if gone]
    notes = [*notes, *grid.notes, *([mark_note] if mark_note else []), *empty]
    notes += _without_labels(label, without)
    if without:
        made = {name: column.rows(kept) for name, column in made.items()}
        labels, index = labels.rows(kept), None if index is None else index.rows(kept)
    features = tuple(made.values())
    return Table(
        place,
        labels,
        features,
        index,
        [grid.lines[row] for row in kept],
        mark,
        tuple(notes),
        *_remarks(grid, features, labels, mark),
    )


def _check_names(grid: Grid, path: Path, label: str, options: TableOptions) -> None:
    """Refuse names of options that are no columns, or columns with two purposes."""
    asked = [("--label", label)]
    asked += [("--index", options.index)] if options.index is not None else []
    asked += [("--drop", name) for name in options.drop]
    purpose: dict[str, str] = {}
    for flag, name in [*asked, *(("--text", name) for name in options.text)]:
        if name not in grid.header:
            names = ", ".join(grid.header[:MOST_NAMED]) + ", …" * (len(grid.header) > MOST_NAMED)
            raise InputError(f"{flag} {name}: no such column in {path}; found {names}")
        if purpose.setdefault(name, flag) != flag:
            raise InputError(f"{flag} {name}: expected one purpose, found {purpose[name]} as well")


def _used(grid: Grid, label: str, options: TableOptions) -> tuple[list[str], list[str]]:
    """The columns that are read as features, and notes on those that are not."""
    left_out = {label, options.index, *options.drop}
    # A delimiter at the end of every line makes a column of nothing.
    empty = {grid.header[i] for i in grid.unnamed if not any(grid.columns[i])}
    used = [name for name in grid.header if name not in left_out | empty]
    notes = [f"{name}: left out, it has neither a name nor cells" for name in sorted(empty)]
    notes += [f"{name}: left out (--drop)" for name in grid.header if name in options.drop]
    if options.index is not None:
        notes.append(f"{options.index}: names of the rows (--index)")
    return used, notes


def _without_labels(label: str, lines: Sequence[int]) -> list[str]:
    if not lines:
        return []
    shown = ", ".join(map(str, lines[:FEW])) + (", …" if len(lines) > FEW else "")
    return [f"{label}: {counted(len(lines), 'row')} left out without a label (line {shown})"]


def _remarks(
    grid: Grid, features: Iterable[TableColumn], label: TableColumn, mark: Mark
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Sentences on what may be wrong, and names of the columns to suspect."""
    unnamed = {grid.header[i] for i in grid.unnamed}
    named = [name for name in grid.header if name not in unnamed]
    header = header_note(named, mark)
    remarks = [*([header] if header else []), *words_note(label, "classes", mark)]
    suspects = []
    for column in features:
        if column.name in unnamed:
            remarks.append(f"{column.name}: has no name in the header")
        words = column.values is None
        remarks += words_note(column, "words", mark) if words else numbers_note(column)
        notes = [id_note(column), leak_note(column, label.cells)]
        found = [note for note in notes if note is not None]
        remarks += found
        suspects += [column.name] if found else []
    return tuple(remarks), tuple(suspects)
