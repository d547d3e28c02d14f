"""Progress of a download: bytes, rate and time left; off a terminal a line now and then."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import (
    BarColumn,
    DownloadColumn,
    Progress,
    TextColumn,
    TimeRemainingColumn,
    TransferSpeedColumn,
)

from irtheory.runs.console import LINE_EVERY, print_plain

MIB = 1 << 20


@contextmanager
def download_progress(console: Console, name: str) -> Iterator[Callable[[int, int | None], None]]:
    """Yield a function to be called with the bytes so far and in total (None: unknown)."""
    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(bar_width=12),
        DownloadColumn(binary_units=True),
        TransferSpeedColumn(),
        TimeRemainingColumn(),
    )
    last = time.monotonic()
    with Progress(
        *columns, console=console, transient=True, disable=not console.is_terminal
    ) as bar:
        task = bar.add_task(name, total=None)

        def show(done: int, total: int | None) -> None:
            nonlocal last
            bar.update(task, completed=done, total=total)
            if not console.is_terminal and time.monotonic() - last >= LINE_EVERY:
                last = time.monotonic()
                of = f" of {total // MIB}" if total else ""
                print_plain(console, f"{name}: {done // MIB}{of} MiB")

        yield show
