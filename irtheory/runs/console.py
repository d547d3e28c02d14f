"""What commands print: tables of checks, progress, the last line. Plain text off a terminal."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.table import Table

from irtheory.propositions.certificates.certificates import Certificate, Check
from irtheory.propositions.solvers.trajectory import Step
from irtheory.trees.exact import kernels_compiled, warm_up

# Progress is drawn at most so often, in seconds; off a terminal it is a line.
REFRESH = 0.25
# Exit code after Ctrl-C.
INTERRUPTED = 130
LINE_EVERY = 10.0


def make_console(quiet: bool = False) -> Console:
    """Console on standard output; `quiet` prints nothing (for --json)."""
    return Console(highlight=False, quiet=quiet, soft_wrap=True, emoji=False)


def print_plain(console: Console, text: str) -> None:
    """Text that may hold names of the user's own: printed as it is, no markup in it."""
    console.print(text, markup=False)


def _number(value: float) -> str:
    return f"{value:.4g}"


def check_table(title: str, checks: Iterable[Check]) -> Table:
    """A row for each check: whether it holds, its number and how that was made."""
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
    """Assumptions, promises and notes of one run."""
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
    """One line: everything holds, or what does not, with its number."""
    if certificate.holds:
        console.print("[bold green]certificate holds[/]: every assumption and every promise")
    for check in certificate.broken:
        kind = "assumption" if check in certificate.assumptions else "promise"
        console.print(
            f"[bold red]{kind} broken[/]: {escape(check.name)} "
            f"(value {_number(check.value)}, limit {_number(check.tolerance)})"
        )


def print_written(console: Console, folder: Path, written: Sequence[Path], following: str) -> None:
    """The last line: what was written and what to look at or run next."""
    names = ", ".join(sorted({path.name for path in written}))
    print_plain(console, f"wrote {folder}/: {names}")
    print_plain(console, f"next: {following}")


class Pulse:
    """Progress of something that takes a while: a bar, or off a terminal a line now and then."""

    def __init__(self, console: Console, bar: Progress, name: str, total: int | None) -> None:
        self._console, self._bar = console, bar
        self._task = bar.add_task(name, total=total, text="")
        self._last = time.monotonic()

    @property
    def due(self) -> bool:
        """Whether it is time to show something again."""
        every = REFRESH if self._console.is_terminal else LINE_EVERY
        return time.monotonic() - self._last >= every

    def show(self, text: str, completed: int | None = None) -> None:
        """Update the bar; off a terminal print the text if it is time."""
        self._bar.update(self._task, completed=completed, text=text)
        if self.due:
            self._last = time.monotonic()
            if not self._console.is_terminal:
                print_plain(self._console, text)


class StepProgress:
    """Shows step, Q and gaps of a run."""

    def __init__(self, console: Console, bar: Progress, name: str) -> None:
        self._pulse = Pulse(console, bar, name, None)

    def __call__(self, step: Step) -> None:
        """Take note of one step."""
        if self._pulse.due:
            self._pulse.show(
                f"step {step.t}, Q {step.value:.6g}, "
                f"gaps θ {step.gap_theta:.1e} ω {step.gap_omega:.1e}"
            )


@contextmanager
def progress_bar(console: Console) -> Iterator[Progress]:
    """A transient progress display with a spinner, a bar where a total is known, and time."""
    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(bar_width=12),
        TextColumn("{task.fields[text]}"),
        TimeElapsedColumn(),
    )
    with Progress(
        *columns, console=console, transient=True, disable=not console.is_terminal
    ) as bar:
        yield bar


def compile_kernels(console: Console) -> None:
    """Compile the kernels of trees, unless that was done before, and say so."""
    if not kernels_compiled():
        console.print("compiling tree kernels (once, about 40 seconds) …")
        warm_up()
