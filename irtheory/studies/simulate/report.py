"""The output of `ira simulate`: tables of checks, the verdict, progress."""

from __future__ import annotations

from collections.abc import Iterable

from rich.console import Console
from rich.markup import escape
from rich.progress import Progress
from rich.table import Table

from irtheory.propositions.certificates.certificates import Certificate, Check
from irtheory.propositions.solvers.trajectory import Step
from irtheory.runs.console import Pulse, print_plain


def _number(value: float) -> str:
    return f"{value:.4g}"


def check_table(title: str, checks: Iterable[Check]) -> Table:
    """A row for each check: whether it holds, its value, its limit and how it was computed."""
    table = Table(title=title, title_justify="left", title_style="bold", box=None, pad_edge=False)
    table.add_column("holds")
    table.add_column("what", min_width=30)
    table.add_column("value", justify="right")
    table.add_column("limit", justify="right")
    table.add_column("how", overflow="fold", style="dim")
    for check in checks:
        mark = "[green]yes[/]" if check.holds else "[bold red]NO[/]"
        table.add_row(
            mark,
            escape(check.name),
            _number(check.value),
            _number(check.tolerance),
            escape(check.how),
        )
    return table


def print_certificate(console: Console, certificate: Certificate) -> None:
    """Print assumptions, promises and notes of one run."""
    head = f"Proposition {certificate.proposition}: {certificate.setting}, {certificate.algorithm}"
    console.print(f"[bold]{head}[/] ({certificate.order}), {certificate.steps} steps")
    console.print(f"stopped: {certificate.stopped}\n")
    console.print(check_table("Assumptions", certificate.assumptions))
    console.print()
    console.print(check_table("Promises", certificate.promises))
    console.print()
    for note in certificate.notes:
        print_plain(console, f"· {note}")


def print_verdict(console: Console, certificate: Certificate) -> None:
    """Print one line if everything holds, or one for each check that does not."""
    if certificate.holds:
        console.print("[bold green]certificate holds[/]: every assumption and every promise")
    for check in certificate.broken:
        kind = "assumption" if check in certificate.assumptions else "promise"
        console.print(
            f"[bold red]{kind} broken[/]: {escape(check.name)} "
            f"(value {_number(check.value)}, limit {_number(check.tolerance)})"
        )


class StepProgress:
    """Shows step, Q and gaps of a run."""

    def __init__(self, console: Console, bar: Progress, name: str) -> None:
        self._pulse = Pulse(console, bar, name, None)

    def __call__(self, step: Step) -> None:
        """Show this step, if it is time to."""
        if self._pulse.due:
            self._pulse.show(
                f"step {step.t}, Q {step.value:.6g}, "
                f"gaps θ {step.gap_theta:.1e} ω {step.gap_omega:.1e}"
            )
