"""`ira train` behind the command line."""

from __future__ import annotations

import errno
import json
import os
import shlex
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from rich.console import Console

from irtheory.runs.console import make_console, print_plain, print_written
from irtheory.runs.environment import environment
from irtheory.runs.files import InputError, json_text, write_json
from irtheory.runs.folder import CONFIG, ENVIRONMENT, default_folder, open_run, refuse_used
from irtheory.runs.lock import lock_run_folder
from irtheory.runs.options import declared, flag_of, take
from irtheory.trees.compile import compile_kernels
from irvision.commands.run_samples import samples_of, training_material
from irvision.data.batches.material import Material
from irvision.data.examples import Examples, samples_digest
from irvision.data.pixels.cache_folder import cache_folder
from irvision.data.registry import is_known, load_examples
from irvision.models.network import make_backbone
from irvision.runs.card import write_card
from irvision.runs.checkpoint import load_checkpoint
from irvision.runs.epoch_codes import CODES
from irvision.runs.names import CARD, SAMPLES
from irvision.runs.samples import write_samples
from irvision.runs.tensorboard import TensorBoardLog, summary_writer
from irvision.runs.trained import (
    FILES,
    RESULT,
    read_settings,
    settings_content,
    with_data_dir,
    write_settings,
)
from irvision.runtime.device import Runtime, device_name, running, start_runtime
from irvision.runtime.memory import report_out_of_memory
from irvision.settings.requests import TrainRequest
from irvision.settings.train import MOVABLE, TrainSettings, data_options, option
from irvision.training.balance import balance_lines
from irvision.training.recipes import BEETLES, resolve
from irvision.training.session import (
    CHECKPOINTS,
    METRICS,
    Session,
    divergence_advice,
    training_advice,
)
from irvision.training.setup import set_up
from irvision.training.signals import Interruption, catch_signals


def train_command(given: Mapping[str, Any]) -> int:
    """Train, or go on with a run; the exit code is 0, or 128 + signal.

    Args:
        given: options of the command line, by the names of `TrainSettings` and `TrainRequest`.

    Raises:
        InputError: whatever cannot be used, a full disk, too little memory.
    """
    request = take(TrainRequest, given)
    with catch_signals(at_once=True) as interruption:
        try:
            code = _run(given, request, interruption)
        except KeyboardInterrupt:
            print_plain(
                _last_words(request), "interrupted before the run began: nothing was written"
            )
            print_plain(_last_words(request), "next: the same command again")
            return interruption.exit_code
    return code


def _last_words(request: TrainRequest) -> Console:
    """Where the last lines of an interrupted run go; --json leaves standard output alone."""
    return make_console(stderr=True) if request.as_json else make_console()


def _run(given: Mapping[str, Any], request: TrainRequest, interruption: Interruption) -> int:
    before = None if request.resume is None else read_settings(request.resume)
    asked = _asked(given)
    precision = asked.get("precision") or (before.precision if before else None)
    exactly = bool(asked.get("deterministic") or (before and before.deterministic))
    runtime = start_runtime(request.device, precision, exactly)
    asked["precision"] = runtime.precision
    with running(runtime):
        if before is None:
            settings, examples, folder = _new(asked, request, runtime)
        else:
            settings, folder = _earlier(before, asked, request)
            examples = load_examples(settings.dataset, settings.data)
        console = make_console(quiet=request.as_json or runtime.rank > 0)
        job = Job(settings, examples, folder, request, runtime, console, interruption, given)
        with lock_run_folder(folder, runtime.rank), _advice(job):
            if before is not None and not runtime.rank and read_settings(folder) != before:
                raise InputError(f"{folder}: {CONFIG} changed while this began; run it again")
            try:
                code = _train(job)
            except KeyboardInterrupt:
                resumed = request.resume is not None
                return _interrupted(job, resumed or _begun(folder, settings))
    # Of several processes, only the first prints.
    if request.as_json and not code and not runtime.rank:
        result = json.loads((folder / RESULT).read_text(encoding="utf-8"))
        print(json_text({"run": str(folder), **result}))
    return code


@dataclass(frozen=True, eq=False)
class Job:
    """One run of `ira train`, new or resumed.

    Attributes:
        settings: resolved.
        examples: the data set.
        folder: of the run.
        request: what was asked for beside the settings.
        runtime: device and place among the processes.
        console: what is printed to.
        interruption: by a signal.
        given: options of the command line, for the command to run next.
    """

    settings: TrainSettings
    examples: Examples
    folder: Path
    request: TrainRequest
    runtime: Runtime
    console: Console
    interruption: Interruption
    given: Mapping[str, Any]


def _asked(given: Mapping[str, Any]) -> dict[str, Any]:
    """The settings that were given, with absolute paths, as config.yaml holds them."""
    asked = {name: given[name] for name in declared(TrainSettings) if name in given}
    dataset, weights = asked.get("dataset"), asked.get("weights", "none")
    if dataset is not None and not is_known(dataset) and Path(dataset).is_dir():
        asked["dataset"] = str(Path(dataset).resolve())
    if weights not in ("none", "imagenet"):
        asked["weights"] = str(Path(weights).resolve())
    if "data_dir" in asked:
        asked["data_dir"] = str(Path(asked["data_dir"]).resolve())
    return asked


