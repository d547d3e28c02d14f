"""The run folder of `ira table`."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float

from irtheory.runs.files import write_json, write_text
from irtheory.studies.table.model import TableModel
from irtheory.studies.table.score import named
from irtheory.studies.table.settings import TableSettings
from irtheory.studies.table.study import Result
from irtheory.tables.columns import TableColumn
from irtheory.trees.keys.stored import KEY, KEY_DATA, as_json
from irtheory.trees.keys.text import as_text

RESULT, TREE, DOT = "result.json", "tree.json", "tree.dot"
PREDICTIONS, CONFUSION = "predictions.csv", "confusion.csv"
# A figure of more leaves would be too wide to read, or to draw.
MOST_LEAVES = 64


def settings_content(settings: TableSettings) -> dict[str, Any]:
    """The settings as plain YAML types."""
    own = {name: value for name, value in vars(settings).items() if name != "reading"}
    reading = {
        name: list(value) if isinstance(value, tuple) else value
        for name, value in vars(settings.reading).items()
    }
    return {"command": "table", **own, "table": str(settings.table), **reading}


def write_results(folder: Path, result: Result, say: Callable[[str], None]) -> list[Path]:
    """Write everything, the figure last: without it the results are whole."""
    grown, classes = result.grown, result.read.features.classes
    texts = {
        KEY: as_text(grown.key) + "\n",
        KEY_DATA: as_json(grown.key),
        TREE: grown.tree.to_json(grown.feature_names) + "\n",
        DOT: grown.dot,
        PREDICTIONS: _predictions(result),
        CONFUSION: table_text(
            ["true \\ named", *classes],
            ([name, *row] for name, row in zip(classes, result.confusion.tolist(), strict=True)),
        ),
    }
    for name, text in texts.items():
        write_text(folder / name, text)
    written = [folder / name for name in texts] + grown.model.write(folder)
    write_json(folder / RESULT, results(result))
    return [*written, folder / RESULT, *_figure(folder, result, say)]


def results(result: Result) -> dict[str, Any]:
    """The content of result.json."""
    found, grown = result.read, result.grown
    return {
        "table": str(found.settings.table),
        "label": found.settings.label,
        "method": found.settings.method,
        "rows": len(found.table.lines),
        "training_rows": len(found.split.train),
        "held_out_rows": len(found.split.test),
        "classes": list(found.features.classes),
        "tree": grown.numbers,
        "key": as_text(grown.key).splitlines(),
        "scored_on": "held-out rows" if result.held_out else "training rows",
        "scores": [asdict(score) for score in result.scores],
        "confusion": result.confusion.tolist(),
        "facts": list(grown.facts),
        "notes": found.notes,
        "remarks": list(found.table.remarks),
        "suspects_read": list(result.suspects),
    }


def _predictions(result: Result) -> str:
    """One line a row of the table, in its order."""
    found = result.read
    held = set(found.split.test.tolist())
    parts = ["held out" if row in held else "training" for row in range(len(found.table.lines))]
    return predictions_text(
        result.grown.model,
        found.table.lines,
        result.shares,
        found.table.index,
        found.table.label.cells,
        parts,
    )


def predictions_text(
    model: TableModel,
    lines: Sequence[int],
    shares: Float[np.ndarray, "m k"],
    index: TableColumn | None = None,
    labels: Sequence[str] | None = None,
    parts: Sequence[str] | None = None,
) -> str:
    """Predictions as a CSV table.

    Args:
        model: that predicts.
        lines: line of every row in its file.
        shares: of the classes.
        index: names of the rows, or None.
        labels: true classes, empty where unknown, or None.
        parts: what each row was used for, or None.
    """
    best = named(shares)
    columns: dict[str, Sequence[Any]] = {"line": lines}
    if index is not None:
        columns["name"] = index.cells
    if parts is not None:
        columns["part"] = parts
    if labels is not None:
        columns["label"] = labels
    columns["predicted"] = [model.classes[c] for c in best]
    columns["share"] = [_share(row[c]) for row, c in zip(shares, best, strict=True)]
    columns |= {
        f"share of {name}": list(map(_share, column))
        for name, column in zip(model.classes, shares.T, strict=True)
    }
    return table_text(list(columns), zip(*columns.values(), strict=True))


def _share(value: float) -> str:
    """Six digits, but neither 0 nor 1 unless it is."""
    rounded = f"{value:.6f}"
    exact = value in (0.0, 1.0) or 0 < float(rounded) < 1
    return (rounded.rstrip("0").rstrip(".") or "0") if exact else repr(float(value))


def table_text(header: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    """A CSV table; cells are quoted where they need it."""
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(header)
    writer.writerows(rows)
    return stream.getvalue()


def _figure(folder: Path, result: Result, say: Callable[[str], None]) -> list[Path]:
    leaves = result.grown.tree.n_leaves
    if leaves > MOST_LEAVES:
        say(f"no figure: {leaves} leaves are more than {MOST_LEAVES}; tree.dot holds the tree")
        return []
    from irtheory.runs.figures import STYLE, plt, save  # loads matplotlib

    try:
        with plt.rc_context({**STYLE, "axes.grid": False}):
            axes = result.grown.draw(None)
            return save(axes.figure, folder / "tree")
    except (ValueError, RuntimeError) as error:
        say(f"no figure: {error}; tree.dot holds the tree")
        return []
