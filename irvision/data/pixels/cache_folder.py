"""The folder of pixel caches: its place, its locks, removal of what killed processes left."""

from __future__ import annotations

import errno
import os
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from pathlib import Path

from irtheory.runs.files import InputError
from irtheory.runs.lock import Locked, hold_lock
from irvision.data.pixels.journal import JOURNAL, journal_of

Message = Callable[[str], None]
FULL = (errno.ENOSPC, errno.EDQUOT)
PARTIAL = ".partial"
KEPT_SECONDS = 7 * 24 * 3600


def cache_folder() -> Path:
    """pixels/ in $IRA_CACHE, else in $XDG_CACHE_HOME/ira, else in ~/.cache/ira."""
    if chosen := os.environ.get("IRA_CACHE"):
        return Path(chosen).expanduser() / "pixels"
    base = os.environ.get("XDG_CACHE_HOME", "")
    # The XDG specification says that a relative path is to be ignored.
    home = Path(base) if os.path.isabs(base) else Path.home() / ".cache"
    return home / "ira" / "pixels"


def lock_cache(path: Path, on_message: Message) -> AbstractContextManager[bool]:
    """Let one process make this cache; the others wait, and say so.

    On network file systems without locks, several may make it; every result is right.
    """
    waiting = f"{path.name}: another process is making it; waiting for that one"
    return hold_lock(path.with_suffix(".lock"), lambda: on_message(waiting))


def sweep(folder: Path) -> None:
    """Remove partial caches that no process makes, unless one may go on with them.

    A journal says what is in a partial cache. It is kept for some days, so that the same command
    goes on where it was interrupted.
    """
    for left in (*folder.glob(f"*{PARTIAL}"), *folder.glob(f"*{JOURNAL}")):
        lock = folder / f"{left.name.split('.')[0]}.lock"
        with suppress(OSError, Locked), hold_lock(lock) as held:
            if held and not _goes_on(left.with_suffix(PARTIAL)):
                left.unlink(missing_ok=True)


def _goes_on(partial: Path) -> bool:
    """Whether a partial cache has a journal and was written to in the last few days."""
    journal = journal_of(partial)
    return (
        partial.is_file()
        and journal.is_file()
        and time.time() - journal.stat().st_mtime < KEPT_SECONDS
    )


def remove_partial(partial: Path) -> None:
    """Remove a partial cache and its journal."""
    for path in (partial, journal_of(partial)):
        path.unlink(missing_ok=True)


@contextmanager
def cache_errors(folder: Path) -> Iterator[None]:
    """Turn errors of the file system into one line."""
    try:
        yield
    except OSError as error:
        if error.errno in FULL:
            why = "the disk is full; pass another --cache-dir"
        else:
            why = f"cannot use it ({error.strerror or error})"
        raise InputError(f"--cache-dir {folder}: {why}") from error
