"""What happens when images are exchanged, added or removed between training and evaluation."""

from __future__ import annotations

import csv
import json
import os
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from cli import app
from irvision.data.pixels.pixel_file import read_contents
from irvision.data.pixels.ranges import Ranges

QUICK = [
    "--backbone", "resnet10", "--weights", "none", "--resize", "32", "--crop", "28", "--epochs",
    "1", "--dim", "8", "--batch-size", "16", "--device", "cpu",
]  # fmt: skip
CLASSES = ("ash", "birch", "cedar")


def draw(folder: Path, count: int, seed: int, classes: tuple[str, ...] = CLASSES) -> Path:
    """Pictures of coloured noise, one colour a class, all files of one size and time."""
    rng = np.random.default_rng(seed)
    for number, kind in enumerate(classes):
        (folder / kind).mkdir(parents=True)
        for image in range(count):
            pixels = rng.integers(0, 120, (24, 24, 3))
            pixels[..., number] += 100
            file = folder / kind / f"{image}.bmp"
            Image.fromarray(pixels.astype(np.uint8)).save(file)
            os.utime(file, ns=(1, 1))
    return folder


def ira(*words: object):
    return CliRunner().invoke(app, [str(word) for word in words])


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data set, the cache, and a finished run; one picture is in a class twice."""
    place = tmp_path_factory.mktemp("made")
    draw(place / "photos", 16, seed=0)
    shutil.copy(place / "photos/ash/3.bmp", place / "photos/ash/again.bmp")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("IRA_CACHE", str(place / "cache"))
        done = ira("train", "--dataset", place / "photos", *QUICK, "--out", place / "run")
    assert done.exit_code == 0, done.output
    return place


@pytest.fixture
def place(made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of them, so that a test may change it."""
    shutil.copytree(made, tmp_path / "made")
    monkeypatch.setenv("IRA_CACHE", str(tmp_path / "made/cache"))
    config = tmp_path / "made/run/config.yaml"
    config.write_text(config.read_text().replace(str(made), str(tmp_path / "made")))
    return tmp_path / "made"


def evaluate(place: Path, *more: object):
    return ira("evaluate", place / "run", "--device", "cpu", *more)


