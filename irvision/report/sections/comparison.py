"""Several runs side by side: results, settings that differ, attributes and training."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote

from irtheory.trees.writing import exact, told_apart
from irvision.report.chart import Curve, Panel, curves, draw
from irvision.report.heat import difference_heat, heat
from irvision.report.rendering import render
from irvision.report.section import Section
from irvision.report.sections.summary import (
    about_run,
    accuracies,
    fidelity_rows,
)
from irvision.report.sections.training import epochs_of, kept_epoch
from irvision.report.source import ReportRun
from irvision.report.words import DASH, as_content, between, count, decimal, estimate
from irvision.runs.comparing import BETTER, compare_attributes, why_not_compared
from irvision.runs.epochs import column
from irvision.runs.names import REPORT

# Rows of a table: what, and a cell for each run.
Row = tuple[str, list[str]]
# Dashes of the curves in style/charts.css.
DASHES = 4
PANELS: tuple[tuple[str, str, bool], ...] = (
    ("Accuracy of T, validation", "validation_t", True),
    ("Accuracy of G, validation", "validation_g", True),
    ("Agreement, validation", "validation_agreement", True),
    ("Feature fidelity", "fidelity", True),
    ("CE loss, L[G, y]", "losses.label", False),
    ("IR loss, L[G, T]", "losses.tree", False),
    ("Sparsity, L1 norm of the codes", "losses.sparsity", False),
)


def make(runs: Sequence[ReportRun], at: Path) -> Section:
    """Results of the runs and the settings in which they differ.

    Args:
        runs: two or more.
        at: folder of the page, from which it links to the reports of the runs.
    """
    html = render(
        "comparison.html",
        names=run_names(runs),
        links=[_link(run, at) for run in runs],
        doubts=doubts(runs),
        groups=[
            ("Results on test images", _results(runs)),
            ("Runs", _abouts(runs)),
            ("Settings that differ", differences(runs)),
        ],
    )
    return Section("comparison", "Runs side by side", html)


def make_attributes(runs: Sequence[ReportRun], at: Path) -> Section | None:
    """Best F1 of every attribute in each run; None without attributes or of other images."""
    if not all(run.attributes for run in runs) or doubts(runs):
        return None
    names, pairs = run_names(runs), {}
    for i, first in enumerate(runs):
        for j, second in enumerate(runs):
            if i != j:
                found = compare_attributes(first.attributes, second.attributes)
                pairs[i, j] = found.better[0]
    two = compare_attributes(runs[0].attributes, runs[1].attributes) if len(runs) == 2 else None
    rows = _attribute_rows(runs)
    most = max([BETTER, *(abs(each) for each in two.difference)]) if two else 0.0
    html = render(
        "compared_attributes.html",
        names=names,
        rows=rows,
        two=two,
        pairs=pairs,
        better=BETTER,
        difference={} if two is None else dict(zip(two.names, two.difference, strict=True)),
        most=most,
        count=count,
        decimal=decimal,
        heat=heat,
        difference_heat=difference_heat,
    )
    return Section("compared-attributes", "Attributes", html)


def make_training(runs: Sequence[ReportRun], at: Path) -> Section | None:
    """Curves of the runs over each other; None without metrics of two of them."""
    with_metrics = [run for run in runs if run.metrics]
    if len(with_metrics) < 2:
        return None
    names = dict(zip(map(id, runs), run_names(runs), strict=True))
    epochs = {id(run): {row["epoch"]: row for row in epochs_of(run)} for run in with_metrics}
    every = tuple(sorted({epoch for rows in epochs.values() for epoch in rows}))
    panels = []
    for title, key, share in PANELS:
        found = []
        for place, run in enumerate(runs):
            if run.metrics:
                rows = [epochs[id(run)].get(epoch, {}) for epoch in every]
                values = tuple(column(rows, key).tolist())
                found.append(Curve(names[id(run)], values, place + 1, place % DASHES))
        panels.append(Panel(title, every, curves(*found), share))
    kept = [(names[id(run)], kept_epoch(run.result)) for run in runs]
    html = render(
        "compared_training.html",
        drawn=[draw(panel) for panel in panels if panel.curves],
        kept=kept,
    )
    return Section("compared-training", "Training", html)


def run_names(runs: Sequence[ReportRun]) -> list[str]:
    """Names of the folders; with the way there where two are alike."""
    names = [run.name for run in runs]
    if len(set(names)) < len(names):
        names = [str(run.folder) for run in runs]
    return told_apart(names, "run")


def doubts(runs: Sequence[ReportRun]) -> list[str]:
    """Why scores of the runs cannot be compared; empty if they can."""
    found = [why_not_compared(runs[0].folder, run.folder) for run in runs[1:]]
    return list(dict.fromkeys(why for why in found if why is not None))


def _link(run: ReportRun, at: Path) -> str:
    """Where the report of a run lies, seen from the page; empty if it has none."""
    report = run.folder.resolve() / REPORT
    if not report.is_file():
        return ""
    return quote(Path(os.path.relpath(report, at.resolve())).as_posix())


def _results(runs: Sequence[ReportRun]) -> list[Row]:
    rows: list[Row] = []
    scored = [run if run.evaluation is not None else None for run in runs]
    figures = [None if run is None else accuracies(run) for run in scored]
    for place, label in enumerate(("accuracy of T", "accuracy of G", "agreement of T and G")):
        rows.append(
            (
                label,
                [
                    "not evaluated"
                    if each is None
                    else _with_interval(each[place].shown, each[place].interval)
                    for each in figures
                ],
            )
        )
    rows += _fidelities(runs)
    rows.append(("recovery inside classes, AUC", [_within(run, "auc") for run in runs]))
    rows.append(("the same, F1 above chance", [_within(run, "f1_excess") for run in runs]))
    return [row for row in rows if any(cell != DASH for cell in row[1])]


def _fidelities(runs: Sequence[ReportRun]) -> list[Row]:
    """Every row of the fidelity table that some run has."""
    tables = [{row["name"]: row for row in fidelity_rows(as_content(r.evaluation))} for r in runs]
    names = dict.fromkeys(name for table in tables for name in table)

    def cells(name: str, form: Callable[[dict[str, Any]], str]) -> list[str]:
        return [form(table[name]) if name in table else DASH for table in tables]

    return [
        (f"fidelity, {name}", cells(name, _fidelity))
        if name != "class oracle"
        else ("d(f‖g), class oracle", cells(name, lambda row: decimal(row["attributes"])))
        for name in names
    ]


def _fidelity(row: dict[str, Any]) -> str:
    """Score, interval, and the score with the images shuffled."""
    shown = _with_interval(decimal(row["score"].value), between(row["score"]))
    return shown if row["null"] is None else f"{shown}; shuffled {decimal(row['null'])}"


def _within(run: ReportRun, key: str) -> str:
    within = as_content(as_content(run.evaluation).get("within"))
    found = estimate(within.get(key), within.get(f"{key}_interval"))
    return _with_interval(decimal(found.value), between(found))


def _with_interval(shown: str, interval: str) -> str:
    return f"{shown} ({interval})" if interval else shown


def _abouts(runs: Sequence[ReportRun]) -> list[Row]:
    tables = [dict(about_run(run)) for run in runs]
    names = dict.fromkeys(name for table in tables for name in table)
    return [(name, [table.get(name, DASH) for table in tables]) for name in names]


def differences(runs: Sequence[ReportRun]) -> list[Row]:
    """Settings whose values are not the same in all runs."""
    names = dict.fromkeys(name for run in runs for name in run.settings)
    rows = []
    for name in names:
        cells = [_word(run.settings[name]) if name in run.settings else DASH for run in runs]
        if len(set(cells)) > 1:
            rows.append((str(name), cells))
    return rows


def _word(value: Any) -> str:
    if isinstance(value, float):
        return exact(value)
    return "none" if value is None else str(value)


def _attribute_rows(runs: Sequence[ReportRun]) -> list[tuple[str, list[float | None]]]:
    """Attribute and best F1 by run: as they differ for two runs, else by falling mean."""
    tables = [{row.attribute: row.f1 for row in run.attributes} for run in runs]
    names = dict.fromkeys(name for table in tables for name in table)
    rows = [(name, [table.get(name) for table in tables]) for name in names]

    def order(row: tuple[str, list[float | None]]) -> tuple[bool, float]:
        known = [value for value in row[1] if value is not None]
        if len(runs) == 2 and len(known) == 2:
            return False, known[1] - known[0]
        return len(known) < len(runs), -sum(known) / max(len(known), 1)

    return sorted(rows, key=order)
