"""Metrics for TensorBoard (`--tensorboard`)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from irtheory.runs.files import InputError

FOLDER = "tensorboard"


def summary_writer() -> Any:
    """The SummaryWriter class of torch; InputError if TensorBoard is not installed."""
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError:
        raise InputError(
            "--tensorboard: expected TensorBoard, found none; pip install 'ira[tensorboard]'"
        ) from None
    return SummaryWriter


class TensorBoardLog:
    """Writes the metrics of every epoch for TensorBoard; without a run folder, nothing."""

    def __init__(self, run: Path | None) -> None:
        self._writer = None if run is None else summary_writer()(str(run / FOLDER))

    def add(self, row: dict[str, Any]) -> None:
        """Write the numbers of one epoch, a row of metrics.jsonl."""
        if self._writer is None:
            return
        numbers = {f"loss/{name}": value for name, value in row["losses"].items()}
        numbers |= {name: value for name, value in row.items() if name not in ("epoch", "losses")}
        for name, value in numbers.items():
            if value is not None:
                self._writer.add_scalar(name, value, row["epoch"])
        self._writer.flush()

    def close(self) -> None:
        """Write what is still buffered, and close the file."""
        if self._writer is not None:
            self._writer.close()
