"""`ira train` behind the command line."""

from __future__ import annotations

import errno
import os
import shlex
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

from rich.console import Console

from irtheory.intersection.array_settings import default_depth
from irtheory.runs.console import make_console, print_plain, print_written
from irtheory.runs.environment import environment
from irtheory.runs.files import InputError, write_json
from irtheory.runs.folder import CONFIG, ENVIRONMENT, default_folder, open_run, refuse_used
from irtheory.runs.lock import lock_run_folder
from irtheory.trees.compile import kernels_compiled, warm_up
from irvision.data.batches.material import gather_material
from irvision.data.examples import samples_digest
from irvision.data.pixels.cache_folder import cache_folder
from irvision.data.registry import is_known, load_examples
from irvision.models.network import make_backbone
from irvision.runs.checkpoint import load_checkpoint
from irvision.runs.epoch_codes import CODES
from irvision.runs.tensorboard import Board, summary_writer
from irvision.runs.trained import (
    FILES,
    RESULT,
    moved,
    read_settings,
    settings_content,
    write_settings,
)
from irvision.runtime.device import Runtime, device_name, running, start_runtime
from irvision.runtime.memory import memory_in_one_line
from irvision.settings.train import MOVABLE, TrainSettings, option
from irvision.training.recipes import BEETLES, resolve
from irvision.training.session import CHECKPOINTS, METRICS, Session, training_advice
from irvision.training.setup import set_up


@dataclass(frozen=True)
class Request:
    """What `ira train` was asked beside the settings of the run.

    Attributes:
        out: run folder; None is runs/train-<data set>-<method>-<time>.
        overwrite: replace an earlier run there.
        resume: folder of a run to go on with; its settings hold.
        device: see `start_runtime`.
        data_dir: as it was given.
        cache_dir: where decoded images and frozen features are kept.
        tensorboard: write metrics for TensorBoard too.
        as_json: print nothing but the result.
    """

    out: Path | None = None
    overwrite: bool = False
    resume: Path | None = None
    device: str | None = None
    data_dir: Path | None = None
    cache_dir: Path | None = None
    tensorboard: bool = False
    as_json: bool = False


def train_command(options: Mapping[str, Any]) -> tuple[int, Path]:
    """Train, or go on training; exit code (0, or 128 + signal) and folder.

    Args:
        options: of the command line, by the names of `TrainSettings` and `Request`; None where
            one was not given.

    Raises:
        InputError: whatever cannot be used, a full disk, too little memory.
    """
    request = Request(**{field.name: options[field.name] for field in fields(Request)})
    before = None if request.resume is None else read_settings(request.resume)
    asked = _asked(options)
    precision = asked.get("precision") or (before.precision if before else None)
    exactly = bool(asked.get("deterministic") or (before and before.deterministic))
    runtime = start_runtime(request.device, precision, exactly)
    asked["precision"] = runtime.precision
    with running(runtime):
        if before is None:
            settings, folder = _new(asked, request, runtime)
        else:
            settings, folder = _earlier(before, options, asked, request)
        console = make_console(quiet=request.as_json or runtime.rank > 0)
        with lock_run_folder(folder, runtime.rank), _one_line(settings, folder, request, runtime):
            if before is not None and not runtime.rank and read_settings(folder) != before:
                raise InputError(f"{folder}: {CONFIG} changed while this began; run it again")
            return _train(settings, folder, request, runtime, console), folder


def _asked(options: Mapping[str, Any]) -> dict[str, Any]:
    """The settings that were given, ready to be written down: folders as absolute paths."""
    asked = {field.name: options.get(field.name) for field in fields(TrainSettings)}
    asked |= {"compile": options["compile_"], "deterministic": options["deterministic"] or None}
    dataset, weights, data_dir = asked["dataset"], asked["weights"], asked["data_dir"]
    if dataset is not None and not is_known(dataset) and Path(dataset).is_dir():
        asked["dataset"] = str(Path(dataset).resolve())
    if weights not in (None, "none", "imagenet"):
        asked["weights"] = str(Path(weights).resolve())
    if data_dir is not None:
        asked["data_dir"] = str(Path(data_dir).resolve())
    return {name: value for name, value in asked.items() if value is not None}


