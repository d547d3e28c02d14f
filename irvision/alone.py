"""One process at a time trains in a run folder."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from irtheory.runs import InputError


@contextmanager
def alone_in(folder: Path, rank: int) -> Iterator[None]:
    """While inside, no other run can train in the folder, which is made if it is not there.

    Args:
        folder: of the run. The lock is on the folder itself, so that it outlasts every file in it.
        rank: of this process; the first one of a run takes the lock for all.

    Raises:
        InputError: another run trains in it, or it cannot be made.
    """
    if rank:
        yield
        return
    try:
        folder.mkdir(parents=True, exist_ok=True)
        handle = os.open(folder, os.O_RDONLY)
    except OSError as error:
        raise InputError(f"--out {folder}: cannot write there ({error.strerror})") from error
    try:
        _lock(handle, folder)
        yield
    finally:
        os.close(handle)


def _lock(handle: int, folder: Path) -> None:
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise InputError(f"{folder}: another process trains in it") from None
    except OSError:
        # Some network file systems know no locks on folders: there the user has to see to it.
        pass
