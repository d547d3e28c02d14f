"""Targets of squared error in a range where neither they nor their squares lose digits."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float

from irtheory.trees.checks import check_targets

# Between these sizes squares neither overflow nor vanish.
_SIZES = (1e-100, 1e100)
# An output is moved to 0 if its values lie closer together than this share of their size. Any
# two of them then differ by a factor below 2, so that their difference is exact.
_CLOSE = 1e-3


@dataclass(frozen=True, eq=False)
class Levelled:
    """Targets t with y = (t + offset) · 2^power.

    Attributes:
        targets: t [m, k].
        offset: [k]; one of the values of an output, or 0.
        power: a whole number.
    """

    targets: Float[np.ndarray, "m k"]
    offset: Float[np.ndarray, " k"]
    power: int

    def restored(self, value: Float[np.ndarray, "n k"]) -> Float[np.ndarray, "n k"]:
        """Values of t as values of y."""
        return np.ldexp(value + self.offset, self.power)

    def lowered(self, value: Float[np.ndarray, "n k"]) -> Float[np.ndarray, "n k"]:
        """Values of y as values of t."""
        return np.ldexp(value, -self.power) - self.offset


def level_targets(targets: Any, m: int) -> Levelled:
    """Check m targets, scale them by a power of two if they are very large or small, and shift.

    Neither step rounds. Differences below 1e-150 of the largest target are lost in squares.

    Raises:
        ValueError: that of `check_targets`.
    """
    power, raw = 0, np.asarray(targets)
    if raw.dtype.kind == "f" and raw.size:
        raw = raw.astype(np.float64, copy=False)
        size = max(-raw.min(), raw.max())
        if np.isfinite(size) and size > 0 and not _SIZES[0] < size < _SIZES[1]:
            power = int(np.frexp(size)[1])
            raw = np.ldexp(raw, -power)
    y = check_targets(raw, m)
    low, high = y.min(axis=0), y.max(axis=0)
    close = (high > low) & (high - low < _CLOSE * np.maximum(-low, high))
    offset = np.where(close, y[0], 0.0)
    return Levelled(y - offset if close.any() else y, offset, power)
