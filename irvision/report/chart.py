"""Curves by epoch as drawings: paths and ticks for an SVG of fixed size, drawn without a script."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from irvision.report.words import decimal

# Size of a drawing and the room around the curves: left for ticks, below for epochs.
WIDTH, HEIGHT = 360, 220
LEFT, RIGHT, TOP, BELOW = 48, 10, 10, 26
# Curves with at most this many epochs get dots: one epoch would be invisible.
MOST_DOTS = 8
MOST_TICKS = 6


@dataclass(frozen=True)
class Curve:
    """A number by epoch; NaN where there is none.

    Attributes:
        label: what it is.
        values: a number for each epoch of the panel.
        colour: number of its colour in style/charts.css.
        dash: number of its dash there; colour is never the only difference.
    """

    label: str
    values: tuple[float, ...]
    colour: int
    dash: int = 0


@dataclass(frozen=True)
class Panel:
    """Curves that share their axes.

    Attributes:
        title: of the panel.
        epochs: numbers of the epochs.
        curves: those with a number at all.
        share: whether the axis shows 0 … 1 whatever the curves do.
        kept: epochs to mark.
        note: a sentence below the title.
    """

    title: str
    epochs: tuple[int, ...]
    curves: tuple[Curve, ...]
    share: bool = False
    kept: tuple[int, ...] = ()
    note: str = ""


@dataclass(frozen=True)
class Drawn:
    """A panel in the coordinates of its SVG.

    Attributes:
        panel: what is drawn.
        words: what the drawing shows, for those who do not see it.
        paths: by curve, the content of a path's d.
        dots: by curve, places of its dots.
        across, up: ticks of both axes, as place and words.
        marks: places of the marked epochs.
    """

    panel: Panel
    words: str
    paths: tuple[str, ...]
    dots: tuple[tuple[tuple[float, float], ...], ...]
    across: tuple[tuple[float, str], ...]
    up: tuple[tuple[float, str], ...]
    marks: tuple[float, ...]


def curves(*found: Curve) -> tuple[Curve, ...]:
    """Those curves that have a number."""
    return tuple(curve for curve in found if np.isfinite(curve.values).any())


def draw(panel: Panel) -> Drawn:
    """Place a panel; it has at least one curve and one epoch."""
    values = np.concatenate([curve.values for curve in panel.curves])
    low, high = (0.0, 1.0) if panel.share else _range(values[np.isfinite(values)])
    first, last = panel.epochs[0], panel.epochs[-1]
    ends = (first - 0.5, last + 0.5) if first == last else (float(first), float(last))

    def x(epoch: float) -> float:
        return round(LEFT + (epoch - ends[0]) / (ends[1] - ends[0]) * (WIDTH - LEFT - RIGHT), 1)

    def y(value: float) -> float:
        return round(HEIGHT - BELOW - (value - low) / (high - low) * (HEIGHT - BELOW - TOP), 1)

    places = [
        [
            None if math.isnan(v) else (x(e), y(v))
            for e, v in zip(panel.epochs, c.values, strict=True)
        ]
        for c in panel.curves
    ]
    few = len(panel.epochs) <= MOST_DOTS
    return Drawn(
        panel,
        _words(panel),
        tuple(_path(each) for each in places),
        tuple(tuple(place for place in each if place and few) for each in places),
        tuple((x(each), str(each)) for each in _epoch_ticks(first, last)),
        tuple((y(each), f"{each:g}") for each in _ticks(low, high)),
        tuple(x(each) for each in panel.kept if first <= each <= last),
    )


def _range(values: np.ndarray) -> tuple[float, float]:
    """Ends of an axis that holds 0 and all values."""
    low, high = min(0.0, float(values.min())), float(values.max())
    return (low, high) if high > low else (low, low + 1)


def _path(places: Sequence[tuple[float, float] | None]) -> str:
    """Lines between neighbours; a gap where there is no number."""
    words, gap = [], True
    for place in places:
        if place is not None:
            # A line of no length: a lone point between gaps is drawn as a dot.
            end = f"{place[0]:g} {place[1]:g}"
            words.append(f"M{end}h0" if gap else f"L{end}")
        gap = place is None
    return "".join(words)


def _ticks(low: float, high: float) -> list[float]:
    """Round numbers within both ends."""
    raw = (high - low) / (MOST_TICKS - 1)
    size = 10 ** math.floor(math.log10(raw))
    step = next(size * each for each in (1, 2, 2.5, 5, 10) if size * each >= raw * 0.999)
    return [round(step * i, 10) for i in range(math.ceil(low / step), math.floor(high / step) + 1)]


def _epoch_ticks(first: int, last: int) -> list[int]:
    step = max(1, math.ceil((last - first) / (MOST_TICKS - 1)))
    ticks = [*range(first, last + 1, step)]
    return ticks if ticks[-1] == last or last - ticks[-1] < step / 2 else [*ticks, last]


def _words(panel: Panel) -> str:
    """What every curve does from its first to its last number."""
    told = []
    for curve in panel.curves:
        known = [each for each in curve.values if not math.isnan(each)]
        told.append(f"{curve.label} from {decimal(known[0])} to {decimal(known[-1])}")
    return f"{panel.title} by epoch {panel.epochs[0]} to {panel.epochs[-1]}: {'; '.join(told)}"
