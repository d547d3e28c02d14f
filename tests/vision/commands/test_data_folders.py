"""Layouts and groups of folders of images on the command line, and in the run that they began."""

from __future__ import annotations

import shlex
from pathlib import Path

import numpy as np
import pytest
import yaml
from PIL import Image
from typer.testing import CliRunner, Result

from cli import app

QUICK = [
    "--backbone", "resnet10", "--weights", "none", "--resize", "32", "--crop", "28", "--epochs",
    "1", "--dim", "8", "--batch-size", "16", "--device", "cpu",
]  # fmt: skip
PATIENT = r"/(p\d)_"


def ira(*words: object) -> Result:
    return CliRunner().invoke(app, [*map(str, words)])


@pytest.fixture(autouse=True)
def own_caches(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("IRA_CACHE", str(tmp_path / "ira"))
    monkeypatch.delenv("IRA_DATA", raising=False)


@pytest.fixture
def sites(tmp_path: Path) -> Path:
    """Two sites with the same two classes: six patients of three images each."""
    chance, root = np.random.default_rng(0), tmp_path / "two sites"
    for site in ("north", "south"):
        for name in ("ill", "well"):
            (root / site / name).mkdir(parents=True)
            for patient in range(6):
                for shot in range(3):
                    pixels = chance.integers(0, 256, (20, 30, 3), np.uint8)
                    file = root / site / name / f"p{patient}_{shot}.png"
                    Image.fromarray(pixels).save(file)
    return root


@pytest.mark.parametrize("command", [("data", "check"), ("data", "show"), ("train", "--dataset")])
@pytest.mark.parametrize(
    ("options", "named"),
    [
        ((), "--layout group/class"),
        (("--layout", "part/class"), "north: expected the folder of a part"),
        (("--layout", "group/part/class"), "expected the folder of a part"),
    ],
)
def test_folders_that_do_not_fit_are_one_line_with_code_2(sites, command, options, named) -> None:
    done = ira(*command, sites, *options)
    assert done.exit_code == 2
    assert len(done.stderr.splitlines()) == 1 and named in done.stderr


@pytest.mark.parametrize("group", ["p(", "nobody", r"$"])
def test_a_group_that_makes_no_sense_is_one_line_with_code_2(sites, group) -> None:
    done = ira("data", "check", sites, "--layout", "group/class", "--group", group)
    assert done.exit_code == 2 and done.stderr.startswith(f"ira: --group {group}: expected")


def test_the_next_command_repeats_layout_and_group(sites: Path) -> None:
    done = ira("data", "check", sites, "--layout", "group/class", "--group", PATIENT)
    assert done.exit_code == 0, done.output
    following = shlex.split(done.stdout.splitlines()[-1].removeprefix("next: "))
    given = ["--layout", "group/class", "--group", PATIENT]
    assert following == ["ira", "train", "--dataset", str(sites), *given]
    assert "12 images" in done.stdout and "parts: train 36, validation 12, test 24" in done.stdout


@pytest.mark.slow
def test_a_run_keeps_its_layout_and_groups(sites: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    options = ["--layout", "group/class", "--group", PATIENT]
    done = ira("train", "--dataset", sites, *options, *QUICK, "--out", run)
    assert done.exit_code == 0, done.output
    kept = yaml.safe_load((run / "config.yaml").read_text())
    assert (kept["layout"], kept["group"]) == ("group/class", PATIENT)
    (run / "result.json").unlink()
    assert ira("train", "--resume", run, "--device", "cpu").exit_code == 0
    done = ira("evaluate", run, "--device", "cpu", "--bootstrap", 0)
    assert done.exit_code == 0, done.output
    assert "24 test images" in done.stdout