def rows(run: Path) -> list[dict[str, str]]:
    with (run / "samples.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def scored(run: Path, name: str = "evaluation.json") -> int:
    return json.loads((run / name).read_text())["accuracy_g"]["images"]


def test_the_drawn_split_is_a_list_of_files(place: Path) -> None:
    found = rows(place / "run")
    assert len(found) == 49 and {row["image"].split("/")[0] for row in found} == set(CLASSES)
    part = {row["image"]: row["part"] for row in found}
    assert part["ash/3.bmp"] == part["ash/again.bmp"]
    assert evaluate(place).exit_code == 0
    assert scored(place / "run") == list(part.values()).count("test")


def exchange(one: Path, other: Path) -> None:
    """Exchange two files; their names, sizes and times stay as they were."""
    times = one.stat().st_mtime_ns, other.stat().st_mtime_ns
    one.rename(one.with_suffix(".x"))
    other.rename(one)
    one.with_suffix(".x").rename(other)
    for file, time in zip((one, other), times, strict=True):
        os.utime(file, ns=(time, time))


def test_exchanged_pictures_are_refused_though_names_sizes_and_times_agree(place: Path) -> None:
    # From here on the pixels of this folder are in the cache.
    assert evaluate(place).exit_code == 0
    for image in range(16):
        exchange(place / f"photos/ash/{image}.bmp", place / f"photos/birch/{image}.bmp")
    done = evaluate(place)
    assert done.exit_code == 2 and "found 32 images with others (ash/0.bmp" in done.stderr
    (place / "run/result.json").unlink()
    done = ira("train", "--resume", place / "run")
    assert done.exit_code == 2 and "expected the pixels of the run" in done.stderr


def test_slightly_other_pixels_are_a_note(place: Path) -> None:
    file = place / "photos/cedar/2.bmp"
    pixels = np.array(Image.open(file))
    pixels[3, 3] ^= 1
    Image.fromarray(pixels).save(file)
    done = evaluate(place)
    assert done.exit_code == 0, done.output
    assert "1 images are decoded slightly differently" in done.stdout


def test_added_and_removed_images_are_named_and_the_rest_can_be_scored(place: Path) -> None:
    part = {row["image"]: row["part"] for row in rows(place / "run")}
    gone = next(name for name in part if part[name] == "test")
    other = next(name for name in part if part[name] == "test" and name != gone)
    (place / "photos" / gone).unlink()
    Image.new("RGB", (24, 24), "red").save(place / "photos" / other)
    table = "".join(f"{name},{row % 2}\n" for row, name in enumerate(part))
    (place / "photos/attributes.csv").write_text(f"image,odd\n{table}")
    draw(place / "more", 2, seed=9, classes=("new",))
    shutil.copytree(place / "more/new", place / "photos/new")
    done = evaluate(place)
    assert done.exit_code == 2 and "expected the samples of the run" in done.stderr
    assert "2 added (new/0.bmp, new/1.bmp); 1 removed" in done.stderr
    assert "--only-known" in done.stderr
    done = evaluate(place, "--only-known")
    assert done.exit_code == 0, done.output
    assert f"1 removed ({gone}); 1 changed ({other})" in done.stdout
    assert scored(place / "run") == list(part.values()).count("test") - 2
    assert (place / "run/attributes.csv").is_file()


def test_only_known_needs_the_list(place: Path) -> None:
    (place / "run/samples.csv").unlink()
    done = evaluate(place, "--only-known")
    assert done.exit_code == 2 and "samples.csv" in done.stderr
    assert evaluate(place).exit_code == 0


def test_another_folder_is_scored_beside_the_run(place: Path) -> None:
    evaluate(place)
    before = (place / "run/evaluation.json").read_bytes()
    other = draw(place / "elsewhere", 2, seed=5, classes=CLASSES[:2])
    shutil.copy(place / "photos/ash/3.bmp", other / "ash/known.bmp")
    table = "image,striped\nash/0.bmp,1\nash/1.bmp,0\nbirch/0.bmp,1\nbirch/1.bmp,\n"
    (other / "attributes.csv").write_text(table)
    done = evaluate(place, "--test", other)
    assert done.exit_code == 0, done.output
    part = {row["image"]: row["part"] for row in rows(place / "run")}
    seen = "1 of these images are training images" in done.stdout
    assert seen == (part["ash/3.bmp"] == "train")
    last = done.stdout.splitlines()[-1]
    assert "evaluation-elsewhere.json" in last and "attributes-elsewhere.csv" in last
    assert scored(place / "run", "evaluation-elsewhere.json") == 5
    assert (place / "run/evaluation.json").read_bytes() == before
    # Parts are ignored; another folder of the same name has files of its own.
    (place / "again").mkdir()
    for part_name, kind in (("train", "ash"), ("test", "birch")):
        shutil.copytree(other / kind, place / "again/elsewhere" / part_name / kind)
    done = evaluate(place, "--test", place / "again/elsewhere")
    assert done.exit_code == 0 and "evaluation-elsewhere-2.json" in done.stdout.splitlines()[-1]
    assert scored(place / "run", "evaluation-elsewhere-2.json") == 5


def test_the_data_set_of_the_run_may_be_gone(place: Path) -> None:
    other = draw(place / "elsewhere", 1, seed=5, classes=CLASSES[:1])
    shutil.rmtree(place / "photos")
    done = evaluate(place, "--test", other)
    assert done.exit_code == 0, done.output


@pytest.mark.parametrize(
    ("words", "named"),
    [
        (("--test", "nowhere"), "expected a folder of images"),
        (("--test", "odd"), "found zebra too"),
        (("--test", "empty"), "empty"),
        (("--test", "odd", "--only-known"), "--only-known"),
        (("--test", "odd", "--data-dir", "odd"), "--data-dir"),
    ],
)
def test_what_cannot_be_scored(place: Path, monkeypatch, words, named) -> None:
    monkeypatch.chdir(place)
    (place / "empty").mkdir()
    draw(place / "odd", 1, seed=5, classes=("ash", "zebra"))
    before = sorted(path.name for path in (place / "run").iterdir())
    done = evaluate(place, *words)
    assert done.exit_code == 2 and named in done.stderr, done.output
    assert before == sorted(path.name for path in (place / "run").iterdir())


@pytest.mark.slow
def test_mirrored_classes_are_named_with_flip(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setenv("IRA_CACHE", str(tmp_path / "cache"))
    photos = draw(tmp_path / "photos", 10, seed=1, classes=("arrow left", "arrow right"))
    more = ("train", "--dataset", photos, *QUICK, "--out")
    done = ira(*more, tmp_path / "run")
    assert "arrow left and arrow right look like mirror images" in done.stdout
    assert "--flip 0" in done.stdout
    done = ira(*more, tmp_path / "still", "--flip", 0)
    assert "mirror images" not in done.stdout


def of_an_earlier_release(run: Path) -> None:
    """Remove from a finished run what earlier releases did not write."""
    (run / "samples.csv").unlink()
    result = json.loads((run / "result.json").read_text())
    del result["pixels"], result["ranges"]
    (run / "result.json").write_text(json.dumps(result))


@pytest.mark.slow
def test_a_run_of_an_earlier_release_keeps_its_parts(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setenv("IRA_CACHE", str(tmp_path / "cache"))
    photos, run = draw(tmp_path / "photos", 16, seed=0), tmp_path / "run"
    for image in range(8):
        shutil.copy(photos / f"ash/{image}.bmp", photos / f"ash/again {image}.bmp")
    with monkeypatch.context() as earlier:
        earlier.setattr("irvision.data.batches.material.keep_together", lambda listed, *_: listed)
        assert ira("train", "--dataset", photos, *QUICK, "--out", run).exit_code == 0
    of_an_earlier_release(run)
    done = ira("evaluate", run, "--device", "cpu")
    assert done.exit_code == 0, done.output
    assert "divided equal pictures" in done.stdout and "earlier release" in done.stdout
    assert "decoding the images" not in done.stdout
    (run / "result.json").unlink()
    for checkpoint in (run / "checkpoints").iterdir():
        checkpoint.unlink()
    assert ira("train", "--resume", run).exit_code == 0


@pytest.mark.slow
def test_other_images_are_decoded_with_the_range_of_the_run(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setenv("IRA_CACHE", str(tmp_path / "cache"))
    rng = np.random.default_rng(0)
    for name, count, top in (("photos", 8, 1024), ("dark", 2, 256)):
        for kind in CLASSES[:2]:
            (tmp_path / name / kind).mkdir(parents=True)
            for image in range(count):
                values = rng.integers(0, top, (24, 24)).astype(np.uint16)
                values[0, 0] = top - 1
                Image.fromarray(values).save(tmp_path / name / kind / f"{image}.png")
    run = tmp_path / "run"
    done = ira("train", "--dataset", tmp_path / "photos", *QUICK, "--out", run)
    assert done.exit_code == 0, done.output
    assert json.loads((run / "result.json").read_text())["ranges"]["largest"] == 1023
    assert ira("evaluate", run, "--device", "cpu", "--test", tmp_path / "dark").exit_code == 0
    (cache,) = (tmp_path / "cache/pixels").glob("dark-*.pixels")
    assert read_contents(cache).ranges == Ranges(1023)
    of_an_earlier_release(run)
    done = ira("evaluate", run, "--device", "cpu")
    assert done.exit_code == 0, done.output
    sizes = {read_contents(path).ranges.largest for path in cache.parent.glob("photos-*.pixels")}
    assert sizes == {1023, 65535}
