"""The style that all figures share, and how a figure is saved as SVG and PNG.

The colours are those of Okabe and Ito, which people with any colour vision can tell apart. Lines
also differ in their dashes, so that a grey print can be read.
"""

from __future__ import annotations

import io
import re
import sys
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import Any

import matplotlib

from irtheory.runs.files import InputError, write_bytes

matplotlib.use("Agg")
from matplotlib import font_manager
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
# Fonts with letters that matplotlib's own lacks; those that are installed are used for them.
MORE_FONTS = (
    "Noto Sans CJK JP", "Noto Sans CJK SC", "Noto Sans JP", "Noto Sans SC", "Noto Sans KR",
    "Source Han Sans", "WenQuanYi Zen Hei", "WenQuanYi Micro Hei", "PingFang SC", "Hiragino Sans",
    "Microsoft YaHei", "Malgun Gothic", "Arial Unicode MS", "Noto Sans Arabic", "Noto Sans Hebrew",
    "Noto Sans Devanagari", "Noto Sans Thai", "Noto Emoji", "Segoe UI Symbol",
)  # fmt: skip
# Gaps below this share of Q_1 are rounding errors; they are drawn on this line.
FLOOR = 1e-17
DPI = 150
# What matplotlib says of a letter that no font has, and how many such letters are named.
MISSING = re.compile(r"Glyph (\d+) .* missing from")
MOST_LETTERS = 20


def draw(path: Path, make: Callable[[], Figure], say: Callable[[str], None]) -> list[Path]:
    """Make a figure and save it as path.svg and path.png; if it cannot be drawn, say why.

    What a figure shows has been written before: results of a degenerate run may have no figure,
    and are results nevertheless. Pictures of an earlier figure of that name are then removed.

    Args:
        path: of the figure, without suffix.
        make: draws it.
        say: called with one line if it cannot be drawn.

    Returns:
        The files; none if the figure was left out.

    Raises:
        OSError: the files cannot be written.
        InputError: `make` reads a file that is damaged.
    """
    before = plt.get_fignums()
    try:
        return save(make(), path)
    except (OSError, MemoryError, InputError):
        raise
    except Exception as error:
        for number in set(plt.get_fignums()) - set(before):
            plt.close(number)
        for old in (path.with_suffix(".svg"), path.with_suffix(".png")):
            old.unlink(missing_ok=True)
        why = " ".join(str(error).split()) or type(error).__name__
        say(f"no figure {path.name}: {why}")
        return []


def save(figure: Figure, path: Path) -> list[Path]:
    """Write path.svg and path.png (150 dots an inch) and close the figure.

    The pictures are those of `Figure.savefig`, which draws every file twice: once for the layout
    and once more for the file. Drawing is most of the time, and one time is enough.
    """
    svg, png = io.BytesIO(), io.BytesIO()
    with plt.rc_context(STYLE | _fonts()), _missing_letters_named():
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


@lru_cache(maxsize=1)
def _fonts() -> dict[Any, Any]:
    """The usual font, followed by installed ones that have further letters."""
    installed = {font.name for font in font_manager.fontManager.ttflist}
    more = [name for name in MORE_FONTS if name in installed]
    return {"font.family": ["sans-serif", *more]} if more else {}


@contextmanager
def _missing_letters_named() -> Iterator[None]:
    """Say in one line which letters no font has, in place of a warning for every one of them."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        yield
    missing = set()
    for warning in caught:
        if (found := MISSING.match(str(warning.message))) is not None:
            missing.add(chr(int(found[1])))
        else:
            warnings.warn_explicit(
                warning.message, warning.category, warning.filename, warning.lineno
            )
    if missing:
        _tell("".join(sorted(missing)))


@lru_cache(maxsize=1)
def _tell(letters: str) -> None:
    print(
        f"note: no font here has {letters[:MOST_LETTERS]}: boxes in the PNG, and right in the SVG "
        "where the viewer has a font",
        file=sys.stderr,
    )
