"""The command `ira simulate`: run folder, progress, one or several seeds, exit code."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import cast

from rich.console import Console

from irtheory.propositions.certificates.reference import MissingDependency, cvxpy_missing
from irtheory.propositions.solvers.trajectory import COLUMNS, Step
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
from irtheory.runs.files import InputError, TableWriter
from irtheory.runs.folder import open_run
from irtheory.runs.lock import lock_run_folder
from irtheory.studies.simulate.files import FailedSeed, write_ensemble, write_results
from irtheory.studies.simulate.report import StepProgress, print_certificate, print_verdict
from irtheory.studies.simulate.resolve import ResolvedSettings, Table, content, resolve
from irtheory.studies.simulate.result import Result
from irtheory.studies.simulate.settings import SimulateRequest, SimulateSettings
from irtheory.studies.simulate.setup import Prepared, prepare, processes, run_folder, shared
from irtheory.studies.simulate.simulate import run_prepared
from irtheory.trees.compile import compile_kernels

SEED_COLUMNS = (
    "seed", "steps", "Q at the end", "gap_θ / Q_1", "largest gap_ω / Q_1", "tree changes", "holds",
)  # fmt: skip


def simulate_command(asked: SimulateSettings, request: SimulateRequest) -> int:
    """Run a proposition, print its certificate and write the run folder.

    Args:
        asked: the options, without `widths`, which belong to `irtheory.studies.width.command`.
        request: number of problems, folder and form of the output.

    Returns:
        The exit code: 0 (the certificate holds), 1 (it is broken) or 130 (interrupted).

    Raises:
        InputError: settings, data or folder that cannot be used.
        MissingDependency: cvxpy is asked for and not installed.
    """
    settings, seeds = resolve(asked), 1 if request.seeds is None else request.seeds
    console = make_console(quiet=request.as_json)
    folder = run_folder(settings, request)
    if seeds > 1 and isinstance(settings.problem, Table):
        raise InputError("--seeds draws new problems; with --data there is only one")

    def say(line: str) -> None:
        print_plain(console, line)

    prepared = prepare(shared(settings, seeds), say)
    _need_cvxpy(settings)
    config = {"command": "simulate", **content(settings), "seeds": seeds}
    with lock_run_folder(folder):
        open_run(folder, config, request.overwrite, settings.seed)
        compile_kernels(say)
        if seeds > 1:
            code, result = _ensemble(settings, seeds, folder, console), "seeds.json"
        else:
            code, result = _single(settings, prepared, folder, console), "certificate.json"
    if request.as_json and code in (DONE, BROKEN):
        print((folder / result).read_text(encoding="utf-8"), end="")
    return code


def _need_cvxpy(settings: ResolvedSettings) -> None:
    missing = cvxpy_missing() if settings.reference == "cvxpy" else None
    if missing:
        raise MissingDependency(f"{missing} (or pass --reference closed-form)")


def _single(settings: ResolvedSettings, prepared: Prepared, folder: Path, console: Console) -> int:
    with ExitStack() as stack:
        rows = stack.enter_context(TableWriter(folder / "trajectory.csv", COLUMNS))
        bar = stack.enter_context(progress_bar(console))
        show = StepProgress(console, bar, settings.setting)
        # Not every run has a saddle, so escape.csv is opened with its first step.
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
            result = run_prepared(settings, prepared, observe, observe_escape)
        except KeyboardInterrupt:
            result = None
    if result is None:
        print_plain(console, f"interrupted: {folder}/trajectory.csv holds the steps so far")
        print_plain(console, "next: run the same command again with --overwrite")
        return INTERRUPTED
    for note in result.problem.notes:
        print_plain(console, f"· {note}")
    console.print()
    print_certificate(console, result.certificate)
    tables = ["trajectory.csv", "escape.csv"][: 2 if escape else 1]
    notes: list[str] = []
    results = write_results(folder, result, notes.append)
    written = [*(folder / name for name in tables), *results]
    print_verdict(console, result.certificate)
    for note in notes:
        print_plain(console, f"· {note}")
    print_written(console, folder, written, look_at(written, folder / "certificate.json"))
    return 0 if result.certificate.holds else 1


def _one(settings: ResolvedSettings, folder: Path) -> Result | FailedSeed:
    path = folder / "trajectories" / f"seed-{settings.seed:04d}.csv"
    try:
        with TableWriter(path, COLUMNS) as rows:
            return run_prepared(settings, prepare(settings), rows.add)
    except (RuntimeError, ValueError) as error:
        return FailedSeed(settings, str(error))


def _outcomes(
    settings: ResolvedSettings, seeds: int, folder: Path
) -> Iterator[Result | FailedSeed]:
    from joblib import Parallel, delayed

    (folder / "trajectories").mkdir()
    one = replace(shared(settings, seeds), threads=1)
    jobs = [replace(one, seed=settings.seed + i) for i in range(seeds)]
    pool = Parallel(n_jobs=processes(settings, seeds), return_as="generator")
    made = pool(delayed(_one)(job, folder) for job in jobs)
    # What joblib is said to return is for every mode; this one yields what `_one` returns.
    return cast(Iterator[Result | FailedSeed], made)


def _ensemble(settings: ResolvedSettings, seeds: int, folder: Path, console: Console) -> int:
    outcomes: list[Result | FailedSeed] = []
    try:
        with progress_bar(console) as bar:
            pulse = Pulse(console, bar, f"{seeds} problems", seeds)
            for outcome in _outcomes(settings, seeds, folder):
                outcomes.append(outcome)
                pulse.show(f"{len(outcomes)} of {seeds} problems done", len(outcomes))
    except KeyboardInterrupt:
        done = len(outcomes)
        print_plain(
            console, f"interrupted after {done} of {seeds} problems: {folder}/trajectories/"
        )
        print_plain(console, "next: run the same command again with --overwrite")
        return INTERRUPTED
    rows = [[str(outcome.settings.seed), *_seed_cells(outcome)] for outcome in outcomes]
    print_table(console, SEED_COLUMNS, rows)
    notes: list[str] = []
    written = [*write_ensemble(folder, outcomes, notes.append), folder / "trajectories"]
    holds = sum(isinstance(o, Result) and o.certificate.holds for o in outcomes)
    print_plain(console, f"certificates that hold: {holds} of {seeds}")
    for outcome in outcomes:
        _print_trouble(console, outcome)
    for note in notes:
        print_plain(console, f"· {note}")
    print_written(console, folder, written, look_at(written, folder / "seeds.json"))
    return 0 if holds == seeds else 1


def _print_trouble(console: Console, outcome: Result | FailedSeed) -> None:
    """One line on a seed that failed or whose certificate is broken."""
    seed = outcome.settings.seed
    if isinstance(outcome, FailedSeed):
        print_plain(console, f"seed {seed}: failed, {outcome.message}")
    elif not outcome.certificate.holds:
        console.print(f"seed {seed}:", end=" ")
        print_verdict(console, outcome.certificate)


def _seed_cells(outcome: Result | FailedSeed) -> list[str]:
    if isinstance(outcome, FailedSeed):
        return [*["–"] * 5, "failed"]
    run = outcome.trajectory
    return [
        f"{run['t'][-1]:.0f}",
        f"{run['value'][-1]:.6g}",
        f"{run['gap_theta'][-1] / run.scale:.1e}",
        f"{run['gap_omega'].max() / run.scale:.1e}",
        f"{run['tree_changes'][-1]:.0f}",
        "yes" if outcome.certificate.holds else "NO",
    ]
