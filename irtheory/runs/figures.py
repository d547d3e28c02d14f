"""The style that all figures share; every figure is saved as SVG and PNG.

Colours are those of Okabe and Ito, told apart with any colour vision; lines differ in dash
as well, so that a grey print can be read.
"""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import matplotlib

from irtheory.runs.files import write_bytes

matplotlib.use("Agg")
from matplotlib import pyplot as plt
from matplotlib.figure import Figure

BLUE, ORANGE, GREEN, RED, GREY = "#0072B2", "#E69F00", "#009E73", "#D55E00", "#5F5F5F"
STYLE: dict[Any, Any] = {
    "font.size": 10,
    "axes.grid": True,
    "grid.alpha": 0.25,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "legend.frameon": False,
    "svg.fonttype": "none",
    "svg.hashsalt": "ira",
    "figure.constrained_layout.use": True,
}
# Gaps below this share of Q_1 are rounding; they are drawn on this line.
FLOOR = 1e-17


def save(figure: Figure, path: Path) -> list[Path]:
    """Write path.svg and path.png (150 dots an inch) and close the figure."""
    written = [path.with_suffix(".svg"), path.with_suffix(".png")]
    with plt.rc_context(STYLE):
        for file in written:
            picture, kind = io.BytesIO(), file.suffix[1:]
            undated: Any = {"metadata": {"Date": None}} if kind == "svg" else {}
            figure.savefig(picture, format=kind, dpi=150, **undated)
            write_bytes(file, picture.getbuffer())
    plt.close(figure)
    return written
