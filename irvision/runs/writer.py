"""Checkpoints written by a background thread while training continues."""

from __future__ import annotations

from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from types import TracebackType
from typing import Any

import torch
from torch import Tensor

from irvision.runs.checkpoint import save_checkpoint


def on_host(value: Any) -> Any:
    """A state with its tensors on the CPU; copies from a GPU are asynchronous on its stream.

    The copies are queued here and not in the writing thread, where each of hundreds of them would
    wait for all work queued on the GPU and hold up training.
    """
    if isinstance(value, Tensor):
        return value.to("cpu", non_blocking=True)
    if isinstance(value, dict):
        return type(value)((key, on_host(item)) for key, item in value.items())
    if type(value) in (list, tuple):
        return type(value)(map(on_host, value))
    return value


def _save(
    copied: torch.Event | None, folder: Path, epoch: int, step: int, state: dict[str, Any]
) -> Path:
    if copied is not None:
        copied.synchronize()
    return save_checkpoint(folder, epoch, step, state)


class Writer:
    """Writes one checkpoint at a time; leaving its context waits until the last is on disk."""

    def __init__(self) -> None:
        self._pool = ThreadPoolExecutor(1, "checkpoint")
        self._pending: Future[Path] | None = None

    def save(self, folder: Path, epoch: int, step: int, state: dict[str, Any]) -> None:
        """Start writing a state, which must not change any more, once the previous one is written.

        Raises:
            InputError: the previous state could not be written.
        """
        self._wait()
        state = on_host(state)
        copied = torch.cuda.current_stream().record_event() if torch.cuda.is_initialized() else None
        self._pending = self._pool.submit(_save, copied, folder, epoch, step, state)

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
        """Wait for the last checkpoint; InputError if it could not be written."""
        self._pool.shutdown(wait=True)
        if error is None:
            self._wait()
