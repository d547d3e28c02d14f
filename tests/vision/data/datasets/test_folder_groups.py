"""Groups of images that stay in one part."""

from __future__ import annotations

import unicodedata
from pathlib import Path

import numpy as np
import pytest

from irtheory.runs.files import InputError
from irvision.data.datasets import annotations
from irvision.data.datasets.splits import make_parts
from irvision.data.examples import PARTS, Examples
from irvision.data.registry import load_examples
from irvision.settings.data import DataOptions

FILES = [
    f"{name}/p{patient}_{shot}.png"
    for name in ("ill", "well")
    for patient in range(12)
    for shot in range(3)
]


def put(root: Path, files: list[str]) -> Path:
    for file in files:
        (root / file).parent.mkdir(parents=True, exist_ok=True)
        (root / file).write_bytes(b"")
    return root


@pytest.fixture
def shots(tmp_path: Path) -> Path:
    """Twelve patients, each with three images in each of two classes."""
    return put(tmp_path / "shots", FILES)


def load(root: Path, group: str | None, **more: int) -> Examples:
    return load_examples(str(root), DataOptions(group=group, **more))  # type: ignore[arg-type]


def patients(examples: Examples) -> list[str]:
    names = (Path(examples.pixels.name(row)).name for row in range(len(examples.labels)))
    return [name.partition("_")[0] for name in names]


def write_table(root: Path, *lines: str) -> None:
    (root / "groups.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")


@pytest.mark.parametrize("pattern", [r"/(p\d+)_", r"p\d+(?=_)", r"(?:ill|well)/([^_]+)"])
@pytest.mark.parametrize("seed", [0, 5])
def test_a_pattern_keeps_its_groups_in_one_part(shots, pattern, seed):
    examples = load(shots, pattern, split_seed=seed)
    of = patients(examples)
    for patient in set(of):
        rows = [row for row, name in enumerate(of) if name == patient]
        assert len(set(examples.parts[rows].tolist())) == 1
    assert len(examples.rows("test")) == 24 and len(examples.rows("validation")) > 0
    assert examples.notes == (f"--group {pattern}: 12 groups of 6 to 6 images, each in one part.",)
    expected = make_parts(examples.labels, of, DataOptions(split_seed=seed))
    np.testing.assert_array_equal(examples.parts, expected)
    assert examples.draw is not None and list(examples.draw.groups) == of


def test_without_groups_patients_are_divided(shots):
    examples = load(shots, None)
    divided = {
        patient
        for patient in patients(examples)
        if len({p for p, n in zip(examples.parts, patients(examples), strict=True) if n == patient})
        > 1
    }
    assert divided


def test_a_column_of_the_table_gives_the_groups(shots):
    lines = [f"./{file},{Path(file).name.partition('_')[0]},x" for file in reversed(FILES)]
    write_table(shots, "\ufeffimage,patient,site", *lines)
    table, pattern = load(shots, "patient"), load(shots, r"/(p\d+)_")
    np.testing.assert_array_equal(table.parts, pattern.parts)
    with pytest.raises(InputError, match="--group site: expected two groups at least, found all"):
        load(shots, "site")


def test_the_table_may_store_accents_in_another_way(tmp_path):
    files = [f"{name}/é{i}.png" for name in "ab" for i in range(4)]
    put(tmp_path, [unicodedata.normalize("NFD", file) for file in files])
    names = [unicodedata.normalize("NFC", file) for file in files]
    write_table(tmp_path, "image,g", *(f"{name.replace('/', chr(92))},{name[3]}" for name in names))
    examples = load(tmp_path, "g")
    assert examples.draw is not None and len(set(examples.draw.groups)) == 4
    assert len(set(load(tmp_path, r"é(\d)").draw.groups)) == 4  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (["image,patient", "ill/p0_0.png,"], r"groups\.csv:2: expected the group of the image"),
        (["image,patient", "ill/p0_0.png"], r"groups\.csv:2: expected the group of the image"),
        (["image,patient", "ill/p0_0.png,1"], r"a line for each image, found none for ill/p0_1"),
        (["image,patient", "ill/none.png,1"], r"groups\.csv:2: expected an image of this folder"),
        (["file,patient", "ill/p0_0.png,1"], r"groups\.csv:1: expected a header: image, then"),
        (["image,person", "ill/p0_0.png,1"], r"found none in ill/p0_0\.png \(nor is it a column"),
    ],
)
def test_a_table_that_is_wrong_is_refused(shots, lines, message):
    write_table(shots, *lines)
    with pytest.raises(InputError, match=message):
        load(shots, "patient")


