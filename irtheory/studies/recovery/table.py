"""The table of a study: means with intervals, and the method that recovers most."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats

from irtheory import intervals
from irtheory.intervals import ANY, DIFFERENCE, LEVEL, SHARE, SIZE
from irtheory.studies.recovery.cell import Measured
from irtheory.studies.recovery.grid import Place
from irtheory.studies.recovery.settings import Point

METRICS = (
    "recovered_by_tree",
    "recovered_by_codes",
    "accuracy_t",
    "accuracy_g",
    "agreement",
    "features_by_attributes",
    "score",
    "by_codes_without_constant",
    "by_codes_with_constant",
    "score_without_constant",
    "score_with_constant",
    "constant_code",
    "leaves",
    "codes_used",
    "kept",
    "density",
    "seconds",
)
MARK = "recovered_by_tree"
# Metrics that are numbers or seconds; all others are shares.
SIZES = ("leaves", "codes_used", "kept", "seconds")
Found = Sequence[tuple[Place, Measured]]


@dataclass(frozen=True)
class Interval:
    """Mean of n values with its standard deviation and 95% t-interval; NaN below two values.

    The interval is cut at the ends of the range in which the quantity lies.
    """

    mean: float
    sd: float
    low: float
    high: float
    n: int


@dataclass(frozen=True)
class Row:
    """One method in one regime at one point of the sweeps: metrics with intervals over seeds."""

    regime: str
    method: str
    point: Point
    metrics: dict[str, Interval]


@dataclass(frozen=True)
class Rival:
    """The lead of the best method over another one, over the seeds that both have."""

    method: str
    difference: Interval

    @property
    def beaten(self) -> bool:
        """Whether the interval of the difference lies above 0."""
        return self.difference.low > 0


@dataclass(frozen=True)
class Verdict:
    """The method of the highest mean recovery by its tree, and all others against it."""

    regime: str
    point: Point
    method: str
    recovered: Interval
    rivals: tuple[Rival, ...]


def interval(values: Iterable[float], within: intervals.Interval = ANY) -> Interval:
    """Mean, sample sd and the 95% interval mean ± t · sd/√n, cut at the ends of `within`.

    Raises:
        ValueError: no values.
    """
    array = np.array(list(values), dtype=np.float64)
    n = len(array)
    if not n:
        raise ValueError("values: expected at least one, found none")
    if n < 2:
        return Interval(float(array[0]), math.nan, math.nan, math.nan, n)
    mean, sd = float(array.mean()), float(array.std(ddof=1))
    half = float(stats.t.ppf((1 + LEVEL) / 2, n - 1)) * sd / math.sqrt(n)
    return Interval(mean, sd, *intervals.cut(mean - half, mean + half, within), n)


def summarise(found: Found) -> list[Row]:
    """One row for every (regime, point, method), in the order in which they first appear."""
    groups: dict[tuple[str, Point, str], list[Measured]] = {}
    for place, measured in found:
        groups.setdefault((place.regime, place.point, place.method), []).append(measured)
    return [
        Row(regime, method, point, {m: _over_seeds(cells, m) for m in METRICS})
        for (regime, point, method), cells in groups.items()
    ]


def _over_seeds(cells: Sequence[Measured], metric: str) -> Interval:
    """The interval of a metric; NaN where a cell of an earlier version lacks it."""
    values = [getattr(cell, metric) for cell in cells]
    if None in values:
        return Interval(math.nan, math.nan, math.nan, math.nan, 0)
    return interval(values, SIZE if metric in SIZES else SHARE)


def verdicts(found: Found) -> list[Verdict]:
    """The method that recovers most by its tree, for every regime and point; rivals by distance."""
    values: dict[tuple[str, Point], dict[str, dict[int, float]]] = {}
    for place, measured in found:
        methods = values.setdefault((place.regime, place.point), {})
        methods.setdefault(place.method, {})[place.seed] = getattr(measured, MARK)
    return [_verdict(regime, point, m) for (regime, point), m in values.items()]


def _verdict(regime: str, point: Point, methods: dict[str, dict[int, float]]) -> Verdict:
    recovered = {name: interval(by_seed.values(), SHARE) for name, by_seed in methods.items()}
    ahead = max(recovered, key=lambda name: recovered[name].mean)
    rivals = []
    for name, by_seed in methods.items():
        shared = [seed for seed in by_seed if seed in methods[ahead]]
        if name != ahead and shared:
            lead = interval((methods[ahead][seed] - by_seed[seed] for seed in shared), DIFFERENCE)
            rivals.append(Rival(name, lead))
    rivals.sort(key=lambda rival: rival.difference.mean)
    return Verdict(regime, point, ahead, recovered[ahead], tuple(rivals))


def sentence(verdict: Verdict) -> str:
    """A verdict in words, with its numbers."""
    where = ", ".join([verdict.regime, *(f"{name} = {value:g}" for name, value in verdict.point)])
    n = verdict.recovered.n
    lead = f"{where}: {verdict.method} recovers most, {shown(verdict.recovered)}"
    if not verdict.rivals:
        return f"{lead}."
    if n < 2:
        nearest = verdict.rivals[0]
        return f"{lead}, {nearest.method} is {nearest.difference.mean:.3f} behind (one seed)."
    level = [r.method for r in verdict.rivals if not r.beaten]
    behind = [f"{r.method} {_lead(r.difference)}" for r in verdict.rivals if r.beaten]
    parts = [f"ahead of {', '.join(behind)}"] if behind else []
    parts += [f"not told apart from {', '.join(level)}"] if level else []
    return f"{lead} ({n} seeds): {'; '.join(parts)}."


def shown(found: Interval) -> str:
    """Mean and interval in three digits, such as 0.931 [0.902, 0.960]."""
    if math.isnan(found.low):
        return f"{found.mean:.3f}"
    return f"{found.mean:.3f} [{found.low:.3f}, {found.high:.3f}]"


def _lead(difference: Interval) -> str:
    return f"by {difference.mean:.3f} [{difference.low:.3f}, {difference.high:.3f}]"


@dataclass(frozen=True)
class Seen:
    """Recovery of the attributes of one observability, over worlds."""

    method: str
    observability: float
    by_tree: Interval
    by_codes: Interval


# In this regime every sample reaches every attribute, so observability says nothing.
ALWAYS_SEEN = "every-path"
STEP = 0.125


def by_observability(found: Found) -> list[Seen]:
    """Recovery against observability, rounded to eighths; regimes where it varies, pooled."""
    groups: dict[tuple[str, float], list[tuple[float, float]]] = {}
    for place, measured in found:
        if place.regime == ALWAYS_SEEN or place.point:
            continue
        for each in measured.attributes:
            at = max(round(each.observability / STEP), 1) * STEP
            groups.setdefault((place.method, at), []).append((each.by_tree, each.by_codes))
    return [
        Seen(method, at, *(interval(values, SHARE) for values in zip(*pairs, strict=True)))
        for (method, at), pairs in sorted(groups.items(), key=lambda item: item[0][1])
    ]
