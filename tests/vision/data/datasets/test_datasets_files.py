"""Lines of annotation files, right and wrong; the counts of the paper."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from irtheory.runs.files import InputError
from irvision.data.datasets.annotations import (
    read_class_attributes,
    read_image_attributes,
    read_object_attributes,
)
from irvision.data.datasets.counts import PAPER, compare_counts, fewer_than_official, name_empty
from irvision.data.datasets.farhadi import read_objects
from irvision.data.datasets.layout import Needed, find_images, find_root, missing
from irvision.data.datasets.lines import read_entries, read_names, read_numbered
from irvision.data.registry import load_examples
from irvision.settings.data import DataOptions


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "table.txt"


def by_hand(text: str, images: list[int], count: int) -> np.ndarray:
    """Attributes of CUB by the rule's definition, a line at a time."""
    values = np.full((len(images), count), np.nan)
    for line in text.splitlines():
        image, attribute, present, certainty = map(int, line.split()[:4])
        if image in images and certainty > 1:
            values[images.index(image), attribute - 1] = present
    return values


def test_image_attributes_are_read_as_by_hand(file):
    random = np.random.default_rng(0)
    lines = []
    for image in random.permutation(np.arange(1, 41)):
        for attribute in range(1, 8):
            present, certainty = random.integers(0, 2), random.integers(1, 5)
            superfluous = " 0" * random.choice(3, p=[0.8, 0.1, 0.1])
            time = random.uniform(0, 9)
            lines.append(f"{image} {attribute} {present} {certainty}{superfluous} {time:.3f}")
    file.write_text("\n".join(lines) + "\n\n")
    images = random.permutation(np.arange(3, 50))[:30].tolist()
    values = read_image_attributes(file, images, 7)
    assert values.dtype == np.float32
    np.testing.assert_array_equal(values, by_hand("\n".join(lines), images, 7))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", ": expected lines of image"),
        ("1 1 0 3 1\n1 2 0\n", ":2: expected image, attribute, .* found '1 2 0'"),
        ("1 1 0 3 1\n\n1 2 x 4 1\n", ":3: expected image"),
        ("1 1 2 3 1\n", ":1: expected image"),
        ("1 1 0 5 1\n", ":1: expected image"),
        ("1 1 0 0 1\n", ":1: expected image"),
        ("1 8 0 3 1\n", ":1: expected image"),
        ("1 0 0 3 1\n", ":1: expected image"),
        ("0 1 0 3 1\n", ":1: expected image"),
        ("1 1 -1 3 1\n", ":1: expected image"),
        ("99999999999 1 0 3 1\n", ":1: expected image"),
        ("1 1 0 3 1\n# remark\n", ":2: expected image"),
    ],
)
def test_image_attributes_that_cannot_be_understood(file, text, message):
    file.write_text(text)
    with pytest.raises(InputError, match=rf"table\.txt{message}"):
        read_image_attributes(file, [1, 2], 7)


def test_image_attributes_that_contradict_each_other(file):
    file.write_text("1 1 0 3 1\n2 5 1 4 1\n1 1 0 3 2\n")
    assert read_image_attributes(file, [1, 2], 7)[0, 0] == 0
    file.write_text("1 1 0 3 1\n2 5 1 4 1\n2 5 0 4 1\n")
    with pytest.raises(InputError, match=r"table\.txt: expected one .* attribute 5 of image 2"):
        read_image_attributes(file, [1], 7)


def test_image_attributes_of_other_bytes_or_no_file(file):
    with pytest.raises(InputError, match="expected a text file"):
        read_image_attributes(file, [1], 7)
    file.write_bytes(b"1 1 0 3 \xff\n1 \xff\n")
    with pytest.raises(InputError, match="expected UTF-8"):
        read_image_attributes(file, [1], 7)


def test_object_attributes_of_some_lines(file):
    file.write_text("a.jpg cat 1 1 2 2 0 1\n\nb.jpg dog 1 1 2 2 1 1\nc.jpg dog 1 1 2 2 1 0\n")
    assert read_object_attributes(file, np.array([1, 4]), 2).tolist() == [[0, 1], [1, 0]]
    file.write_text("a.jpg cat 1 1 2 2 0 1\nb.jpg dog 1 1 2 2 1 2\n")
    with pytest.raises(InputError, match=r"table\.txt:2: expected 2 attributes, 0 or 1 each"):
        read_object_attributes(file, np.array([1, 2]), 2)


