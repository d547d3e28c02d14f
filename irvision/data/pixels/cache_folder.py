"""The folder of pixel caches: its place, its locks, removal of what killed processes left."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from pathlib import Path

from irtheory.runs.files import InputError
from irtheory.runs.lock import Locked, hold_lock

Message = Callable[[str], None]
FULL = (errno.ENOSPC, errno.EDQUOT)
PARTIAL = ".partial"


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
    """Remove the partial caches of killed processes: those whose lock nobody holds."""
    for partial in folder.glob(f"*{PARTIAL}"):
        lock = folder / f"{partial.name.split('.')[0]}.lock"
        with suppress(OSError, Locked), hold_lock(lock) as held:
            if held:
                partial.unlink(missing_ok=True)


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
