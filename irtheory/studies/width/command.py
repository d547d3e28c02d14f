"""The command `ira simulate --setting ntk --widths …`."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import cast

from joblib import Parallel, delayed
from rich.console import Console

from irtheory.runs.console import (
    Pulse,
    look_at,
    make_console,
    print_plain,
    print_table,
    print_written,
    progress_bar,
)
from irtheory.runs.exits import BROKEN, DONE, INTERRUPTED
from irtheory.runs.files import InputError
from irtheory.runs.folder import open_run
from irtheory.runs.lock import lock_run_folder
from irtheory.studies.simulate.report import check_table
from irtheory.studies.simulate.resolve import ResolvedSettings, content, resolve
from irtheory.studies.simulate.settings import SimulateRequest, SimulateSettings
from irtheory.studies.simulate.setup import processes, run_folder, shared
from irtheory.studies.width.files import CURVES, write_curve, write_runs, write_study
from irtheory.studies.width.follow import WidthRun, follow, notes_of, plan_study
from irtheory.studies.width.slopes import HIGH, LOW
from irtheory.studies.width.study import (
    FALLING,
    FailedNetwork,
    Statistic,
    WidthRow,
    WidthStudy,
    summarise,
)
from irtheory.trees.compile import compile_kernels

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
    "descends: the network keeps μβ < 1, never raises Q and obeys the descent lemma; "
    "tree: both end with the same best tree",
)


def width_command(asked: SimulateSettings, request: SimulateRequest) -> int:
    """Train networks of several widths, print the study and write the run folder.

    Args:
        asked: the options, with `widths`.
        request: number of problems and of networks of each width (5 if none is given), folder
            and form of the output.

    Returns:
        The exit code: 0 (the claim is not refuted), 1 (it is, or a network failed) or 130
        (interrupted).

    Raises:
        InputError: settings, data or folder that cannot be used.
        ValueError: too few networks are left for intervals, or some never left θ0.
    """
    settings, seeds = resolve(asked), WIDTH_SEEDS if request.seeds is None else request.seeds
    console = make_console(quiet=request.as_json)
    folder = run_folder(settings, request)
    if seeds == 1 and len(settings.widths) < 3:
        raise InputError("--seeds 1: expected three widths or more for an interval, found two")
    networks, widest = seeds * len(settings.widths), settings.widths[-1]
    share = shared(settings, networks)

    def say(line: str) -> None:
        print_plain(console, line)

    plan = plan_study(share, widest)
    say(f"width {widest}, processes at a time: {processes(settings, networks)}, {plan}")
    config = {"command": "simulate", **content(settings), "seeds": seeds}
    with lock_run_folder(folder):
        open_run(folder, config, request.overwrite, settings.seed)
        (folder / CURVES).mkdir()
        compile_kernels(say)
        code = _run(share, seeds, folder, console)
    if request.as_json and code in (DONE, BROKEN):
        print((folder / "widths.json").read_text(encoding="utf-8"), end="")
    return code


def _one(settings: ResolvedSettings, width: int, folder: Path) -> WidthRun | FailedNetwork:
    try:
        run = follow(settings, width)
    except (RuntimeError, ValueError) as error:
        return FailedNetwork(width, settings.seed, str(error))
    write_curve(folder, run)
    return run


def _outcomes(
    settings: ResolvedSettings, seeds: int, folder: Path
) -> Iterator[WidthRun | FailedNetwork]:
    """Outcomes as they arrive; the widest networks start first, so that none of them runs last."""
    jobs = [
        (replace(settings, seed=settings.seed + i, threads=1), width)
        for width in reversed(settings.widths)
        for i in range(seeds)
    ]
    pool = Parallel(n_jobs=processes(settings, len(jobs)), return_as="generator_unordered")
    made = pool(delayed(_one)(job, width, folder) for job, width in jobs)
    return cast(Iterator[WidthRun | FailedNetwork], made)


def _run(settings: ResolvedSettings, seeds: int, folder: Path, console: Console) -> int:
    outcomes: list[WidthRun | FailedNetwork] = []
    total, interrupted = seeds * len(settings.widths), False
    try:
        with progress_bar(console) as bar:
            pulse = Pulse(console, bar, "networks", total)
            for outcome in _outcomes(settings, seeds, folder):
                outcomes.append(outcome)
                text = f"{len(outcomes)} of {total} networks, last of width {outcome.width}"
                pulse.show(text, len(outcomes))
    except KeyboardInterrupt:
        interrupted = True
    runs = [outcome for outcome in outcomes if isinstance(outcome, WidthRun)]
    write_runs(folder, runs)
    failed = [outcome for outcome in outcomes if isinstance(outcome, FailedNetwork)]
    for network in sorted(failed, key=lambda network: (network.width, network.seed)):
        print_plain(
            console, f"width {network.width}, seed {network.seed}: failed, {network.message}"
        )
    if interrupted:
        print_plain(
            console, f"interrupted: {folder}/widths.csv holds {len(runs)} of {total} networks"
        )
        print_plain(console, "next: run the same command again with --overwrite")
        return INTERRUPTED
    try:
        study = summarise(runs, failed, notes_of(settings, runs))
    except ValueError as error:
        if not failed:
            raise
        print_plain(console, f"no study of what is left, {folder}/widths.csv: {error}")
        return 1
    _report(console, study)
    drawn = write_study(folder, settings, study, lambda note: print_plain(console, f"· {note}"))
    written = [*drawn, folder / CURVES]
    print_written(console, folder, written, look_at(written, folder / "widths.csv"))
    return 0 if study.holds and not failed else 1


def _report(console: Console, study: WidthStudy) -> None:
    columns = ("width", *HEADS.values(), "descends", "tree")
    print_table(console, columns, [_cells(row) for row in study.rows])
    for line in LEGEND:
        print_plain(console, line)
    console.print()
    console.print(check_table("Wide networks follow their linearisations", study.checks))
    console.print()
    for note in study.notes:
        print_plain(console, f"· {note}")
    for slope in study.slopes:
        print_plain(console, f"· {slope}, {slope.verdict} a rate of −1/2 ({LOW} to {HIGH})")
    broken = [check.name for check in study.checks if not check.holds]
    if broken:
        print_plain(console, f"claim broken: {'; '.join(broken)}")
    elif any(slope.high >= 0 for slope in study.slopes):
        print_plain(console, "claim not refuted, but too uncertain to hold: more widths or seeds")
    else:
        print_plain(console, "claim holds")


def _cells(row: WidthRow) -> list[str]:
    n = row.measures["drift"].n
    return [
        str(row.width),
        *(_spread(row.measures[key]) for key in FALLING),
        *(f"{row.measures[key].mean:.1e}" for key in ("gap", "gap_linear")),
        f"{row.descends}/{n}",
        f"{row.same_tree}/{n}",
    ]


def _spread(statistic: Statistic) -> str:
    """Mean, and the standard deviation as a share of it."""
    if statistic.n == 1:
        return f"{statistic.mean:.4f}"
    return f"{statistic.mean:.4f} ±{statistic.sd / statistic.mean:.0%}"
