from __future__ import annotations

import importlib
import json
import sys
from pathlib import Path
from types import FunctionType

import numpy as np
import pytest
import torch
import yaml
from PIL import Image
from safetensors.torch import load_file
from typer.testing import CliRunner

from cli import app
from irtheory.trees.tree import Tree
from irvision.data import registry
from irvision.data.datasets import annotations
from irvision.data.examples import Attributes
from irvision.runs.epoch_codes import read_epoch_codes
from irvision.runs.trained import load_trained

QUICK = [
    "--dataset", "beetles", "--beetles", "150", "--resize", "32", "--epochs", "2", "--dim", "16",
    "--batch-size", "32", "--device", "cpu",
]  # fmt: skip


@pytest.fixture(scope="module", autouse=True)
def cache(tmp_path_factory: pytest.TempPathFactory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("IRA_CACHE", str(tmp_path_factory.mktemp("cache")))
        patch.delenv("IRA_DATA", raising=False)
        yield


def ira(*arguments: object):
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def train(run: Path, *more: object):
    return ira("train", *QUICK, "--out", run, *more)


def metrics(run: Path) -> list[dict]:
    rows = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    for row in rows:
        del row["seconds"], row["images_per_second"]
    return rows


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    run = tmp_path_factory.mktemp("runs") / "first"
    done = train(run)
    assert done.exit_code == 0, done.output
    return run


def test_a_run_leaves_all_that_later_commands_need(finished: Path) -> None:
    names = {path.name for path in finished.iterdir()}
    assert names == {
        "config.yaml", "environment.json", "metrics.jsonl", "checkpoints", "weights.safetensors",
        "tree.json", "key.txt", "leaves.csv", "classes.json", "result.json", "codes", "samples.csv",
        "README.md",
    }  # fmt: skip
    assert [row["epoch"] for row in metrics(finished)] == [1, 2]
    assert len(list((finished / "checkpoints").iterdir())) == 2
    settings = yaml.safe_load((finished / "config.yaml").read_text())
    assert (settings["backbone"], settings["weights"]) == ("resnet10", "none")
    # ⌈log2 12⌉ + 2
    assert settings["depth"] == 6
    trained = load_trained(finished)
    assert trained.tree.n_features == len(trained.kept) and len(trained.classes) == 12
    assert trained.tree.class_names == trained.classes
    assert trained.tree.feature_names == tuple(f"code {code}" for code in trained.kept)


def test_the_same_command_gives_the_same_bits(finished: Path, tmp_path: Path) -> None:
    again = tmp_path / "again"
    assert train(again).exit_code == 0
    assert metrics(again) == metrics(finished)
    assert (again / "tree.json").read_bytes() == (finished / "tree.json").read_bytes()
    one, other = (load_file(run / "weights.safetensors") for run in (finished, again))
    assert all(torch.equal(one[name], other[name]) for name in one)
    kept = [list(read_epoch_codes(run, 12, 16, bits=1)) for run in (finished, again)]
    for (epoch, codes), (same, repeated) in zip(*kept, strict=True):
        assert epoch == same and (codes == repeated).all() and codes.shape == (12, 16)


def seal(patch: pytest.MonkeyPatch) -> None:
    """Whoever reads attributes fails, whatever name a module has for the reader."""

    def sealed(*_: object) -> None:
        raise AssertionError("attributes were read")

    for module in map(importlib.import_module, (*registry.DATASETS.values(), registry.FOLDER)):
        patch.setattr(module, "load_attributes", sealed)
    readers = {getattr(annotations, name) for name in dir(annotations) if name.startswith("read_")}
    assert len(readers) == 4
    for module in [m for name, m in sys.modules.items() if name.startswith("irvision.data")]:
        for name, value in list(vars(module).items()):
            if isinstance(value, FunctionType) and value in readers:
                patch.setattr(module, name, sealed)
    patch.setattr(Attributes, "__init__", sealed)


def test_training_never_reads_attributes(
    tmp_path: Path, finished: Path, monkeypatch: pytest.MonkeyPatch, photos: Path
) -> None:
    (photos / "attributes.csv").write_text("image,tall\nash/0.png,1\n")
    own = ("--dataset", photos, "--resize", 32, "--crop", 32, "--device", "cpu", "--epochs", 1)
    seal(monkeypatch)
    assert train(tmp_path / "beetles").exit_code == 0
    assert ira("train", *own, "--out", tmp_path / "own").exit_code == 0
    for run in (finished, tmp_path / "own"):
        done = ira("evaluate", run, "--device", "cpu", "--debug")
        assert isinstance(done.exception, AssertionError)


def test_what_is_evaluated_is_what_was_trained(finished: Path) -> None:
    done = ira("evaluate", finished, "--null-draws", 3, "--bootstrap", 10, "--device", "cpu")
    assert done.exit_code == 0, done.output
    assert "next: ira report" in done.output
    found = json.loads((finished / "evaluation.json").read_text())
    assert 0 <= found["accuracy_t"]["value"] <= 1
    table = (finished / "attributes.csv").read_text().splitlines()
    assert len(table) == 1 + 16
    assert [each["epoch"] for each in found["epochs"]] == [1, 2]
    assert all(0 < each["null"] < 1 and 0 < each["fidelity"] < 1 for each in found["epochs"])


def test_every_method_trains(tmp_path: Path) -> None:
    for method in ("quantised", "quantised+l1", "quantised+dt", "paper"):
        run = tmp_path / method
        done = train(run, "--method", method, "--epochs", 1)
        assert done.exit_code == 0, done.output
        Tree.from_json((run / "tree.json").read_text())


@pytest.mark.parametrize(
    "more",
    [
        ["--features", "pmg", "--crop", 32, "--progressive", "--epochs", 1, "--batch-size", 64],
        ["--accumulate", 2, "--optimiser", "sgd", "--learning-rate", 0.01],
        ["--drops", 1, "--activation", "relu"],
        ["--freeze-backbone", "--epochs", 3],
    ],
)
def test_other_ways_to_train(tmp_path: Path, more: list[object]) -> None:
    run = tmp_path / "run"
    done = train(run, *more)
    assert done.exit_code == 0, done.output
    done = ira("evaluate", run, "--null-draws", 1, "--bootstrap", 2, "--device", "cpu")
    assert done.exit_code == 0, done.output


@pytest.mark.parametrize(
    ("more", "words"),
    [
        (["--method", "best"], "--method: expected one of"),
        (["--backbone", "vgg"], "--backbone: expected one of"),
        (["--crop", 64], "--crop: expected at most --resize 32, found 64"),
        (["--dim", 0], "--dim: expected at least 1, found 0"),
        (["--bits", 9], "--bits: expected 1 … 8, found 9"),
        (["--lambda-tree", -1], "--lambda-tree: expected at least 0, found -1"),
        (["--weights", "none.pth"], "none.pth"),
        (["--device", "cuda"], "cuda"),
        (["--progressive"], "--progressive: expected --features pmg"),
        (["--validation", 0, "--drops", 1], "--drops"),
        (["--learning-rate", 1e30], "--learning-rate"),
    ],
)
def test_bad_options_are_one_line(
    tmp_path: Path, more: list[object], words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if words == "cuda" and torch.cuda.is_available():
        pytest.skip("there is a GPU here")
    done = train(tmp_path / "run", *more)
    assert done.exit_code == 2, done.output
    assert words in done.stderr and done.stderr.count("\n") == 1


def test_a_used_folder_is_refused_and_replaced_on_demand(finished: Path, tmp_path: Path) -> None:
    done = train(finished)
    assert done.exit_code == 2 and "--overwrite" in done.stderr
    run = tmp_path / "run"
    assert train(run).exit_code == 0 and train(run, "--overwrite").exit_code == 0
    assert metrics(run) == metrics(finished)


def test_a_folder_without_attributes_is_trained_and_scored(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    for kind, colour in (("red", 0), ("green", 1)):
        (tmp_path / "photos" / kind).mkdir(parents=True)
        for number in range(20):
            pixels = rng.integers(0, 120, (40, 30, 3), dtype=np.uint8)
            pixels[:, :, colour] += 130
            Image.fromarray(pixels).save(tmp_path / "photos" / kind / f"{number}.png")
    options = ("--backbone", "resnet10", "--resize", 32, "--crop", 32, "--batch-size", 8)
    run = tmp_path / "run"
    done = ira(
        "train", "--dataset", tmp_path / "photos", *options, "--epochs", 15, "--dim", 8,
        "--dropout", 0, "--device", "cpu", "--out", run,
    )  # fmt: skip
    assert done.exit_code == 0, done.output
    done = ira("evaluate", run, "--device", "cpu", "--json")
    assert done.exit_code == 0, done.output
    found = json.loads(done.stdout)
    assert found["accuracy_g"]["value"] >= 0.9 and not (run / "attributes.csv").exists()


def test_evaluation_wants_a_finished_run(tmp_path: Path, finished: Path) -> None:
    done = ira("evaluate", tmp_path)
    assert done.exit_code == 2 and "config.yaml" in done.stderr


def test_label_smoothing_reaches_the_loss_and_the_settings(finished: Path, tmp_path: Path) -> None:
    run = tmp_path / "smooth"
    assert train(run, "--label-smoothing", 0.2).exit_code == 0
    assert yaml.safe_load((run / "config.yaml").read_text())["label_smoothing"] == 0.2
    smooth, plain = metrics(run)[0], metrics(finished)[0]
    # The same weights and batches; untrained outputs are near uniform, where smoothing costs
    # little, so the losses differ, but not by much.
    assert smooth["losses"]["label"] != plain["losses"]["label"]
    assert smooth["losses"]["label"] == pytest.approx(plain["losses"]["label"], rel=0.2)
