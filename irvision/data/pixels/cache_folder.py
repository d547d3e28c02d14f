"""The folder of pixel caches: where it is, who may make one, what killed processes left there."""

from __future__ import annotations

import errno
import fcntl
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from irtheory.runs.files import InputError

Message = Callable[[str], None]
FULL = (errno.ENOSPC, errno.EDQUOT)
PARTIAL = ".partial"


def cache_folder() -> Path:
    """Where caches go: $IRA_CACHE, else $XDG_CACHE_HOME/ira, else ~/.cache/ira; there, pixels/."""
    if chosen := os.environ.get("IRA_CACHE"):
        return Path(chosen).expanduser() / "pixels"
    base = os.environ.get("XDG_CACHE_HOME", "")
    # A relative path there is to be ignored, says the specification.
    home = Path(base) if os.path.isabs(base) else Path.home() / ".cache"
    return home / "ira" / "pixels"


@contextmanager
def alone(path: Path, tell: Message) -> Iterator[None]:
    """Make others that want to make this cache wait, or wait for the one that does."""
    with path.with_suffix(".lock").open("a") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            tell(f"{path.name}: another process is making it; waiting for that one")
            fcntl.flock(lock, fcntl.LOCK_EX)
        except OSError:
            # Some network file systems know no locks: both make it, and either is right.
            pass
        yield


def sweep(folder: Path) -> None:
    """Remove what killed processes left: files of which nobody holds the lock."""
    for partial in folder.glob(f"*{PARTIAL}"):
        lock = folder / f"{partial.name.split('.')[0]}.lock"
        with suppress(OSError), lock.open("a") as stream:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
            partial.unlink(missing_ok=True)


def check_room(folder: Path, needed: int) -> None:
    """InputError unless so many bytes are free in the folder."""
    free = shutil.disk_usage(folder).free
    if needed > free:
        raise InputError(
            f"--cache-dir {folder}: needs {needed / 2**30:.2f} GiB there, found "
            f"{free / 2**30:.2f} GiB free; pass another --cache-dir"
        )


@contextmanager
def refusals(folder: Path) -> Iterator[None]:
    """Turn what the file system refuses into one line."""
    try:
        yield
    except OSError as error:
        if error.errno in FULL:
            why = "no room is left there; pass another --cache-dir"
        else:
            why = f"cannot use it ({error.strerror or error})"
        raise InputError(f"--cache-dir {folder}: {why}") from error
