"""The command `ira table`: run folder, what is printed, exit code."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from irtheory.runs.console import make_console, print_plain, print_written
from irtheory.runs.exits import DONE, INTERRUPTED
from irtheory.runs.files import InputError
from irtheory.runs.folder import default_folder, open_run, refuse_used
from irtheory.runs.lock import lock_run_folder
from irtheory.studies.table.files import RESULT, settings_content, write_results
from irtheory.studies.table.report import print_read, print_result
from irtheory.studies.table.settings import TableRequest, TableSettings
from irtheory.studies.table.study import read, run
from irtheory.trees.compile import compile_kernels


def table_command(asked: TableSettings, request: TableRequest) -> int:
    """Read a table, grow and score a tree, print it and write the run folder.

    Args:
        asked: options of the run.
        request: folder and form of the output.

    Returns:
        The exit code: 0, or 130 (interrupted).

    Raises:
        InputError: a table, an option or a folder that cannot be used.
    """
    settings = asked.resolved()
    console = make_console(quiet=request.as_json)
    folder = request.out or default_folder("table", _plain(settings.table.stem))
    _keep_table(settings.table, refuse_used(folder, "table", request.overwrite))
    found = read(settings)
    print_read(console, found)

    def say(line: str) -> None:
        print_plain(console, line)

    with lock_run_folder(folder):
        try:
            compile_kernels(say)
            result = run(found)
        except KeyboardInterrupt:
            print_plain(console, "interrupted: nothing was written")
            return INTERRUPTED
        # The folder is made last: a search that is refused leaves none behind.
        open_run(folder, settings_content(settings), request.overwrite, settings.seed)
        print_result(console, result)
        written = write_results(folder, result, say)
    _close(console, folder, written)
    if request.as_json:
        print((folder / RESULT).read_text(encoding="utf-8"), end="")
    return DONE


def _keep_table(table: Path, removed: Sequence[Path]) -> None:
    """Refuse to remove the table that is to be read, with the earlier run."""
    if table.exists() and any(os.path.samefile(table, path) for path in removed):
        raise InputError(f"--overwrite: would remove the table {table}; copy it elsewhere first")


def _close(console: Console, folder: Path, written: Sequence[Path]) -> None:
    console.print()
    print_written(console, folder, written, f"ira predict {folder} NEW.csv")


def _plain(name: str) -> str:
    """The letters of a name that may stand in the name of a folder."""
    return "".join(c if c.isalnum() or c in "-_." else "-" for c in name)[:40] or "table"
