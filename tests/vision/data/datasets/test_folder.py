from __future__ import annotations

import os
import unicodedata
from pathlib import Path
from typing import Literal

import numpy as np
import pytest
from PIL import Image

from irtheory.runs.files import InputError
from irvision.data.registry import load_attributes, load_examples
from irvision.settings.data import DataOptions


def draw(path: Path, colour: str = "red") -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (6, 4), colour).save(path)


@pytest.fixture
def flat(tmp_path: Path) -> Path:
    for name, count in (("cat", 10), ("bird", 5)):
        for number in range(count):
            draw(tmp_path / name / f"{number}.png", "red" if name == "cat" else "blue")
    return tmp_path


def test_classes_are_folders_in_order_of_the_alphabet(flat):
    draw(flat / "bird" / "far" / "below" / "x.JPG", "blue")
    (flat / "bird" / ".hidden.png").write_bytes(b"")
    (flat / ".git").mkdir()
    (flat / "bird" / "notes.txt").write_text("no image")
    (flat / "loose.png").write_bytes(b"")
    examples = load_examples(str(flat), DataOptions())
    assert examples.name == flat.name
    assert examples.classes == ("bird", "cat")
    assert np.bincount(examples.labels).tolist() == [6, 10]
    assert [len(examples.rows(part)) for part in ("train", "validation", "test")] == [9, 2, 5]
    for row, label in enumerate(examples.labels):
        blue = examples.pixels.read(row, 4)[0, 0, 2] > 128
        assert blue == (label == 0)


@pytest.mark.parametrize(
    ("train", "validation"),
    [("train", "val"), ("Train", "validation"), ("TRAIN", "Valid"), ("train", None)],
)
def test_folders_of_parts_are_the_parts(tmp_path, train, validation):
    counts = {train: 10, "test": 3} | ({validation: 2} if validation else {})
    for part, count in counts.items():
        for name in ("a", "b"):
            for number in range(count):
                draw(tmp_path / part / name / f"{number}.jpg")
    examples = load_examples(str(tmp_path), DataOptions())
    held = 4 if validation else 2
    sizes = [len(examples.rows(part)) for part in ("train", "validation", "test")]
    assert sizes == [20 if validation else 18, held, 6]
    for row in examples.rows("test"):
        assert f"{tmp_path}/test/" in examples.pixels.name(row)
    if validation:
        names = [examples.pixels.name(row) for row in examples.rows("validation")]
        assert all(f"/{validation}/" in name for name in names)


@pytest.mark.parametrize(("share", "named"), [(0.2, "--validation 0.2"), (1.5, "validation: exp")])
def test_a_share_of_validation_beside_a_folder_of_it_is_refused(tmp_path, share, named):
    for file in ("train/a/1.png", "train/b/1.png", "test/a/1.png", "val/a/1.png"):
        draw(tmp_path / file)
    with pytest.raises(InputError, match=named):
        load_examples(str(tmp_path), DataOptions(validation=share))


def test_a_unit_is_refused_where_images_hold_no_objects(flat):
    for dataset in (str(flat), "beetles", "CUB"):
        with pytest.raises(InputError, match=r"--unit image: expected with aYahoo or aPascal"):
            load_examples(dataset, DataOptions(flat, unit="image"))


def test_a_class_may_be_called_train(tmp_path):
    for name in ("train", "boat"):
        for number in range(3):
            draw(tmp_path / name / f"{number}.png")
    examples = load_examples(str(tmp_path), DataOptions())
    assert examples.classes == ("boat", "train")
    assert examples.notes == ("Read as classes: train, as boat beside them is no part.",)


def test_what_is_passed_over_is_named(flat, tmp_path_factory):
    outside = tmp_path_factory.mktemp("outside")
    draw(outside / "x.png")
    draw(flat / "cat/1.jfif")
    (flat / "cat/linked").symlink_to(outside)
    (flat / "bird/deep").mkdir()
    (flat / "bird/deep/film.GIF").write_bytes(b"")
    examples = load_examples(str(flat), DataOptions())
    assert len(examples.labels) == 16
    linked, unread = examples.notes
    assert unread == (
        "Not read: 1 of 17 files; pictures or films of other formats: 1 (such as "
        f"{flat}/bird/deep/film.GIF)."
    )
    assert linked == f"Linked folders that are not followed: 1, such as {flat}/cat/linked."


