"""Checks of a file that a command is to write where the user says, before the work."""

from __future__ import annotations

from collections.abc import Iterable
from fnmatch import fnmatchcase
from pathlib import Path

from irtheory.runs.files import InputError
from irtheory.runs.folder import is_of_run


def check_output(
    out: Path,
    overwrite: bool,
    run: Path | None = None,
    free: str = "",
    inputs: Iterable[Path] = (),
    flag: str = "--out",
) -> None:
    """Check that a file can be written and that nothing is lost by it.

    Args:
        out: the file.
        overwrite: whether it may be there already.
        run: folder whose files of a run are not to be replaced, whatever `overwrite` says.
        free: pattern of those of them that may be.
        inputs: files that are read, and not to be replaced either.
        flag: the option that names the file.

    Raises:
        InputError: a folder, a file that is there, one of the run or one that is read, or no
            folder to write to.
    """
    if out.is_dir():
        raise InputError(f"{flag} {out}: expected a file, found a folder")
    if not out.parent.is_dir():
        raise InputError(f"{flag} {out}: expected a folder {out.parent} to write to, found none")
    if run is not None and not fnmatchcase(out.name, free) and is_of_run(out, run):
        raise InputError(f"{flag} {out}: expected another file than those of the run {run}")
    if not out.exists():
        return
    if any(path.exists() and path.samefile(out) for path in inputs):
        raise InputError(f"{flag} {out}: expected another file than those that are read")
    if not overwrite:
        raise InputError(f"{flag} {out}: is there already; pass --overwrite or another name")
