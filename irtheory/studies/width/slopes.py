"""How fast a quantity falls with width: log-log slopes with intervals."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.stats import t as student

# Lee et al. (2019) bound ‖f_t − f_t^lin‖ and the drift by a constant times width^(−1/2), for
# smooth activations and fixed targets; a slope counts as that within these limits.
LOW, HIGH = -0.8, -0.3


@dataclass(frozen=True)
class Slope:
    """d log(value)/d log(width) with its 95% t-interval; n values."""

    name: str
    slope: float
    low: float
    high: float
    n: int

    def __str__(self) -> str:
        """One line of numbers."""
        return f"{self.name}: slope {self.slope:.3f} [{self.low:.3f}, {self.high:.3f}]"

    @property
    def verdict(self) -> str:
        """How the interval of the slope compares with the range from `LOW` to `HIGH`."""
        if self.high < LOW:
            return "faster than"
        if self.low > HIGH:
            return "slower than"
        return "in keeping with" if self.high < 0 else "too uncertain to hold against"


def loglog_slope(
    name: str, widths: Sequence[int], seeds: Sequence[int], values: Sequence[float]
) -> Slope:
    """Least squares of log(value) on log(width), with a separate level for each seed (problem).

    The interval assumes one slope for all seeds and independent errors.

    Raises:
        ValueError: values not above 0, or too few for an interval.
    """
    x, y, group = np.log(np.asarray(widths, float)), np.asarray(values, float), np.asarray(seeds)
    if not (y > 0).all():
        raise ValueError(f"{name}: expected values above 0 for a log-log slope, found {y.min()}")
    free = len(y) - len(set(seeds)) - 1
    if free < 1 or len(set(widths)) < 2:
        raise ValueError(f"{name}: expected more widths or seeds for an interval, found {len(y)}")
    x, y = _centred(x, group), _centred(np.log(y), group)
    slope = float(x @ y / (x @ x))
    error = float(np.sqrt(np.sum((y - slope * x) ** 2) / free / (x @ x)))
    reach = float(student.ppf(0.975, free)) * error
    return Slope(name, slope, slope - reach, slope + reach, len(y))


def _centred(values: np.ndarray, group: np.ndarray) -> np.ndarray:
    """The values minus the mean of their group."""
    centred = values.copy()
    for member in np.unique(group):
        centred[group == member] -= values[group == member].mean()
    return centred