def test_a_folder_that_cannot_be_read_is_named(flat, monkeypatch):
    scandir = os.scandir

    def refuse(path):
        if str(path).endswith("closed"):
            raise PermissionError(13, "Permission denied", str(path))
        return scandir(path)

    (flat / "cat/closed").mkdir()
    monkeypatch.setattr(os, "scandir", refuse)
    with pytest.raises(InputError, match=r"cat/closed: expected to read it, found: Permission"):
        load_examples(str(flat), DataOptions())


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ([], "at least 2 classes, found 0"),
        (["a/1.png", "a/2.png"], "at least 2 classes, found 1"),
        (["a/1.png", "a/2.png", "b/1.png"], "b: expected at least 2 images, found 1"),
        (["a/1.png", "a/2.png", "b/1.txt"], r"b: expected images \(jpg, .*\), found none"),
        (["a/1.gif", "b/1.png"], r"found none; Not read: 1 of 1 files; .*a/1\.gif"),
        (["1.png", "2.png"], r"classes, found 0\. Not read: 2 of 2 files"),
        (["train/1.png", "test/a/1.png"], "train: expected a folder of images for each class"),
        (["test/a/1.png", "val/b/1.png"], "train: expected a folder beside test"),
        (
            ["train/a/1.png", "train/b/1.png", "test/c/1.png"],
            "test/c: expected a class that train has too",
        ),
        (["train/a/1.png", "val/a/1.png", "validation/a/1.png"], "found val and validation"),
        (["train/a/1.png", "Train/b/1.png"], "expected one train folder, found Train and train"),
    ],
)
def test_a_folder_that_is_no_data_set_is_refused(tmp_path, files, message):
    for file in files:
        (tmp_path / file).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / file).write_bytes(b"")
    with pytest.raises(InputError, match=message):
        load_examples(str(tmp_path), DataOptions())


def test_neither_a_name_nor_a_folder(tmp_path):
    for dataset in ("aPascall", str(tmp_path / "absent"), ""):
        with pytest.raises(InputError, match="beetles, aYahoo, aPascal, AwA2, CUB or a folder"):
            load_examples(dataset, DataOptions())


def test_attributes_follow_the_images_and_unknown_cells_are_nan(flat):
    table = ["image,has wings, furry", "cat/3.png,0,1", "", "./bird/0.png, 1 ,", "cat/4.png,,"]
    (flat / "attributes.csv").write_text("\ufeff" + "\n".join(table), encoding="utf-8")
    examples = load_examples(str(flat), DataOptions())
    attributes = load_attributes(str(flat), DataOptions(), examples)
    assert attributes is not None
    assert (attributes.names, attributes.level) == (("has wings", "furry"), "sample")
    expected = {"cat/3.png": [0, 1], "bird/0.png": [1, np.nan]}
    assert len(attributes.values) == len(examples.labels)
    for row, values in enumerate(attributes.values):
        name = str(Path(examples.pixels.name(row)).relative_to(flat))
        np.testing.assert_array_equal(values, expected.get(name, [np.nan, np.nan]))


def test_no_table_means_no_attributes(flat):
    examples = load_examples(str(flat), DataOptions())
    assert load_attributes(str(flat), DataOptions(), examples) is None


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ("", ":1: expected a header"),
        ("file,a\n", ":1: expected a header: image, .*found 'file,a'"),
        ("image\n", ":1: expected a header"),
        ("image,a,a\n", ":1: expected a header"),
        ("\nimage,a,\n", ":2: expected a header"),
        ("image,a\ncat/99.png,1\n", ":2: expected an image of this folder, once, found 'cat/99"),
        ("image,a\ncat/1.png,1\n\ncat/1.png,1\n", ":4: expected an image of this folder, once"),
        ("image,a\ncat/1.png,2\n", ":2: expected 1 cells of 0, 1 or nothing, found '2'"),
        ("image,a\ncat/1.png,1,0\n", ":2: expected 1 cells"),
        ('image,a\n"cat/1.png,1\n', ":2: expected an image of this folder"),
    ],
)
def test_a_table_that_is_wrong_is_named_by_its_line(flat, table, message):
    (flat / "attributes.csv").write_text(table)
    examples = load_examples(str(flat), DataOptions())
    with pytest.raises(InputError, match=rf"attributes\.csv{message}"):
        load_attributes(str(flat), DataOptions(), examples)


