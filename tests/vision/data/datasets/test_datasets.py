"""The official layouts, by their real files; images that are not there are drawn."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from irtheory.runs.files import InputError
from irvision.data.datasets import annotations, apascal, awa2, ayahoo, cub
from irvision.data.examples import PARTS, Examples
from irvision.data.pixels.photographs import Photographs
from irvision.data.registry import load_attributes, load_examples, resolve
from irvision.settings.data import DataOptions


def draw(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (8, 6), "green").save(path)


def link(source: Path, target: Path) -> Path:
    if not source.exists():
        pytest.skip(f"no {source}")
    target.parent.mkdir(parents=True, exist_ok=True)
    target.symlink_to(source)
    return target


def sizes(examples: Examples) -> list[int]:
    return [len(examples.rows(part)) for part in PARTS]


def fields_of(file: Path) -> list[list[str]]:
    return [line.split() for line in file.read_text().splitlines()]


@pytest.fixture(scope="module")
def apascal_dir(shared_data: Path) -> Path:
    folder = shared_data / "apascal-384"
    if not folder.is_dir():
        pytest.skip(f"no {folder}")
    return folder


@pytest.fixture
def ayahoo_dir(shared_data: Path, tmp_path: Path) -> Path:
    link(shared_data / "ayahoo/attribute_data", tmp_path / "aYahoo/attribute_data")
    draw(tmp_path / "aYahoo/ayahoo_test_images/donkey_1.jpg")
    return tmp_path


@pytest.fixture
def awa2_dir(shared_data: Path, tmp_path: Path) -> Path:
    for name in ("classes.txt", "predicates.txt", "predicate-matrix-binary.txt"):
        link(shared_data / "awa2" / name, tmp_path / name)
    for _, name in fields_of(tmp_path / "classes.txt"):
        for number in range(3):
            draw(tmp_path / f"JPEGImages/{name}/{name}_1000{number}.jpg")
    return tmp_path


@pytest.fixture
def cub_dir(shared_data: Path, tmp_path: Path) -> Path:
    root = tmp_path / "CUB_200_2011"
    for name in ("images", "image_class_labels", "train_test_split", "classes"):
        link(shared_data / f"cub/{name}.txt", root / f"{name}.txt")
    link(shared_data / "cub/attributes.txt", tmp_path / "attributes.txt")
    draw(root / "images" / fields_of(root / "images.txt")[0][1])
    return tmp_path


def test_apascal_objects_are_those_of_the_files(apascal_dir):
    examples = load_examples("apascal", DataOptions(apascal_dir))
    lines = [
        fields
        for part in ("train", "test")
        for fields in fields_of(apascal_dir / f"attribute_data/apascal_{part}.txt")
    ]
    assert len(examples.classes) == 20
    assert sum(sizes(examples)[:2]) == 3018
    assert sizes(examples)[2] == 1957
    named = [
        f"{apascal_dir}/JPEGImages/{fields[0]} box {' '.join(fields[2:6])}" for fields in lines
    ]
    assert [examples.pixels.name(row) for row in range(len(lines))] == named
    assert [examples.classes[label] for label in examples.labels] == [f[1] for f in lines]
    attributes = load_attributes("aPascal", DataOptions(apascal_dir), examples)
    assert attributes is not None
    assert len(attributes.names) == 64
    np.testing.assert_array_equal(attributes.values, [[int(v) for v in f[6:]] for f in lines])
    (note,) = examples.notes
    by_image = load_examples("aPascal", DataOptions(apascal_dir, unit="image")).notes[0]
    assert "by image" in by_image and "1000 training" in by_image and "by image" not in note
    assert "3018" in note and "1957" in note and "2869 and 2227" in note


def test_apascal_validation_is_a_tenth_of_each_class_in_whole_images(apascal_dir):
    examples = load_examples("aPascal", DataOptions(apascal_dir))
    count = [np.bincount(examples.labels[examples.rows(part)], minlength=20) for part in PARTS[:2]]
    share = count[1] / (count[0] + count[1])
    assert np.abs(share - 0.1).max() < 0.04
    assert isinstance(examples.pixels, Photographs)
    parts_of: dict[str, set[int]] = {}
    for file, part in zip(examples.pixels.files, examples.parts.tolist(), strict=True):
        parts_of.setdefault(file, set()).add(part)
    assert max(map(len, parts_of.values())) == 1


def test_apascal_by_image_takes_the_largest_object(apascal_dir):
    options = DataOptions(apascal_dir, unit="image")
    examples = load_examples("aPascal", options)
    assert [sum(sizes(examples)[:2]), sizes(examples)[2]] == [1000, 650]
    largest: dict[str, tuple[int, str, list[int]]] = {}
    for part in ("train", "test"):
        for fields in fields_of(apascal_dir / f"attribute_data/apascal_{part}.txt"):
            left, upper, right, lower = map(int, fields[2:6])
            area = (right - left + 1) * (lower - upper + 1)
            if area > largest.get(fields[0], (0,))[0]:
                largest[fields[0]] = area, fields[1], [int(v) for v in fields[6:]]
    attributes = load_attributes("aPascal", options, examples)
    assert attributes is not None
    assert isinstance(examples.pixels, Photographs)
    for row, file in enumerate(examples.pixels.files):
        _, name, values = largest[file]
        assert examples.classes[examples.labels[row]] == name
        assert attributes.values[row].tolist() == values


def test_apascal_attributes_of_other_rows_are_refused(apascal_dir):
    examples = load_examples("aPascal", DataOptions(apascal_dir, unit="image"))
    with pytest.raises(InputError, match="have changed"):
        load_attributes("aPascal", DataOptions(apascal_dir), examples)


def test_ayahoo_is_split_70_to_30_by_class_and_image(ayahoo_dir):
    examples = load_examples("aYahoo", DataOptions(ayahoo_dir))
    lines = fields_of(ayahoo_dir / "aYahoo/attribute_data/ayahoo_test.txt")
    assert len(examples.labels) == 2644
    assert Counter(examples.classes[c] for c in examples.labels) == Counter(f[1] for f in lines)
    assert len(examples.classes) == 12
    for label in range(12):
        parts = examples.parts[examples.labels == label]
        assert (parts == 2).mean() == pytest.approx(0.3, abs=0.01)
        assert (parts == 1).mean() == pytest.approx(0.07, abs=0.012)
    assert isinstance(examples.pixels, Photographs)
    held = [{examples.pixels.files[row] for row in examples.rows(part)} for part in PARTS]
    assert sum(map(len, held)) == len(set.union(*held)) == 2237
    assert "the paper" in examples.notes[0]
    attributes = load_attributes("aYahoo", DataOptions(ayahoo_dir), examples)
    assert attributes is not None
    np.testing.assert_array_equal(attributes.values, [[int(v) for v in f[6:]] for f in lines])


def test_awa2_attributes_are_those_of_the_class(awa2_dir):
    examples = load_examples("AwA2", DataOptions(awa2_dir))
    assert sizes(examples) == [50, 50, 50]
    attributes = load_attributes("AwA2", DataOptions(awa2_dir), examples)
    assert attributes is not None
    assert (attributes.level, attributes.values.shape) == ("class", (150, 85))
    assert (attributes.names[0], examples.classes[1]) == ("black", "grizzly+bear")
    matrix = np.loadtxt(awa2_dir / "predicate-matrix-binary.txt")
    names = [name for _, name in fields_of(awa2_dir / "classes.txt")]
    for row, values in enumerate(attributes.values):
        name = Path(examples.pixels.name(row)).parent.name
        np.testing.assert_array_equal(values, matrix[names.index(name)])
        assert examples.classes[examples.labels[row]] == name


def test_awa2_names_follow_their_numbers(awa2_dir):
    options = DataOptions(awa2_dir)
    examples = load_examples("AwA2", options)
    attributes = load_attributes("AwA2", options, examples)
    for name in ("classes.txt", "predicates.txt"):
        text = (awa2_dir / name).read_text()
        (awa2_dir / name).unlink()
        (awa2_dir / name).write_text("\n".join(reversed(text.splitlines())))
    again = load_examples("AwA2", options)
    assert again.classes == examples.classes
    found = load_attributes("AwA2", options, again)
    assert attributes is not None and found is not None and found.names == attributes.names


def test_awa2_class_without_images_is_named(awa2_dir):
    for image in (awa2_dir / "JPEGImages/otter").iterdir():
        image.unlink()
    with pytest.raises(InputError, match=r"JPEGImages/otter: expected images of this class"):
        load_examples("AwA2", DataOptions(awa2_dir))


def test_cub_has_the_official_split_and_trains_without_attributes(cub_dir):
    examples = load_examples("cub", DataOptions(cub_dir))
    root = cub_dir / "CUB_200_2011"
    assert [sum(sizes(examples)[:2]), sizes(examples)[2]] == [5994, 5794]
    split = dict(fields_of(root / "train_test_split.txt"))
    classes = dict(fields_of(root / "classes.txt"))
    class_of = dict(fields_of(root / "image_class_labels.txt"))
    for row, (number, file) in enumerate(fields_of(root / "images.txt")):
        assert examples.pixels.name(row) == f"{root}/images/{file}"
        assert (examples.parts[row] == 2) == (split[number] == "0")
        assert examples.classes[examples.labels[row]] == classes[class_of[number]]
    assert "5993 and 5794" in examples.notes[0]
    held = np.bincount(examples.labels[examples.rows("validation")], minlength=200)
    assert set(held.tolist()) == {3}
    with pytest.raises(InputError, match=r"image_attribute_labels\.txt: expected the attributes"):
        load_attributes("CUB", DataOptions(cub_dir), examples)


def test_cub_attributes_are_read_by_image_number(cub_dir):
    table = cub_dir / "CUB_200_2011/attributes/image_attribute_labels.txt"
    table.parent.mkdir()
    table.write_text("2 1 1 4 3.5\n1 312 1 1 0\n1 311 0 3 2.0\n2 5 0 2 0 1.509\n")
    examples = load_examples("CUB", DataOptions(cub_dir))
    attributes = load_attributes("CUB", DataOptions(cub_dir), examples)
    assert attributes is not None
    assert attributes.names[0] == "has_bill_shape::curved_(up_or_down)"
    known = np.argwhere(~np.isnan(attributes.values)).tolist()
    assert known == [[0, 310], [1, 0], [1, 4]]
    assert [attributes.values[row, column] for row, column in known] == [0, 1, 0]


READERS = (
    "read_object_attributes",
    "read_class_attributes",
    "read_image_attributes",
    "read_csv_attributes",
)


@pytest.mark.parametrize("dataset", ["apascal", "ayahoo", "awa2", "cub", "folder"])
def test_training_never_reads_an_attribute(dataset, request, monkeypatch, tmp_path):
    def refuse(*_: object) -> None:
        raise AssertionError("attributes were read")

    for reader in READERS:
        monkeypatch.setattr(annotations, reader, refuse)
    if dataset == "folder":
        for name in ("a", "b"):
            for number in range(2):
                draw(tmp_path / name / f"{number}.png")
        (tmp_path / "attributes.csv").write_text("image,x\na/0.png,1\n")
        given, options = str(tmp_path), DataOptions()
    else:
        given, options = dataset, DataOptions(request.getfixturevalue(f"{dataset}_dir"))
    if dataset == "cub":
        draw_table = tmp_path / "CUB_200_2011/attributes/image_attribute_labels.txt"
        draw_table.parent.mkdir()
        draw_table.write_text("1 1 1 4 3.5\n")
    examples = load_examples(given, options)
    with pytest.raises(AssertionError, match="attributes were read"):
        load_attributes(given, options, examples)


@pytest.mark.parametrize("module", [apascal, ayahoo, awa2, cub])
def test_a_folder_without_the_data_set_says_what_was_looked_for(module, tmp_path):
    with pytest.raises(InputError, match="--data-dir: expected the folder of"):
        load_examples(module.NAME, DataOptions())
    with pytest.raises(InputError, match=rf"{module.FILES[0].paths[0]}.*{module.FOLDERS[0]}/"):
        load_examples(module.NAME, DataOptions(tmp_path))
    with pytest.raises(InputError, match=r"--data-dir .*none: expected a folder"):
        load_examples(module.NAME, DataOptions(tmp_path / "none"))
    assert "https://" in module.SOURCE


def test_a_missing_file_is_named_with_its_source(awa2_dir):
    (awa2_dir / "classes.txt").unlink()
    with pytest.raises(InputError, match=r"classes\.txt: expected numbers and .*https://cvml"):
        load_examples("AwA2", DataOptions(awa2_dir))


def test_resolve_gives_a_folder_its_path(tmp_path):
    module, options = resolve(str(tmp_path), DataOptions(Path("elsewhere")))
    assert (module.__name__, options.data_dir) == ("irvision.data.datasets.folder", tmp_path)
    module, options = resolve("AWA2", DataOptions(tmp_path))
    assert (module.NAME, options.data_dir) == ("AwA2", tmp_path)
