"""`ira plot`: the figures of a run, or of two runs side by side."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from irtheory.runs.console import look_at, make_console, print_plain, print_written
from irtheory.runs.options import take
from irvision.figures.run import plot_run
from irvision.settings.requests import PlotRequest


def plot_command(given: Mapping[str, Any]) -> None:
    """Draw a run from the files of its folder; with another run, both side by side."""
    request = take(PlotRequest, given)
    console = make_console()
    drawn = plot_run(request.folder, request.other, lambda note: print_plain(console, f"· {note}"))
    print_written(console, request.folder, drawn, look_at(drawn, request.folder))