def _new(
    asked: dict[str, Any], request: TrainRequest, runtime: Runtime
) -> tuple[TrainSettings, Examples, Path]:
    """Settings, data set and folder of a new run."""
    if "dataset" not in asked:
        raise InputError("--dataset: expected a data set or a folder, found none")
    dataset = asked["dataset"]
    if "data_dir" in asked:
        if not Path(asked["data_dir"]).is_dir():
            raise InputError(f"--data-dir {asked['data_dir']}: expected a folder, found none")
    elif dataset.casefold() != BEETLES:
        asked["data_dir"] = _usual_data(dataset)
    examples = load_examples(dataset, data_options(asked))
    settings = resolve(asked, runtime.device.type == "cuda", len(examples.classes))
    name = Path(settings.dataset)
    folder = request.out or default_folder("train", f"{name.name}-{settings.method}")
    if not is_known(settings.dataset) and name in folder.resolve().parents:
        raise InputError(f"--out {folder}: expected a folder outside the data set {name}")
    if not runtime.rank:
        refuse_used(folder, "train", request.overwrite)
    return settings, examples, folder


def _usual_data(dataset: str) -> str | None:
    """$IRA_DATA, else ./data if it exists."""
    named = os.environ.get("IRA_DATA")
    usual = Path(named or "data")
    if named and is_known(dataset) and not usual.is_dir():
        raise InputError(f"IRA_DATA={named}: expected a folder, found none")
    return str(usual.resolve()) if usual.is_dir() else None