def values_of(root: Path, table: str) -> dict[str, list[float]]:
    (root / "attributes.csv").write_bytes(table.encode())
    examples = load_examples(str(root), DataOptions())
    attributes = load_attributes(str(root), DataOptions(), examples)
    assert attributes is not None
    names = [examples.pixels.name(row) for row in range(len(examples.labels))]
    rows = zip(names, attributes.values.tolist(), strict=True)
    found = {str(Path(name).relative_to(root)): row for name, row in rows}
    return {name: row for name, row in found.items() if not np.isnan(row).all()}


def test_cells_may_be_written_as_programs_write_them(flat):
    cells = {
        "cat/0.png,1.0,0.0,": [1, 0, np.nan],
        "cat/1.png,True,FALSE,false": [1, 0, 0],
        "cat/2.png,1,NaN,0": [1, np.nan, 0],
        "cat/3.png,NA,<NA>,1.0": [np.nan, np.nan, 1],
    }
    found = values_of(flat, "\r\n".join(["image,x,y,z", *cells, ""]))
    np.testing.assert_array_equal(list(found.values()), list(cells.values()))


@pytest.mark.parametrize("cell", ["0.5", "2.0", "-1", "yes", "01", "1e0", "inf", "null"])
def test_other_cells_are_refused(flat, cell):
    with pytest.raises(InputError, match=r"attributes\.csv:2: expected 1 cells of 0, 1 or nothing"):
        values_of(flat, f"image,x\ncat/1.png,{cell}\n")


def test_images_are_found_however_their_names_are_written(tmp_path):
    names = ["Café/é, 1.png", "Café/2.png", "Café/3.png", "b/4.png", "b/5.png"]
    forms: list[tuple[Literal["NFC", "NFD"], Literal["NFC", "NFD"]]]
    forms = [("NFC", "NFD"), ("NFD", "NFC")]
    for form, other in forms:
        root = tmp_path / form
        for name in names:
            draw(root / unicodedata.normalize(form, name))
        lines = ['"Café/é, 1.png",1', "Café\\2.png,0", "./Café/3.png,1", ".\\b\\4.png,0"]
        table = "\n".join(["\ufeffimage,é", *lines])
        found = values_of(root, unicodedata.normalize(other, table))
        stored = [unicodedata.normalize(form, name) for name in names[:4]]
        assert found == dict(zip(stored, [[1], [0], [1], [0]], strict=True))


def test_one_image_under_two_names_is_refused(flat):
    for again in ("./cat/1.png", "cat\\1.png", "cat//1.png"):
        with pytest.raises(InputError, match=r":3: expected an image of this folder, once"):
            values_of(flat, f"image,x\ncat/1.png,1\n{again},1\n")


def test_names_that_stand_for_two_images_are_refused(flat):
    composed = unicodedata.normalize("NFC", "cat/é.png")
    decomposed = unicodedata.normalize("NFD", composed)
    for name in (composed, decomposed):
        draw(flat / name)
    with pytest.raises(InputError, match=r":2: expected an image of this folder, once"):
        values_of(flat, "image,x\ncat\\é.png,1\n")
    found = values_of(flat, f"image,x\n{composed},1\n{decomposed},0\n")
    assert found == {composed: [1], decomposed: [0]}


def test_images_that_came_later_are_noticed(flat):
    (flat / "attributes.csv").write_text("image,a\ncat/1.png,1\n")
    examples = load_examples(str(flat), DataOptions())
    draw(flat / "cat" / "00.png")
    with pytest.raises(InputError, match="have changed"):
        load_attributes(str(flat), DataOptions(), examples)
