"""What a run keeps to when it is resumed, repeated or evaluated elsewhere."""

from __future__ import annotations

import fcntl
import shutil
from pathlib import Path

import numpy as np
import pytest
import yaml
from PIL import Image
from typer.testing import CliRunner

from cli import app

QUICK = [
    "--backbone", "resnet10", "--weights", "none", "--resize", "32", "--crop", "28", "--epochs",
    "2", "--dim", "8", "--batch-size", "16", "--device", "cpu",
]  # fmt: skip


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("IRA_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("IRA_DATA", raising=False)


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    rng = np.random.default_rng(0)
    for kind in ("ash", "birch", "cedar"):
        (tmp_path / "photos" / kind).mkdir(parents=True)
        for number in range(23):
            pixels = rng.integers(0, 255, (40, 30, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(tmp_path / "photos" / kind / f"{number}.png")
    return tmp_path / "photos"


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
        (["--seed", -1], "--seed: expected a whole number ≥ 0, found -1"),
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


def test_two_processes_do_not_train_in_one_folder(photos: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    assert train(photos, run).exit_code == 0
    (run / "result.json").unlink()
    with (run / "config.yaml").open() as stream:
        fcntl.flock(stream, fcntl.LOCK_EX)
        done = ira("train", "--resume", run, "--device", "cpu")
    assert done.exit_code == 2 and "another process trains in it" in done.stderr
    done = ira("train", "--resume", run, "--device", "cpu")
    assert done.exit_code == 0 and "going on from checkpoint-0002" in done.stdout


def test_leftovers_of_a_killed_write_do_not_block_overwriting(photos: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    assert train(photos, run).exit_code == 0
    (run / ".metrics.jsonl.abc_1230").touch()
    (run / ".weights.safetensors.abc_1230").touch()
    assert train(photos, run, "--overwrite").exit_code == 0
    (run / ".notes.txt.abc_1230").touch()
    assert train(photos, run, "--overwrite").exit_code == 2
