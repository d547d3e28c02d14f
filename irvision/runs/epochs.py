"""The course of training: numbers by epoch, as figures and reports draw them. Loads no torch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from jaxtyping import Float

Epochs = Sequence[Mapping[str, Any]]


def column(epochs: Epochs, key: str) -> Float[np.ndarray, " epochs"]:
    """A number for every epoch, NaN if missing; "losses.tree" is `row["losses"]["tree"]`.

    Args:
        epochs: rows of metrics.jsonl.
        key: name of the number.
    """
    outer, _, inner = key.partition(".")
    found = (row.get(outer) for row in epochs)
    cells = [cell.get(inner) if isinstance(cell, Mapping) else cell for cell in found]
    return np.array([np.nan if cell is None else float(cell) for cell in cells])


def with_fidelity(epochs: Epochs, scored: Mapping[int, Mapping[str, Any]]) -> list[dict[str, Any]]:
    """The epochs, each with images, fidelity and null where evaluation measured them.

    Args:
        epochs: rows of metrics.jsonl.
        scored: by epoch, from `irvision.runs.reader.read_epoch_fidelity`.
    """
    return [{**row, **scored.get(row["epoch"], {})} for row in epochs]


def restored_epoch(result: Mapping[str, Any]) -> int | None:
    """The epoch that was kept, if it is not the last one, from result.json."""
    if isinstance(kept := result.get("kept_epoch"), int):
        return kept if kept != result.get("epochs") else None
    return int(result["epochs"]) - 1 if result.get("stopped") is True else None
