"""The run folder of a study of widths: curves, table, JSON, figures."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from types import SimpleNamespace

from irtheory.runs.figures import draw
from irtheory.runs.files import TableWriter, write_json
from irtheory.studies.simulate.resolve import ResolvedSettings
from irtheory.studies.width import figures
from irtheory.studies.width.follow import COLUMNS, WidthRun
from irtheory.studies.width.study import MEASURES, WidthStudy, descends, largest_rise

CURVES = "trajectories"
RUN_COLUMNS = (
    "width", "seed", "parameters", "off_train", "off_held", "drift", "gap", "gap_linear",
    "rise", "descends", "same_tree",
)  # fmt: skip


def write_curve(folder: Path, run: WidthRun) -> Path:
    """trajectories/width-W-seed-S.csv: every step of one run."""
    path = folder / CURVES / f"width-{run.width:05d}-seed-{run.seed:04d}.csv"
    with TableWriter(path, COLUMNS) as rows:
        for moment in run.moments:
            rows.add(moment)
    return path


def write_runs(folder: Path, runs: Sequence[WidthRun]) -> Path:
    """widths.csv: one row per run."""
    path = folder / "widths.csv"
    with TableWriter(path, RUN_COLUMNS) as rows:
        for run in sorted(runs, key=lambda run: (run.width, run.seed)):
            line = {key: measure(run) for key, (_, measure) in MEASURES.items()}
            line |= {"rise": largest_rise(run), "descends": int(descends(run))}
            line |= {name: getattr(run, name) for name in ("width", "seed", "parameters")}
            rows.add(SimpleNamespace(**line, same_tree=int(run.same_tree)))
    return path


def title_of(settings: ResolvedSettings) -> str:
    """One line for the figures."""
    network = settings.linearised
    return (
        f"{network.network}, {network.layers} hidden layers, {network.activation}, "
        f"{network.parametrisation} parametrisation, μβ = {settings.step_size:g}, "
        f"{settings.max_steps} steps"
    )


def write_study(
    folder: Path,
    settings: ResolvedSettings,
    study: WidthStudy,
    say: Callable[[str], None] = print,
) -> list[Path]:
    """Write widths.csv, widths.json and both figures; the curves are already written.

    `say` is told why a figure cannot be drawn.
    """
    write_json(folder / "widths.json", study.content())
    title = title_of(settings)
    return [
        write_runs(folder, study.runs),
        folder / "widths.json",
        *draw(folder / "widths", lambda: figures.widths_figure(study, title), say),
        *draw(folder / "equilibrium", lambda: figures.equilibrium_figure(study, title), say),
    ]
