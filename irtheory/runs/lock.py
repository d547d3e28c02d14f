"""Locks between processes: of a run folder, and of any file or folder."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from filelock import lock_descriptor

from irtheory.runs.files import InputError


class Locked(Exception):
    """Another process holds the lock."""


@contextmanager
def hold_lock(path: Path, on_wait: Callable[[], object] | None = None) -> Iterator[bool]:
    """Hold an exclusive lock; the system releases it when the process ends, however it ends.

    The lock is on the file or folder itself, so that no other file is left behind. Whoever holds
    it may rename or remove the path: those who wait then lock what is at the path by that time.

    Args:
        path: a folder that exists, or a file, which is created if it is missing.
        on_wait: called once before waiting for another process; None to raise Locked instead.

    Yields:
        True; False where the file system has no locks, as some network file systems, or no locks
        on folders, as Windows.

    Raises:
        Locked: another process holds the lock, and `on_wait` is None.
        OSError: the path cannot be opened.
    """
    if path.is_dir() and os.name != "posix":
        yield False
        return
    with ExitStack() as opened:
        yield _acquire(path, on_wait, opened)


def _acquire(path: Path, on_wait: Callable[[], object] | None, opened: ExitStack) -> bool:
    while True:
        flags = os.O_RDONLY if path.is_dir() else os.O_RDWR | os.O_CREAT
        descriptor = os.open(path, flags, 0o666)
        opened.callback(os.close, descriptor)
        try:
            held = lock_descriptor(descriptor, blocking=False)
        except OSError:
            return False
        if not held:
            if on_wait is None:
                raise Locked(path)
            on_wait()
            lock_descriptor(descriptor)
        with suppress(FileNotFoundError):
            if os.path.samestat(os.fstat(descriptor), path.stat()):
                return True
        # The one that held the lock has renamed or removed what was opened here.
        opened.close()


@contextmanager
def lock_run_folder(folder: Path, rank: int = 0) -> Iterator[None]:
    """Keep other processes from starting or resuming a run in a folder.

    The folder is created if it is missing, and removed again if it is left empty. The lock is on
    the folder itself, so that it holds while --overwrite removes every file in it.

    Args:
        folder: of the run.
        rank: of this process; the first process of a run takes the lock for all.

    Raises:
        InputError: another process holds the lock, or the folder cannot be created.
    """
    if rank:
        yield
        return
    made = not folder.exists()
    with ExitStack() as held:
        try:
            folder.mkdir(parents=True, exist_ok=True)
            held.enter_context(hold_lock(folder))
        except Locked:
            raise InputError(f"{folder}: another process is at work in it") from None
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
