"""The style that all figures share, and how a figure is saved as SVG and PNG.

The colours are those of Okabe and Ito, which people with any colour vision can tell apart. Lines
also differ in their dashes, so that a grey print can be read.
"""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import matplotlib

from irtheory.runs.files import write_bytes

matplotlib.use("Agg")
from matplotlib import pyplot as plt
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.backends.backend_svg import FigureCanvasSVG
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
# Gaps below this share of Q_1 are rounding errors; they are drawn on this line.
FLOOR = 1e-17
DPI = 150


def save(figure: Figure, path: Path) -> list[Path]:
    """Write path.svg and path.png (150 dots an inch) and close the figure.

    The pictures are those of `Figure.savefig`, which draws every file twice: once for the layout
    and once more for the file. Drawing is most of the time, and one time is enough.
    """
    svg, png = io.BytesIO(), io.BytesIO()
    with plt.rc_context(STYLE):
        # Either canvas may change the resolution: it is set before each.
        figure.set_dpi(DPI)
        FigureCanvasSVG(figure).print_svg(svg, metadata={"Date": None})
        figure.set_dpi(DPI)
        FigureCanvasAgg(figure).print_png(png)
    plt.close(figure)
    written = [path.with_suffix(".svg"), path.with_suffix(".png")]
    for file, picture in zip(written, (svg, png), strict=True):
        write_bytes(file, picture.getbuffer())
    return written
