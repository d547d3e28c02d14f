"""What of a finished run is damaged is named, and evaluation loses no more than it must."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from PIL import Image
from safetensors.torch import load_file, save_file
from typer.testing import CliRunner

from cli import app


def ira(*arguments: object):
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    run = tmp_path_factory.mktemp("runs") / "first"
    done = ira(
        "train", "--dataset", "beetles", "--beetles", 150, "--resize", 32, "--epochs", 1,
        "--dim", 16, "--batch-size", 32, "--device", "cpu", "--out", run,
    )  # fmt: skip
    assert done.exit_code == 0, done.output
    return run


@pytest.fixture(scope="module", autouse=True)
def cache(tmp_path_factory: pytest.TempPathFactory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("IRA_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture
def run(finished: Path, tmp_path: Path) -> Path:
    shutil.copytree(finished, tmp_path / "run")
    return tmp_path / "run"


def evaluated(run: Path, *more: object):
    options = ("--null-draws", 1, "--bootstrap", 1, "--device", "cpu")
    return ira("evaluate", run, *options, *more)


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("tree.json", "x", "tree.json: expected a tree ("),
        ("classes.json", "5", "names of classes, found 5"),
        ("classes.json", '["a"]', "names of classes, found ['a']"),
        ("result.json", "{}", "result.json: expected kept, a list of"),
        ("result.json", "x", "result.json: expected JSON ("),
        ("weights.safetensors", "x", "weights.safetensors: expected the weights"),
    ],
)
def test_a_damaged_file_is_named(run: Path, name: str, content: str, words: str) -> None:
    (run / name).write_text(content)
    done = evaluated(run)
    assert done.exit_code == 2, done.output
    assert words in done.stderr and done.stderr.count("\n") == 1


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda kept: {"kept": [*kept[:-1], 99]}, "kept: expected codes 0 … 15, found 99"),
        (lambda kept: {"kept": [kept[0] + 0.5, *kept[1:]]}, "codes, ascending"),
        (lambda kept: {"kept": [-1, *kept[1:]]}, "codes, ascending"),
        (lambda kept: {"kept": kept[::-1]}, "codes, ascending"),
        (lambda kept: {"kept": kept[1:]}, "codes, ascending"),
        (lambda kept: {"samples": 3}, "expected samples, a digest of the data set, found 3"),
    ],
)
def test_a_result_that_does_not_fit_is_refused(
    run: Path, change: Callable[[list[int]], dict], words: str
) -> None:
    result = json.loads((run / "result.json").read_text())
    (run / "result.json").write_text(json.dumps(result | change(result["kept"])))
    done = evaluated(run)
    assert done.exit_code == 2 and done.stderr.count("\n") == 1
    assert "result.json: " in done.stderr and words in done.stderr


def test_weights_that_are_not_finite_are_refused(run: Path) -> None:
    weights = load_file(run / "weights.safetensors")
    name = next(name for name, value in weights.items() if value.dim() == 2)
    weights[name][0, 0] = torch.nan
    save_file(weights, run / "weights.safetensors")
    done = evaluated(run)
    assert done.exit_code == 2 and f"{name}: expected finite numbers" in done.stderr


@pytest.mark.parametrize("option", ["--null-draws", "--bootstrap", "--seed"])
def test_bad_options_are_found_before_any_work(run: Path, option: str) -> None:
    done = ira("evaluate", run, option, -1)
    assert (
        done.exit_code == 2
        and f"ira: {option}: expected " in done.stderr
        and "found -1" in done.stderr
    )
    assert "scoring" not in done.stdout


def test_codes_that_are_damaged_cost_the_curve_alone(run: Path) -> None:
    (run / "codes/epoch-0001.npz").write_bytes(b"x")
    done = evaluated(run)
    assert done.exit_code == 0, done.output
    assert "no curve of fidelity" in done.stdout and "epoch-0001.npz" in done.stdout
    found = json.loads((run / "evaluation.json").read_text())
    assert found["fidelity"] and found["epochs"] == []


def test_images_that_are_elsewhere_now_are_asked_for(photos: Path, tmp_path: Path) -> None:
    run = tmp_path / "own"
    small = ("--resize", 32, "--crop", 32, "--dim", 8, "--epochs", 1, "--device", "cpu")
    assert ira("train", "--dataset", photos, *small, "--out", run).exit_code == 0
    (run / "attributes.png").touch()
    photos.rename(tmp_path / "moved")
    done = evaluated(run)
    assert done.exit_code == 2 and "pass --data-dir" in done.stderr
    done = evaluated(run, "--data-dir", tmp_path / "moved")
    assert done.exit_code == 0, done.output
    assert not (run / "attributes.png").exists(), "a figure of an earlier evaluation"


def test_a_lost_validation_image_costs_the_curve_alone(photos: Path, tmp_path: Path) -> None:
    run = tmp_path / "own"
    rows = [f"{path.parent.name}/{path.name},{i % 2}" for i, path in enumerate(photos.glob("*/*"))]
    (photos / "attributes.csv").write_text("\n".join(["image,tall", *rows]))
    small = ("--resize", 32, "--crop", 32, "--dim", 8, "--epochs", 1, "--device", "cpu")
    done = ira("train", "--dataset", photos, *small, "--max-bad", 1, "--out", run)
    assert done.exit_code == 0, done.output
    for path in photos.glob("ash/*.png"):
        Image.new("L", (1, 1)).save(path)
        path.write_bytes(path.read_bytes()[:40])
    done = evaluated(run)
    assert done.exit_code == 0, done.output
    assert "no curve of fidelity" in done.stdout and (run / "evaluation.json").exists()