def _new(asked: dict[str, Any], request: Request, runtime: Runtime) -> tuple[TrainSettings, Path]:
    """Settings and folder of a new run."""
    if "dataset" not in asked:
        raise InputError("--dataset: expected a data set or a folder, found none")
    if request.data_dir is not None and not request.data_dir.is_dir():
        raise InputError(f"--data-dir {request.data_dir}: expected a folder, found none")
    if "data_dir" not in asked and asked["dataset"].casefold() != BEETLES:
        asked["data_dir"] = _usual_data(asked["dataset"])
    settings = resolve(asked, runtime.device.type == "cuda")
    name = Path(settings.dataset)
    folder = request.out or default_folder("train", f"{name.name}-{settings.method}")
    if not is_known(settings.dataset) and name in folder.resolve().parents:
        raise InputError(f"--out {folder}: expected a folder outside the data set {name}")
    if not runtime.rank:
        refuse_used(folder, "train", request.overwrite)
    return settings, folder


def _usual_data(dataset: str) -> str | None:
    """$IRA_DATA, else ./data if there is one."""
    named = os.environ.get("IRA_DATA")
    usual = Path(named or "data")
    if named and is_known(dataset) and not usual.is_dir():
        raise InputError(f"IRA_DATA={named}: expected a folder, found none")
    return str(usual.resolve()) if usual.is_dir() else None


def _earlier(
    before: TrainSettings, options: Mapping[str, Any], asked: dict[str, Any], request: Request
) -> tuple[TrainSettings, Path]:
    """Settings and folder of a run to go on with."""
    assert request.resume is not None
    others = [option(name) for name in asked if name not in MOVABLE]
    if others or request.out or request.overwrite:
        beside = ", ".join(others) or "--out or --overwrite"
        raise InputError(
            f"--resume {request.resume}: goes on with the settings of that run; expected no "
            f"{beside} (start a new run for that)"
        )
    if "weights" in asked and not before.freeze_backbone and _saved(request.resume):
        raise InputError(
            f"--weights: has no effect on {request.resume}, whose checkpoints hold all weights"
        )
    kept = {name: value for name, value in asked.items() if name != "data_dir"}
    return replace(moved(before, options["data_dir"]), **kept), request.resume


def _train(
    settings: TrainSettings, folder: Path, request: Request, runtime: Runtime, console: Console
) -> int:
    if request.resume is not None and (folder / RESULT).is_file():
        there = [] if request.data_dir is None else ["--data-dir", str(request.data_dir)]
        print_plain(console, f"{folder}: is finished")
        print_plain(console, f"next: {shlex.join(['ira', 'evaluate', str(folder), *there])}")
        return 0
    if settings.freeze_backbone and runtime.world > 1:
        raise InputError(f"--freeze-backbone: expected one process, found {runtime.world}")
    if request.tensorboard:
        # Found now, what is missing costs no decoding and no earlier run.
        summary_writer()
    for sentence in runtime.reason:
        print_plain(console, f"· {sentence}")
    examples = load_examples(settings.dataset, settings.data)
    for note in examples.notes:
        print_plain(console, f"· {note}")
    if request.resume is None:
        settings = replace(settings, depth=settings.depth or default_depth(len(examples.classes)))
    if request.resume is None:
        # So does what is wrong with the weights.
        make_backbone(settings, settings.weights)
    if not kernels_compiled():
        print_plain(console, "compiling tree kernels (once, about a minute) …")
    warm_up()
    cache_dir = request.cache_dir or cache_folder().parent
    material = gather_material(examples, settings, runtime, cache_dir, console)
    print_plain(console, _headline(settings, examples.classes, material.rows("train")))
    holds = request.resume is not None and _saved(folder)
    # A checkpoint holds every weight but those of a frozen backbone.
    begins = "none" if holds and not settings.freeze_backbone else settings.weights
    setup = set_up(replace(settings, weights=begins), material, runtime, cache_dir, console)
    if request.resume is None and not runtime.rank:
        open_run(folder, settings_content(settings), request.overwrite, settings.seed)
    board = Board(folder if request.tensorboard and not runtime.rank else None)
    session = Session(
        settings,
        setup,
        folder,
        examples.classes,
        samples_digest(examples),
        sorted(index for index, _, _ in material.cache.bad),
        not runtime.rank,
        console,
        board,
    )
    if request.resume is not None:
        _go_on(session, console)
    if session.writes:
        place = {"device": device_name(runtime), "processes": runtime.world}
        write_json(folder / ENVIRONMENT, environment(settings.seed) | place)
    return _finish(session)


