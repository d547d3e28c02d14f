from __future__ import annotations

import json
import signal
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from typer.testing import CliRunner

from cli import app
from irtheory.intersection.epoch import Epoch
from irtheory.trees.tree import Tree
from irvision.runs.trained import load_trained
from irvision.training import session as sessions
from irvision.training.best import Best, best_of, better
from irvision.training.session import ProgressReporter, Session

OPTIONS = [
    "--dataset", "beetles", "--beetles", "240", "--resize", "24", "--epochs", "5", "--dim", "8",
    "--batch-size", "32", "--device", "cpu", "--learning-rate", "0.02", "--schedule", "constant",
]  # fmt: skip


def record(epoch: int, accuracy: float | None) -> Epoch:
    numbers = (epoch, {}, 0.0, 0.0, 0.0, 0.0, 0.0, accuracy, 0.0)
    return Epoch(
        *numbers, leaves=1, depth=0, codes_used=0, density=0, constant=0, samples=1, seconds=1
    )


def engine(number: float, stopped: bool = False) -> Any:
    network = torch.nn.Linear(1, 1)
    torch.nn.init.constant_(network.weight, number)
    return SimpleNamespace(network=network, tree=Tree.leaf([number], 1, 1), stopped=stopped)


def test_the_later_of_equal_epochs_is_kept_and_not_the_one_that_ends_the_run() -> None:
    best = None
    for epoch, accuracy in enumerate([0.2, 0.7, 0.4, 0.7, 0.6], start=1):
        best = better(best, record(epoch, accuracy), engine(epoch))
        assert best is not None
        kept = {1: 1, 2: 2, 3: 2, 4: 4, 5: 4}[epoch]
        assert (best.epoch, float(best.network["weight"]), best.tree) == (
            kept,
            kept,
            Tree.leaf([float(kept)], 1, 1).to_json(),
        )
    assert better(best, record(6, 0.9), engine(6, stopped=True)) is best
    assert better(None, record(1, None), engine(1)) is None


def test_a_best_epoch_of_another_network_is_refused() -> None:
    best = better(None, record(1, 0.5), engine(1))
    assert best is not None
    state = best.state_dict()
    assert best_of(state, engine(2)) is not None and best_of(None, engine(2)) is None
    state["network"] = {"weight": torch.ones(2, 2), "bias": torch.ones(1)}
    with pytest.raises(ValueError, match="expected shape"):
        best_of(state, engine(2))


def test_which_epoch_a_result_is_from() -> None:
    made = SimpleNamespace(best=None, setup=SimpleNamespace(engine=SimpleNamespace()))
    kept = Session.kept_epoch.fget
    assert kept is not None
    for stopped, best, expected in ((False, None, 7), (True, None, 6), (True, 3, 3)):
        made.setup.engine = SimpleNamespace(epoch=7, stopped=stopped)
        made.best = None if best is None else Best(best, 0.5, {}, "")
        assert kept(made) == expected


@pytest.fixture(scope="module", autouse=True)
def cache(tmp_path_factory: pytest.TempPathFactory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("IRA_CACHE", str(tmp_path_factory.mktemp("cache")))
        patch.delenv("IRA_DATA", raising=False)
        yield


def ira(*arguments: object):
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def result(run: Path) -> dict:
    return json.loads((run / "result.json").read_text())


@pytest.mark.slow
def test_the_best_epoch_is_kept_and_survives_an_interruption(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    straight, cut = tmp_path / "straight", tmp_path / "cut"
    # The samples of a run are drawn with equal frequency here, in the resumed one, too.
    options = [*OPTIONS, "--keep", "best", "--balance", "sampler"]
    done = ira("train", *options, "--out", straight)
    assert done.exit_code == 0, done.output
    rows = [json.loads(line) for line in (straight / "metrics.jsonl").read_text().splitlines()]
    accuracies = [row["validation_t"] for row in rows]
    kept = max(range(5), key=lambda i: (accuracies[i], i)) + 1
    assert result(straight)["kept_epoch"] == kept and result(straight)["epochs"] == 5
    assert f"kept: epoch {kept}, the best" in done.stdout

    calls, before = [], ProgressReporter.__call__

    def struck(self: ProgressReporter, partial: object) -> None:
        before(self, partial)  # type: ignore[arg-type]
        calls.append(partial)
        if len(calls) == 5 * kept + 3 or len(calls) == 22:
            signal.raise_signal(signal.SIGTERM)

    monkeypatch.setattr(sessions.ProgressReporter, "__call__", struck)
    assert ira("train", *options, "--out", cut).exit_code == 143
    while (code := ira("train", "--resume", cut, "--device", "cpu").exit_code) == 143:
        pass
    assert code == 0
    one, other = (load_file(run / "weights.safetensors") for run in (straight, cut))
    assert all(torch.equal(one[name], other[name]) for name in one)
    assert (straight / "tree.json").read_bytes() == (cut / "tree.json").read_bytes()
    assert result(straight) == result(cut)


def test_what_is_kept_is_not_the_last_epoch(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first epoch is made to look best: the result is then that of a run of one epoch."""

    def first(best: Best | None, record: Epoch, engine: object) -> Best | None:
        scored = replace(record, validation_t=1.0 if record.epoch == 1 else 0.0)
        return better(best, scored, engine)  # type: ignore[arg-type]

    monkeypatch.setattr(sessions, "better", first)
    for epochs, name in ((1, "one"), (2, "two")):
        more = ["--epochs", epochs, "--keep", "best", "--balance", "weights"]
        assert ira("train", *OPTIONS, *more, "--out", tmp_path / name).exit_code == 0
    one, two = (load_trained(tmp_path / name) for name in ("one", "two"))
    assert one.tree == two.tree and one.kept.tolist() == two.kept.tolist()
    other = two.network.state_dict()
    assert all(torch.equal(value, other[key]) for key, value in one.network.state_dict().items())
    assert result(tmp_path / "two")["kept_epoch"] == 1


def test_the_best_epoch_needs_validation_images(tmp_path: Path) -> None:
    done = ira("train", *OPTIONS, "--keep", "best", "--validation", 0, "--out", tmp_path / "run")
    assert done.exit_code == 2 and "--keep best: expected a --validation share" in done.stderr
    assert not (tmp_path / "run").exists()
