"""The run folder of `ira recover`: tables, figures, results.json."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from irtheory.runs.figures import draw
from irtheory.runs.files import write_json, write_text
from irtheory.studies.recovery import figures, sweep_figures
from irtheory.studies.recovery.cell import AttributeRecovery, Measured, Moment
from irtheory.studies.recovery.settings import Point, RecoverySettings
from irtheory.studies.recovery.table import (
    Found,
    Row,
    Verdict,
    by_observability,
    sentence,
    summarise,
    verdicts,
)

if TYPE_CHECKING:
    from matplotlib.figure import Figure

FIGURES = ("recovery", "observability", "dynamics", "phase", "sweep")
NUMBERS = [f.name for f in fields(Measured) if f.name not in ("attributes", "moments")]
STATISTICS = ("mean", "sd", "low", "high", "n")

RESULTS = "results.json"
Say = Callable[[str], None]


def write_results(
    folder: Path, settings: RecoverySettings, found: Found, say: Say = print
) -> list[Path]:
    """Write all tables and figures of the cells; figures of an earlier study are removed.

    Args:
        folder: of the run.
        settings: of the study.
        found: every place that has a result, in the order of the study.
        say: told why a figure cannot be drawn.
    """
    rows = summarise(found)
    names = [sweep.name for sweep in settings.sweeps]
    tables = {
        "results.csv": _results(rows, names),
        "cells.csv": _cells(found, names),
        "attributes.csv": _parts(found, names, "attributes", AttributeRecovery),
        "epochs.csv": _parts(found, names, "moments", Moment),
    }
    for name, table in tables.items():
        write_text(folder / name, table)
    write_json(folder / RESULTS, results(rows, verdicts(found)))
    drawn = write_figures(folder, settings, found, rows, say)
    for name in FIGURES:
        for old in (folder / f"{name}.svg", folder / f"{name}.png"):
            if old not in drawn:
                old.unlink(missing_ok=True)
    return [*(folder / name for name in tables), folder / RESULTS, *drawn]


def results(rows: Sequence[Row], judged: Sequence[Verdict]) -> dict[str, Any]:
    """The table and the verdicts as plain data."""
    return {
        "rows": [{**asdict(row), "point": dict(row.point)} for row in rows],
        "verdicts": [
            {**asdict(verdict), "point": dict(verdict.point), "sentence": sentence(verdict)}
            for verdict in judged
        ],
    }


def write_figures(
    folder: Path, settings: RecoverySettings, found: Found, rows: Sequence[Row], say: Say
) -> list[Path]:
    """recovery, observability and dynamics; or, with sweeps, phase or sweep."""
    sweeps, seen = settings.sweeps, by_observability(found)
    drawings: dict[str, Callable[[], Figure]] = {}
    if len(sweeps) == 2:
        drawings["phase"] = lambda: sweep_figures.phase_figure(rows, sweeps)
    elif len(sweeps) == 1:
        drawings["sweep"] = lambda: sweep_figures.sweep_figure(rows, sweeps[0])
    else:
        drawings["recovery"] = lambda: figures.recovery_figure(rows, found)
        if seen:
            drawings["observability"] = lambda: figures.observability_figure(seen)
        if any(measured.moments for _, measured in found):
            drawings["dynamics"] = lambda: figures.dynamics_figure(found)
    return [path for name, make in drawings.items() for path in draw(folder / name, make, say)]


def _table(header: Sequence[str], lines: Iterable[Sequence[Any]]) -> str:
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(header)
    writer.writerows(lines)
    return stream.getvalue()


def _attributes(source: Any, names: Sequence[str]) -> list[Any]:
    return [getattr(source, name) for name in names]


def _values(point: Point) -> list[float]:
    return [value for _, value in point]


def _results(rows: Sequence[Row], names: Sequence[str]) -> str:
    """Tidy format: one line for each regime, method, point and metric."""
    lines = (
        [row.regime, row.method, *_values(row.point), metric, *_attributes(spread, STATISTICS)]
        for row in rows
        for metric, spread in row.metrics.items()
    )
    return _table(["regime", "method", *names, "metric", *STATISTICS], lines)


def _cells(found: Found, names: Sequence[str]) -> str:
    """One line per place; places that share a cell share a key."""
    lines = (
        [p.regime, p.method, *_values(p.point), p.seed, p.cell.key, *_attributes(m, NUMBERS)]
        for p, m in found
    )
    return _table(["regime", "method", *names, "seed", "key", *NUMBERS], lines)


def _parts(found: Found, names: Sequence[str], part: str, kind: type) -> str:
    """One line for every entry of a field of `Measured` that holds dataclasses of that kind."""
    columns = [f.name for f in fields(kind)]
    lines = (
        [p.regime, p.method, *_values(p.point), p.seed, *_attributes(entry, columns)]
        for p, m in found
        for entry in getattr(m, part)
    )
    return _table(["regime", "method", *names, "seed", *columns], lines)
