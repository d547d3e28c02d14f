"""`ira simulate` behind the command line: folder, live trajectory, seeds, exit code."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import asdict, replace
from pathlib import Path

from joblib import Parallel, delayed
from rich.console import Console
from rich.table import Table

from irtheory.console import (
    StepProgress,
    print_certificate,
    print_verdict,
    print_written,
    progress_bar,
)
from irtheory.reference import MissingDependency, cvxpy_missing
from irtheory.runs import InputError, TableWriter, default_folder, open_run
from irtheory.solvers.trajectory import COLUMNS, Step
from irtheory.studies.setup import prepare
from irtheory.studies.simulate import Result, Settings, simulate
from irtheory.studies.simulate_files import write_ensemble, write_results
from irtheory.trees.exact import kernels_compiled, warm_up

INTERRUPTED = 130


def simulate_command(
    settings: Settings, seeds: int, out: Path | None, overwrite: bool, console: Console
) -> tuple[int, Path]:
    """Run, print, write; returns the exit code (0 holds, 1 broken, 130 interrupted) and folder.

    Raises:
        InputError: settings, data or folder that cannot be used.
        MissingDependency: cvxpy is asked for and not installed.
    """
    settings = settings.resolved()
    prepare(settings)
    if seeds < 1:
        raise InputError(f"--seeds: expected at least 1, found {seeds}")
    if seeds > 1 and settings.data is not None:
        raise InputError("--seeds draws new problems; with --data there is only one")
    _need_cvxpy(settings)
    folder = out or default_folder("simulate", settings.setting)
    content = {"command": "simulate", **asdict(settings), "seeds": seeds}
    open_run(folder, content, overwrite, settings.seed)
    _compile(console)
    if seeds > 1:
        return _ensemble(settings, seeds, folder, console), folder
    return _single(settings, folder, console), folder


def _need_cvxpy(settings: Settings) -> None:
    missing = cvxpy_missing() if settings.reference == "cvxpy" else None
    if missing:
        raise MissingDependency(f"{missing} (or pass --reference closed-form)")


def _compile(console: Console) -> None:
    if not kernels_compiled():
        console.print("compiling tree kernels (once, about 40 seconds) …")
        warm_up()


def _single(settings: Settings, folder: Path, console: Console) -> int:
    with ExitStack() as stack:
        rows = stack.enter_context(TableWriter(folder / "trajectory.csv", COLUMNS))
        bar = stack.enter_context(progress_bar(console))
        show = StepProgress(bar, settings.setting)
        # A saddle is met only on the way, so its table is opened with its first step.
        escape: list[TableWriter] = []

        def observe(step: Step) -> None:
            rows.add(step)
            show(step)

        def observe_escape(step: Step) -> None:
            if not escape:
                path = folder / "escape.csv"
                escape.append(stack.enter_context(TableWriter(path, COLUMNS)))
            escape[0].add(step)
            show(step)

        try:
            result = simulate(settings, observe, observe_escape)
        except KeyboardInterrupt:
            result = None
    if result is None:
        console.print(f"interrupted: {folder}/trajectory.csv holds the steps so far")
        console.print("next: run the same command again with --overwrite")
        return INTERRUPTED
    for note in result.problem.notes:
        console.print(f"· {note}")
    console.print()
    print_certificate(console, result.certificate)
    tables = ["trajectory.csv", "escape.csv"][: 2 if escape else 1]
    written = [*(folder / name for name in tables), *write_results(folder, result)]
    print_verdict(console, result.certificate)
    print_written(console, folder, written, f"look at {folder}/gaps.png and {folder}/values.png")
    return 0 if result.certificate.holds else 1


def _one(settings: Settings, folder: Path) -> Result:
    path = folder / "trajectories" / f"seed-{settings.seed:04d}.csv"
    with TableWriter(path, COLUMNS) as rows:
        return simulate(settings, rows.add)


def _results(settings: Settings, seeds: int, folder: Path) -> Iterator[Result]:
    (folder / "trajectories").mkdir()
    jobs = [replace(settings, seed=settings.seed + i, threads=1) for i in range(seeds)]
    pool = Parallel(n_jobs=settings.threads or -1, return_as="generator")
    for result in pool(delayed(_one)(job, folder) for job in jobs):
        if result is not None:
            yield result


def _ensemble(settings: Settings, seeds: int, folder: Path, console: Console) -> int:
    results: list[Result] = []
    try:
        with progress_bar(console) as bar:
            task = bar.add_task(f"{seeds} problems", total=seeds, text="")
            for result in _results(settings, seeds, folder):
                results.append(result)
                bar.update(task, advance=1, text=f"seed {result.settings.seed}")
    except KeyboardInterrupt:
        done = len(results)
        console.print(f"interrupted after {done} of {seeds} problems: {folder}/trajectories/")
        return INTERRUPTED
    console.print(_seed_table(results))
    written = write_ensemble(folder, results)
    holds = sum(result.certificate.holds for result in results)
    console.print(f"certificates that hold: {holds} of {seeds}")
    for result in results:
        if not result.certificate.holds:
            console.print(f"seed {result.settings.seed}:", end=" ")
            print_verdict(console, result.certificate)
    written.append(folder / "trajectories")
    print_written(console, folder, written, f"look at {folder}/bands.png")
    return 0 if holds == seeds else 1


def _seed_table(results: list[Result]) -> Table:
    table = Table(box=None, pad_edge=False)
    for name in (
        "seed",
        "steps",
        "Q at the end",
        "gap_θ / Q_1",
        "largest gap_ω / Q_1",
        "tree changes",
    ):
        table.add_column(name, justify="right")
    table.add_column("holds")
    for result in results:
        run = result.trajectory
        table.add_row(
            str(result.settings.seed),
            str(len(run)),
            f"{run['value'][-1]:.6g}",
            f"{run['gap_theta'][-1] / run.scale:.1e}",
            f"{run['gap_omega'].max() / run.scale:.1e}",
            f"{run['tree_changes'][-1]:.0f}",
            "yes" if result.certificate.holds else "NO",
        )
    return table
