"""Figure of a training run: losses, accuracies and codes after every epoch."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.ticker import MaxNLocator

from irtheory.runs.figures import BLUE, GREEN, GREY, ORANGE, RED, STYLE, plt
from irvision.runs.epochs import Epochs, column

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

DASHED, DOTTED = (0, (4, 1.5)), (0, (1, 1.2))
# Runs with at most this many epochs get markers: a curve of one epoch would be invisible.
MOST_DOTS = 8
# Title of every panel, and key, label, colour and dash of its curves.
PANELS: tuple[tuple[str, tuple[tuple[str, str, str, Any], ...]], ...] = (
    ("CE loss", (("losses.label", "$L[G, y]$", BLUE, "solid"),)),
    (
        "IR loss",
        (
            ("losses.tree", "$L[G, T]$", ORANGE, "solid"),
            ("losses.route", "$L[T, y]$", RED, DASHED),
        ),
    ),
    (
        "accuracy",
        (
            ("accuracy_g", "G, train", BLUE, DOTTED),
            ("accuracy_t", "T, train", ORANGE, DOTTED),
            ("validation_g", "G, validation", BLUE, "solid"),
            ("validation_t", "T, validation", ORANGE, DASHED),
        ),
    ),
    (
        "agreement of G and T",
        (
            ("agreement", "train", GREY, DOTTED),
            ("validation_agreement", "validation", GREEN, "solid"),
        ),
    ),
    (
        "codes: shares",
        (
            ("density", "not 0", BLUE, "solid"),
            ("constant", "constant", RED, DASHED),
        ),
    ),
)
SIZE = (
    "tree",
    (
        ("leaves", "leaves", GREEN, "solid"),
        ("codes_used", "codes tested", BLUE, DASHED),
    ),
)
FIDELITY = (
    "feature fidelity",
    (
        ("fidelity", "$d_D(f; g)$", GREEN, "solid"),
        ("null", "the same, images shuffled", GREY, DOTTED),
    ),
)
SHARES = ("accuracy", "agreement of G and T", "codes: shares")


def dynamics_figure(epochs: Epochs, title: str, back_to: int | None = None) -> Figure:
    """Six panels by epoch (Figs. 7–8 of the paper); the last is fidelity if it was measured.

    Args:
        epochs: a row for every epoch, as in metrics.jsonl; with images, fidelity and null if
            evaluated.
        title: title of the figure.
        back_to: the epoch that was kept, if it is not the last one.
    """
    last = FIDELITY if np.isfinite(column(epochs, "fidelity")).any() else SIZE
    with plt.rc_context({**STYLE, "font.size": 9}):
        figure, axes = plt.subplots(2, 3, figsize=(9, 5.2), sharex=True)
        for panel, (name, curves) in zip(axes.flat, (*PANELS, last), strict=True):
            counted = _images(epochs) if name == FIDELITY[0] else ""
            panel.set_title(name + counted, fontsize=10)
            _curves(panel, epochs, curves)
            if name in SHARES:
                panel.set_ylim(-0.03, 1.03)
            if back_to is not None:
                panel.axvline(back_to, color=GREY, lw=1, ls=DOTTED)
        if back_to is not None:
            title += f" (kept: epoch {back_to}, the dotted line)"
        axes[0, 0].xaxis.set_major_locator(MaxNLocator(6, integer=True, min_n_ticks=1))
        if len(epochs) <= MOST_DOTS:
            axes[0, 0].set_xlim(epochs[0]["epoch"] - 0.5, epochs[-1]["epoch"] + 0.5)
        figure.supxlabel("epoch")
        figure.suptitle(title, fontsize=11, parse_math=False)
    return figure


def _images(epochs: Epochs) -> str:
    """The number of images on which fidelity was scored, as part of a title."""
    count = column(epochs, "images")
    return f", {np.nanmax(count):.0f} validation images"


def _curves(panel: Axes, epochs: Epochs, curves: Sequence[tuple[str, str, str, Any]]) -> None:
    x = column(epochs, "epoch")
    marker = "o" if len(epochs) <= MOST_DOTS else ""
    for key, label, colour, dash in curves:
        y = column(epochs, key)
        if np.isfinite(y).any():
            panel.plot(x, y, color=colour, ls=dash, lw=1.8, marker=marker, ms=3, label=label)
    if panel.lines:
        panel.legend(fontsize=8, handlelength=3.2)
    else:
        panel.set_yticks([])
        panel.text(0.5, 0.5, "not in force", transform=panel.transAxes, ha="center", color=GREY)
