"""What commands print: tables, progress and closing lines; plain text if not on a terminal."""

from __future__ import annotations

import re
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console, JustifyMethod
from rich.markup import escape
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.table import Column, Table

# Seconds between two updates of a progress bar and, off a terminal, between two lines of text.
REFRESH, LINE_EVERY = 0.25, 10.0
# Cells that begin like a number, or stand for one that is missing.
NUMERIC = re.compile("[0-9+−–-]")


def make_console(quiet: bool = False, stderr: bool = False) -> Console:
    """Console on standard output, or on standard error; `quiet` prints nothing (for --json)."""
    return Console(highlight=False, quiet=quiet, soft_wrap=True, emoji=False, stderr=stderr)


def print_plain(console: Console, text: str) -> None:
    """Print text as it is, without interpreting markup, as names of files may contain brackets."""
    console.print(text, markup=False)


def print_table(
    console: Console,
    columns: Sequence[str | Column],
    rows: Iterable[Sequence[str]],
    title: str | None = None,
) -> None:
    """Print a table without lines, below a bold title.

    Args:
        console: where to.
        columns: headings; a column whose first cell is a number is aligned to the right. A
            `Column` for any other format.
        rows: cells of each row, which may hold markup (`rich.markup.escape` guards names).
        title: printed as one line, however narrow the table is.
    """
    rows = list(rows)
    first = rows[0] if rows else [""] * len(columns)
    sides: list[JustifyMethod] = ["right" if NUMERIC.match(cell) else "left" for cell in first]
    made = [
        column if isinstance(column, Column) else Column(escape(column), justify=side)
        for column, side in zip(columns, sides, strict=True)
    ]
    table = Table(*made, box=None, pad_edge=False)
    for row in rows:
        table.add_row(*row)
    if title:
        console.print(f"[bold]{escape(title)}[/]")
    console.print(table)


def number_columns(*names: str) -> list[Column]:
    """Right-aligned columns for `print_table`."""
    return [Column(name, justify="right") for name in names]


def look_at(written: Sequence[Path], otherwise: Path) -> str:
    """What to do next: look at the pictures among the files, or at another file without any."""
    pictures = [path for path in written if path.suffix == ".png"]
    return f"look at {' and '.join(map(str, pictures[:2] or [otherwise]))}"


def print_written(console: Console, folder: Path, written: Sequence[Path], following: str) -> None:
    """Print the last two lines: the files written, and what to look at or run next."""
    names = ", ".join(sorted({path.name for path in written}))
    print_plain(console, f"wrote {folder}/: {names}")
    print_plain(console, f"next: {following}")


def clock(seconds: float) -> str:
    """A duration as minutes and seconds, with hours if there are any: 3:07, 1:02:00."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"


class Pulse:
    """Progress of a long computation: a bar on a terminal, elsewhere a line every few seconds."""

    def __init__(self, console: Console, bar: Progress, name: str, total: int | None) -> None:
        self._console, self._bar = console, bar
        self._task = bar.add_task(name, total=total, text="")
        self._last = time.monotonic()

    @property
    def due(self) -> bool:
        """Whether it is time for the next update."""
        every = REFRESH if self._console.is_terminal else LINE_EVERY
        return time.monotonic() - self._last >= every

    def show(self, text: str, completed: int | None = None) -> None:
        """Update the bar, or print the text as a line if one is due."""
        self._bar.update(self._task, completed=completed, text=text)
        if self.due:
            self._last = time.monotonic()
            if not self._console.is_terminal:
                print_plain(self._console, text)


@contextmanager
def progress_bar(console: Console) -> Iterator[Progress]:
    """A progress display with spinner, bar, text and elapsed time, removed when it ends."""
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
