"""Training loop of `ira train`: epochs, metrics, checkpoints, and the files of the result."""

from __future__ import annotations

import time
from dataclasses import MISSING, asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console

from irtheory.intersection.engine import Intersection
from irtheory.intersection.epoch import Epoch, PartialEpoch
from irtheory.intersection.final_tree import final_tree
from irtheory.intersection.network import Collected, collect
from irtheory.intersection.processes import gather
from irtheory.runs.console import Pulse, clock, print_plain, progress_bar
from irtheory.runs.files import InputError, json_line, write_text
from irtheory.runs.folder import CONFIG
from irtheory.runs.options import declared
from irtheory.trees.export import classes_named
from irtheory.trees.short_tree import class_counts
from irtheory.trees.tree import Tree
from irvision.data.examples import Part, check_samples
from irvision.data.pixels.ranges import Ranges
from irvision.methods.contract import image_method
from irvision.runs.changes import check_contents
from irvision.runs.checkpoint import Misfit, check_moments, check_shapes
from irvision.runs.epoch_codes import write_epoch_codes
from irvision.runs.leaf_counts import Counts, readers_tree
from irvision.runs.names import CHECKPOINTS, METRICS
from irvision.runs.samples import Samples
from irvision.runs.tensorboard import TensorBoardLog
from irvision.runs.trained import Result, save_trained
from irvision.runs.writer import Writer
from irvision.runtime.device import Runtime
from irvision.runtime.memory import is_out_of_memory
from irvision.settings.train import MOVABLE, TrainSettings, option
from irvision.training.best import Best, best_of, better
from irvision.training.remarks import remarks
from irvision.training.setup import Setup
from irvision.training.signals import Interruption

# Paths may change between runs: digests check that their contents are still the same.
PATHS = ("dataset", "weights")
# Above this a λ, or the weight decay, is the likelier reason of a loss that is not finite.
LARGE = 1e3


