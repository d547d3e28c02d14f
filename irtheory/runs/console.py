"""What commands print: tables of checks, progress, the last line. Plain text off a terminal."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

# Progress is drawn at most so often, in seconds; off a terminal it is a line.
REFRESH = 0.25
LINE_EVERY = 10.0


def make_console(quiet: bool = False) -> Console:
    """Console on standard output; `quiet` prints nothing (for --json)."""
    return Console(highlight=False, quiet=quiet, soft_wrap=True, emoji=False)


def print_plain(console: Console, text: str) -> None:
    """Text that may hold names of the user's own: printed as it is, no markup in it."""
    console.print(text, markup=False)


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
