"""The sections of a report, each a module with a function `make`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from irvision.report.section import Section
from irvision.report.sections import atlas, attributes, comparison, key, mistakes, summary, training
from irvision.report.source import ReportRun

# In the order of the page; a section that has nothing to show is None.
SECTIONS: tuple[Callable[[ReportRun], Section | None], ...] = (
    summary.make,
    key.make,
    atlas.make,
    attributes.make,
    training.make,
    mistakes.make,
)
# Of the page that compares several runs, given the folder of the page.
COMPARISON: tuple[Callable[[Sequence[ReportRun], Path], Section | None], ...] = (
    comparison.make,
    comparison.make_attributes,
    comparison.make_training,
)
