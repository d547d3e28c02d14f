"""The course of training by epoch: losses, accuracies, agreement and fidelity (Figs. 7–8)."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from irtheory.runs.files import InputError
from irvision.report.chart import Curve, Panel, curves, draw
from irvision.report.rendering import render
from irvision.report.section import Section
from irvision.report.source import ReportRun
from irvision.report.words import as_number, decimal
from irvision.runs.epochs import Epochs, column, with_fidelity
from irvision.runs.reader import read_epoch_fidelity

# Title, whether a share, and key, label, colour and dash of the curves of each panel.
PANELS: tuple[tuple[str, bool, tuple[tuple[str, str, int, int], ...]], ...] = (
    ("CE loss, L[G, y]", False, (("losses.label", "G to labels", 1, 0),)),
    (
        "IR loss",
        False,
        (
            ("losses.tree", "L[G, T]: G to the tree", 2, 0),
            ("losses.route", "L[T, y]: tree to labels", 3, 1),
        ),
    ),
    ("Sparsity, L1 norm of the codes", False, (("losses.sparsity", "R[F]", 4, 0),)),
    (
        "Accuracy",
        True,
        (
            ("accuracy_g", "G, training", 1, 2),
            ("accuracy_t", "T, training", 2, 2),
            ("validation_g", "G, validation", 1, 0),
            ("validation_t", "T, validation", 2, 1),
        ),
    ),
    (
        "Agreement of G and T",
        True,
        (("agreement", "training", 5, 2), ("validation_agreement", "validation", 3, 0)),
    ),
    (
        "Feature fidelity",
        True,
        (("fidelity", "d(f;g)", 4, 0), ("null", "images shuffled", 5, 2)),
    ),
    ("Tree", False, (("leaves", "leaves", 4, 0), ("codes_used", "codes tested", 1, 1))),
)


def make(run: ReportRun) -> Section | None:
    """The training of a run; None without its metrics."""
    if not run.metrics:
        return None
    rows = epochs_of(run)
    kept = kept_epoch(run.result)
    panels = [panel for panel in _panels(rows, kept) if panel.curves]
    keys = [(key, f"{panel[0]}: {label}") for panel in PANELS for key, label, *_ in panel[2]]
    told = [(key, head) for key, head in keys if np.isfinite(column(rows, key)).any()]
    table = [[row["epoch"], *(_cell(row, key) for key, _ in told)] for row in rows]
    html = render(
        "training.html",
        drawn=[draw(panel) for panel in panels],
        heads=[head for _, head in told],
        table=table,
        kept=kept,
        images=_fidelity_images(rows),
        absent=[panel[0] for panel in PANELS if panel[0] not in {each.title for each in panels}],
    )
    return Section("training", "Training", html)


def epochs_of(run: ReportRun) -> list[dict[str, Any]]:
    """The epochs in order, each with its fidelity if it was measured."""
    rows = [dict(row) for row in run.metrics]
    if run.evaluation is not None:
        rows = with_fidelity(rows, read_epoch_fidelity(run.folder))
    rows.sort(key=lambda row: row["epoch"])
    if len({row["epoch"] for row in rows}) < len(rows):
        raise InputError(f"{run.folder}: expected each epoch once among its metrics")
    return rows


def kept_epoch(result: Mapping[str, Any]) -> int | None:
    """The epoch whose network is the result; None where the run does not say."""
    if isinstance(kept := result.get("kept_epoch"), int):
        return kept
    epochs = as_number(result.get("epochs"))
    return None if epochs is None else int(epochs) - (result.get("stopped") is True)


def _panels(rows: Epochs, kept: int | None) -> list[Panel]:
    epochs = tuple(row["epoch"] for row in rows)
    return [
        Panel(
            title,
            epochs,
            curves(
                *(
                    Curve(label, tuple(column(rows, key).tolist()), colour, dash)
                    for key, label, colour, dash in found
                )
            ),
            share,
            () if kept is None else (kept,),
        )
        for title, share, found in PANELS
    ]


def _fidelity_images(rows: Sequence[Mapping[str, Any]]) -> int | None:
    found = column(rows, "images")
    return int(np.nanmax(found)) if np.isfinite(found).any() else None


def _cell(row: Mapping[str, Any], key: str) -> str:
    value = float(column([row], key)[0])
    if math.isnan(value):
        return decimal(None)
    return f"{value:g}" if value.is_integer() else decimal(value)