def test_class_attributes_need_a_line_for_each_class(file):
    file.write_text("0 1\n1 1\n")
    assert read_class_attributes(file, 2, 2).tolist() == [[0, 1], [1, 1]]
    with pytest.raises(InputError, match="expected 3 lines, one per class, found 2"):
        read_class_attributes(file, 3, 2)
    with pytest.raises(InputError, match=r"table\.txt:1: expected 3 attributes"):
        read_class_attributes(file, 2, 3)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("a.jpg cat 1 1 2", "an image, one of 2 classes and a box"),
        ("a.jpg cow 1 1 2 2 0", "an image, one of 2 classes and a box"),
        ("../a.jpg cat 1 1 2 2 0", "an image, one of 2 classes and a box"),
        ("/etc/a.jpg cat 1 1 2 2 0", "an image, one of 2 classes and a box"),
        (f"{'a' * 300} cat 1 1 2 2 0", "an image, one of 2 classes and a box"),
        (f"a.jpg cat 1 1 {'2' * 30} 2 0", "four whole numbers as a box"),
        (f"a.jpg cat 1 1 {'2' * 5000} 2 0", "four whole numbers as a box"),
        ("a.jpg cat 1 1 2.5 2 0", "four whole numbers as a box, found '1 1 2.5 2'"),
        ("a.jpg cat 3 1 2 2 0", "a box xmin ymin xmax ymax"),
        ("a.jpg cat 1 3 2 2 0", "a box xmin ymin xmax ymax"),
    ],
)
def test_object_lines_that_are_wrong_are_named(file, line, message):
    file.write_text(f"a.jpg dog 1 1 1 1 what is here is not read\n{line}\n")
    with pytest.raises(InputError, match=rf"table\.txt:2: expected {message}"):
        read_objects(file, ("cat", "dog"), "object")


def test_the_first_of_equal_objects_is_the_largest(file):
    file.write_text("a cat 1 1 2 2\nb dog 1 1 1 1\na dog 2 2 3 3\na cat 1 1 1 3\nb cat 1 1 9 1\n")
    objects = read_objects(file, ("cat", "dog"), "image")
    assert objects.images == ("a", "b")
    assert objects.lines.tolist() == [1, 5]
    assert objects.boxes.tolist() == [[0, 0, 2, 2], [0, 0, 9, 1]]
    with pytest.raises(InputError, match="--unit: expected object or image, found 'box'"):
        read_objects(file, ("cat", "dog"), "box")  # pyright: ignore[reportArgumentType]


def test_entries_and_names(file):
    file.write_text("   1\tblack\n 2\twhite and grey\r\n")
    assert read_entries(file, "a colour") == {1: "black", 2: "white and grey"}
    for text in ("1 a\n1 b\n", "1 a\nx b\n", "1 a\n2\n", f"1 a\n{'2' * 5000} b\n"):
        file.write_text(text)
        with pytest.raises(InputError, match=r"table\.txt:2: expected a new number and a colour"):
            read_entries(file, "a colour")
    file.write_text("1 a\n2 b\n3 a\n")
    assert len(read_entries(file, "a colour")) == 3
    with pytest.raises(InputError, match=r"table\.txt:3: expected a colour that is not repeated"):
        read_entries(file, "a colour", "name")
    for name in ("../b", "/b", "b" * 300, "b/" * 3000):
        file.write_text(f"1 a\n2 {name}\n")
        with pytest.raises(InputError, match=r"table\.txt:2: expected a file, inside the folder"):
            read_entries(file, "a file", "path")
    file.write_text("a\nb\na\n")
    with pytest.raises(InputError, match=r"table\.txt:3: expected distinct names"):
        read_names(file)
    file.write_text("\n")
    for read in (read_names, lambda path: read_entries(path, "a colour")):
        with pytest.raises(InputError, match="found an empty file"):
            read(file)


