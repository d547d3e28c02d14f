"""Figures of `ira simulate`, drawn from results."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from irtheory.propositions.certificates.certificates import Checkpoint, rate_bound
from irtheory.propositions.solvers.trajectory import Trajectory
from irtheory.runs.figures import BLUE, FLOOR, GREEN, GREY, ORANGE, RED, STYLE, plt

if TYPE_CHECKING:
    from irtheory.propositions.certificates.saddles import Surface

MOST_POINTS = 400


def _figure(width: float = 7.0, height: float = 3.8) -> tuple[Figure, Axes]:
    return plt.subplots(figsize=(width, height))


def _thin(n: int) -> np.ndarray:
    """At most `MOST_POINTS` of the indices 0 … n − 1, spaced evenly on a log axis."""
    if n <= MOST_POINTS:
        return np.arange(n)
    return np.unique(np.geomspace(1, n, MOST_POINTS).astype(int)) - 1


def _log_steps(axes: Axes) -> None:
    axes.set_xscale("log")
    axes.set_xlabel(r"step $t$")


def values_figure(
    trajectory: Trajectory, points: Sequence[Checkpoint] = (), title: str = ""
) -> Figure:
    """Q(θ_t, ω_t), its minimum over θ and its minimum over ω by step."""
    with plt.rc_context(STYLE):
        figure, axes = _figure()
        at = _thin(len(trajectory))
        t = trajectory["t"][at]
        axes.plot(t, trajectory["value"][at], color=BLUE, lw=2.5, label=r"$Q(\theta_t, \omega_t)$")
        axes.plot(
            t,
            trajectory["min_omega"][at],
            color=GREEN,
            ls="--",
            label=r"$\min_\omega Q(\theta_t, \omega)$",
        )
        axes.plot(
            t,
            trajectory["min_theta"][at],
            color=RED,
            ls=":",
            lw=2,
            label=r"$\min_\theta Q(\theta, \omega_t)$",
        )
        solved = [(p.t, p.min_theta_cvxpy) for p in points if p.min_theta_cvxpy is not None]
        if solved:
            axes.plot(
                *zip(*solved, strict=True),
                "k+",
                ms=8,
                label=r"$\min_\theta Q(\theta, \omega_t)$ by cvxpy",
            )
        _log_steps(axes)
        axes.set_ylabel(r"objective $Q$ (mean loss)")
        axes.set_title(title, wrap=True)
        axes.legend()
    return figure


def _relative(values: np.ndarray, scale: float) -> np.ndarray:
    return np.maximum(values / scale, FLOOR)


def gaps_figure(
    trajectory: Trajectory, beta: float, tolerance: float, bound: bool = True, title: str = ""
) -> Figure:
    """Both gaps over Q_1 on a log axis, with the proof's bound on the smallest gap_θ so far."""
    with plt.rc_context(STYLE):
        figure, axes = _figure()
        at, scale = _thin(len(trajectory)), trajectory.scale
        t = trajectory["t"][at]
        theta, omega = (_relative(trajectory[n], scale)[at] for n in ("gap_theta", "gap_omega"))
        axes.plot(t, theta, color=BLUE, lw=2, label=r"$\mathrm{gap}_\theta = Q - \min_\theta Q$")
        axes.plot(
            t,
            omega,
            color=ORANGE,
            ls="--",
            lw=2,
            label=r"$\mathrm{gap}_\omega = Q - \min_\omega Q$",
        )
        limits = rate_bound(trajectory, beta)
        if bound and np.isfinite(limits).all() and limits.max() > 0:
            axes.plot(
                t,
                limits[at] / scale,
                color=GREY,
                ls="-.",
                label=r"proved: $R\,\sqrt{Q_1/(\eta t)}$",
            )
        axes.axhline(tolerance, color=GREY, lw=0.8, ls=":")
        axes.text(t[0], tolerance, " tolerance", va="bottom", color=GREY, fontsize=8)
        axes.set_yscale("log")
        if min(theta.min(), omega.min()) <= FLOOR:
            axes.text(t[0], FLOOR, " 0 (rounding)", va="bottom", color=GREY, fontsize=8)
        _log_steps(axes)
        axes.set_ylabel(r"gap / $Q_1$")
        axes.set_title(title, wrap=True)
        axes.legend()
    return figure


def _at_steps(trajectory: Trajectory, values: np.ndarray, steps: np.ndarray) -> np.ndarray:
    """Values of a trajectory at these steps: log-log between rows, constant after the last one."""
    return np.exp(np.interp(np.log(steps), np.log(trajectory["t"]), np.log(values)))


