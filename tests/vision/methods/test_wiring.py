"""Every setting of a run reaches the part that it is about."""

from __future__ import annotations

import signal
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from rich.console import Console
from torch.optim import SGD, AdamW
from torch.optim.lr_scheduler import CosineAnnealingLR

from irtheory.intersection.growers import Grower
from irtheory.intersection.processes import SingleProcess
from irtheory.runs.files import InputError
from irvision.data.batches.material import gather_material
from irvision.data.registry import load_examples
from irvision.methods.contract import make_network
from irvision.models.network import GRAPHS, compile_f
from irvision.runs import tensorboard
from irvision.runs.tensorboard import TensorBoardLog
from irvision.runs.writer import Writer
from irvision.runtime.device import Runtime
from irvision.settings.train import TrainSettings
from irvision.training import setup as training_setup
from irvision.training import signals
from irvision.training.recipes import resolve
from irvision.training.setup import Setup, set_up
from irvision.training.signals import catch_signals

CPU = Runtime(torch.device("cpu"))


def settings_of(**more: Any) -> TrainSettings:
    asked = {"dataset": "beetles", "beetles": 120, "resize": 32, "crop": 32, "dim": 8, **more}
    return resolve(asked, on_gpu=False, classes=3)


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


def made(settings: TrainSettings, cache: Path, runtime: Runtime = CPU) -> Setup:
    quiet = Console(quiet=True)
    examples = load_examples(settings.dataset, settings.data)
    material = gather_material(examples, settings, runtime, cache, quiet)
    return set_up(settings, material, runtime, cache, quiet)


def test_the_published_recipe_reaches_engine_and_optimisers(cache: Path) -> None:
    setup = made(settings_of(recipe="pmg", backbone="resnet10", weights="none"), cache)
    engine = setup.engine
    assert engine.before_step is not None and engine.drops is None
    backbone, rest = engine.optimise_f.param_groups
    assert isinstance(engine.optimise_f, SGD) and isinstance(engine.optimise_g, SGD)
    assert backbone["initial_lr"] == pytest.approx(2e-4) and rest["initial_lr"] == 2e-3
    for group in (backbone, rest, *engine.optimise_g.param_groups):
        assert (group["momentum"], group["weight_decay"]) == (0.9, 5e-4)
    for schedule in engine.schedulers:
        assert isinstance(schedule, CosineAnnealingLR) and schedule.T_max == 200 * setup.steps
    assert (setup.grower.search, setup.grower.min_samples_leaf) == ("greedy", 1)


def test_the_papers_recipe_stops_at_the_second_drop(cache: Path) -> None:
    settings = settings_of(recipe="paper", backbone="resnet10", weights="none")
    engine = made(settings, cache).engine
    assert (engine.drops, engine.before_step, engine.schedulers) == (2, None, ())
    assert [group["lr"] for group in engine.optimise_f.param_groups] == [1e-4, 1e-4]
    found = (settings.method, settings.epochs, settings.batch_size, settings.optimiser)
    assert found == ("paper", 100, 64, "sgd")
    assert (settings.normalise, settings.min_samples_leaf, settings.weights) == ("half", 1, "none")
    weights = engine.weights
    assert (weights.label, weights.tree, weights.sparsity, weights.route) == (2, 1, 0.001, 0)


def test_other_settings_arrive(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    compiled: list[dict] = []
    monkeypatch.setattr(torch.nn.Module, "compile", lambda self, **how: compiled.append(how))
    settings = settings_of(
        accumulate=3, compile=True, backbone_factor=0.5, learning_rate=0.004, weight_decay=0.2,
        epochs=7, depth=3, criterion="squared_error", min_samples_leaf=2, lambda_route=0.25,
    )  # fmt: skip
    setup = made(settings, cache)
    engine = setup.engine
    assert isinstance(engine.optimise_f, AdamW)
    assert [group["initial_lr"] for group in engine.optimise_f.param_groups] == [0.002, 0.004]
    assert {group["weight_decay"] for group in engine.optimise_f.param_groups} == {0.2}
    assert {schedule.T_max for schedule in engine.schedulers} == {7 * setup.steps}
    assert engine._descent.chunks == 3 and engine.weights.route == 0.25
    assert setup.grower == Grower(3, "squared_error", 2, setup.grower.search)
    assert compiled == [{"dynamic": False}]


# torch warns of parts of its own when its compiler is imported.
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_graphs_of_every_batch_size_fit(monkeypatch: pytest.MonkeyPatch) -> None:
    from torch._dynamo import config

    monkeypatch.setattr(config, "recompile_limit", 8)
    network = make_network(settings_of(), 3, "none")
    compile_f(network)
    assert config.recompile_limit == GRAPHS >= 4 * 2 * 2


def test_processes_draw_their_own_dropout(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        training_setup, "parallelise", lambda network, *_, **__: (network, SingleProcess())
    )
    draws = []
    for rank in range(2):
        made(settings_of(), cache, Runtime(torch.device("cpu"), rank=rank, world=2))
        draws.append(torch.rand(4))
    assert not torch.equal(*draws)


def test_every_number_of_an_epoch_goes_to_tensorboard(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    written: dict[str, tuple[float, int]] = {}
    fake = SimpleNamespace(
        add_scalar=lambda name, value, step: written.__setitem__(name, (value, step)),
        flush=lambda: None,
        close=lambda: None,
    )
    monkeypatch.setattr(tensorboard, "summary_writer", lambda: lambda folder: fake)
    log = TensorBoardLog(tmp_path)
    log.add({"epoch": 3, "losses": {"label": 0.5}, "accuracy_g": 0.25, "validation_g": None})
    log.close()
    assert written == {"loss/label": (0.5, 3), "accuracy_g": (0.25, 3)}


def test_a_second_ctrl_c_ends_at_once() -> None:
    with catch_signals() as interruption:
        signal.raise_signal(signal.SIGINT)
        assert interruption() and interruption.exit_code == 130
        signal.raise_signal(signal.SIGTERM)
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)


def test_a_signal_that_comes_twice_is_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """A scheduler signals all processes, and torchrun passes its own signal on."""
    with catch_signals() as interruption:
        for _ in range(3):
            signal.raise_signal(signal.SIGTERM)
        assert interruption.exit_code == 143
        monkeypatch.setattr(signals, "GRACE", -1.0)
        with pytest.raises(SystemExit, match="143"):
            signal.raise_signal(signal.SIGTERM)


def test_a_checkpoint_waits_for_the_one_before(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    writer = Writer()
    writer.save(tmp_path / "file" / "below", 1, 0, {})
    with pytest.raises(InputError, match="cannot write a checkpoint"):
        writer.save(tmp_path / "folder", 2, 0, {})
