"""`ira report`: one HTML page about a run, or about several side by side."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from irtheory.runs.console import make_console, print_plain
from irtheory.runs.files import json_text
from irtheory.runs.options import take
from irvision.report.build import write_report
from irvision.settings.requests import ReportRequest


def report_command(given: Mapping[str, Any]) -> None:
    """Write the report of finished runs.

    Args:
        given: options of the command line, by the names of `ReportRequest`.

    Raises:
        InputError: a run that cannot be reported on, or a place that cannot be written.
    """
    request = take(ReportRequest, given)
    console = make_console(quiet=request.as_json)
    found = write_report(request.folders, request.out, request.overwrite)
    for note in found["notes"]:
        print_plain(console, f"· {note}")
    size = f"{found['bytes'] / 1e6:.2f} MB, {found['pictures']} pictures"
    print_plain(console, f"wrote {found['file']}: {size}")
    print_plain(console, f"next: open {found['file']} in a browser")
    if request.as_json:
        print(json_text(found))