def bands_figure(trajectories: Sequence[Trajectory], tolerance: float, title: str = "") -> Figure:
    """Quantiles over problems of gap_θ and of Q minus its last minimum, as shares of Q_1."""
    with plt.rc_context(STYLE):
        figure, axes = _figure()
        longest = int(max(trajectory["t"][-1] for trajectory in trajectories))
        steps = _thin(longest) + 1
        gaps = [_at_steps(tr, _relative(tr["gap_theta"], tr.scale), steps) for tr in trajectories]
        ends = [tr["value"] - tr["min_theta"][-1] for tr in trajectories]
        rest = [
            _at_steps(tr, _relative(end, tr.scale), steps)
            for end, tr in zip(ends, trajectories, strict=True)
        ]
        for curves, colour, dash, name in (
            (gaps, BLUE, "-", r"$\mathrm{gap}_\theta$"),
            (rest, GREEN, "--", r"$Q - \min_\theta Q(\theta, \omega_{\mathrm{end}})$"),
        ):
            low, middle, high = np.quantile(curves, [0.1, 0.5, 0.9], axis=0)
            axes.fill_between(steps, low, high, color=colour, alpha=0.2, lw=0)
            axes.plot(steps, middle, color=colour, ls=dash, lw=2, label=f"{name}, median")
        axes.axhline(tolerance, color=GREY, lw=0.8, ls=":")
        axes.text(1, tolerance, " tolerance", va="bottom", color=GREY, fontsize=8)
        axes.set_yscale("log")
        _log_steps(axes)
        axes.set_ylabel(r"share of $Q_1$")
        axes.set_title(title, wrap=True)
        axes.legend(title="bands: 10% to 90% of the problems")
    return figure


def escape_figure(surface: Surface, title: str = "") -> Figure:
    """The path from beside a saddle over the level lines of Q.

    Raises ValueError if there is no way down, as of a run that ended beside the saddle.
    """
    with plt.rc_context({**STYLE, "axes.grid": False}):
        figure, axes = _figure(6.0, 4.6)
        low, centre = (
            surface.values.min(),
            surface.values[tuple(np.array(surface.values.shape) // 2)],
        )
        if not low < centre:
            raise ValueError("Q is nowhere below the saddle on the plane of the path")
        # Q grows as a fourth power: the levels end as far above the saddle as the minimum is below.
        levels = np.linspace(low, centre + (centre - low), 19)
        filled = axes.contourf(
            surface.across, surface.along, surface.values, levels, cmap="cividis", extend="max"
        )
        filled.set_rasterized(True)  # as vectors these are thousands of polygons
        lines = {"levels": levels[::2], "colors": "white", "linewidths": 0.4}
        axes.contour(surface.across, surface.along, surface.values, **lines)
        figure.colorbar(filled, label=r"$Q$ on the plane through the saddle", format="%.2f")
        path = surface.path[np.linspace(0, len(surface.path) - 1, 120).astype(int)]
        axes.plot(*path.T, color="black", lw=3)
        axes.plot(*path.T, color=ORANGE, lw=1.6, marker="o", ms=2.5, label="path")
        axes.plot(0, 0, "wX", ms=10, mec="black", label="saddle")
        axes.plot(*path[-1], "w*", ms=13, mec="black", label="end (projected)")
        axes.set_xlabel("the rest of the way to the end")
        axes.set_ylabel("way out of the saddle (negative curvature)")
        axes.set_title(title, wrap=True)
        shade = {"frameon": True, "facecolor": "black", "framealpha": 0.6}
        axes.legend(loc="upper left", labelcolor="white", fontsize=9, **shade)
    return figure


def comparison_figure(
    runs: Sequence[tuple[str, Mapping[str, np.ndarray]]], column: str, ylabel: str, title: str = ""
) -> Figure:
    """One column of several runs on log axes, to show the effect of a broken assumption.

    Args:
        runs: (label, columns of trajectory.csv) pairs, at most four.
        column: a gap, or "value" for Q minus the lowest value of all runs; it is divided by the
            first Q of the first run.
        ylabel: label of the y axis.
        title: above the figure.
    """
    with plt.rc_context(STYLE):
        figure, axes = _figure()
        lowest = min(float(np.nanmin(columns["value"])) for _, columns in runs)
        scale = float(runs[0][1]["value"][0])
        looks = zip((BLUE, RED, ORANGE, GREEN), ("-", "--", "-.", ":"), strict=True)
        for (label, columns), (colour, dash) in zip(runs, looks, strict=False):
            at = _thin(len(columns["t"]))
            curve = columns[column] - (lowest if column == "value" else 0.0)
            shown = _relative(curve, scale)[at]
            t = columns["t"][at]
            axes.plot(t, shown, color=colour, ls=dash, lw=2, label=label)
            axes.plot(t[-1], shown[-1], color=colour, marker="o")
        axes.set_yscale("log")
        _log_steps(axes)
        axes.set_ylabel(ylabel)
        axes.set_title(title, wrap=True)
        axes.legend()
    return figure
