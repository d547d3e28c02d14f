"""95% intervals that stay inside the range of their quantity: of shares, draws and means.

An interval that is cut at the ends of the range loses no coverage, as the quantity cannot lie
beyond them.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import NormalDist

import numpy as np
import numpy.typing as npt

from irtheory.checks import check_whole

Interval = tuple[float, float]

LEVEL = 0.95
# Ranges of quantities: a share, the difference of two shares, a size or number, and any number.
SHARE, DIFFERENCE = (0.0, 1.0), (-1.0, 1.0)
SIZE, ANY = (0.0, math.inf), (-math.inf, math.inf)


def wilson_interval(hits: int, size: int) -> Interval:
    """The interval of a share, from independent trials, after Wilson (1927).

    It lies in 0 … 1, holds the observed share, and ends at 0 without hits and at 1 with hits alone.

    Args:
        hits: number of trials that were hits.
        size: number of all trials, at least 1.

    Raises:
        ValueError: numbers that are not whole, or more hits than trials.
    """
    size = check_whole("size", size, 1)
    hits = check_whole("hits", hits, 0, size)
    z = NormalDist().inv_cdf((1 + LEVEL) / 2)
    share, weight = hits / size, z * z / size
    centre = (share + weight / 2) / (1 + weight)
    half = z * math.sqrt(share * (1 - share) / size + weight / (4 * size)) / (1 + weight)
    # Rounding may leave the two ends that are exact a little off.
    low = 0.0 if hits == 0 else max(0.0, centre - half)
    high = 1.0 if hits == size else min(1.0, centre + half)
    return low, high


def percentile_interval(
    draws: Sequence[float] | npt.NDArray[np.float64], within: Interval = ANY
) -> Interval:
    """The 2.5 and 97.5 percentiles of one or more draws, cut at the ends of the range `within`."""
    low, high = np.percentile(draws, (50 * (1 - LEVEL), 50 * (1 + LEVEL)))
    return cut(low, high, within)


def centred_interval(
    value: float, draws: npt.NDArray[np.float64], within: Interval = ANY
) -> Interval:
    """The percentile interval of draws, moved so that their mean becomes `value`, and cut.

    Moving takes away what resampling adds to a maximum. The interval holds `value`, also where
    the draws are so skewed that their percentiles do not hold their mean.
    """
    low, high = percentile_interval(draws + (value - draws.mean()))
    return cut(min(low, value), max(high, value), within)


def cut(low: float, high: float, within: Interval) -> Interval:
    """The part of an interval that lies in the range `within`."""
    least, most = within
    return min(max(float(low), least), most), min(max(float(high), least), most)
