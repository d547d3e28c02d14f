from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

from irvision.data.report import listing
from irvision.data.report.check import check_dataset
from irvision.data.report.listing import list_datasets
from irvision.settings.data import DataOptions

ROOT = Path(__file__).resolve().parents[4]


def draw(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (4, 4), "red").save(path)


def run(*words: object) -> subprocess.CompletedProcess[str]:
    # A terminal that knows no more than ASCII.
    return subprocess.run(
        [sys.executable, ROOT / "cli.py", "data", *map(str, words)],
        env=os.environ | {"PYTHONIOENCODING": "ascii"},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture
def birds(tmp_path: Path) -> Path:
    """A part of CUB: four images of two classes, all it needs for training."""
    files = [f"{kind}/{number}.jpg" for kind in ("ani", "jay") for number in (1, 2)]
    for file in files:
        draw(tmp_path / "images" / file)
    (tmp_path / "classes.txt").write_text("1 ani\n2 jay\n")
    tables = {
        "images.txt": files,
        "image_class_labels.txt": [1, 1, 2, 2],
        "train_test_split.txt": [1, 0, 1, 0],
        "attributes.txt": ["red", "blue"],
    }
    for name, values in tables.items():
        lines = (f"{number} {value}\n" for number, value in enumerate(values, start=1))
        (tmp_path / name).write_text("".join(lines))
    (tmp_path / "attributes").mkdir()
    rows = (f"{image} {attribute} 1 4 0\n" for image in range(1, 5) for attribute in (1, 2))
    (tmp_path / "attributes/image_attribute_labels.txt").write_text("".join(rows))
    return tmp_path


def test_a_part_of_a_set_is_whole_but_not_all(birds: Path) -> None:
    found = check_dataset("CUB", DataOptions(birds))
    assert found.whole and found.fewer == (
        "11788 samples (found 4)",
        "200 classes (found 2)",
        "312 attributes (found 2)",
        "3677856 lines of attributes (found 8)",
    )
    done = run("check", "CUB", "--data-dir", birds)
    assert done.returncode == 0 and "nothing is missing" not in done.stdout
    assert "whole as listed, every image can be read, but fewer than the official" in done.stdout


@pytest.mark.parametrize(("mark", "part"), [(0, "train"), (1, "test")])
def test_a_set_without_a_part_is_not_whole(birds: Path, mark: int, part: str) -> None:
    lines = (f"{number} {mark}\n" for number in range(1, 5))
    (birds / "train_test_split.txt").write_text("".join(lines))
    found = check_dataset("CUB", DataOptions(birds))
    assert not found.whole
    assert found.broken == (f"CUB: expected samples in the {part} part, found none",)


def test_what_training_refuses_check_refuses(tmp_path: Path) -> None:
    for name in ("tab\there", "boat"):
        for number in range(2):
            draw(tmp_path / name / f"{number}.png")
    found = check_dataset(str(tmp_path), DataOptions())
    assert not found.whole and "can be printed" in found.broken[0]


def test_a_folder_that_cannot_be_read_is_a_finding(birds: Path, monkeypatch) -> None:
    exists = Path.exists

    def refuse(path: Path) -> bool:
        if "attributes" in path.parts:
            raise PermissionError(13, "Permission denied", str(path))
        return exists(path)

    monkeypatch.setattr(Path, "exists", refuse)
    found = check_dataset("CUB", DataOptions(birds))
    assert not found.whole and "Permission denied" in found.broken[0]
    listed = {one.name: one for one in list_datasets(birds, birds / "caches")}
    assert "Permission denied" in listed["CUB"].why_not
    assert listed["beetles"].samples and listing.DATASETS.keys() == listed.keys()


def test_names_of_any_bytes_are_printed(tmp_path: Path) -> None:
    for name in ("boat", "train"):
        for number in range(2):
            draw(tmp_path / name / f"{number}.png")
    bad = os.fsencode(tmp_path / "boat") + b"/caf\xe9.png"
    Path(os.fsdecode(bad)).write_bytes(b"no image")
    done = run("check", tmp_path)
    assert done.returncode == 1 and not done.stderr
    assert r"caf\udce9.png" in done.stdout and "not whole" in done.stdout


def test_a_pipe_is_bad_and_not_missing(tmp_path: Path) -> None:
    for name in ("boat", "train"):
        for number in range(2):
            draw(tmp_path / name / f"{number}.png")
    os.mkfifo(tmp_path / "boat/9.png")
    found = check_dataset(str(tmp_path), DataOptions())
    assert not found.absent and "not a regular file" in found.undecodable[0]
