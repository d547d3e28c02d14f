"""The command `ira recover`: run folder, cells in parallel, table, exit code."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, cast

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
from irtheory.runs.files import InputError, write_json
from irtheory.runs.folder import default_folder, open_run
from irtheory.runs.lock import lock_run_folder
from irtheory.runs.options import take
from irtheory.studies.recovery.cell import Failed, Measured, read_cell, run_cell, write_cell
from irtheory.studies.recovery.files import RESULTS, write_results
from irtheory.studies.recovery.grid import Cell, Place, places
from irtheory.studies.recovery.settings import RecoverRequest, RecoverySettings
from irtheory.studies.recovery.table import Interval, Row, sentence, summarise, verdicts
from irtheory.trees.compile import compile_kernels

CELLS = "cells"
HEADS = (
    "recovered by T", "by codes", "with constant", "d_D", "with constant",
    "acc T", "acc G", "agree", "tested",
)  # fmt: skip
NOTES = (
    "recovered: d_D(f‖g) on test samples, f the attributes that the labels depend on",
    "by T: g are the codes that T tests (tested: how many)",
    "by codes, d_D(f; g): g are all codes but those that are constant in training; with constant: "
    "all codes",
    "±, + − and brackets: 95% t-intervals over seeds, within 0 … 1; leads are paired by seed, each "
    "on its own",
    "quantised+dt: its classifier is the tree, so its accuracy is that of T",
)


def recover_command(given: Mapping[str, Any]) -> int:
    """Run the missing cells, print and write the study.

    Args:
        given: options of the command line, by the names of `RecoverySettings` and
            `RecoverRequest`.

    Returns:
        The exit code: 0 (done), 1 (a cell failed) or 130 (interrupted).

    Raises:
        InputError: settings or a folder that cannot be used.
    """
    settings, request = take(RecoverySettings, given), take(RecoverRequest, given)
    if request.resume and request.out is None:
        raise InputError("--resume: expected --out with the folder to go on in, found none")
    study, console = places(settings), make_console(quiet=request.as_json)
    folder = request.out or default_folder("recover", "+".join(settings.regimes))
    with lock_run_folder(folder):
        content = _content(settings)
        open_run(folder, content, request.overwrite, settings.seed, resume=request.resume)
        (folder / CELLS).mkdir(exist_ok=True)
        code = _fill(settings, study, request.threads, folder, console)
    if request.as_json and code in (DONE, BROKEN):
        print((folder / RESULTS).read_text(encoding="utf-8"), end="")
    return code


def _fill(
    settings: RecoverySettings,
    study: Sequence[Place],
    threads: int | None,
    folder: Path,
    console: Console,
) -> int:
    """Run the missing cells and report on all of them; returns the exit code."""
    known, missing = _split(study, folder / CELLS)
    if known:
        print_plain(console, f"{len(known)} cells are there, {len(missing)} to run")
    if missing:
        # Here, so that the processes load the kernels from numba's cache.
        compile_kernels(lambda line: print_plain(console, line))
    try:
        outcomes = known | _run(missing, folder / CELLS, threads, console)
    except KeyboardInterrupt:
        left = len(_split(study, folder / CELLS)[1])
        done = len(known) + len(missing) - left
        print_plain(
            console, f"interrupted: {folder}/{CELLS} holds {done} finished cells, {left} are left"
        )
        print_plain(console, f"next: run the same command again with --out {folder} --resume")
        return INTERRUPTED
    return _report(settings, study, outcomes, folder, console)


def _content(settings: RecoverySettings) -> dict:
    """The settings as plain YAML types."""
    content = {
        name: list(value) if isinstance(value, tuple) else value
        for name, value in asdict(settings).items()
    }
    content["sweeps"] = {sweep.name: list(sweep.values) for sweep in settings.sweeps}
    return {"command": "recover", **content}


def _split(study: Sequence[Place], folder: Path) -> tuple[dict[str, Measured | Failed], list[Cell]]:
    """Results of an earlier run by key, and the cells to run, each once, in the study's order."""
    known: dict[str, Measured | Failed] = {}
    missing: dict[str, Cell] = {}
    for key, cell in {place.cell.key: place.cell for place in study}.items():
        if (found := read_cell(folder, cell)) is None:
            missing[key] = cell
        else:
            known[key] = found
    return known, list(missing.values())


