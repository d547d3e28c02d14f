"""Prints an evaluation, and writes it to the run folder."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TypeVar

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from irtheory.runs.console import print_plain
from irtheory.runs.files import write_json
from irvision.evaluation.results import Evaluation, FidelityRow, Interval
from irvision.runs.attribute_table import AttributeRow, write_attribute_table
from irvision.runs.names import ATTRIBUTES, EVALUATION

# Tables with more rows than MOST_ROWS are shortened to the first and last ENDS.
MOST_ROWS, ENDS = 30, 8
Row = TypeVar("Row")


def write_evaluation(folder: Path, evaluation: Evaluation, other: Path | None = None) -> list[Path]:
    """Write evaluation.json, and attributes.csv if there are attributes.

    Without attributes, the table of an earlier evaluation and its figures are removed. The files
    on another labelled set, the folder `other`, carry its name.
    """
    content = asdict(evaluation)
    del content["attributes"]
    name = ""
    if other is not None:
        content["folder"] = str(other.resolve())
        name = _name_of(folder, other)
    file, table = (folder / _result_name(kept, name) for kept in (EVALUATION, ATTRIBUTES))
    written = [file]
    if evaluation.attributes:
        write_attribute_table(table, evaluation.attributes)
        written.append(table)
    else:
        figures = () if name else (folder / f"attributes.{kind}" for kind in ("svg", "png"))
        for stale in (table, *figures):
            stale.unlink(missing_ok=True)
    write_json(file, content)
    return written


def _name_of(run: Path, other: Path) -> str:
    """The name of a labelled set, with a number if another one of that name was scored before."""
    name = plain = other.resolve().name or "root"
    number = 1
    while not _is_free(run / _result_name(EVALUATION, name), other):
        number += 1
        name = f"{plain}-{number}"
    return name


def _is_free(file: Path, other: Path) -> bool:
    """Whether a file of results is missing, unreadable, or on the same labelled set."""
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return True
    return not isinstance(content, dict) or content.get("folder") == str(other.resolve())


def _result_name(file: str, name: str) -> str:
    """The name of a file of results, which for another labelled set carries its name."""
    stem, suffix = file.split(".")
    return f"{stem}-{name}.{suffix}" if name else file


def print_evaluation(console: Console, evaluation: Evaluation) -> None:
    """Print accuracies and, if there are attributes, the tables of fidelity and of attributes."""
    _show(console, _accuracies(evaluation))
    _show(console, _classes(evaluation))
    if not evaluation.fidelity:
        print_plain(console, "no attributes: accuracy and tree only")
        return
    _show(console, _fidelity(evaluation.fidelity))
    print_plain(console, _within(evaluation) + "\n")
    _show(console, _attributes(evaluation.attributes))


def _show(console: Console, table: Table) -> None:
    """Print title and table; rich itself would wrap the title to the width of the table."""
    title, table.title = table.title, None
    console.print(f"[bold]{title}[/]")
    console.print(table)
    console.print()


def _table(title: str, *columns: str) -> Table:
    table = Table(title=title, box=None, pad_edge=False)
    table.add_column(columns[0])
    for column in columns[1:]:
        table.add_column(column, justify="right")
    return table


def _accuracies(evaluation: Evaluation) -> Table:
    tree = f"{evaluation.leaves} leaves, {evaluation.codes_tested} of {evaluation.codes} codes"
    images, bits = (
        evaluation.accuracy_g.images,
        "1 bit" if evaluation.bits == 1 else f"{evaluation.bits} bits",
    )
    table = _table(f"{images} test images; T has {tree} of {bits}", "", "", "95%")
    named = (
        ("accuracy of G", evaluation.accuracy_g),
        ("accuracy of T", evaluation.accuracy_t),
        ("agreement", evaluation.agreement),
    )
    for name, share in named:
        table.add_row(name, _number(share.value), _interval(share.interval))
    return table


def _classes(evaluation: Evaluation) -> Table:
    found = sorted(evaluation.classes, key=lambda each: -1 if each.t is None else each.t)
    table = _table("Classes, hardest for T first", "class", "images", "G", "T")
    for each in _ends(table, found):
        table.add_row(escape(each.name), str(each.images), _number(each.g), _number(each.t))
    return table


def _fidelity(rows: Sequence[FidelityRow]) -> Table:
    table = _table(
        "Feature fidelity", "features", "d(f;g)", "95%", "d(f‖g)", "d(g‖f)", "null", "adjusted"
    )
    for row in rows:
        table.add_row(
            row.name,
            _number(row.score),
            _interval(row.interval),
            _number(row.attributes_by_features),
            _number(row.features_by_attributes),
            _number(row.null_mean),
            _number(row.adjusted),
        )
    return table


def _within(evaluation: Evaluation) -> str:
    found = evaluation.within
    if found is None:
        return f"within classes: not scored ({evaluation.within_note})"
    return (
        f"within classes: AUC {_number(found.auc)}{_after(found.auc_interval)}, "
        f"F1 above chance {found.f1_excess:+.3f}{_after(found.f1_excess_interval)} "
        f"over {found.pairs} pairs of {found.classes} classes and {found.attributes} attributes"
    )


def _attributes(rows: Sequence[AttributeRow]) -> Table:
    scored = sorted((row for row in rows if row.f1 is not None), key=lambda row: -(row.f1 or 0))
    columns = ("share", "F1", "null", "predicted", "oracle", "column", "in T")
    never = len(rows) - len(scored)
    title = "Attributes" + (f" ({never} without annotation left out)" if never else "")
    table = _table(title, "attribute", *columns)
    for row in _ends(table, scored):
        shares = (row.prevalence, row.f1, row.null, row.predicted_class, row.class_oracle)
        tested = "yes" if row.tested else ""
        table.add_row(escape(row.attribute), *map(_number, shares), row.column, tested)
    return table


def _ends(table: Table, rows: Sequence[Row]) -> Sequence[Row]:
    """The rows, or the first and last of many, which the title then says."""
    if len(rows) <= MOST_ROWS:
        return rows
    table.title = f"{table.title}: the first and last {ENDS} of {len(rows)}"
    return [*rows[:ENDS], *rows[-ENDS:]]


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.3f}"


def _interval(interval: Interval | None) -> str:
    return "" if interval is None else f"{interval[0]:.3f}–{interval[1]:.3f}"


def _after(interval: Interval | None) -> str:
    return "" if interval is None else f" ({_interval(interval)})"
