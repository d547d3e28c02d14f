"""Figures of `ira recover` with sweeps: curves over one setting, maps over two."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from irtheory.runs.figures import STYLE, plt
from irtheory.studies.recovery.figures import error_bar, in_order, look_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.image import AxesImage

    from irtheory.studies.recovery.settings import Sweep
    from irtheory.studies.recovery.table import Row


def sweep_figure(rows: Sequence[Row], sweep: Sweep) -> Figure:
    """Recovery by T against the swept setting, with 95% bars; one panel a regime."""
    regimes = list(dict.fromkeys(row.regime for row in rows))
    methods = in_order([row.method for row in rows])
    with plt.rc_context(STYLE):
        figure, panels = plt.subplots(
            1, len(regimes), figsize=(2.2 + 3.6 * len(regimes), 4.0), sharey=True, squeeze=False
        )
        place = np.arange(len(sweep.values))
        for axes, regime in zip(panels[0], regimes, strict=True):
            for i, method in enumerate(methods):
                own = [r for r in rows if (r.regime, r.method) == (regime, method)]
                if not own:
                    continue
                values = [row.metrics["recovered_by_tree"] for row in own]
                at = [place[sweep.values.index(row.point[0][1])] for row in own]
                colour, marker, dash = look_of(method)
                # Side by side, so that no bar hides another.
                axes.errorbar(
                    np.array(at) + 0.05 * (i - (len(methods) - 1) / 2),
                    [value.mean for value in values],
                    yerr=np.hstack([error_bar(value) for value in values]),
                    color=colour,
                    marker=marker,
                    ls=dash,
                    lw=1.6,
                    ms=5,
                    capsize=2,
                    label=method,
                )
            axes.set_title(regime)
            axes.set_xticks(place, [f"{value:g}" for value in sweep.values])
            axes.grid(axis="x", visible=False)
        figure.supxlabel(sweep.name)
        panels[0, 0].set_ylabel(r"recovered by T, $d_D(f \,\Vert\, g)$")
        handles, labels = panels[0, 0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside right center")
    return figure


def phase_figure(rows: Sequence[Row], sweeps: Sequence[Sweep]) -> Figure:
    """Recovery by T over two swept settings: one map a regime (down) and method (across)."""
    regimes = list(dict.fromkeys(row.regime for row in rows))
    methods = in_order([row.method for row in rows])
    across, along = sweeps[1].values, sweeps[0].values
    low = min(0.99, *(row.metrics["recovered_by_tree"].mean for row in rows))
    width = max(1.5, 0.48 * len(across) + 0.3)
    height = max(1.3, 0.36 * len(along) + 0.4)
    with plt.rc_context({**STYLE, "axes.grid": False}):
        figure, panels = plt.subplots(
            len(regimes),
            len(methods),
            figsize=(1.7 + width * len(methods), 1.0 + height * len(regimes)),
            sharex=True,
            sharey=True,
            squeeze=False,
        )
        for line, regime in zip(panels, regimes, strict=True):
            for axes, method in zip(line, methods, strict=True):
                own = [row for row in rows if (row.regime, row.method) == (regime, method)]
                values = np.full((len(along), len(across)), np.nan)
                for row in own:
                    (_, a), (_, b) = row.point
                    mean = row.metrics["recovered_by_tree"].mean
                    values[along.index(a), across.index(b)] = mean
                image = _phase_panel(axes, values, low)
            line[0].set_yticks(range(len(along)), [f"{value:g}" for value in along])
            line[0].set_ylabel(f"{regime}\n{sweeps[0].name}")
        for axes, method in zip(panels[0], methods, strict=True):
            axes.set_title(method)
            axes.set_xticks(range(len(across)), [f"{value:g}" for value in across])
        figure.supxlabel(sweeps[1].name)
        figure.colorbar(image, ax=panels, label="recovered by T", shrink=0.8)
    return figure


def _phase_panel(axes: Axes, values: np.ndarray, low: float) -> AxesImage:
    image = axes.imshow(values, origin="lower", cmap="cividis", vmin=low, vmax=1.0, aspect="auto")
    for (i, j), value in np.ndenumerate(values):
        if np.isfinite(value):
            dark = value < (low + 1.0) / 2
            text = f"{value:.2f}".removeprefix("0")
            colour = "white" if dark else "black"
            axes.text(j, i, text, ha="center", va="center", fontsize=7, color=colour)
    axes.tick_params(length=0)
    return image
