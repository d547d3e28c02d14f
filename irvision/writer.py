"""Checkpoints written in a thread while training goes on."""

from __future__ import annotations

from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from types import TracebackType
from typing import Any

from irvision.checkpoint import save_checkpoint


class Writer:
    """Writes one checkpoint at a time; as a context it ends when the last one is on disk."""

    def __init__(self) -> None:
        self._pool = ThreadPoolExecutor(1, "checkpoint")
        self._pending: Future[Path] | None = None

    def save(self, folder: Path, epoch: int, step: int, state: dict[str, Any]) -> None:
        """Begin to write a state that nothing will change; wait for the one before first.

        Raises:
            InputError: the one before could not be written.
        """
        self._wait()
        self._pending = self._pool.submit(save_checkpoint, folder, epoch, step, state)

    def _wait(self) -> None:
        pending, self._pending = self._pending, None
        if pending is not None:
            pending.result()

    def __enter__(self) -> Writer:
        """Use as a context."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        tb: TracebackType | None,
    ) -> None:
        """Wait for the last one; InputError if it could not be written."""
        self._pool.shutdown(wait=True)
        if error is None:
            self._wait()
