from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from typer.testing import CliRunner, Result

from cli import app
from irvision.commands import data as data_work
from irvision.data.pixels import decode
from irvision.data.pixels.pixel_file import map_pixels, read_contents
from irvision.data.registry import DATASETS, load_examples
from irvision.data.report.check import check_dataset
from irvision.settings.data import DataOptions
from irvision.training.recipes import resolve

ROOT = Path(__file__).resolve().parents[3]


def ira_data(*words: object) -> Result:
    return CliRunner().invoke(app, ["data", *map(str, words)])


@pytest.fixture(autouse=True)
def own_caches(tmp_path: Path, monkeypatch) -> Path:
    monkeypatch.setenv("IRA_CACHE", str(tmp_path / "ira"))
    monkeypatch.delenv("IRA_DATA", raising=False)
    monkeypatch.chdir(tmp_path)
    return tmp_path / "ira/pixels"


@pytest.fixture
def flowers(tmp_path: Path) -> Path:
    """A folder of three classes of five images each, and attributes."""
    folder, chance, lines = tmp_path / "flowers", np.random.default_rng(0), ["image,red"]
    for name in ("aster", "bellis", "crocus"):
        (folder / name).mkdir(parents=True)
        for number in range(5):
            file = f"{name}/{number}.png"
            Image.fromarray(chance.integers(0, 256, (20, 30, 3), np.uint8)).save(folder / file)
            lines.append(f"{file},{'' if number == 4 else number % 2}")
    (folder / "attributes.csv").write_text("\n".join(lines))
    return folder


@pytest.fixture
def apascal(tmp_path: Path, shared_data: Path) -> Path:
    """The first 12 objects of each part of aPascal, with their images."""
    source, folder = shared_data / "apascal-384", tmp_path / "aPascal"
    (folder / "attribute_data").mkdir(parents=True)
    (folder / "JPEGImages").mkdir()
    for name in ("class_names.txt", "attribute_names.txt"):
        shutil.copy(source / "attribute_data" / name, folder / "attribute_data")
    for part in ("train", "test"):
        file = f"attribute_data/apascal_{part}.txt"
        lines = (source / file).read_text().splitlines()[:12]
        (folder / file).write_text("\n".join(lines) + "\n")
        for image in {line.split()[0] for line in lines}:
            shutil.copy(source / "JPEGImages" / image, folder / "JPEGImages")
    return folder


def test_a_whole_folder_is_found_whole(flowers: Path) -> None:
    done = ira_data("check", flowers, "--json")
    assert done.exit_code == 0
    found = json.loads(done.stdout)
    assert found["whole"] and found["samples"] == found["images"] == 15
    assert found["classes"] == {"aster": 5, "bellis": 5, "crocus": 5}
    assert sum(found["parts"].values()) == 15
    assert found["attributes"] == 1 and found["unknown"] == pytest.approx(0.2)
    text = ira_data("check", flowers).stdout
    assert "whole: nothing is missing" in text
    assert text.splitlines()[-1].startswith("next: ira train --dataset")


def test_what_is_bad_is_named(apascal: Path) -> None:
    images = sorted((apascal / "JPEGImages").iterdir())
    cut, gone = images[0], images[1]
    cut.write_bytes(cut.read_bytes()[:2000])
    gone.unlink()
    file = apascal / "attribute_data/apascal_train.txt"
    lines = [line.split() for line in file.read_text().splitlines()]
    row = next(i for i, f in enumerate(lines) if f[0] not in (cut.name, gone.name))
    lines[row][4] = "9999"
    file.write_text("\n".join(map(" ".join, lines)))
    (apascal / "attribute_data/attribute_names.txt").unlink()
    done = ira_data("check", "apascal", "--data-dir", apascal.parent, "--processes", 1, "--json")
    assert done.exit_code == 1
    found = json.loads(done.stdout)
    assert not found["whole"] and found["root"] == str(apascal) and found["samples"] == 24
    assert found["absent"] == [str(gone)]
    assert found["undecodable"] and all(str(cut) in line for line in found["undecodable"])
    assert len(found["clipped"]) == 1 and "9999" in found["clipped"][0]
    ((path, _, use),) = found["missing"]
    assert path == str(apascal / "attribute_data/attribute_names.txt") and use == "evaluation"
    assert found["paper"] == {"train": 2869, "test": 2227, "classes": 20, "attributes": 64}
    text = ira_data("check", "aPascal", "--data-dir", apascal, "--processes", 1).stdout
    for word in (str(gone), cut.name, "9999", path, "vision.cs.uiuc.edu", "not whole", "download"):
        assert word in text