def _earlier(
    before: TrainSettings, asked: dict[str, Any], request: TrainRequest
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
    folder = Path(asked["data_dir"]) if "data_dir" in asked else None
    return replace(with_data_dir(before, folder), **kept), request.resume


def _train(job: Job) -> int:
    request, settings, examples, runtime = job.request, job.settings, job.examples, job.runtime
    console, folder = job.console, job.folder
    if request.resume is not None and (folder / RESULT).is_file():
        there = ["--data-dir", job.given["data_dir"]] if "data_dir" in job.given else []
        print_plain(console, f"{folder}: is finished")
        print_plain(console, f"next: {shlex.join(['ira', 'evaluate', str(folder), *there])}")
        return 0
    if settings.freeze_backbone and runtime.world > 1:
        raise InputError(f"--freeze-backbone: expected one process, found {runtime.world}")
    if request.tensorboard:
        # Checked before images are decoded or an earlier run is removed.
        summary_writer()
    for sentence in (*runtime.reason, *examples.notes):
        print_plain(console, f"· {sentence}")
    with _claimed(job) as new:
        session = _prepared(job, new)
    try:
        if request.resume is not None:
            _go_on(session, console)
        if session.writes:
            place = {"device": device_name(runtime), "processes": runtime.world}
            write_json(folder / ENVIRONMENT, environment(settings.seed) | place)
        return _finish(session, job)
    except KeyboardInterrupt:
        return _interrupted(job, True)


@contextmanager
def _claimed(job: Job) -> Iterator[bool]:
    """Write the settings of a new run before the long passes, so that --resume can go on with them.

    What is refused in the context leaves no folder behind; what interrupts it leaves the settings.
    An earlier run that --overwrite is to replace stays until this one begins to train.

    Yields:
        Whether the folder is still to be opened.
    """
    first = job.request.resume is None and not job.runtime.rank
    claimed = first and not any(job.folder.iterdir())
    if claimed:
        _open(job)
    try:
        yield first and not claimed
    except Exception:
        # After a signal, other processes that end can be the reason of the error.
        job.interruption.check()
        if claimed:
            for name in (CONFIG, ENVIRONMENT):
                (job.folder / name).unlink(missing_ok=True)
        raise
    job.interruption.check()


def _open(job: Job) -> None:
    content, overwrite = settings_content(job.settings), job.request.overwrite
    open_run(job.folder, content, overwrite, job.settings.seed)


def _prepared(job: Job, new: bool) -> Session:
    """The session of the run: weights, kernels, decoded images, features, network."""
    settings, request, console = job.settings, job.request, job.console
    if request.resume is None:
        # Weights that cannot be loaded are reported before images are decoded, too.
        make_backbone(settings, settings.weights, lambda note: print_plain(console, f"· {note}"))
    compile_kernels(partial(print_plain, console))
    job.interruption.check()
    cache_dir = request.cache_dir or cache_folder().parent
    # Before its first checkpoint, a run that was stopped is as good as new.
    begun = request.resume is not None and _saved(job.folder)
    material = training_material(
        job.examples, settings, job.runtime, cache_dir, console, job.folder if begun else None
    )
    print_plain(console, _headline(settings, job.examples.classes, material.rows("train")))
    labels = material.examples.labels[material.rows("train")]
    for line in balance_lines(labels, job.examples.classes, settings):
        print_plain(console, line)
    session = _session(job, material, cache_dir)
    if new:
        _open(job)
    if session.writes and not begun:
        write_samples(job.folder, session.listed)
    return session


def _session(job: Job, material: Material, cache_dir: Path) -> Session:
    """Network, engine and batches of the run."""
    settings, request, first = job.settings, job.request, not job.runtime.rank
    holds = request.resume is not None and _saved(job.folder)
    # A checkpoint holds every weight but those of a frozen backbone.
    begins = "none" if holds and not settings.freeze_backbone else settings.weights
    setup = set_up(replace(settings, weights=begins), material, job.runtime, cache_dir, job.console)
    listed = samples_of(material)
    return Session(
        settings,
        setup,
        job.folder,
        job.examples.classes,
        samples_digest(material.examples),
        listed,
        material.cache.ranges,
        material.bad,
        first,
        job.console,
        TensorBoardLog(job.folder if request.tensorboard and first else None),
    )


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


def _finish(session: Session, job: Job) -> int:
    session.train(job.interruption)
    session.tensorboard.close()
    console, folder = session.console, session.folder
    if session.setup.engine.partial_epoch is not None:
        return _interrupted(job, True)
    if job.runtime.world == 1:
        # A signal during the last tree: that epoch has its checkpoint.
        job.interruption.check()
    if session.setup.engine.stopped and session.settings.keep == "last":
        print_plain(console, "stopped by the rule of --drops, back to the epoch before")
    result = session.finish()
    print_plain(console, str(result))
    for sentence in result.warnings:
        print_plain(console, f"· warning: {sentence}")
    if session.settings.keep == "best":
        print_plain(console, f"kept: epoch {result.kept_epoch}, the best on validation by T")
    kept = (CODES,) if session.setup.validation else ()
    # A run that an earlier release began has no list of its samples.
    listed = (SAMPLES,) if (folder / SAMPLES).is_file() else ()
    card = _card(folder, console) if session.writes else None
    cards = () if card is None else (CARD,)
    written = [folder / name for name in (METRICS, CHECKPOINTS, *listed, *kept, *FILES, *cards)]
    print_written(console, folder, written, shlex.join(["ira", "evaluate", str(folder)]))
    return 0


def _card(folder: Path, console: Console) -> Path | None:
    """The model card; scores or names of an earlier state of the run are no reason to fail now."""
    try:
        return write_card(folder)
    except InputError as error:
        print_plain(console, f"· no model card: {error}")
        return None


def _interrupted(job: Job, begun: bool) -> int:
    """Say what is kept and how to go on; the exit code.

    Args:
        job: the run.
        begun: whether its folder holds this run, and not an earlier one or none.
    """
    console, folder = _last_words(job.request), job.folder
    if job.runtime.rank:
        return job.interruption.exit_code
    if not begun:
        print_plain(console, f"interrupted before the run began: the run in {folder} is unchanged")
        print_plain(console, "next: the same command again, which uses what was decoded")
        return job.interruption.exit_code
    if (folder / RESULT).is_file():
        print_plain(console, f"interrupted: {folder} is finished")
        print_plain(console, f"next: {shlex.join(['ira', 'evaluate', str(folder)])}")
        return job.interruption.exit_code
    kept = f"{folder}/{CHECKPOINTS} holds all that was done"
    if not _saved(folder):
        kept = f"{folder} holds the settings, and the cache what was decoded and computed so far"
    print_plain(console, f"interrupted: {kept}")
    command = ["ira", "train", "--resume", str(folder), *_beside_settings(job)]
    print_plain(console, f"next: {shlex.join(command)}")
    return job.interruption.exit_code


def _beside_settings(job: Job) -> list[str]:
    """The options of the command line that the settings of the run do not hold."""
    given = [name for name in ("device", "cache_dir") if name in job.given]
    words = [word for name in given for word in (flag_of(TrainRequest, name), str(job.given[name]))]
    return [*words, "--tensorboard"] if job.request.tensorboard else words


@contextmanager
def _advice(job: Job) -> Iterator[None]:
    """Report lacking memory or disk space as an InputError that says what to do."""
    settings, folder = job.settings, job.folder
    try:
        with report_out_of_memory(training_advice(settings, job.runtime)):
            yield
    except FloatingPointError as error:
        raise InputError(f"{error}; {divergence_advice(settings)}") from error
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        begun = job.request.resume is not None or _begun(folder, settings)
        again = f"`ira train --resume {folder}`" if begun else "this again"
        raise InputError(
            f"{error.filename or folder}: the disk is full; free some of it, then run {again}"
        ) from error


def _begun(folder: Path, settings: TrainSettings) -> bool:
    """Whether the folder already holds this run, and not an earlier one."""
    try:
        return read_settings(folder) == settings and not (folder / RESULT).is_file()
    except InputError:
        return False