def test_numbered_values_are_in_the_order_of_their_numbers(file):
    file.write_text("2 b\n3 a\n1 c\n")
    assert read_numbered(file, "a colour") == ("c", "b", "a")
    file.write_text("1 b\n3 a\n")
    with pytest.raises(InputError, match=r"table\.txt: expected numbers from 1 to 2, found no 2"):
        read_numbered(file, "a colour")


def test_counts_below_the_official_ones_are_named():
    official = {"samples": 2644, "classes": 12}
    assert fewer_than_official("aYahoo", "object", official) == ()
    assert fewer_than_official("aYahoo", "image", official | {"samples": 2237}) == ()
    named = fewer_than_official("aYahoo", "object", official | {"samples": 2237})
    assert named == ("2644 samples (found 2237)",)
    assert fewer_than_official("mine", "object", official) == ()


def test_counts_are_held_against_those_of_the_paper():
    for name, (train, test) in PAPER.items():
        parts = np.repeat([0, 1, 2], [train - 5, 5, test]).astype(np.uint8)
        assert compare_counts(name, parts).endswith(f"{test} test samples, as in the paper.")
        note = compare_counts(name, parts[1:], "because")
        assert f"the paper has {train} and {test} (because)" in note
    assert name_empty(("a", "b", "c"), np.array([1, 1])) == ("No samples of: a, c.",)
    assert name_empty(("a", "b"), np.array([1, 0])) == ()


def test_the_folder_with_most_files_is_the_root(tmp_path):
    files = [Needed(("x.txt", "sub/x.txt"), "x"), Needed(("y.txt",), "y", "evaluation")]
    (tmp_path / "x.txt").touch()
    options = DataOptions(tmp_path)
    assert find_root(options, "X", ("B", "A"), files) == tmp_path
    assert missing(tmp_path, files) == files[1:]
    (tmp_path / "A/sub").mkdir(parents=True)
    for name in ("sub/x.txt", "y.txt"):
        (tmp_path / "A" / name).touch()
    assert find_root(options, "X", ("B", "A"), files) == tmp_path / "A"
    assert missing(tmp_path / "A", files) == []


def test_images_may_be_in_any_of_the_usual_folders(tmp_path):
    (tmp_path / "a").mkdir()
    with pytest.raises(InputError, match=r"a or .*: expected images such as 1\.jpg, found none"):
        find_images(tmp_path, ("a", "."), ["1.jpg", "2.jpg"], "Get them.")
    (tmp_path / "2.jpg").touch()
    assert find_images(tmp_path, ("a", "."), ["1.jpg", "2.jpg"], "Get them.") == tmp_path
    (tmp_path / "a/1.jpg").touch()
    assert find_images(tmp_path, ("a", "."), ["1.jpg", "2.jpg"], "Get them.") == tmp_path / "a"
    (tmp_path / "1.jpg").touch()
    assert find_images(tmp_path, ("a", "."), ["1.jpg", "2.jpg"], "Get them.") == tmp_path


def test_ayahoo_images_may_lie_in_the_data_folder(tmp_path):
    names = [f"class{number}" for number in range(20)] + ["donkey", "zebra"]
    (tmp_path / "class_names.txt").write_text("\n".join(names))
    lines = [f"{c}_{n}.jpg {c} 1 1 4 4 ?" for c in ("donkey", "zebra") for n in (1, 2, 3)]
    (tmp_path / "ayahoo_test.txt").write_text("\n".join(lines))
    Image.new("RGB", (8, 8), "red").save(tmp_path / "donkey_1.jpg")
    examples = load_examples("aYahoo", DataOptions(tmp_path))
    assert examples.classes == ("donkey", "zebra")
    assert len(examples.notes) == 1
    # Only the classes of the set itself.
    (tmp_path / "class_names.txt").write_text("donkey\nzebra")
    assert load_examples("aYahoo", DataOptions(tmp_path)).classes == ("donkey", "zebra")
    (tmp_path / "ayahoo_test.txt").write_text("\n".join([*lines, lines[2]]))
    twice = load_examples("aYahoo", DataOptions(tmp_path)).notes[1]
    assert twice == f"Objects listed twice: 1, such as {tmp_path}/ayahoo_test.txt:7."
    assert examples.pixels.read(0, 2).shape == (2, 2, 3)
