"""`irvision.load`, `ira predict` and `ira explain` on a small run, with images of all kinds."""

from __future__ import annotations

import csv
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

import irvision
from cli import app
from irtheory.runs.files import InputError
from irvision.data.examples import BadImage
from irvision.model import Model
from irvision.runs.scored_images import read_scored_images

ROOT = Path(__file__).resolve().parents[2]
SIDE = 48


def ira(*words: object):
    return CliRunner().invoke(app, [str(word) for word in words])


def made_image(seed: int, colour: int) -> np.ndarray:
    """A noisy square with a bright patch whose place depends on the class."""
    rng = np.random.default_rng(seed)
    pixels = rng.integers(60, 120, (SIDE, SIDE, 3))
    top = 4 + 24 * (colour // 2)
    pixels[top : top + 16, 8:40, colour % 3] = 240
    return pixels.astype(np.uint8)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    folder = tmp_path_factory.mktemp("model")
    for label in range(3):
        (folder / "data" / f"class {label}").mkdir(parents=True)
        for number in range(60):
            image = Image.fromarray(made_image(100 * label + number, label))
            image.save(folder / "data" / f"class {label}" / f"{number:02d}.png")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("IRA_CACHE", str(folder / "cache"))
        for words in (
            ("train", "--dataset", folder / "data", "--resize", 40, "--crop", 32, "--epochs", 3,
             "--dim", 12, "--batch-size", 16, "--backbone", "resnet10", "--weights", "none",
             "--out", folder / "run", "--device", "cpu"),
            ("evaluate", folder / "run", "--device", "cpu"),
        ):  # fmt: skip
            done = ira(*words)
            assert done.exit_code == 0, done.output
        yield folder / "run"


@pytest.fixture(scope="module")
def model(run: Path) -> Model:
    return irvision.load(run, "cpu")


@pytest.fixture(scope="module")
def data(run: Path) -> Path:
    return run.parent / "data"


def test_codes_are_those_of_the_evaluation(model: Model, run: Path, data: Path) -> None:
    scored = read_scored_images(run)
    paths = [data / name.lstrip("/") for name in scored.names]
    assert all(path.is_file() for path in paths)
    np.testing.assert_array_equal(model.codes(paths), scored.codes)
    names = np.array(model.classes)
    assert model.predict(paths) == names[scored.by_t].tolist()
    assert model.predict(paths, by="network") == names[scored.by_g].tolist()
    np.testing.assert_allclose(model.probabilities(paths), scored.outputs, atol=1e-5)
    assert model.probabilities(paths, by="tree").shape == (len(paths), 3)


def test_one_image_many_images_arrays_and_pillow_are_the_same(model: Model, data: Path) -> None:
    path = data / "class 1" / "00.png"
    with Image.open(path) as image:
        pixels = np.asarray(image)
        found = [
            model.codes(path), model.codes(str(path)), model.codes([path]), model.codes(pixels),
            model.codes(pixels[None]), model.codes(image),
        ]  # fmt: skip
    for codes in found:
        np.testing.assert_array_equal(codes, found[0])
    assert model.codes([]).shape == (0, 12) and model.predict([]) == []


def test_what_is_no_image_is_named(model: Model, tmp_path: Path) -> None:
    for wrong, message in (
        (np.zeros((4, 4), np.uint8), "expected an array m × h × w × 3"),
        ([np.zeros((4, 4, 3))], "uint8 array h × w × 3, found float64"),
        (7, "found int"),
        ([7], "found int"),
        (Image.new("I;16", (5, 5)), "found mode I;16; pass the path"),
    ):
        with pytest.raises(InputError, match=message):
            model.codes(wrong)
    (tmp_path / "text.jpg").write_text("no image")
    with pytest.raises(BadImage, match="not an image of a known format"):
        model.codes(tmp_path / "text.jpg")
    with pytest.raises(ValueError, match="expected 'tree' or 'network'"):
        model.predict([], by="both")  # type: ignore[arg-type]
    with pytest.raises(InputError, match="expected the settings of a run"):
        irvision.load(tmp_path)


def all_kinds(folder: Path, pixels: np.ndarray) -> dict[str, Path]:
    """The same picture as files of many kinds."""
    image = Image.fromarray(pixels)
    grey = image.convert("L")
    folder.mkdir(parents=True)
    files = {
        "turned.jpg": image.transpose(Image.Transpose.ROTATE_90), "rgba.png": image.convert("RGBA"),
        "grey.png": grey, "palette.png": image.quantize(64), "cmyk.jpg": image.convert("CMYK"),
        "deep.png": Image.fromarray(np.asarray(grey).astype(np.uint16) * 257),
        "wide.png": image.resize((3000, 40)), "huge.jpg": image.resize((4000, 4000)),
        "tiny.png": image.resize((1, 1)),
    }  # fmt: skip
    for name, each in files.items():
        exif = Image.Exif()
        if name == "turned.jpg":
            exif[0x0112] = 6
        each.save(folder / name, **({"exif": exif, "quality": 100} if ".jpg" in name else {}))
    (folder / "cut.png").write_bytes((folder / "rgba.png").read_bytes()[:400])
    (folder / "text.jpg").write_text("no image")
    (folder / "empty.png").touch()
    return {path.name: path for path in folder.iterdir()}


def test_images_of_every_kind_are_rows_or_reasons(model: Model, run: Path, tmp_path: Path) -> None:
    pixels = made_image(1, 2)
    files = all_kinds(tmp_path / "kinds", pixels)
    out = tmp_path / "named.csv"
    done = ira("predict", run, tmp_path / "kinds", "--out", out, "--device", "cpu")
    assert done.exit_code == 0, done.output
    assert "3 of 12 images cannot be read" in done.output and "images/s" in done.output
    with out.open(newline="", encoding="utf-8") as stream:
        rows = {Path(row["image"]).name: row for row in csv.DictReader(stream)}
    assert set(rows) == set(files)
    for name in ("cut.png", "text.jpg", "empty.png"):
        assert rows[name]["error"] and not rows[name]["T"], rows[name]
    read = set(files) - {"cut.png", "text.jpg", "empty.png"}
    for name in read:
        assert rows[name]["error"] == "" and rows[name]["T"] in model.classes
        total = sum(float(rows[name][f"p({label})"]) for label in model.classes)
        assert total == pytest.approx(1, abs=0.01)
        assert rows[name]["T"] == model.predict(files[name])[0]
    expected = model.probabilities(pixels)[0]
    for name in ("rgba.png", "turned.jpg", "huge.jpg"):
        np.testing.assert_allclose(model.probabilities(files[name])[0], expected, atol=0.15)


def test_the_table_has_the_codes_that_were_asked_for(run: Path, data: Path, tmp_path: Path) -> None:
    model = irvision.load(run, "cpu")
    path = data / "class 0" / "03.png"
    for which, expected in (("all", 12), ("none", 0)):
        out = tmp_path / f"{which}.csv"
        assert ira("predict", run, path, "--out", out, "--codes", which).exit_code == 0
        with out.open(newline="") as stream:
            (row,) = csv.DictReader(stream)
        columns = [name for name in row if name.startswith("code ")]
        assert len(columns) == expected
        assert [int(row[name]) for name in columns] == model.codes(path)[0][:expected].tolist()


def test_predict_refuses_what_it_cannot_use(run: Path, data: Path, tmp_path: Path) -> None:
    empty = tmp_path / "empty"
    empty.mkdir()
    text = tmp_path / "no.png"
    text.write_text("no image")
    image = data / "class 0" / "00.png"
    there = tmp_path / "there.csv"
    there.write_text("mine")
    for words, message in (
        ((run, empty), "expected images"),
        ((run, tmp_path / "no such"), "found none"),
        ((run, text), "found none that can be read"),
        ((run, ROOT / "docs" / "animals.csv"), "found a table"),
        ((run, image, "--out", there), "is there already"),
        ((run, image, "--out", run / "key.txt"), "expected another file than those of the run"),
        ((run, image, "--out", tmp_path), "found a folder"),
        ((run, image, "--out", tmp_path / "no" / "x.csv"), "expected a folder"),
        ((run, image, "--na", "x"), "--na: no effect here"),
        ((run, image, "--codes", "some"), "some"),
    ):
        done = ira("predict", *words)
        assert done.exit_code == 2 and message in done.output, (words, done.output)
    assert there.read_text() == "mine"
    assert not list(tmp_path.glob(".*")) and not list(run.glob("predicted-*"))


def test_links_out_of_a_folder_are_not_followed(run: Path, data: Path, tmp_path: Path) -> None:
    folder = tmp_path / "images"
    folder.mkdir()
    shutil.copy(data / "class 0" / "00.png", folder / "own.png")
    (folder / "link.png").symlink_to(data / "class 1" / "00.png")
    (folder / "linked").symlink_to(data)
    done = ira("predict", run, folder, "--out", tmp_path / "x.csv", "--json")
    assert done.exit_code == 0, done.output
    assert json.loads(done.output)["images"] == 1


@pytest.mark.slow
def test_ctrl_c_leaves_no_table(run: Path, data: Path, tmp_path: Path) -> None:
    many = tmp_path / "many"
    many.mkdir()
    big = Image.fromarray(made_image(0, 0)).resize((2500, 2500))
    big.save(many / "0.png")
    for number in range(1, 400):
        os.link(many / "0.png", many / f"{number}.png")
    words = ["predict", run, many, "--out", tmp_path / "x.csv", "--device", "cpu"]
    process = subprocess.Popen([sys.executable, ROOT / "cli.py", *map(str, words)], cwd=ROOT)
    until = time.monotonic() + 60
    while not list(tmp_path.glob(".x.csv.*")) and time.monotonic() < until:
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    assert process.wait(30) == 130
    assert not list(tmp_path.glob("*.csv")) and not list(tmp_path.glob(".x.csv*"))


def test_an_explanation_is_the_path_of_the_tree(model: Model, data: Path) -> None:
    for label in range(3):
        path = data / f"class {label}" / "07.png"
        found = model.explain(path)
        assert found.by_t == model.predict(path)[0]
        assert found.by_g == model.predict(path, by="network")[0]
        codes = model.codes(path)[0]
        levels = model.collected(path).levels
        assert levels is not None
        node = 0
        for step in found.steps:
            assert codes[step.test.code] == step.value
            assert step.passed == (step.value > step.test.threshold)
            assert (step.level > step.test.lowest - 0.5) == step.passed
            assert step.level == pytest.approx(float(levels[0, step.test.code]), abs=0.01)
            assert step.margin == pytest.approx(abs(step.level - step.test.lowest + 0.5))
            assert step.map.min() >= 0 and step.map.max() <= 1
            # T reaches each of these nodes, one below the other.
            assert step.test.node >= node
            node = step.test.node


def test_a_change_of_codes_changes_the_class(model: Model, data: Path) -> None:
    found = model.explain(data / "class 2" / "01.png")
    assert found.changed is not None and found.changed != found.by_t
    codes = model.codes(data / "class 2" / "01.png")[0].copy()
    for move in found.moves:
        assert codes[move.code] == move.value
        codes[move.code] = move.to
    label = model.trained.tree.predict(codes[None, model.trained.kept]).argmax()
    assert model.classes[label] == found.changed


def test_explain_prints_writes_and_refuses(run: Path, data: Path, tmp_path: Path) -> None:
    image, hostile = data / "class 1" / "02.png", tmp_path / "<img src=x onerror=alert(1)>.png"
    shutil.copy(image, hostile)
    (tmp_path / "text.png").write_text("no image")
    done = ira("explain", run, image)
    assert done.exit_code == 0 and "→ T: class" in done.output, done.output
    page = tmp_path / "why.html"
    done = ira("explain", run, hostile, tmp_path / "text.png", "--out", page)
    assert done.exit_code == 0 and "cannot be read (not an image" in done.output
    content = page.read_text(encoding="utf-8")
    assert "<img src=x" not in content and "&lt;img src=x onerror" in content
    assert "<script" not in content and "http:" not in content and "https:" not in content
    assert ira("explain", run, image, "--out", tmp_path / "why.png").exit_code == 0
    with Image.open(tmp_path / "why.png") as picture:
        assert picture.size[0] > 1000
    found = json.loads(ira("explain", run, image, "--json").output)
    (one,) = found["images"]
    assert one["path"] and one["class_of_tree"] in ("class 0", "class 1", "class 2")
    for words, message in (
        ((image, "--out", page), "is there already"),
        ((image, "--out", tmp_path / "x.pdf"), "ending in .html or .png"),
        ((image, image.with_name("03.png"), "--out", tmp_path / "y.png"), "one image for a PNG"),
        ((tmp_path / "text.png",), "none that can be read"),
        ((tmp_path / "nothing.png",), "found none"),
    ):
        done = ira("explain", run, *words)
        assert done.exit_code == 2 and message in done.output, done.output


def test_a_map_shows_where_the_patch_is(model: Model, data: Path) -> None:
    """Over many images, codes come from the half of the bright patch more than elsewhere."""
    inside, outside = [], []
    for label in range(3):
        for number in range(8):
            found = model.explain(data / f"class {label}" / f"{number:02d}.png")
            for step in found.steps:
                if step.map.max() > 0:
                    rows = np.arange(step.map.shape[0]) / step.map.shape[0]
                    lower = 1.0 * (label // 2) + 0.25 > 0.5
                    half = rows >= 0.5 if lower else rows < 0.5
                    inside.append(step.map[half].mean())
                    outside.append(step.map[~half].mean())
    assert np.mean(inside) > np.mean(outside)


def test_a_run_without_pictures_is_explained_without_them(
    run: Path, data: Path, tmp_path: Path
) -> None:
    bare = tmp_path / "bare"
    assert ira("export", run, "--to", bare).exit_code == 0
    done = ira("explain", bare, data / "class 0" / "00.png", "--out", tmp_path / "bare.html")
    assert done.exit_code == 0, done.output
    assert irvision.load(bare).predict(data / "class 0" / "00.png") == irvision.load(run).predict(
        data / "class 0" / "00.png"
    )


def test_importing_the_package_loads_no_torch() -> None:
    code = "import sys, irvision; irvision.__all__; assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT)