def _work(cell: Cell, folder: Path) -> tuple[str, Measured | Failed]:
    try:
        measured = run_cell(cell)
    except (ArithmeticError, RuntimeError, ValueError) as error:
        return cell.key, Failed(str(error))
    write_cell(folder, cell, measured)
    return cell.key, measured


def _outcomes(
    missing: Sequence[Cell], folder: Path, threads: int | None
) -> Iterator[tuple[str, Measured | Failed]]:
    pool = Parallel(
        n_jobs=threads or -1,
        backend="loky",
        inner_max_num_threads=1,
        return_as="generator_unordered",
    )
    made = pool(delayed(_work)(cell, folder) for cell in missing)
    # What joblib is said to return is for every mode; this one yields what `_work` returns.
    return cast(Iterator[tuple[str, Measured | Failed]], made)


def _run(
    missing: Sequence[Cell], folder: Path, threads: int | None, console: Console
) -> dict[str, Measured | Failed]:
    done: dict[str, Measured | Failed] = {}
    if not missing:
        return done
    with progress_bar(console) as bar:
        pulse = Pulse(console, bar, f"{len(missing)} cells", len(missing))
        for key, outcome in _outcomes(missing, folder, threads):
            done[key] = outcome
            pulse.show(f"{len(done)} of {len(missing)} cells done", len(done))
    return done


def _report(
    settings: RecoverySettings,
    study: Sequence[Place],
    outcomes: Mapping[str, Measured | Failed],
    folder: Path,
    console: Console,
) -> int:
    found, failed = [], []
    for place in study:
        outcome = outcomes[place.cell.key]
        if isinstance(outcome, Measured):
            found.append((place, outcome))
        else:
            failed.append((place, outcome))
    for place, outcome in failed:
        where = " ".join([place.regime, place.method, *(f"{n}={v:g}" for n, v in place.point)])
        print_plain(console, f"failed: {where}, seed {place.seed}: {outcome.message}")
    if not found:
        write_json(folder / RESULTS, {"rows": [], "verdicts": []})
        print_plain(console, "no cell finished, so there is no table")
        return 1
    _print_tables(summarise(found), console)
    for note in NOTES:
        print_plain(console, f"· {note}")
    console.print()
    for verdict in verdicts(found):
        print_plain(console, sentence(verdict))
    written = [
        folder / CELLS,
        *write_results(folder, settings, found, lambda note: print_plain(console, f"· {note}")),
    ]
    print_written(console, folder, written, look_at(written, folder / RESULTS))
    return 1 if failed else 0


def _print_tables(rows: Sequence[Row], console: Console) -> None:
    swept = [name for name, _ in rows[0].point]
    for regime in dict.fromkeys(row.regime for row in rows):
        cells = [_table_cells(row) for row in rows if row.regime == regime]
        print_table(console, (*swept, "method", *HEADS), cells, title=regime)
        console.print()


def _table_cells(row: Row) -> list[str]:
    m = row.metrics
    return [
        *(f"{value:g}" for _, value in row.point),
        row.method,
        *(_half_width(m[name]) for name in ("recovered_by_tree", "by_codes_without_constant")),
        _mean(m["by_codes_with_constant"]),
        _half_width(m["score_without_constant"]),
        _mean(m["score_with_constant"]),
        *(f"{m[name].mean:.3f}" for name in ("accuracy_t", "accuracy_g", "agreement")),
        f"{m['codes_used'].mean:.1f}",
    ]


def _mean(found: Interval) -> str:
    return f"{found.mean:.3f}" if found.n else "–"


def _half_width(found: Interval) -> str:
    if found.n < 2:
        return _mean(found)
    below, above = found.mean - found.low, found.high - found.mean
    if f"{below:.3f}" == f"{above:.3f}":
        return f"{found.mean:.3f} ± {above:.3f}"
    return f"{found.mean:.3f} +{above:.3f} −{below:.3f}"