def test_boxes_are_held_against_the_size_of_their_image(apascal: Path) -> None:
    found = check_dataset("aPascal", DataOptions(data_dir=apascal), processes=1)
    assert found.whole and found.images == len(list((apascal / "JPEGImages").iterdir()))
    outside = 0
    for part in ("train", "test"):
        for line in (apascal / f"attribute_data/apascal_{part}.txt").read_text().splitlines():
            image, _, *box = line.split()[:6]
            with Image.open(apascal / "JPEGImages" / image) as opened:
                width, height = opened.size
            left, upper, right, lower = map(int, box)
            outside += left < 1 or upper < 1 or right > width or lower > height
    assert len(found.clipped) == outside


def test_files_that_are_missing_are_listed_with_their_source(shared_data: Path) -> None:
    done = ira_data("check", "CUB", "--data-dir", shared_data / "cub")
    assert done.exit_code == 1
    assert f"missing: {shared_data / 'cub/images'}: " in done.stdout
    assert "image_attribute_labels.txt" in done.stdout and "CUB_200_2011.tgz" in done.stdout
    nothing = ira_data("check", "CUB", "--data-dir", ".", "--json")
    assert nothing.exit_code == 1 and len(json.loads(nothing.stdout)["missing"]) == 7


def test_prepare_makes_the_cache_that_training_opens(flowers: Path, own_caches: Path) -> None:
    done = ira_data("prepare", flowers, "--size", 8)
    assert done.exit_code == 0, done.output
    (path,) = own_caches.glob("*.pixels")
    assert f"wrote {path} (15 samples" in done.stdout and "0 bad" in done.stdout
    pixels = map_pixels(path, read_contents(path))
    source = load_examples(str(flowers), DataOptions()).pixels
    assert all(np.array_equal(pixels[i], source.read(i, 8)) for i in range(15))
    assert "there already, and whole" in ira_data("prepare", flowers, "--size", 8).stdout
    (flowers / "aster/0.png").write_bytes(b"no image")
    refused = ira_data("prepare", flowers, "--size", 8)
    assert refused.exit_code == 2 and "--max-bad" in refused.stderr
    assert "aster/0.png" in refused.stderr and refused.stderr.count("\n") == 1
    taken = ira_data("prepare", flowers, "--size", 8, "--max-bad", 0.1)
    assert taken.exit_code == 0 and "1 bad" in taken.stdout and "aster/0.png" in taken.stdout
    listed = ira_data("list")
    assert listed.exit_code == 0 and "8 px" in listed.stdout
    assert all(name in listed.stdout for name in (*DATASETS, "flowers"))


def test_prepare_knows_the_size_that_training_takes(flowers: Path, own_caches: Path) -> None:
    done = ira_data("prepare", flowers)
    assert done.exit_code == 0, done.output
    side = resolve({"dataset": str(flowers)}, torch.cuda.is_available(), 3).resize
    (path,) = own_caches.glob("*.pixels")
    assert map_pixels(path, read_contents(path)).shape[1:] == (side, side, 3)
    assert done.stdout.endswith(f"next: ira train --dataset {flowers}\n")


