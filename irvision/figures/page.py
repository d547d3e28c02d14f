"""Empty pages for figures that place everything at coordinates in inches."""

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
    """An empty figure; its axes are in inches from the upper left corner, y pointing down."""
    with plt.rc_context({**STYLE, "font.size": font}):
        figure = plt.figure(figsize=(width, height))
        # Otherwise the style used by `save` would turn on constrained layout and move the axes.
        figure.set_layout_engine("none")
        axes = figure.add_axes((0, 0, 1, 1))
        axes.set(xlim=(0, width), ylim=(height, 0))
        axes.axis("off")
        yield figure, axes


def shortened(text: str, longest: int) -> str:
    """The text, or its beginning and end with … between if it is longer than `longest`."""
    if len(text) <= longest:
        return text
    start = (longest - 1) // 2
    return f"{text[:start]}…{text[len(text) - (longest - 1 - start) :]}"