def _saved(run: Path) -> bool:
    return any((run / CHECKPOINTS).glob("*.pt"))


def _headline(settings: TrainSettings, classes: tuple[str, ...], train: Any) -> str:
    frozen = "frozen " if settings.freeze_backbone else ""
    unit = "bit" if settings.bits == 1 else "bits"
    return (
        f"{Path(settings.dataset).name}: {len(train)} training images of {len(classes)} classes; "
        f"{settings.method}, {frozen}{settings.backbone} ({Path(settings.weights).name}) at "
        f"{settings.crop} px, {settings.dim} codes of {settings.bits} {unit}"
    )


def _go_on(session: Session, console: Console) -> None:
    folder = session.folder / CHECKPOINTS
    if _saved(session.folder):
        loaded = load_checkpoint(folder, session.resume)
        for note in (*loaded.notes, f"going on from {loaded.path.name}"):
            print_plain(console, f"· {note}")
    else:
        print_plain(console, f"· {folder} holds no checkpoint yet: starting with the first epoch")
    if session.writes:
        write_settings(session.folder, session.settings)


def _finish(session: Session) -> int:
    interruption = session.train()
    session.board.close()
    console, folder = session.console, session.folder
    if session.setup.engine.progress is not None:
        print_plain(console, f"interrupted: {folder}/{CHECKPOINTS} holds all that was done")
        print_plain(console, f"next: {shlex.join(['ira', 'train', '--resume', str(folder)])}")
        return interruption.exit_code
    if session.setup.engine.stopped:
        print_plain(console, "stopped by the rule of --drops, back to the epoch before")
    print_plain(console, str(session.finish()))
    kept = (CODES,) if session.setup.validation else ()
    written = [folder / name for name in (METRICS, CHECKPOINTS, *kept, *FILES)]
    print_written(console, folder, written, shlex.join(["ira", "evaluate", str(folder)]))
    return 0


@contextmanager
def _one_line(
    settings: TrainSettings, folder: Path, request: Request, runtime: Runtime
) -> Iterator[None]:
    """Turn what the machine may lack into one line that says what to do."""
    try:
        with memory_in_one_line(training_advice(settings, runtime)):
            yield
    except FloatingPointError as error:
        raise InputError(f"--learning-rate {settings.learning_rate:g}: {error}") from error
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        begun = request.resume is not None or _begun(folder, settings)
        again = f"`ira train --resume {folder}`" if begun else "this again"
        raise InputError(
            f"{error.filename or folder}: the disk is full; free some of it, then run {again}"
        ) from error


def _begun(folder: Path, settings: TrainSettings) -> bool:
    """Whether the folder is already that of this run, not empty or of an earlier one."""
    try:
        # The depth is resolved once the classes are known.
        found = replace(read_settings(folder), depth=settings.depth)
        return found == settings and not (folder / RESULT).is_file()
    except InputError:
        return False
