"""An explanation as one picture: the image, then a row for every test on its path."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from irtheory.runs.figures import BLUE, GREY
from irvision.explain.examples import Examples
from irvision.explain.explanation import Explanation, Step
from irvision.explain.overlay import enlarged, overlay
from irvision.explain.text import agreement, change_words, mix_words
from irvision.figures.page import page, shortened

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Lengths in inches.
WIDTH, MARGIN, PICTURE, GAP, TOP = 9.6, 0.15, 0.82, 0.05, 1.95
FONT, LONGEST = 8.0, 74


def explanation_figure(name: str, found: Explanation, examples: Examples | None) -> Figure:
    """Image, classes and the path; beside every test its map and images on either side.

    Args:
        name: of the image.
        found: its explanation.
        examples: images of the run, or None.
    """
    height = TOP + 0.1 + len(found.steps) * (PICTURE + 0.35) + MARGIN
    with page(WIDTH, height, FONT) as (figure, axes):
        _show(axes, enlarged(found.pixels, 256), (MARGIN, MARGIN), TOP - 2 * MARGIN)
        left = MARGIN + TOP - 2 * MARGIN + 0.2
        lines = (
            f"by G: {shortened(found.by_g, LONGEST)} ({found.likeliest[0][1]:.3f}), "
            f"{agreement(found)}",
            mix_words(found),
            "" if found.as_trained else "no image of the run went this way",
            change_words(found),
        )
        axes.text(left, 0.3, shortened(found.by_t, 50), fontsize=14, weight="bold", va="center",
                  parse_math=False)  # fmt: skip
        axes.text(left, 0.58, shortened(name, LONGEST), color=GREY, va="center", parse_math=False)
        for number, line in enumerate(filter(None, lines)):
            axes.text(left, 0.85 + 0.22 * number, shortened(line, LONGEST + 20), va="center",
                      parse_math=False)  # fmt: skip
        legend = "first picture: in colour, what adds to the code"
        if examples is not None:
            legend += "; then images of the run on the side of this image (blue), and on the other"
        axes.text(MARGIN, TOP - 0.06, legend, color=GREY, va="center")
        for number, step in enumerate(found.steps):
            _step(axes, step, found, examples, TOP + 0.1 + number * (PICTURE + 0.35))
    return figure


def _step(
    axes: Axes, step: Step, found: Explanation, examples: Examples | None, top: float
) -> None:
    words = f"{step.label}. {shortened(step.words, LONGEST)}"
    axes.text(MARGIN, top + 0.12, words, weight="bold", va="center", parse_math=False)
    told = f"{step.level:.2f} before rounding, {step.margin:.2f} of a step from the threshold"
    axes.text(WIDTH - MARGIN, top + 0.12, told, color=GREY, va="center", ha="right")
    y = top + 0.25
    _show(axes, overlay(enlarged(found.pixels, 160), step.map), (MARGIN, y), PICTURE)
    if examples is None:
        return
    sides = examples.beside(step)
    left = MARGIN + PICTURE + 0.35
    for passed in (step.passed, not step.passed):
        here = passed == step.passed
        colour = BLUE if here else GREY
        axes.plot([left - 0.07] * 2, [y, y + PICTURE], color=colour, lw=2 if here else 1)
        for example in sides[passed]:
            with Image.open(io.BytesIO(example.jpeg)) as image:
                _show(axes, np.asarray(image.convert("RGB")), (left, y), PICTURE)
            left += PICTURE + GAP
        left += 0.35


def _show(axes: Axes, pixels: np.ndarray, corner: tuple[float, float], side: float) -> None:
    """A square picture with its upper left corner at a place in inches."""
    left, top = corner
    limits = axes.get_xlim(), axes.get_ylim()
    axes.imshow(pixels, extent=(left, left + side, top + side, top), aspect="auto", zorder=1)
    # `imshow` moves the limits of the axes, which are those of the page.
    axes.set(xlim=limits[0], ylim=limits[1])


def png_of(name: str, found: Explanation, examples: Examples | None) -> bytes:
    """The figure as a PNG file."""
    from irtheory.runs.figures import plt

    figure = explanation_figure(name, found, examples)
    packed = io.BytesIO()
    figure.savefig(packed, format="png", dpi=150)
    plt.close(figure)
    return packed.getvalue()
