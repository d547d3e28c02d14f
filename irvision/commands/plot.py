"""`ira plot`: the figures of a run, or of two runs side by side."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from irtheory.runs.console import make_console, print_written
from irtheory.runs.options import take
from irvision.figures.run import plot_run
from irvision.settings.requests import PlotRequest


def plot_command(given: Mapping[str, Any]) -> None:
    """Draw a run from the files of its folder; with another run, both side by side."""
    request = take(PlotRequest, given)
    drawn = plot_run(request.folder, request.other)
    pictures = [path for path in drawn if path.suffix == ".png"]
    print_written(make_console(), request.folder, drawn, f"look at {pictures[0]}")
