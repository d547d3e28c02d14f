"""Figures of `ira recover` without sweeps; style and colours of `irtheory.runs.figures`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.ticker import LogLocator, MaxNLocator

from irtheory.runs.figures import BLUE, GREEN, GREY, ORANGE, RED, STYLE, plt

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from irtheory.studies.recovery.cell import Measured
    from irtheory.studies.recovery.table import Found, Interval, Row, Seen

SKY, PURPLE, OLIVE, BLACK = "#56B4E9", "#CC79A7", "#8F7F00", "#000000"
# Colour, marker and dash of every method, the same in all figures.
LOOKS = {
    "quantised": (GREY, "s", (0, (1, 1))),
    "quantised+l1": (BLACK, "v", (0, (1, 1.8))),
    "quantised+dt": (SKY, "^", (0, (4, 1.5))),
    "soft-tree": (PURPLE, "X", (0, (3, 1, 1, 1))),
    "paper": (ORANGE, "D", (0, (5, 1))),
    "paper+route": (GREEN, "P", (0, (6, 1, 1, 1))),
    "route": (RED, "h", (0, (2, 1))),
    "route+best": (OLIVE, "p", (0, (4, 1, 1, 1))),
    "ira": (BLUE, "o", "solid"),
}
# Of many methods those that a figure of curves shows.
SHOWN = ("quantised", "paper", "route", "ira")
MOST_CURVES = 4
BY_TREE, BY_CODES = "codes that T tests", "all kept codes"


def _regimes(found: Found) -> list[str]:
    return list(dict.fromkeys(place.regime for place, _ in found))


def look_of(method: str) -> tuple[str, str, Any]:
    """Colour, marker and dash of a method."""
    return LOOKS.get(method, (BLACK, ".", "solid"))


def in_order(names: Sequence[str]) -> list[str]:
    """The methods among `names`, each once, in the order in which they first appear."""
    return list(dict.fromkeys(names))


def error_bar(interval: Interval) -> np.ndarray:
    """Lengths of an error bar below and above, [2, 1]; none for a single seed."""
    bar = np.array([[interval.mean - interval.low], [interval.high - interval.mean]])
    return np.nan_to_num(bar)


def recovery_figure(rows: Sequence[Row], found: Found) -> Figure:
    """Recovery by method, one panel a regime: means, 95% intervals, single worlds as dots."""
    regimes, methods = _regimes(found), in_order([row.method for row in rows])
    with plt.rc_context(STYLE):
        figure, panels = plt.subplots(
            1,
            len(regimes),
            figsize=(3.2 + 3.2 * len(regimes), 1.5 + 0.42 * len(methods)),
            sharex=True,
            sharey=True,
            squeeze=False,
        )
        for axes, regime in zip(panels[0], regimes, strict=True):
            cells = [(p.method, m) for p, m in found if p.regime == regime]
            _recovery_panel(axes, methods, [r for r in rows if r.regime == regime], cells)
            axes.set_title(regime)
        panels[0, 0].set_yticks(range(len(methods)), methods)
        panels[0, 0].invert_yaxis()
        figure.supxlabel(r"recovered $d_D(f \,\Vert\, g)$ of the attributes that the labels use")
        handles, labels = panels[0, 0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside upper center", ncols=3)
    return figure


def _recovery_panel(
    axes: Axes, methods: Sequence[str], rows: Sequence[Row], cells: Sequence[tuple[str, Measured]]
) -> None:
    axes.grid(axis="y", visible=False)
    place = {name: i for i, name in enumerate(methods)}
    constant = float(np.mean([measured.constant_code for _, measured in cells]))
    axes.axvline(constant, color=GREY, ls=":", label="one constant code")
    series = (
        ("recovered_by_tree", -0.16, BLUE, "o", BY_TREE),
        ("recovered_by_codes", 0.16, ORANGE, "D", BY_CODES),
    )
    for metric, shift, colour, marker, label in series:
        at = [place[name] + shift for name, _ in cells]
        seeds = [getattr(measured, metric) for _, measured in cells]
        axes.scatter(seeds, at, s=9, color=colour, alpha=0.3, lw=0)
        for row in rows:
            value = row.metrics[metric]
            dot = axes.errorbar(
                value.mean,
                place[row.method] + shift,
                xerr=error_bar(value),
                color=colour,
                marker=marker,
                ms=6,
                mec="white",
                mew=0.6,
                capsize=3,
                lw=1.5,
                ls="none",
            )
            dot.set_label(label if row is rows[0] else "_")
    low = min(constant, *(min(m.recovered_by_tree, m.recovered_by_codes) for _, m in cells))
    axes.set_xlim(left=min(axes.get_xlim()[0], low - 0.02), right=1.02)


def observability_figure(seen: Sequence[Seen]) -> Figure:
    """Recovery of an attribute against how often its test is reached, one panel a method.

    Bars are 95% intervals over attributes, from three on.
    """
    methods = in_order([each.method for each in seen])
    lines = -(-len(methods) // 5)
    columns = -(-len(methods) // lines)
    with plt.rc_context(STYLE):
        figure, panels = plt.subplots(
            lines,
            columns,
            figsize=(1.0 + 1.9 * columns, 1.2 + 2.0 * lines),
            sharex=True,
            sharey=True,
            squeeze=False,
        )
        for axes, method in zip(panels.flat, methods, strict=False):
            _observability_panel(axes, [each for each in seen if each.method == method])
            axes.set_title(method)
        for axes in panels.flat[len(methods) :]:
            axes.set_visible(False)
        for axes in panels.flat[len(methods) - columns : len(methods)]:
            axes.tick_params(labelbottom=True)
        lowest = min(min(each.by_tree.mean, each.by_codes.mean) for each in seen)
        panels[0, 0].set_ylim(lowest - 0.1, 1.03)
        figure.supxlabel("observability: share of samples that reach a test of the attribute")
        figure.supylabel(r"best $\hat r$ of the attribute")
        handles, labels = panels[0, 0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside upper center", ncols=2)
    return figure


def _observability_panel(axes: Axes, seen: Sequence[Seen]) -> None:
    for part, shift, (colour, marker, label) in (
        ("by_tree", -0.012, (BLUE, "o", BY_TREE)),
        ("by_codes", 0.012, (ORANGE, "D", BY_CODES)),
    ):
        x = [each.observability + shift for each in seen]
        values = [getattr(each, part) for each in seen]
        axes.errorbar(
            x,
            [value.mean for value in values],
            yerr=np.hstack([error_bar(v) if v.n > 2 else np.zeros((2, 1)) for v in values]),
            color=colour,
            marker=marker,
            ms=4.5,
            mec="white",
            mew=0.5,
            lw=1.4,
            capsize=2,
            label=label,
        )
    axes.set_xlim(0.05, 1.05)
    axes.set_xticks([0.25, 0.5, 0.75, 1.0])


def dynamics_figure(found: Found) -> Figure:
    """Both losses, accuracies and recovery per epoch; one row of panels a regime, one world each.

    At most four methods are drawn: of more, those of `SHOWN`.
    """
    watched = [(place, measured) for place, measured in found if measured.moments]
    regimes, methods = _regimes(watched), in_order([place.method for place, _ in watched])
    if len(methods) > MOST_CURVES:
        methods = [name for name in methods if name in SHOWN] or methods[:MOST_CURVES]
    with plt.rc_context({**STYLE, "font.size": 9}):
        figure, panels = plt.subplots(
            len(regimes),
            4,
            figsize=(10, 0.9 + 2.2 * len(regimes)),
            sharex=True,
            sharey="col",
            squeeze=False,
        )
        for line, regime in zip(panels, regimes, strict=True):
            for place, measured in watched:
                if place.regime == regime and place.method in methods:
                    _dynamics_curves(line, place.method, measured)
            line[0].set_ylabel(regime, fontweight="bold")
            for axes in line[:2]:
                # In one epoch there is no loss of T yet, and a log scale has nothing to show.
                if not any((curve.get_ydata() > 0).any() for curve in axes.get_lines()):
                    continue
                axes.set_yscale("log")
                axes.yaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
                axes.yaxis.set_major_formatter("{x:g}")
                axes.yaxis.set_minor_formatter("")
            line[0].xaxis.set_major_locator(MaxNLocator(5, integer=True))
        panels[0, 2].plot([], [], color=GREY, lw=1.0, alpha=0.6, label="G")
        panels[0, 2].plot([], [], color=GREY, lw=2.0, label="T")
        panels[0, 2].legend(fontsize=8, loc="lower right")
        titles = ("CE loss  $L[G, y]$", "IR loss  $L[G, T]$", "accuracy", "recovered by T")
        for axes, title in zip(panels[0], titles, strict=True):
            axes.set_title(title, fontsize=10)
        figure.supxlabel("epoch", fontsize=9)
        handles, labels = panels[0, 0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside upper center", ncols=len(labels))
    return figure


def _dynamics_curves(line: np.ndarray, method: str, measured: Measured) -> None:
    colour, _, dash = look_of(method)
    moments = measured.moments
    epoch = [moment.epoch for moment in moments]
    look = {"color": colour, "ls": dash, "lw": 2.0}
    line[0].plot(epoch, [moment.label_loss for moment in moments], label=method, **look)
    losses = [np.nan if m.tree_loss is None else m.tree_loss for m in moments]
    line[1].plot(epoch, losses, **look)
    pale = {**look, "lw": 1.0, "alpha": 0.6}
    line[2].plot(epoch, [moment.accuracy_g for moment in moments], **pale)
    line[2].plot(epoch, [moment.accuracy_t for moment in moments], **look)
    line[3].plot(epoch, [moment.recovered_by_tree for moment in moments], **look)