@dataclass
class Session:
    """A training run and its folder.

    Attributes:
        settings: settings of the run.
        setup: engine and batches.
        folder: run folder.
        classes: names of the classes.
        samples: digest of the data set.
        listed: its samples and their pixels.
        ranges: of the values of its images with more than eight bits.
        left_out: samples whose image could not be read, ascending.
        writes: whether this process writes files.
        console: console for progress and messages.
        tensorboard: log for TensorBoard; writes nothing unless requested.
        records: a row of metrics for every completed epoch.
        best: the best epoch so far, if the best one is to be kept.
    """

    settings: TrainSettings
    setup: Setup
    folder: Path
    classes: tuple[str, ...]
    samples: str
    listed: Samples
    ranges: Ranges
    left_out: list[int]
    writes: bool
    console: Console
    tensorboard: TensorBoardLog
    records: list[dict[str, Any]] = field(default_factory=list)
    best: Best | None = None

    def train(self, interruption: Interruption) -> None:
        """Train the remaining epochs; writes a checkpoint after each, and when a signal arrives."""
        engine, setup = self.setup.engine, self.setup
        with (
            interruption.recorded(),
            progress_bar(self.console) as bar,
            Writer() as writer,
        ):
            pulse = Pulse(self.console, bar, "training", self.settings.epochs * setup.steps)
            reporter = ProgressReporter(pulse, self.settings, setup.steps)
            epochs = engine.run(
                setup.train,
                self.settings.epochs,
                setup.validation,
                on_step=reporter,
                interrupted=interruption,
            )
            for record in epochs:
                self._record_epoch(record, writer)
                reporter.start_epoch()
            if engine.partial_epoch is not None:
                self._save_checkpoint(engine.partial_epoch.steps, writer)

    def _record_epoch(self, record: Epoch, writer: Writer) -> None:
        row = {**asdict(record), "images_per_second": record.samples / record.seconds}
        self.records.append(row)
        if self.settings.keep == "best":
            self.best = better(self.best, record, self.setup.engine)
        if self.writes:
            text = "".join(json_line(row) for row in self.records)
            write_text(self.folder / METRICS, text)
            self.tensorboard.add(row)
            if (outputs := self.setup.engine.validation_outputs) is not None:
                write_epoch_codes(self.folder, record.epoch, outputs.codes.cpu().numpy())
        self._save_checkpoint(0, writer)
        print_plain(self.console, epoch_line(record, self.settings.epochs))

    def _save_checkpoint(self, steps: int, writer: Writer) -> None:
        engine = self.setup.engine
        # Every process has to call state_dict, which communicates; one of them writes the file.
        state = {
            "engine": engine.state_dict(),
            "records": list(self.records),
            "best": None if self.best is None else self.best.state_dict(),
            "samples": self.samples,
            "pixels": self.listed.pixels,
            "left_out": self.left_out,
            "settings": asdict(self.settings),
            "backbone": self.setup.backbone,
        }
        if self.writes:
            writer.save(self.folder / CHECKPOINTS, engine.epoch, steps, state)

    def resume(self, state: dict[str, Any]) -> None:
        """Continue from the state of a checkpoint.

        Raises:
            InputError: the checkpoint belongs to other samples, settings or backbone weights.
            Misfit: the state does not fit the network.
        """
        where, engine = f"--resume {self.folder}", self.setup.engine
        try:
            self._check_settings(state["settings"])
            if self.samples == state["samples"]:
                self._check_left_out(state["left_out"], where)
            # Before the parts, as equal pictures decide on those that are drawn.
            notes = check_contents(self.folder, self.listed, state.get("pixels"), where)
            check_samples(self.samples, state["samples"], where)
            for note in notes:
                print_plain(self.console, f"· {note}")
            if state["backbone"] != self.setup.backbone:
                raise InputError(
                    f"{where}: expected the backbone weights that the run began with, found "
                    f"others in {self.settings.weights}"
                )
            # Runs of earlier releases kept no best epoch.
            best = _best(engine, state.get("best"))
            _load_engine_state(engine, state["engine"])
            self.records, self.best = list(state["records"]), best
        except KeyError as error:
            raise Misfit(f"no {error}") from None
        except TypeError as error:
            raise Misfit(str(error)) from None

    def _check_left_out(self, left_out: list[int], where: str) -> None:
        """InputError unless the same images can be read as when the run began."""
        if left_out == self.left_out:
            return
        lost = len(set(self.left_out) - set(left_out))
        found = f"{lost} more that cannot be read; restore them" if lost else "more of them"
        raise InputError(
            f"{where}: expected the images that could be read when the run began, found {found}, "
            "or start a new run"
        )

    def _check_settings(self, trained: dict[str, Any]) -> None:
        """InputError if `config.yaml` differs from the settings that the run was trained with."""
        # A setting that came later than the run had what is its default now.
        options = declared(TrainSettings).values()
        known = {o.name: o.default for o in options if o.default is not MISSING} | trained
        for name, value in asdict(self.settings).items():
            if name not in (*MOVABLE, *PATHS) and known[name] != value:
                raise InputError(
                    f"{self.folder / CONFIG}: {name}: expected {known[name]!r}, as the run was "
                    f"trained, found {value!r}"
                )

    def finish(self) -> Result:
        """Compute T of the result, and write all files that later commands read."""
        engine, setup = self.setup.engine, self.setup
        if self.best is not None:
            self.best.restore(engine)
        method = image_method(self.settings.method).training
        seen = self._collected(engine, setup.fit(0))
        assert engine.tree is not None
        tree, kept = final_tree(engine.tree, seen, method, setup.grower)
        scored = self._collected(engine, setup.validation(0)) if setup.validation else seen
        counts: dict[Part, Counts] = {"train": self._counts(tree, kept, seen)}
        if setup.validation:
            counts["validation"] = self._counts(tree, kept, scored)
        in_key = readers_tree(tree, counts).tree
        result = self._result(seen, scored, tree, kept, in_key)
        if self.writes:
            save_trained(self.folder, setup.network, tree, self.classes, result, counts)
        return result

    @property
    def kept_epoch(self) -> int:
        """Number of the epoch whose weights and tree are those of the result."""
        engine = self.setup.engine
        return engine.epoch - engine.stopped if self.best is None else self.best.epoch

    def _counts(self, tree: Tree, kept: np.ndarray, seen: Collected) -> Counts:
        """Images of each class at each node of T."""
        codes = seen.codes[:, kept].cpu().numpy()
        return class_counts(tree, codes, seen.labels.cpu().numpy(), len(self.classes))

    def _result(
        self, seen: Collected, scored: Collected, tree: Tree, kept: np.ndarray, in_key: Tree
    ) -> Result:
        over_kept = Collected(scored.codes[:, kept], scored.outputs, scored.labels)
        constant = seen.constant_share()
        g, t, both = over_kept.accuracies(tree)
        return Result(
            kept=tuple(kept.tolist()),
            bits=self.settings.bits,
            samples=self.samples,
            epochs=self.setup.engine.epoch,
            kept_epoch=self.kept_epoch,
            stopped=self.setup.engine.stopped,
            part="validation" if self.setup.validation else "train",
            images=len(scored.labels),
            accuracy_g=g,
            accuracy_t=t,
            agreement=both,
            leaves=tree.n_leaves,
            codes_tested=len(tree.used_features),
            key_leaves=in_key.n_leaves,
            classes_named=len(classes_named(in_key)),
            warnings=remarks(tree, in_key, constant, over_kept, self.classes, self.setup.grower),
            pixels=self.listed.pixels,
            ranges=self.ranges,
        )

    @staticmethod
    def _collected(engine: Intersection, batches: Any) -> Collected:
        return gather(engine.processes, collect(engine.network, batches, engine.precision))


