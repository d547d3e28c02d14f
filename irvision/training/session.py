"""A run on its way: epochs, metrics, checkpoints, and what is left at the end."""

from __future__ import annotations

import time
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console

from irtheory.intersection.engine import Intersection
from irtheory.intersection.epoch import Epoch, Progress
from irtheory.intersection.final_tree import final_tree
from irtheory.intersection.network import Collected, collect
from irtheory.runs.console import Pulse, print_plain, progress_bar
from irtheory.runs.files import InputError, json_line, write_text
from irtheory.runs.folder import CONFIG
from irtheory.trees.export import merge_same_class
from irtheory.trees.tree import Tree
from irvision.data.examples import check_samples
from irvision.methods.contract import image_method
from irvision.runs.checkpoint import Misfit, check_moments, check_shapes
from irvision.runs.epoch_codes import write_epoch_codes
from irvision.runs.tensorboard import Board
from irvision.runs.trained import Result, save_trained
from irvision.runs.writer import Writer
from irvision.runtime.device import Runtime
from irvision.runtime.memory import lacks_memory
from irvision.settings.train import MOVABLE, TrainSettings
from irvision.training.setup import Setup
from irvision.training.signals import Interruption, heeding_signals

METRICS, CHECKPOINTS = "metrics.jsonl", "checkpoints"
# Paths may move; digests say whether what they lead to is still the same.
ELSEWHERE = ("dataset", "weights")


@dataclass
class Session:
    """A run in its folder.

    Attributes:
        settings: of the run.
        setup: engine and batches.
        folder: of the run.
        classes: names of the classes.
        samples: digest of the data set.
        left_out: samples whose image could not be read, ascending.
        writes: whether this process writes files.
        console: what it prints to.
        board: TensorBoard, if asked for.
        records: one an epoch that is done.
    """

    settings: TrainSettings
    setup: Setup
    folder: Path
    classes: tuple[str, ...]
    samples: str
    left_out: list[int]
    writes: bool
    console: Console
    board: Board
    records: list[dict[str, Any]] = field(default_factory=list)

    def train(self) -> Interruption:
        """Run what is left of the epochs; a checkpoint after each, and when a signal comes."""
        engine, setup = self.setup.engine, self.setup
        with (
            heeding_signals() as interruption,
            progress_bar(self.console) as bar,
            Writer() as writer,
        ):
            pulse = Pulse(self.console, bar, "training", self.settings.epochs * setup.steps)
            watch = Watch(pulse, self.settings, setup.steps)
            epochs = engine.run(
                setup.train,
                self.settings.epochs,
                setup.validation,
                on_step=watch,
                interrupted=interruption,
            )
            for record in epochs:
                self._note(record, writer)
                watch.restart()
            if engine.progress is not None:
                self._save(engine.progress.steps, writer)
        return interruption

    def _note(self, record: Epoch, writer: Writer) -> None:
        row = {**asdict(record), "images_per_second": record.samples / record.seconds}
        self.records.append(row)
        if self.writes:
            text = "".join(json_line(row) for row in self.records)
            write_text(self.folder / METRICS, text)
            self.board.add(row)
            if (held := self.setup.engine.held) is not None:
                write_epoch_codes(self.folder, record.epoch, held.codes.cpu().numpy())
        self._save(0, writer)
        print_plain(self.console, epoch_line(record, self.settings.epochs))

    def _save(self, steps: int, writer: Writer) -> None:
        engine = self.setup.engine
        # Every process takes part in making the state; one writes it.
        state = {
            "engine": engine.state_dict(),
            "records": list(self.records),
            "samples": self.samples,
            "left_out": self.left_out,
            "settings": asdict(self.settings),
            "backbone": self.setup.backbone,
        }
        if self.writes:
            writer.save(self.folder / CHECKPOINTS, engine.epoch, steps, state)

    def resume(self, state: dict[str, Any]) -> None:
        """Go on from a checkpoint's state.

        Raises:
            InputError: the checkpoint is of other samples, settings or backbone weights.
            Misfit: it does not fit the network.
        """
        where, engine = f"--resume {self.folder}", self.setup.engine
        try:
            self._check_settings(state["settings"])
            check_samples(self.samples, state["samples"], where)
            if (known := state["left_out"]) != self.left_out:
                lost = len(set(self.left_out) - set(known))
                what = (
                    f"{lost} more that cannot be read; bring them back" if lost else "more of them"
                )
                raise InputError(
                    f"{where}: expected the images that could be read when the run began, found "
                    f"{what}, or train anew"
                )
            if state["backbone"] != self.setup.backbone:
                raise InputError(
                    f"{where}: expected the backbone weights that the run began with, found "
                    f"others in {self.settings.weights}"
                )
            _take_up(engine, state["engine"])
            self.records = list(state["records"])
        except KeyError as error:
            raise Misfit(f"no {error}") from None
        except TypeError as error:
            raise Misfit(str(error)) from None

    def _check_settings(self, trained: dict[str, Any]) -> None:
        """InputError if `config.yaml` says something else than the run was trained with."""
        for name, value in asdict(self.settings).items():
            if name not in (*MOVABLE, *ELSEWHERE) and trained[name] != value:
                raise InputError(
                    f"{self.folder / CONFIG}: {name}: expected {trained[name]!r}, with which the "
                    f"run was trained, found {value!r}"
                )

    def finish(self) -> Result:
        """T of the result; writes all that later commands need."""
        engine, setup = self.setup.engine, self.setup
        method = image_method(self.settings.method).training
        seen = self._collected(engine, setup.fit(0))
        assert engine.tree is not None
        tree, kept = final_tree(engine.tree, seen, method, setup.grower)
        held = self._collected(engine, setup.validation(0)) if setup.validation else seen
        result = self._result(held, tree, kept)
        if self.writes:
            binary = self.settings.bits == 1
            save_trained(self.folder, setup.network, tree, self.classes, result, binary)
        return result

    def _result(self, held: Collected, tree: Tree, kept: np.ndarray) -> Result:
        g, t, both = Collected(held.codes[:, kept], held.outputs, held.labels).accuracies(tree)
        return Result(
            kept=tuple(kept.tolist()),
            samples=self.samples,
            epochs=self.setup.engine.epoch,
            stopped=self.setup.engine.stopped,
            part="validation" if self.setup.validation else "train",
            images=len(held.labels),
            accuracy_g=g,
            accuracy_t=t,
            agreement=both,
            leaves=tree.n_leaves,
            codes_tested=len(tree.used_features),
            key_leaves=merge_same_class(tree).n_leaves,
        )

    @staticmethod
    def _collected(engine: Intersection, batches: Any) -> Collected:
        return engine.peers.gather(collect(engine.network, batches, engine.precision))


