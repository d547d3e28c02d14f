"""The command `ira predict`: rows of a new table, matched by the names of their columns."""

from __future__ import annotations

import os
from dataclasses import asdict, dataclass, replace
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float

from irtheory.runs.console import make_console, print_plain
from irtheory.runs.exits import DONE
from irtheory.runs.files import InputError, json_text, write_text
from irtheory.studies.table.files import predictions_text
from irtheory.studies.table.model import ModelColumn, TableModel, read_model
from irtheory.studies.table.score import Score, named
from irtheory.studies.table.settings import PREDICTED, WRITTEN, PredictRequest
from irtheory.tables.columns import TableColumn
from irtheory.tables.options import FileOptions
from irtheory.tables.place import counted, shown
from irtheory.tables.read import Rows, read_rows

FEW = 5


@dataclass(frozen=True, eq=False)
class Predicted:
    """Rows of a table with the classes that a model names.

    Attributes:
        rows: as they were read.
        shares: of the classes.
        labels: true classes where the table has them, missing ones empty; or None.
        score: on the rows with a label, or None.
        notes: what was done, one sentence each.
    """

    rows: Rows
    shares: Float[np.ndarray, "m k"]
    labels: list[str] | None
    score: Score | None
    notes: tuple[str, ...]


def predict_command(request: PredictRequest, options: FileOptions) -> int:
    """Predict the rows of a table with the model of a run, and write them.

    Args:
        request: run, table and file to write.
        options: how to read the table.

    Returns:
        The exit code, 0.

    Raises:
        InputError: a run, a table or a file that cannot be used.
    """
    console = make_console(quiet=request.as_json)
    model = read_model(request.run)
    out = request.out or request.run / f"predicted-{request.table.stem}.csv"
    _check_out(out, request)
    found = predict(model, request.table, options)
    for note in found.notes:
        print_plain(console, f"· {note}")
    _write(out, predictions_text(
        model, found.rows.lines, found.shares, found.rows.index, found.labels
    ))  # fmt: skip
    if found.score is not None:
        low, high = found.score.interval
        score = found.score
        print_plain(
            console,
            f"accuracy {score.accuracy:.3f} ({low:.3f} … {high:.3f}): {score.right} of "
            f"{counted(score.rows, 'row')} with a label",
        )
    print_plain(console, f"wrote {out}: {counted(len(found.rows.lines), 'row')}")
    if request.as_json:
        print(json_text(_summary(model, found, request, out)))
    return DONE


def predict(model: TableModel, path: Path, options: FileOptions) -> Predicted:
    """Predict the rows of a table.

    Raises:
        InputError: a table that cannot be read, a column that is missing, or a cell that training
            gave no place to; names line and column.
    """
    if options.na is None:
        options = replace(options, na=model.na)
    kinds = {c.name: c.kind == "numbers" for c in model.columns if c.name in model.model.needed}
    names = [column.name for column in model.columns]
    rows = read_rows(path, names, kinds, options, label=model.label, index=model.index)
    by_name = {column.name: column for column in model.columns}
    notes = list(rows.notes)
    for column in rows.columns:
        if column.name in kinds:
            notes += _check_places(rows, column, by_name[column.name])
    shares = model.shares(rows.columns)
    labels, score = None, None
    if rows.label is not None:
        labels, score, more = _score(model, rows.label, shares)
        notes += more
    return Predicted(rows, shares, labels, score, tuple(notes))


def _check_places(rows: Rows, column: TableColumn, trained: ModelColumn) -> list[str]:
    """Refuse cells that training gave no place to; notes on words that count as missing."""
    if column.missing.any() and not trained.missing:
        row = int(column.missing.argmax())
        found = shown(column.cells[row]) if column.cells[row] else "an empty cell"
        raise rows.place.error(
            f"expected a value, as no cell was missing here in training, found {found}",
            rows.lines[row],
            column.name,
        )
    if trained.kind == "numbers":
        return _strange_numbers(rows, column, trained)
    known = set(trained.words)
    new = [
        row
        for row, (cell, gone) in enumerate(zip(column.cells, column.missing, strict=True))
        if not gone and cell not in known
    ]
    if not new:
        return []
    cell, line = column.cells[new[0]], rows.lines[new[0]]
    if not trained.missing:
        words = ", ".join(trained.words[:FEW]) + ", …" * (len(trained.words) > FEW)
        raise rows.place.error(
            f"expected a word of training ({words}), found {shown(cell)}", line, column.name
        )
    return [
        f"{column.name}: {counted(len(new), 'cell')} with words that training did not have: taken "
        f"as missing (first: {shown(cell)} in line {line})"
    ]


