"""A page on which figures place everything by hand, in inches from its upper left corner."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from irtheory.runs.figures import STYLE, plt

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


@contextmanager
def page(width: float, height: float, font: float) -> Iterator[tuple[Figure, Axes]]:
    """An empty figure of so many inches, its axes x to the right and y downwards in inches."""
    with plt.rc_context({**STYLE, "font.size": font}):
        figure = plt.figure(figsize=(width, height))
        # Without an engine the style that figures are saved with would put a new one in place.
        figure.set_layout_engine("none")
        axes = figure.add_axes((0, 0, 1, 1))
        axes.set(xlim=(0, width), ylim=(height, 0))
        axes.axis("off")
        yield figure, axes


def shortened(text: str, longest: int) -> str:
    """The text, or its two ends where it is longer."""
    if len(text) <= longest:
        return text
    start = (longest - 1) // 2
    return f"{text[:start]}…{text[len(text) - (longest - 1 - start) :]}"
