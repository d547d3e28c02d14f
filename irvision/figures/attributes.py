"""Heat maps of attributes: one run against its references, and two runs side by side."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import matplotlib
import numpy as np

from irtheory.runs.figures import GREY
from irtheory.runs.files import InputError
from irvision.figures.page import page, shortened
from irvision.runs.attribute_table import AttributeRow
from irvision.runs.comparing import BETTER, compare_attributes

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Lengths in inches.
ROW, CELL, LETTER, GAP, MARGIN = 0.135, 0.34, 0.06, 0.2, 0.15
NARROWEST = 4.3
FONT = 6.5
# Largest number of attributes for 1, 2 and 3 blocks side by side; more take 4.
COLUMNS_UP_TO = (34, 84, 168)
LONGEST, LONGEST_RUN, LONGEST_HEAD = 30, 60, 36
# Cells above this share of the scale are dark and get white numbers.
DARK = 0.62


def attributes_figure(rows: Sequence[AttributeRow], title: str) -> Figure:
    """Best F1 of each attribute beside its null and the F1 of the classes (Figs. 4–6).

    Args:
        rows: attributes of one run; drawn by falling F1, those without annotations last.
        title: title of the figure.
    """
    order = sorted(rows, key=lambda row: (row.f1 is None, -(row.f1 or 0.0)))
    columns = (
        ("codes", [row.f1 for row in order]),
        ("null", [row.null for row in order]),
        ("predicted class", [row.predicted_class for row in order]),
        ("class oracle", [row.class_oracle for row in order]),
    )
    values = np.array([[math.nan if v is None else v for v in cells] for _, cells in columns]).T
    note = "best F1 of each attribute; bold: a test of T is named so"
    names = [row.attribute for row in order]
    bold = [bool(row.tested) for row in order]
    heads = [head for head, _ in columns]
    return _heat_map(names, bold, heads, values, None, f"{title}\n{note}")


def comparison_figure(
    first: Sequence[AttributeRow], second: Sequence[AttributeRow], names: tuple[str, str]
) -> Figure:
    """Best F1 of each attribute in two runs and the difference, largest gains of the first on top.

    Raises:
        InputError: no attribute is scored in both.
    """
    found = compare_attributes(first, second)
    if not found.names:
        raise InputError(f"{names[0]} and {names[1]}: expected common attributes, found none")
    better, difference = found.better, np.array(found.difference)
    title = (
        f"best F1 of {len(found.names)} attributes; better by ≥ {BETTER} (bold):\n"
        f"{better[0]}: {shortened(names[0], LONGEST_RUN)}\n"
        f"{better[1]}: {shortened(names[1], LONGEST_RUN)}"
    )
    heads = [shortened(names[0], LONGEST_HEAD), shortened(names[1], LONGEST_HEAD), "difference"]
    bold = (np.abs(difference) >= BETTER).tolist()
    pairs = np.array([found.first, found.second]).T
    return _heat_map(found.names, bold, heads, pairs, difference, title)


def _heat_map(
    names: Sequence[str],
    bold: Sequence[bool],
    heads: Sequence[str],
    values: np.ndarray,
    difference: np.ndarray | None,
    title: str,
) -> Figure:
    """Rows of cells in up to four blocks side by side; x and y are in inches."""
    blocks = 1 + sum(len(names) > most for most in COLUMNS_UP_TO)
    high = -(-len(names) // blocks)
    # Estimated width of the longest name in bold type.
    name = 0.1 + LETTER * min(LONGEST, max(map(len, names)))
    block = name + len(heads) * CELL + GAP
    # The title has larger letters; column heads are rotated by 50°.
    lines, longest = title.splitlines(), max(map(len, heads))
    slant = 0.075 * longest
    width = max(blocks * block + 2 * MARGIN + 0.65 * slant, NARROWEST)
    width = max(width, 0.085 * max(map(len, lines)) + 2 * MARGIN)
    top = 0.2 + 0.18 * len(lines) + 0.77 * slant
    height = top + high * ROW + MARGIN
    with page(width, height, FONT) as (figure, axes):
        axes.text(MARGIN, 0.12, title, fontsize=9, va="top", linespacing=1.4, parse_math=False)
        for number in range(blocks):
            rows = slice(number * high, (number + 1) * high)
            corner = MARGIN + number * block, top
            left = corner[0] + name
            _names(axes, names[rows], bold[rows], (left - 0.06, corner[1]))
            _cells(axes, values[rows], (left, corner[1]), "Blues", (0.0, 1.0), ".2f")
            if difference is not None:
                most = max(BETTER, float(np.abs(difference).max()))
                at = left + values.shape[1] * CELL, corner[1]
                _cells(axes, difference[rows, None], at, "PuOr", (-most, most), "+.2f")
            _heads(axes, heads, (left, corner[1]))
    return figure


def _names(
    axes: Axes, names: Sequence[str], bold: Sequence[bool], corner: tuple[float, float]
) -> None:
    for i, (name, tested) in enumerate(zip(names, bold, strict=True)):
        axes.text(
            corner[0],
            corner[1] + (i + 0.5) * ROW,
            shortened(name, LONGEST),
            ha="right",
            va="center_baseline",
            weight="bold" if tested else "normal",
            parse_math=False,
        )


def _heads(axes: Axes, heads: Sequence[str], corner: tuple[float, float]) -> None:
    for j, head in enumerate(heads):
        x = corner[0] + (j + 0.5) * CELL
        axes.text(
            x, corner[1] - 0.05, head, rotation=50, ha="left", va="bottom",
            rotation_mode="anchor", fontsize=7, parse_math=False,
        )  # fmt: skip


def _cells(
    axes: Axes,
    values: np.ndarray,
    corner: tuple[float, float],
    colours: str,
    limits: tuple[float, float],
    form: str,
) -> None:
    """A block of coloured cells with their numbers; "–" for NaN."""
    x = corner[0] + CELL * np.arange(values.shape[1] + 1)
    y = corner[1] + ROW * np.arange(values.shape[0] + 1)
    scale = matplotlib.colormaps[colours].with_extremes(bad="#EEEEEE")
    shown = np.ma.masked_invalid(values)
    axes.pcolormesh(
        x, y, shown, cmap=scale, vmin=limits[0], vmax=limits[1], edgecolors="white", lw=0.4
    )
    for (i, j), value in np.ndenumerate(values):
        known = math.isfinite(value)
        dark = known and (abs(value) / limits[1] > DARK)
        axes.text(
            x[j] + CELL / 2,
            y[i] + ROW / 2,
            format(round(value, 2) + 0.0, form).replace("-", "−") if known else "–",
            ha="center",
            va="center_baseline",
            fontsize=FONT - 0.5,
            color="white" if dark else "black" if known else GREY,
        )
