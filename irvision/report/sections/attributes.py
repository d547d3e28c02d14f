"""Attributes: a heat map in the manner of Figs. 4–6, and a table of how well each is recovered."""

from __future__ import annotations

from collections.abc import Sequence

from irvision.report.heat import heat
from irvision.report.rendering import render
from irvision.report.section import Section
from irvision.report.source import ReportRun
from irvision.report.words import count, decimal, percent
from irvision.runs.attribute_table import AttributeRow


def make(run: ReportRun) -> Section | None:
    """The attributes of an evaluated run; None without an evaluation."""
    if run.evaluation is None:
        return None
    scored = [row for row in run.attributes if row.f1 is not None]
    html = render(
        "attributes.html",
        rows=by_f1(run.attributes),
        scored=len(scored),
        named=sum(bool(row.tested) for row in run.attributes),
        unscored=len(run.attributes) - len(scored),
        has_null=any(row.null is not None for row in scored),
        tested={test.code for test in run.named.tests.values()},
        note=str(run.evaluation.get("fidelity_note") or "the data set has none"),
        above=above_chance,
        count=count,
        decimal=decimal,
        heat=heat,
        percent=percent,
    )
    return Section("attributes", "Attributes", html)


def by_f1(rows: Sequence[AttributeRow]) -> list[AttributeRow]:
    """By falling F1; those without annotations last."""
    return sorted(rows, key=lambda row: (row.f1 is None, -(row.f1 or 0.0)))


def above_chance(row: AttributeRow) -> float | None:
    """F1 of the best code less what it is with the images shuffled."""
    return None if row.f1 is None or row.null is None else row.f1 - row.null
