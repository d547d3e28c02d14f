"""One process at a time writes a run folder."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from irtheory.runs.files import InputError


@contextmanager
def alone_in(folder: Path, rank: int = 0) -> Iterator[None]:
    """While inside, no other run can begin or go on in the folder.

    The folder is made if it is not there, and removed again if it is left empty.

    Args:
        folder: of the run. The lock is on the folder itself, so that it outlasts every file in it.
        rank: of this process; the first one of a run takes the lock for all.

    Raises:
        InputError: another run holds it, or it cannot be made.
    """
    if rank:
        yield
        return
    made = not folder.exists()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        handle = _locked(folder)
    except FileExistsError:
        raise InputError(f"--out {folder}: expected a folder, found a file") from None
    except OSError as error:
        raise InputError(f"--out {folder}: cannot write there ({error.strerror})") from error
    try:
        yield
    finally:
        if made:
            with suppress(OSError):
                folder.rmdir()
        if handle is not None:
            os.close(handle)


def _locked(folder: Path) -> int | None:
    """Handle that holds the lock; None where folders know none, and users have to see to it."""
    if os.name != "posix":
        return None
    import fcntl

    handle = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(handle)
        raise InputError(f"{folder}: another process is at work in it") from None
    except OSError:
        # Some network file systems.
        os.close(handle)
        return None
    return handle