def _strange_numbers(rows: Rows, column: TableColumn, trained: ModelColumn) -> list[str]:
    """A note on numbers of another kind than all of training."""
    values = column.values
    if trained.values == "any" or values is None:
        return []
    if trained.values == "0 or 1":
        wrong, kind = ~np.isin(values, (0, 1)), "neither 0 nor 1"
    else:
        wrong, kind = values != np.rint(values), "no whole numbers"
    at = np.flatnonzero(wrong & ~column.missing).tolist()
    if not at:
        return []
    lines = ", ".join(str(rows.lines[row]) for row in at[:FEW]) + ", …" * (len(at) > FEW)
    return [
        f"{column.name}: {counted(len(at), 'cell')} with numbers that are {kind}, which training "
        f"did not have (first: {shown(column.cells[at[0]])}; line {lines})"
    ]


def _score(
    model: TableModel, label: TableColumn, shares: Float[np.ndarray, "m k"]
) -> tuple[list[str], Score | None, list[str]]:
    """True classes, the score on rows that have one, and notes."""
    pairs = zip(label.cells, label.missing, strict=True)
    cells = ["" if gone else cell for cell, gone in pairs]
    known = np.array([bool(cell) for cell in cells], np.bool_)
    notes = []
    if not known.all():
        notes.append(
            f"{label.name}: {counted(int((~known).sum()), 'row')} without a label, not scored"
        )
    unseen = {cell for cell in cells if cell and cell not in model.classes}
    if unseen:
        words = ", ".join(map(shown, sorted(unseen)[:FEW]))
        notes.append(f"{label.name}: training had no {words}; such rows count as wrong")
    if not known.any():
        return cells, None, notes
    predicted = np.array(model.classes, dtype=object)[named(shares)]
    return cells, Score.of("model", (predicted == np.array(cells, dtype=object))[known]), notes


def _check_out(out: Path, request: PredictRequest) -> None:
    if out.is_dir():
        raise InputError(f"--out {out}: expected a file, found a folder")
    if out.exists() and request.table.exists() and os.path.samefile(out, request.table):
        raise InputError(f"--out {out}: expected another file than the table itself")
    if _is_of_run(out, request.run):
        raise InputError(f"--out {out}: expected another file than those of the run {request.run}")
    if out.exists() and not request.overwrite:
        raise InputError(f"--out {out}: is there already; pass --overwrite or another name")
    if not out.parent.is_dir():
        raise InputError(f"--out {out}: expected a folder {out.parent} to write to, found none")


def _is_of_run(out: Path, run: Path) -> bool:
    """Whether a file, under any name, is or would be one that `ira table` wrote into a run."""
    own = [path for path in run.iterdir() if not path.match(PREDICTED)]
    if out.exists() and any(path.exists() and os.path.samefile(out, path) for path in own):
        return True
    at = out.resolve()
    # A run need not have every file that a run may have, such as a figure.
    inside = at.parent == run.resolve() and not at.match(PREDICTED)
    return inside and any(fnmatchcase(at.name, pattern) for pattern in WRITTEN.split())


def _write(out: Path, text: str) -> None:
    try:
        write_text(out, text)
    except OSError as error:
        raise InputError(f"--out {out}: cannot write there ({error.strerror})") from error


def _summary(
    model: TableModel, found: Predicted, request: PredictRequest, out: Path
) -> dict[str, Any]:
    best = named(found.shares)
    counts = np.bincount(best, minlength=len(model.classes)).tolist()
    return {
        "run": str(request.run),
        "table": str(request.table),
        "wrote": str(out),
        "rows": len(found.rows.lines),
        "predicted": dict(zip(model.classes, counts, strict=True)),
        "score": None if found.score is None else asdict(found.score),
        "notes": list(found.notes),
    }