@pytest.mark.slow
def test_the_next_command_repeats_what_matters(apascal: Path, flowers: Path) -> None:
    options = ("--data-dir", apascal, "--unit", "image", "--size", 8, "--cache-dir", apascal / "c")
    done = ira_data("prepare", "aPascal", "--max-bad", 1, *options)
    assert done.exit_code == 0, done.output
    last = done.stdout.splitlines()[-1]
    assert last == (
        f"next: ira train --dataset aPascal --data-dir {apascal} --unit image --resize 8 "
        f"--cache-dir {apascal / 'c'} --max-bad 1.0"
    )
    done = ira_data("check", "aPascal", "--data-dir", apascal, "--unit", "image")
    again = f"--data-dir {apascal} --unit image"
    assert done.stdout.endswith(f"next: ira data prepare aPascal {again}\n"), done.output
    spaced = flowers.rename(flowers.with_name("my flowers"))
    assert ira_data("check", spaced).stdout.endswith(f"next: ira train --dataset '{spaced}'\n")
    spaced.rename(flowers)
    for name in ("beetles", flowers):
        done = ira_data("prepare", name, "--size", 8, "--data-dir", apascal)
        assert done.stdout.endswith(f"next: ira train --dataset {name} --resize 8\n")


def test_show_writes_samples_of_each_class(flowers: Path) -> None:
    (flowers / "crocus/2.png").write_bytes(b"no image")
    first = [ira_data("show", flowers, "--out", name) for name in ("a.png", "b.png")]
    assert [done.exit_code for done in first] == [0, 0] and "wrote a.png" in first[0].stdout
    assert Path("a.png").read_bytes() == Path("b.png").read_bytes()
    ira_data("show", flowers, "--out", "c.png", "--seed", 1)
    assert Path("a.png").read_bytes() != Path("c.png").read_bytes()
    with Image.open("a.png") as opened:
        grid = np.asarray(opened)
    source = load_examples(str(flowers), DataOptions())
    side = data_work.SIDE
    for row in range(3):
        top = 6 + row * (side + 6)
        tiles = [grid[top : top + side, 160 + c * 102 :][:, :side] for c in range(5)]
        for index in np.flatnonzero(source.labels == row).tolist():
            if source.pixels.name(index).endswith("crocus/2.png"):
                wanted = np.broadcast_to(np.array([190, 60, 50], np.uint8), (side, side, 3))
            else:
                wanted = source.pixels.read(index, side)
            assert sum(np.array_equal(tile, wanted) for tile in tiles) == 1
    assert ira_data("show", flowers, "--out", "none/a.png").exit_code == 2


def test_show_beetles_writes_their_sheet() -> None:
    done = ira_data("show", "beetles")
    assert done.exit_code == 0, done.output
    with Image.open("beetles.png") as sheet:
        assert sheet.size[0] > 500


@pytest.mark.parametrize(
    ("words", "named"),
    [
        (("check", "nothing"), "nothing"),
        (("check", "AwA2", "--data-dir", "nowhere"), "nowhere"),
        (("list", "--data-dir", "nowhere"), "--data-dir nowhere"),
        (("prepare", "beetles", "--size", "0"), "--size"),
        (("prepare", "beetles", "--size", "4", "--max-bad", "2"), "--max-bad"),
        (("check", "beetles", "--processes", "0"), "--processes"),
        (("download", "beetles"), "beetles"),
        (("show", "beetles", "--seed", "-1"), "--seed"),
    ],
)
def test_bad_input_is_one_line(words: tuple[str, ...], named: str) -> None:
    done = ira_data(*words)
    assert done.exit_code == 2 and done.stdout == ""
    assert done.stderr.startswith("ira: ") and named in done.stderr
    assert done.stderr.count("\n") == 1
    assert isinstance(ira_data(*words, "--debug").exception, ValueError)


def test_ctrl_c(monkeypatch, flowers: Path, own_caches: Path) -> None:
    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(decode, "_write_at", stop)
    done = ira_data("prepare", flowers, "--size", 8)
    assert done.exit_code == 130 and done.stderr == "ira: interrupted\n"
    assert [path.suffix for path in own_caches.iterdir()] == [".lock"]


def test_the_commands_are_known_without_heavy_imports() -> None:
    code = (
        "import sys, cli;"
        "print(sorted({'torch', 'PIL', 'urllib.request', 'joblib', 'numba'} & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"
