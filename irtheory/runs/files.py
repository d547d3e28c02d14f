"""Atomic writing of files, JSON, CSV tables, and the error for bad input."""

from __future__ import annotations

import json
import math
import os
import shutil
import tempfile
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import IO, Any

import numpy as np


class InputError(ValueError):
    """Bad input: one line that names what was wrong, what was expected and what was found."""


@contextmanager
def replacing(path: Path) -> Iterator[IO[bytes]]:
    """A file to write that takes the place of `path` at the end, and is gone after an error.

    After a crash or a power cut `path` is whole, old or new, or absent. A process that is killed
    leaves a temporary file `.<name>.<8 characters>` beside it.
    """
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as stream:
            yield stream
            stream.flush()
            os.fsync(stream.fileno())
        os.chmod(name, 0o644)
        os.replace(name, path)
        _sync_folder(path.parent)
    except BaseException as error:
        Path(name).unlink(missing_ok=True)
        if isinstance(error, OSError) and error.errno and error.filename is None:
            error.filename = str(path)
        raise


def write_bytes(path: Path, content: bytes | memoryview) -> None:
    """Write a file atomically, see `replacing`."""
    with replacing(path) as stream:
        stream.write(content)


def check_room(what: object, folder: Path, needed: int, hint: str) -> None:
    """InputError unless `needed` bytes are free on the disk of a folder, which may not exist yet.

    Args:
        what: subject of the message, such as an option or a file.
        folder: to be written.
        needed: bytes.
        hint: last words of the message.
    """
    there = next(path for path in (folder, *folder.absolute().parents) if path.is_dir())
    free = shutil.disk_usage(there).free
    if needed > free:
        raise InputError(
            f"{what}: needs {needed / 2**30:.2f} GiB in {folder}, found {free / 2**30:.2f} GiB "
            f"free; {hint}"
        )


def _sync_folder(folder: Path) -> None:
    """Make a rename survive a power cut, where folders can be opened and synchronised."""
    if not hasattr(os, "O_DIRECTORY"):
        return
    # The file is in place already; some network file systems refuse to synchronise folders.
    with suppress(OSError):
        handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def write_text(path: Path, text: str) -> None:
    """Write a text file atomically."""
    write_bytes(path, text.encode("utf-8"))


def _finite(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def json_text(content: Any) -> str:
    """Indented JSON; numbers that are not finite, which JSON cannot express, become null."""
    return json.dumps(_finite(content), indent=2, ensure_ascii=False, allow_nan=False)


def json_line(content: Any) -> str:
    """One line of JSON with its newline; numbers that are not finite become null."""
    return json.dumps(_finite(content), ensure_ascii=False, allow_nan=False) + "\n"


def write_json(path: Path, content: Any) -> None:
    """Write `json_text` atomically."""
    write_text(path, json_text(content) + "\n")


class TableWriter:
    """A CSV file that grows row by row and is on disk at most `every` seconds late."""

    def __init__(self, path: Path, columns: Iterable[str], every: float = 0.5) -> None:
        self._columns, self._every = tuple(columns), every
        self._stream = path.open("w", encoding="utf-8", newline="")
        self._stream.write(",".join(self._columns) + "\n")
        self._last = time.monotonic()

    def add(self, row: Any) -> None:
        """Append the attributes of `row` named by the columns; floats are written exactly."""
        values = (getattr(row, name) for name in self._columns)
        self._stream.write(",".join(_cell(value) for value in values) + "\n")
        if time.monotonic() - self._last > self._every:
            self._stream.flush()
            self._last = time.monotonic()

    def __enter__(self) -> TableWriter:
        """Use as a context, so that the file is flushed and closed on errors too."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        tb: TracebackType | None,
    ) -> None:
        """Flush and close."""
        self._stream.close()


def _cell(value: float | int) -> str:
    return str(value) if isinstance(value, int) else repr(float(value))


def read_columns(path: Path) -> dict[str, np.ndarray]:
    """The columns of a CSV file of numbers, such as trajectory.csv."""
    table = np.genfromtxt(path, delimiter=",", names=True)
    return {name: np.atleast_1d(table[name]) for name in table.dtype.names or ()}
