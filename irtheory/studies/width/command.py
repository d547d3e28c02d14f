"""`ira simulate --setting ntk --widths …` behind the command line."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, replace
from pathlib import Path
from typing import cast

from joblib import Parallel, delayed
from rich.console import Console
from rich.table import Table

from irtheory.alone import alone_in
from irtheory.console import (
    INTERRUPTED,
    Pulse,
    check_table,
    compile_kernels,
    print_plain,
    print_written,
    progress_bar,
)
from irtheory.runs import InputError, open_run
from irtheory.studies.settings import Settings, check, width_list
from irtheory.studies.width.files import CURVES, write_curve, write_runs, write_study
from irtheory.studies.width.follow import WidthRun, follow, plan_study
from irtheory.studies.width.slopes import EXPECTED
from irtheory.studies.width.study import FALLING, Statistic, WidthRow, WidthStudy, summarise

WIDTH_SEEDS = 5
HEADS = {
    "off_train": "off, train", "off_held": "held out", "drift": "drift of K",
    "gap": "gap", "gap_linear": "gap lin.",
}  # fmt: skip
LEGEND = (
    "off: sup over steps of the root mean square of f_t − f_t^lin; drift: ‖K_t − K_0‖/‖K_0‖ at "
    "the end; ±: standard deviation over seeds",
    "gap: gap_θ/Q_1 at the end, of the network on its linearisation at θ_t; gap lin.: of the "
    "linearisation at θ0",
    "holds: the network itself keeps μβ < 1, never raises Q and obeys the descent lemma; "
    "tree: both end with the same best tree",
)


def width_command(
    settings: Settings, seeds: int, folder: Path, overwrite: bool, console: Console
) -> tuple[int, Path]:
    """Train, print, write; the exit code (0, 1 or 130) and widths.json.

    Args:
        settings: resolved, with `widths`.
        seeds: problems, and networks of each width.
        folder: of the run.
        overwrite: an earlier run there.
        console: to print on.

    Raises:
        InputError: settings, data or folder that cannot be used.
    """
    check(settings)
    widths = width_list(settings.widths or "")
    if seeds == 1 and len(widths) < 3:
        raise InputError("--seeds 1: expected three widths or more for an interval, found two")
    print_plain(console, f"width {widths[-1]}, {plan_study(settings, widths[-1])}")
    content = {"command": "simulate", **asdict(settings), "seeds": seeds}
    with alone_in(folder):
        open_run(folder, content, overwrite, settings.seed)
        (folder / CURVES).mkdir()
        compile_kernels(console)
        return _run(settings, widths, seeds, folder, console), folder / "widths.json"


def _one(settings: Settings, width: int, folder: Path) -> WidthRun:
    run = follow(settings, width)
    write_curve(folder, run)
    return run


def _runs(settings: Settings, widths: list[int], seeds: int, folder: Path) -> Iterator[WidthRun]:
    """All runs as they end, widest first, so that no long one is left for the end."""
    jobs = [
        (replace(settings, seed=settings.seed + i, threads=1), width)
        for width in reversed(widths)
        for i in range(seeds)
    ]
    # One process for one accelerator; on a CPU as many as there are cores.
    processes = (settings.threads or -1) if settings.device == "cpu" else 1
    pool = Parallel(n_jobs=processes, return_as="generator_unordered")
    return cast(Iterator[WidthRun], pool(delayed(_one)(job, w, folder) for job, w in jobs))


def _run(settings: Settings, widths: list[int], seeds: int, folder: Path, console: Console) -> int:
    runs: list[WidthRun] = []
    total = seeds * len(widths)
    try:
        with progress_bar(console) as bar:
            pulse = Pulse(console, bar, "networks", total)
            for run in _runs(settings, widths, seeds, folder):
                runs.append(run)
                text = f"{len(runs)} of {total} networks, last of width {run.width}"
                pulse.show(text, len(runs))
    except KeyboardInterrupt:
        write_runs(folder, runs)
        print_plain(
            console, f"interrupted: {folder}/widths.csv holds {len(runs)} of {total} networks"
        )
        print_plain(console, "next: run the same command again with --overwrite")
        return INTERRUPTED
    study = summarise(runs)
    _report(console, study)
    written = [*write_study(folder, settings, study), folder / CURVES]
    following = f"look at {folder}/widths.png and {folder}/equilibrium.png"
    print_written(console, folder, written, following)
    return 0 if study.holds else 1


def _report(console: Console, study: WidthStudy) -> None:
    console.print(_table(study))
    for line in LEGEND:
        print_plain(console, line)
    console.print()
    console.print(check_table("Wide networks follow their linearisations", study.checks))
    for slope in study.slopes:
        print_plain(
            console,
            f"· {slope.name}: slope {slope.slope:.3f} [{slope.low:.3f}, {slope.high:.3f}], "
            f"{slope.verdict} a rate of −1/2, {list(EXPECTED)}",
        )


def _table(study: WidthStudy) -> Table:
    table = Table(box=None, pad_edge=False)
    for head in ("width", *HEADS.values(), "holds", "tree"):
        table.add_column(head, justify="right", no_wrap=True)
    for row in study.rows:
        table.add_row(*_cells(row))
    return table


def _cells(row: WidthRow) -> list[str]:
    n = row.measures["drift"].n
    return [
        str(row.width),
        *(_spread(row.measures[key]) for key in FALLING),
        *(f"{row.measures[key].mean:.1e}" for key in ("gap", "gap_linear")),
        f"{row.certified}/{n}",
        f"{row.same_tree}/{n}",
    ]


def _spread(statistic: Statistic) -> str:
    """Mean, and the standard deviation as a share of it."""
    if statistic.n == 1:
        return f"{statistic.mean:.4f}"
    return f"{statistic.mean:.4f} ±{statistic.sd / statistic.mean:.0%}"