def _take_up(engine: Intersection, state: dict[str, Any]) -> None:
    """Misfit if the state is not that of such an engine."""
    try:
        check_shapes(state["network"], engine.network.state_dict(), "network")
        check_moments(engine.optimise_f, state["optimise_f"])
        check_moments(engine.optimise_g, state["optimise_g"])
        engine.load_state_dict(state)
    except (ValueError, TypeError, IndexError, AttributeError, RuntimeError) as error:
        if lacks_memory(error):
            raise
        raise Misfit(str(error).splitlines()[0]) from None


class Watch:
    """Shows how far training is; looks at the device only when something is shown."""

    def __init__(self, pulse: Pulse, settings: TrainSettings, steps: int) -> None:
        self._pulse, self._epochs, self._steps = pulse, settings.epochs, steps
        self._batch = settings.batch_size
        self.restart()

    def restart(self) -> None:
        """A new epoch begins: its speed is measured anew."""
        self._since: tuple[float, int] | None = None

    def __call__(self, progress: Progress) -> None:
        """Take note of one batch."""
        now = time.perf_counter()
        if self._since is None:
            # The first batch is slower than others and does not count.
            self._since = now, progress.steps
        if not self._pulse.due:
            return
        start, before = self._since
        done = (progress.epoch - 1) * self._steps + progress.steps
        rate = (progress.steps - before) / max(now - start, 1e-9)
        text = f"epoch {progress.epoch} of {self._epochs}, {_batch_words(progress)}"
        if rate:
            left = max(self._epochs * self._steps - done, 0) / rate
            text += f", {rate * self._batch:.0f} images/s, {_clock(left)} left"
        self._pulse.show(text, done)


def _batch_words(progress: Progress) -> str:
    _, logits, labels = progress.latest
    loss = float(progress.sums["label"]) / sum(len(y) for _, _, y in progress.parts)
    accuracy = (logits.argmax(dim=1) == labels).float().mean().item()
    return f"CE {loss:.3f}, G {accuracy:.2f}"


def _clock(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"


def epoch_line(record: Epoch, epochs: int) -> str:
    """An epoch in one line."""
    held = ""
    if record.validation_g is not None:
        held = f"; validation G {record.validation_g:.3f} T {record.validation_t:.3f}"
    return (
        f"epoch {record.epoch:3d}/{epochs}: loss {record.total:.3f}, "
        f"train G {record.accuracy_g:.3f} T {record.accuracy_t:.3f}{held}; "
        f"{record.samples / record.seconds:.0f} images/s"
    )


def training_advice(settings: TrainSettings, runtime: Runtime) -> str:
    """What to try where training needs more memory than there is."""
    return (
        f"out of memory on {runtime.device} with --batch-size {settings.batch_size} at --crop "
        f"{settings.crop}: try --accumulate {2 * settings.accumulate} (now {settings.accumulate}; "
        "also with --resume), a smaller --crop or another --backbone"
    )