@pytest.mark.parametrize(
    ("pattern", "message"),
    [
        ("p(", "expected a regular expression, found an error at character"),
        ("", r"expected a match .* found none in ill/p0_0\.png"),
        (r"q*", r"expected a match .* found none in ill/p0_0\.png"),
        ("person", r"found none in ill/p0_0\.png \(nor is there a table .*groups\.csv\)"),
        (r"p(1\d)_", r"expected a match in the path of each image, found none in ill/p0_0\.png"),
        (r"p\d+_\d(x)?", r"expected a match .* found none in ill/p0_0\.png"),
        (r"\.png$", r"expected two groups at least, found all images in '\.png'"),
        (r"^[^/]+", "expected classes with images in several groups"),
    ],
)
def test_a_pattern_that_makes_no_groups_is_refused(shots, pattern, message):
    with pytest.raises(InputError, match=message) as caught:
        load(shots, pattern)
    assert str(caught.value).startswith(f"--group {pattern}: ")


def test_groups_that_are_larger_than_a_part_still_make_one(tmp_path):
    """Six patients of 18 images: two make up 30%, one is the smallest validation part."""
    files = [f"{name}/p{i}_{j}.png" for name in "ab" for i in range(6) for j in range(9)]
    examples = load(put(tmp_path, files), r"(p\d)_")
    of = np.array(patients(examples))
    count = [len(set(of[examples.parts == part])) for part in range(3)]
    assert count == [3, 1, 2] and len(examples.notes) == 1


def test_two_groups_are_one_for_each_part_and_none_for_validation(tmp_path):
    files = [f"{name}/p{i}_{j}.png" for name in "ab" for i in range(2) for j in range(9)]
    examples = load(put(tmp_path, files), r"(p\d)_")
    assert [len(examples.rows(part)) for part in PARTS] == [18, 0, 18]
    assert any("No validation images" in note for note in examples.notes)


def test_a_pattern_that_changes_nothing_says_so(shots):
    plain, each = load(shots, None), load(shots, ".*")
    np.testing.assert_array_equal(plain.parts, each.parts)
    assert "changes nothing" in each.notes[0]


def test_a_group_in_two_given_parts_is_refused(tmp_path):
    files = [f"{part}/{name}/p{i}_{part}.png" for part in ("train", "test") for name in "ab"
             for i in range(5 if part == "train" else 1)]  # fmt: skip
    put(tmp_path, files)
    message = (
        r"expected the images of 'p0' in one part, found test/a/p0_test\.png in test and "
        r"train/a/p0_train\.png in train"
    )
    with pytest.raises(InputError, match=message):
        load(tmp_path, r"(p\d)_")


def test_validation_images_are_drawn_from_train_by_group(tmp_path):
    train = [f"train/{name}/p{i}_{j}.png" for name in "ab" for i in range(8) for j in range(2)]
    put(tmp_path, [*train, "test/a/q_0.png", "test/b/q_0.png"])
    examples = load(tmp_path, r"/([pq]\d?)_")
    of = np.array(patients(examples))
    held = set(of[examples.parts == PARTS.index("validation")])
    assert held and not held & set(of[examples.parts == PARTS.index("train")])


def test_attributes_are_never_read_for_groups(shots, monkeypatch):
    def refuse(*_: object) -> None:
        raise AssertionError("attributes were read")

    (shots / "attributes.csv").write_text("image,patient\nill/p0_0.png,1\n")
    monkeypatch.setattr(annotations, "read_csv_attributes", refuse)
    with pytest.raises(InputError, match="expected a match in the path of each image"):
        load(shots, "patient")
