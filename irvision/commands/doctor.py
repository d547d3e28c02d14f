"""`ira doctor`: what this machine can run, and what will not work and why."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from rich.markup import escape
from rich.table import Table

from irtheory.runs.console import make_console, print_plain
from irtheory.runs.files import json_text
from irtheory.runs.options import take
from irvision.commands.probes import PROBES, Finding, examine
from irvision.settings.requests import DoctorRequest

COLOURS = {"ok": "green", "note": "yellow", "missing": "bold red"}


def diagnose() -> list[Finding]:
    """The finding of every probe; a probe that fails reports its error as its finding."""
    return [examine(probe) for probe in PROBES]


def doctor_command(given: Mapping[str, Any]) -> None:
    """Print the findings as a table, or as JSON and nothing else."""
    findings, console = diagnose(), make_console()
    if take(DoctorRequest, given).as_json:
        print(json_text([asdict(finding) for finding in findings]))
        return
    console.print(_table(findings))
    console.print()
    print_plain(console, verdict(findings))


def verdict(findings: Sequence[Finding]) -> str:
    """One line that says what will not work and why, or else what has a note."""
    lacking = [f"{f.what} ({f.found})" for f in findings if f.state == "missing"]
    if lacking:
        return f"will not work: {'; '.join(lacking)}"
    noted = [f.what for f in findings if f.state == "note"]
    return f"works, with a note on: {', '.join(noted)}" if noted else "everything will work here"


def _table(findings: Sequence[Finding]) -> Table:
    table = Table(box=None, pad_edge=False)
    table.add_column("state")
    table.add_column("what", no_wrap=True)
    table.add_column("found, and what to do or to know", overflow="fold")
    for finding in findings:
        state = f"[{COLOURS[finding.state]}]{finding.state}[/]"
        advice = f"\n[dim]{escape(finding.advice)}[/]" if finding.advice else ""
        table.add_row(state, finding.what, escape(finding.found) + advice)
    return table