def _best(engine: Intersection, state: Any) -> Best | None:
    """The best epoch of a checkpoint; Misfit if it does not fit the engine."""
    try:
        return best_of(state, engine)
    except (ValueError, TypeError, AttributeError) as error:
        raise Misfit(str(error).splitlines()[0]) from None


def _load_engine_state(engine: Intersection, state: dict[str, Any]) -> None:
    """Load the state of a checkpoint; Misfit if it does not fit the engine."""
    try:
        check_shapes(state["network"], engine.network.state_dict(), "network")
        check_moments(engine.optimise_f, state["optimise_f"])
        check_moments(engine.optimise_g, state["optimise_g"])
        engine.load_state_dict(state)
    except (ValueError, TypeError, IndexError, AttributeError, RuntimeError) as error:
        if is_out_of_memory(error):
            raise
        raise Misfit(str(error).splitlines()[0]) from None


class ProgressReporter:
    """Shows the progress of training; called with the state of the epoch after every batch.

    It reads the loss from the device only when something is shown: each reading makes the host
    wait for the device.
    """

    def __init__(self, pulse: Pulse, settings: TrainSettings, steps: int) -> None:
        self._pulse, self._epochs, self._steps = pulse, settings.epochs, steps
        self._batch = settings.batch_size
        self.start_epoch()

    def start_epoch(self) -> None:
        """Measure the speed of a new epoch from its first batch."""
        self._since: tuple[float, int] | None = None

    def __call__(self, partial: PartialEpoch) -> None:
        """Report after one batch."""
        now = time.perf_counter()
        if self._since is None:
            # The clock starts after the first batch, which is slower than others.
            self._since = now, partial.steps
        if not self._pulse.due:
            return
        start, before = self._since
        done = (partial.epoch - 1) * self._steps + partial.steps
        rate = (partial.steps - before) / max(now - start, 1e-9)
        text = f"epoch {partial.epoch} of {self._epochs}, {_batch_words(partial)}"
        if rate:
            left = max(self._epochs * self._steps - done, 0) / rate
            text += f", {rate * self._batch:.0f} images/s, {clock(left)} left"
        self._pulse.show(text, done)


def _batch_words(partial: PartialEpoch) -> str:
    """Mean loss of the epoch so far, and the accuracy of G on the last batch."""
    _, logits, labels = partial.last_batch
    loss = float(partial.sums["label"]) / sum(len(y) for _, _, y in partial.parts)
    accuracy = (logits.argmax(dim=1) == labels).float().mean().item()
    return f"CE {loss:.3f}, G {accuracy:.2f}"


def epoch_line(record: Epoch, epochs: int) -> str:
    """The record of an epoch in one line."""
    validation = ""
    if record.validation_g is not None:
        validation = f"; validation G {record.validation_g:.3f} T {record.validation_t:.3f}"
    return (
        f"epoch {record.epoch:3d}/{epochs}: loss {record.total:.3f}, "
        f"train G {record.accuracy_g:.3f} T {record.accuracy_t:.3f}{validation}; "
        f"{record.samples / record.seconds:.0f} images/s"
    )


def divergence_advice(settings: TrainSettings) -> str:
    """Error message for a loss that is not finite: what may be the reason in this run."""
    reasons = [f"--learning-rate {settings.learning_rate:g} is too large"]
    for name in ("lambda_label", "lambda_tree", "lambda_sparsity", "lambda_route", "weight_decay"):
        if (value := getattr(settings, name)) > LARGE:
            reasons.insert(0, f"{option(name)} {value:g} is too large")
    if settings.precision == "bf16":
        reasons.append("--precision bf16 is too coarse")
    if settings.weights != "none":
        reasons.append(f"--weights {settings.weights} do not fit these images")
    return f"perhaps {', or '.join(reasons)}"


def training_advice(settings: TrainSettings, runtime: Runtime) -> str:
    """Error message for training that runs out of memory: what to try next."""
    return (
        f"out of memory on {runtime.device} with --batch-size {settings.batch_size} at --crop "
        f"{settings.crop}: try --accumulate {2 * settings.accumulate} (now {settings.accumulate}; "
        "also with --resume), a smaller --crop or another --backbone"
    )
