"""What commands print: text, tables, progress, the last line. Plain text off a terminal."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.table import Table

# Exit code after Ctrl-C.
INTERRUPTED = 130
# Seconds between two updates of a progress bar and, off a terminal, between two lines of text.
REFRESH, LINE_EVERY = 0.25, 10.0


def make_console(quiet: bool = False) -> Console:
    """Console on standard output; `quiet` prints nothing (for --json)."""
    return Console(highlight=False, quiet=quiet, soft_wrap=True, emoji=False)


def print_plain(console: Console, text: str) -> None:
    """Print text as it is; it may hold names that the user chose, so markup is not read."""
    console.print(text, markup=False)


def print_written(console: Console, folder: Path, written: Sequence[Path], following: str) -> None:
    """Print the last lines of a command: the files written, and what to look at or run next."""
    names = ", ".join(sorted({path.name for path in written}))
    print_plain(console, f"wrote {folder}/: {names}")
    print_plain(console, f"next: {following}")


def print_table(
    console: Console,
    columns: Sequence[str],
    rows: Sequence[Sequence[str]],
    title: str | None = None,
) -> None:
    """Print a table without borders; columns of numbers are aligned to the right."""
    table = Table(title=title, title_justify="left", title_style="bold", box=None, pad_edge=False)
    for place, name in enumerate(columns):
        numeric = bool(rows) and rows[0][place][:1] in "0123456789+-−–"
        table.add_column(escape(name), justify="right" if numeric else "left")
    for row in rows:
        table.add_row(*map(escape, row))
    console.print(table)


class Pulse:
    """Progress of work that takes a while: a bar, or off a terminal a line every ten seconds."""

    def __init__(self, console: Console, bar: Progress, name: str, total: int | None) -> None:
        self._console, self._bar = console, bar
        self._task = bar.add_task(name, total=total, text="")
        self._last = time.monotonic()

    @property
    def due(self) -> bool:
        """Whether enough time has passed to show something again."""
        every = REFRESH if self._console.is_terminal else LINE_EVERY
        return time.monotonic() - self._last >= every

    def show(self, text: str, completed: int | None = None) -> None:
        """Update the bar; off a terminal print the text if enough time has passed."""
        self._bar.update(self._task, completed=completed, text=text)
        if self.due:
            self._last = time.monotonic()
            if not self._console.is_terminal:
                print_plain(self._console, text)


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
