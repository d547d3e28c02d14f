"""Figures of the width study: measures against width, and the gap by step."""

from __future__ import annotations

import numpy as np
from matplotlib import colormaps
from matplotlib.figure import Figure

from irtheory.runs.figures import BLUE, FLOOR, GREY, ORANGE, RED, STYLE, plt
from irtheory.studies.width.study import FALLING, MEASURES, WidthStudy

NAMES = {
    "off_train": r"$\sup_t\,\|f_t - f_t^{\mathrm{lin}}\|$, train",
    "off_held": r"$\sup_t\,\|f_t - f_t^{\mathrm{lin}}\|$, held out",
    "drift": r"$\|K_t - K_0\| \,/\, \|K_0\|$ at the end",
}


def widths_figure(study: WidthStudy, title: str = "") -> Figure:
    """Distance to the linearisation and drift of the kernel against width, log axes."""
    with plt.rc_context(STYLE):
        figure, axes = plt.subplots(figsize=(7.0, 4.8))
        widths = np.array([row.width for row in study.rows], dtype=float)
        looks = zip((BLUE, ORANGE, RED), "os^", ("-", "--", ":"), strict=True)
        for key, slope, (colour, mark, dash) in zip(FALLING, study.slopes, looks, strict=True):
            points = [(run.width, MEASURES[key][1](run)) for run in study.runs]
            axes.plot(*zip(*points, strict=True), mark, color=colour, alpha=0.5, ms=4, mew=0)
            middle = np.exp(np.mean(np.log([value for _, value in points])))
            centre = np.exp(np.mean(np.log([width for width, _ in points])))
            numbers = f"{slope.slope:.2f} [{slope.low:.2f}, {slope.high:.2f}]".replace("-", "−")
            label = f"{NAMES[key]}: {numbers}"
            fitted = middle * (widths / centre) ** slope.slope
            axes.plot(widths, fitted, color=colour, ls=dash, lw=2, label=label)
        guide = axes.get_ylim()[1] * (widths / widths[0]) ** -0.5
        axes.plot(widths, guide, color=GREY, lw=1, label=r"width$^{-1/2}$")
        axes.set_xscale("log", base=2)
        axes.set_yscale("log")
        axes.set_xticks(widths, [f"{int(width)}" for width in widths])
        axes.set_xlabel("width")
        axes.set_ylabel(r"root mean square of $f_t - f_t^{\mathrm{lin}}$; share of $\|K_0\|$")
        axes.set_title(f"slopes with 95% intervals: {title}", fontsize=9)
        figure.legend(loc="outside lower center", ncols=2, fontsize=9)
    return figure


def equilibrium_figure(study: WidthStudy, title: str = "") -> Figure:
    """gap_θ/Q_1 by step: networks on their own linearisation, and the linearisations at θ0."""
    with plt.rc_context(STYLE):
        figure, axes = plt.subplots(figsize=(7.0, 4.4))
        colours = colormaps["viridis"](np.linspace(0.05, 0.85, len(study.rows)))
        for row, colour in zip(study.rows, colours, strict=True):
            runs = [run.looked_at for run in study.runs if run.width == row.width]
            t = [moment.t for moment in runs[0]]
            for name, dash, label in (("gap", "-", f"{row.width}"), ("gap_linear", "--", None)):
                curves = [[getattr(moment, name) for moment in run] for run in runs]
                shown = np.maximum(np.median(curves, axis=0), FLOOR)
                axes.plot(t, shown, ls=dash, color=colour, lw=2, label=label)
        axes.plot([], [], color=GREY, ls="-", label="network")
        axes.plot([], [], color=GREY, ls="--", label="linearisation")
        axes.set_xscale("log", base=2)
        axes.set_yscale("log")
        axes.set_xlabel(r"step $t$")
        axes.set_ylabel(r"$\mathrm{gap}_\theta\,/\,Q_1$, median over seeds")
        axes.set_title(title, fontsize=10)
        axes.legend(title="width", fontsize=9)
    return figure
