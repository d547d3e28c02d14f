"""What a run keeps to when it is resumed, repeated or evaluated elsewhere."""

from __future__ import annotations

import json
import shutil
from copy import deepcopy
from pathlib import Path

import pytest
import torch
import yaml
from safetensors.torch import save_file
from typer.testing import CliRunner

from cli import app
from irvision.models.backbones.resnet import resnet10
from irvision.runs.checkpoint import load_checkpoint, save_checkpoint

QUICK = [
    "--backbone", "resnet10", "--weights", "none", "--resize", "32", "--crop", "28", "--epochs",
    "2", "--dim", "8", "--batch-size", "16", "--device", "cpu",
]  # fmt: skip


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("IRA_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("IRA_DATA", raising=False)


def ira(*arguments: object):
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def train(photos: Path, run: Path, *more: object):
    return ira("train", "--dataset", photos, *QUICK, "--out", run, *more)


def test_options_of_the_machine_reach_the_run(photos: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    done = train(photos, run, "--no-compile", "--precision", "bf16", "--deterministic")
    assert done.exit_code == 0, done.output
    kept = yaml.safe_load((run / "config.yaml").read_text())
    found = kept["compile"], kept["precision"], kept["deterministic"]
    assert found == (False, "bf16", True)
    done = ira("evaluate", run, "--device", "cpu")
    assert done.exit_code == 0, done.output


def test_no_part_of_a_batch_is_a_single_image(photos: Path, tmp_path: Path) -> None:
    # 42 training images: the last batch of 10 would make parts of 3, 3, 3 and 1.
    done = train(photos, tmp_path / "run", "--accumulate", 4)
    assert done.exit_code == 0, done.output


def test_a_data_set_that_changed_is_not_taken_for_the_same(photos: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    assert train(photos, run).exit_code == 0
    moved = tmp_path / "elsewhere"
    shutil.move(photos, moved)
    assert ira("evaluate", run).exit_code == 2
    done = ira("evaluate", run, "--data-dir", moved, "--device", "cpu")
    assert done.exit_code == 0, done.output
    (moved / "ash" / "3.png").unlink()
    done = ira("evaluate", run, "--data-dir", moved, "--device", "cpu")
    assert done.exit_code == 2 and "expected the samples of the run" in done.stderr


@pytest.mark.parametrize(
    ("more", "words"),
    [
        (["--hidden", 64], "--hidden: has no effect here; expected --freeze-backbone beside it"),
        (["--freeze-backbone", "--padding", 2], "--padding: has no effect here"),
        (["--momentum", 0.5], "--momentum: has no effect here; expected --optimiser sgd"),
        (["--beetles", 200], "--beetles: has no effect here"),
        (["--features", "pmg", "--dropout", 0.1], "--dropout: has no effect here"),
        (["--seed", -1], "--seed: expected 0 … 4294967295, found -1"),
        (["--seed", 2**32], "--seed: expected 0 … 4294967295, found 4294967296"),
        (["--freeze-backbone", "--flip", 0.2], "--flip: expected 0 or 0.5"),
        (["--validation", 0.9], "--validation: expected 0 … 0.5, found 0.9"),
        (["--recipe", "pmg", "--crop", 7], "--crop: expected at least 8 px, found 7"),
        (["--batch-size", 1], "--batch-size: expected at least 2, found 1"),
    ],
)
def test_options_without_effect_are_refused(
    photos: Path, tmp_path: Path, more: list[object], words: str
) -> None:
    done = train(photos, tmp_path / "run", *more)
    assert done.exit_code == 2 and words in done.stderr
    assert not (tmp_path / "run").exists()


def test_a_run_inside_the_data_set_is_refused(photos: Path) -> None:
    done = train(photos, photos / "run")
    assert done.exit_code == 2 and "outside the data set" in done.stderr


def test_a_data_set_s_name_wins_over_a_folder(
    photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.move(photos, tmp_path / "CUB")
    monkeypatch.chdir(tmp_path)
    done = ira("train", "--dataset", "CUB", *QUICK, "--out", tmp_path / "run")
    assert done.exit_code == 2 and "--data-dir" in done.stderr
    done = ira("train", "--dataset", "./CUB", *QUICK, "--out", tmp_path / "run")
    assert done.exit_code == 0, done.output


def unfinished(run: Path) -> Path:
    """The run as if it had been cut short before its result was written."""
    (run / "result.json").unlink()
    return run


def test_what_may_move_is_written_down(photos: Path, tmp_path: Path) -> None:
    run, moved = tmp_path / "run", tmp_path / "moved"
    assert train(photos, run, "--deterministic").exit_code == 0
    shutil.move(photos, moved)
    file = unfinished(run) / "config.yaml"
    file.write_text(file.read_text().replace("compile: false", "compile: true"))
    options = ("--data-dir", moved, "--precision", "bf16", "--no-compile")
    done = ira("train", "--resume", run, *options)
    assert done.exit_code == 0 and "going on from checkpoint-0002" in done.stdout, done.output
    kept = yaml.safe_load(file.read_text())
    assert (kept["dataset"], kept["precision"], kept["compile"]) == (str(moved), "bf16", False)
    assert ira("evaluate", run, "--device", "cpu").exit_code == 0
    done = ira("train", "--resume", run, "--data-dir", moved)
    assert done.stdout.endswith(f"next: ira evaluate {run} --data-dir {moved}\n")


def test_a_run_goes_on_with_the_same_bits_again(photos: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    assert train(photos, run).exit_code == 0
    done = ira("train", "--resume", unfinished(run), "--deterministic")
    assert done.exit_code == 0, done.output
    assert yaml.safe_load((run / "config.yaml").read_text())["deterministic"] is True


def test_a_frozen_backbone_keeps_its_weights(photos: Path, tmp_path: Path) -> None:
    run, file = tmp_path / "run", tmp_path / "weights.safetensors"
    save_file(resnet10().state_dict(), file)
    done = train(photos, run, "--freeze-backbone", "--weights", file)
    assert done.exit_code == 0, done.output
    unfinished(run)
    first = file.read_bytes()
    save_file(resnet10().state_dict(), file)
    done = ira("train", "--resume", run)
    assert done.exit_code == 2 and "expected the backbone weights" in done.stderr
    file.write_bytes(first)
    assert ira("train", "--resume", run).exit_code == 0


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("optimiser", "sgd", "optimiser: expected 'adamw', as the run was trained"),
        ("schedule", "constant", "schedule: expected 'cosine'"),
        ("dim", 9, "dim: expected 8"),
        ("seed", 1, "seed: expected 0"),
        ("validation", 0.2, "validation: expected 0.1"),
        ("depth", "deep", "depth: expected int, found 'deep'"),
        ("backbone", "vgg", "backbone: expected one of resnet50"),
        ("method", "best", "method: expected one of"),
    ],
)
def test_settings_changed_by_hand_are_named(
    photos: Path, tmp_path: Path, name: str, value: object, words: str
) -> None:
    run = tmp_path / "run"
    assert train(photos, run, "--epochs", 1).exit_code == 0
    file = unfinished(run) / "config.yaml"
    changed = yaml.safe_load(file.read_text()) | {name: value}
    file.write_text(yaml.safe_dump(changed))
    done = ira("train", "--resume", run)
    assert done.exit_code == 2 and words in done.stderr, done.output
    assert f"{file}: " in done.stderr and done.stderr.count("\n") == 1


def test_a_checkpoint_that_does_not_fit_is_passed_over(photos: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    assert train(photos, run).exit_code == 0
    first = (run / "weights.safetensors").read_bytes()
    loaded = load_checkpoint(unfinished(run) / "checkpoints")
    for part in ("network", "optimise_f", "tree"):
        state = {**loaded.state, "engine": dict(loaded.state["engine"])}
        if part == "network":
            state["engine"][part] = {"wrong": torch.ones(2)}
        elif part == "tree":
            state["engine"][part] = "{}"
        else:
            moments = deepcopy(state["engine"][part])
            moments["state"][0]["exp_avg"] = torch.ones(2)
            state["engine"][part] = moments
        bad = save_checkpoint(run / "checkpoints", 2, 1, state)
        done = ira("train", "--resume", run)
        assert done.exit_code == 0, done.output
        said = done.output
        assert f"{bad}: of another network or version" in said and "is used instead" in said, said
        assert (run / "weights.safetensors").read_bytes() == first
        unfinished(run)
        bad.unlink()


def test_a_run_keeps_to_the_images_that_could_be_read(photos: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    assert train(photos, run, "--max-bad", 0.2).exit_code == 0
    unfinished(run)
    (photos / "ash" / "3.png").write_bytes(b"no image")
    done = ira("train", "--resume", run)
    assert done.exit_code == 2 and "found 1 more that cannot be read" in done.stderr


def test_a_class_without_an_image_that_can_be_read_is_named(photos: Path, tmp_path: Path) -> None:
    for path in (photos / "birch").iterdir():
        path.write_bytes(b"no image")
    done = train(photos, tmp_path / "run", "--max-bad", 1)
    assert done.exit_code == 2 and "birch: expected training images" in done.stderr


def test_what_moved_before_the_first_checkpoint_is_written_down(
    photos: Path, tmp_path: Path
) -> None:
    run, moved = tmp_path / "run", tmp_path / "moved"
    assert train(photos, run, "--epochs", 1, "--precision", "bf16").exit_code == 0
    shutil.rmtree(unfinished(run) / "checkpoints")
    shutil.move(photos, moved)
    done = ira("train", "--resume", run, "--data-dir", moved, "--accumulate", 2)
    assert done.exit_code == 0 and "no checkpoint yet" in done.stdout, done.output
    kept = yaml.safe_load((run / "config.yaml").read_text())
    assert (kept["dataset"], kept["precision"], kept["accumulate"]) == (str(moved), "bf16", 2)
    where = json.loads((run / "environment.json").read_text())
    assert (where["device"], where["processes"]) == ("cpu", 1)


def test_a_data_folder_that_is_not_there_is_named(
    photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("IRA_DATA", str(tmp_path / "nowhere"))
    done = ira("train", "--dataset", "CUB", "--out", tmp_path / "run")
    assert done.exit_code == 2 and "IRA_DATA=" in done.stderr
    assert train(photos, tmp_path / "own", "--epochs", 1).exit_code == 0
    done = train(photos, tmp_path / "run", "--data-dir", tmp_path / "nowhere")
    assert done.exit_code == 2 and "--data-dir" in done.stderr


def test_weights_that_would_not_be_read_are_refused(photos: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    assert train(photos, run, "--epochs", 1).exit_code == 0
    before = (unfinished(run) / "config.yaml").read_bytes(), (run / "environment.json").read_bytes()
    done = ira("train", "--resume", run, "--weights", tmp_path / "nowhere.pth")
    assert done.exit_code == 2 and "--weights: has no effect" in done.stderr
    assert before == ((run / "config.yaml").read_bytes(), (run / "environment.json").read_bytes())


def test_json_says_where_the_run_is(photos: Path, tmp_path: Path) -> None:
    done = train(photos, tmp_path / "run", "--epochs", 1, "--json")
    assert json.loads(done.stdout)["run"] == str(tmp_path / "run")


def test_a_checkpoint_of_another_network_is_refused(photos: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    assert train(photos, run, "--epochs", 1).exit_code == 0
    loaded = load_checkpoint(unfinished(run) / "checkpoints")
    weights = loaded.state["engine"]["network"]
    name = next(iter(weights))
    weights[name] = weights[name][:1].clone()
    save_checkpoint(run / "checkpoints", 1, 0, loaded.state)
    loaded.path.unlink(missing_ok=True)
    done = ira("train", "--resume", run)
    assert done.exit_code == 2 and f"{name}: expected shape" in done.stderr, done.output
