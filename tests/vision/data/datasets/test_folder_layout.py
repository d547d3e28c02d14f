"""Layouts of folders of images: recognised, asked for, or refused with the way on."""

from __future__ import annotations

import unicodedata
from itertools import product
from pathlib import Path

import pytest

from irtheory.runs.files import InputError
from irvision.data.datasets.folder_names import kind_of
from irvision.data.examples import PARTS, Examples, samples_digest
from irvision.data.registry import load_examples
from irvision.settings.data import DataOptions, Layout


def lay(root: Path, *places: str) -> Path:
    """Files named so; a folder with a count, such as a/b:3, gets that many images."""
    for place in places:
        folder, counted, count = place.partition(":")
        files = [f"{folder}/{i}.png" for i in range(int(count))] if counted else [place]
        for file in files:
            (root / file).parent.mkdir(parents=True, exist_ok=True)
            (root / file).write_bytes(b"")
    return root


def grid(*levels: str, count: int = 4) -> list[str]:
    """Every path of one word of each level, such as "train test" and "a b"."""
    return [f"{'/'.join(words)}:{count}" for words in product(*map(str.split, levels))]


def load(root: Path, layout: Layout = "auto", **more: float) -> Examples:
    return load_examples(str(root), DataOptions(layout=layout, **more))  # type: ignore[arg-type]


def sizes(examples: Examples) -> list[int]:
    return [len(examples.rows(part)) for part in PARTS]


def places(examples: Examples, root: Path) -> set[tuple[str, str]]:
    """The class of each sample, and the folder that it is in."""
    return {
        (
            examples.classes[label],
            str(Path(examples.pixels.name(row)).relative_to(root).parent),
        )
        for row, label in enumerate(examples.labels.tolist())
    }


@pytest.mark.parametrize(
    ("train", "test"),
    [
        ("Training", "Testing"),
        ("training_set", "test_set"),
        ("seg_train", "seg_test"),
        ("train2017", "test2017"),
        ("TrainSet", "TestSet"),
        ("birds.train", "birds.test"),
        ("TRAIN-images", "TEST-images"),
        ("01 train", "02 test"),
        ("traindata", "testdata"),
    ],
)
def test_parts_are_recognised_by_their_words(tmp_path, train, test):
    lay(tmp_path, f"{train}/a:4", f"{train}/b:4", f"{test}/a:3", f"{test}/b:2")
    examples = load(tmp_path)
    assert (examples.classes, examples.notes) == (("a", "b"), ())
    assert sizes(examples) == [6, 2, 5]


@pytest.mark.parametrize("name", ["dev", "val", "valid_images", "ValidationSet", "eval", "VAL"])
def test_validation_is_recognised_by_its_words(tmp_path, name):
    lay(tmp_path, *grid("train test", "a b"), *grid(name, "a b", count=1))
    assert sizes(load(tmp_path)) == [8, 2, 8]


@pytest.mark.parametrize("name", ["contest", "trains", "invalid", "latest", "trainer", "deviant"])
def test_words_that_only_contain_the_name_of_a_part_are_classes(tmp_path, name):
    assert kind_of(name) is None
    lay(tmp_path, f"{name}:3", "other:3")
    assert load(tmp_path).classes == tuple(sorted((name, "other")))


@pytest.mark.parametrize(
    ("places", "ways"),
    [
        (grid("art photo sketch", "cat dog"), ["--layout group/class", "--layout class"]),
        (grid("fold1 fold2", "a b c"), ["--layout group/class", "--layout class"]),
        (grid("1 2 3 4 5", "0 1"), ["--layout group/class", "--layout class"]),
        (["h1/a:3", "h1/b:3", "h2/b:3", "h2/c:3", "h3/c:3", "h3/a:3"], ["--layout group/class"]),
        ([*grid("art photo", "a b"), "art/x.png"], ["--layout group/class"]),
        (grid("cat dog", "train test"), ["--layout class/part", "--layout class"]),
        (grid("cat dog", "day night"), ["--layout class"]),
        (grid("h1 h2", "train test", "a b"), ["--layout group/part/class"]),
        (grid("train test", "art photo", "a b"), ["--layout part/group/class", "part/class"]),
        (grid("train test", "images", "a b"), ["move its folders up", "part/group/class"]),
        ([*grid("train test", "a b"), "extra:9"], ["move extra elsewhere"]),
        (grid("set train test", "a b"), ["move set elsewhere"]),
        (grid("images masks", "a b"), ["/images instead", "--layout class"]),
        (grid("images masks"), ["/images instead", "--layout class"]),
        (grid("images ground_truth", "a b"), ["/images instead"]),
        (["cat/1.png", "dog/2.png", "dog/3.png", "masks/1_mask.png"], ["move masks elsewhere"]),
        ([*grid("cat", "x y"), "dog/a.gif"], ["all images in cat and none in dog"]),
        (["images/i1.png", "masks/m1.png"], ["/images instead", "--layout class"]),
        (["JPEGImages/1.png", "JPEGImages/2.png", "SegmentationClass/1.png"], ["JPEGImages inst"]),
        (grid("train test", "images masks"), ["move masks elsewhere", "--layout part/class"]),
        (["h1/a:3", "h1/b:3", "h2/b:3", "h2/c:3", "h2/d:3"], ["(b) in h1, h2", "group/class"]),
        (["h1/a:3", "h1/b:3", "h2/b:3", "h2/c:3"], ["(b) in h1, h2", "--layout group/class"]),
        ([*grid("images", "cat dog"), "docs/x.txt"], ["/images instead"]),
        (grid("cat dog masks"), ["move masks elsewhere", "--layout class"]),
        (grid("animals", "cat dog"), ["/animals instead"]),
        (["README.md", "__MACOSX/._x", *grid("x", "y", "cat dog")], ["/x/y instead"]),
        (grid("w", "train test", "a b"), ["/w instead"]),
        (grid("train", "a b"), ["/train instead"]),
        (grid("train1 train2 test", "a b"), ["found train1 and train2", "--layout class"]),
        (grid("trainA trainB testA testB"), ["found testA and testB", "--layout class"]),
        (grid("test val", "a b"), ["train: expected", "--layout class"]),
    ],
)
def test_what_can_be_read_in_several_ways_is_refused_with_the_ways_on(tmp_path, places, ways):
    lay(tmp_path, *places)
    with pytest.raises(InputError) as caught:
        load(tmp_path)
    message = str(caught.value)
    assert "\n" not in message and all(way in message for way in ways), message


@pytest.mark.parametrize(
    ("layout", "places", "classes", "expected"),
    [
        ("group/class", grid("art photo", "cat dog"), ("cat", "dog"), [10, 2, 4]),
        ("class", grid("art photo", "cat dog"), ("art", "photo"), [10, 2, 4]),
        ("class/part", grid("cat dog", "train test"), ("cat", "dog"), [6, 2, 8]),
        ("part/group/class", grid("train test", "images", "a b"), ("a", "b"), [6, 2, 8]),
        ("group/part/class", grid("h1 h2", "train test", "a b"), ("a", "b"), [14, 2, 16]),
        ("part/class", grid("seg_train seg_test", "a b"), ("a", "b"), [6, 2, 8]),
        ("class", grid("trainA trainB"), ("trainA", "trainB"), [4, 2, 2]),
    ],
)
def test_a_layout_that_is_asked_for_is_read(tmp_path, layout, places, classes, expected):
    examples = load(lay(tmp_path, *places), layout)
    assert (examples.classes, examples.notes) == (classes, ())
    assert sizes(examples) == expected


def test_classes_of_groups_are_pooled(tmp_path):
    examples = load(lay(tmp_path, *grid("art photo", "cat dog")), "group/class")
    pooled = {("cat", "art/cat"), ("cat", "photo/cat"), ("dog", "art/dog"), ("dog", "photo/dog")}
    assert places(examples, tmp_path) == pooled


def test_masks_that_are_contrasted_with_none_are_classes(tmp_path):
    for name in ("with_mask", "without_mask"), ("mask", "no_mask"), ("gas mask", "scarf"):
        root = lay(tmp_path / name[0], *(f"{each}:4" for each in name))
        assert load(root).classes == name


@pytest.mark.parametrize("flat", ["test:7", "test/images:7", "testing/test:7", "seg_pred:7"])
def test_images_without_labels_are_named_and_the_test_part_is_drawn(tmp_path, flat):
    examples = load(lay(tmp_path, "train/a:10", "train/b:10", flat))
    assert sizes(examples) == [12, 2, 6]
    drawn, unread = examples.notes
    assert "30% of each class in train are drawn as the test part" in drawn
    assert unread.startswith("Not read: 7 of 27 files; images without class")
    assert f"{tmp_path / flat.partition(':')[0]}/0.png" in unread


def test_predictions_beside_labelled_tests_are_named(tmp_path):
    examples = load(lay(tmp_path, *grid("train test", "a b"), "pred:3"))
    assert sizes(examples) == [6, 2, 8]
    assert len(examples.notes) == 1 and "Not read: 3 of 19 files" in examples.notes[0]


def test_without_a_test_part_the_validation_folder_is_it(tmp_path):
    lay(tmp_path, "train/a:10", "train/b:10", "val/a:3", "val/b:3")
    examples = load(tmp_path, validation=0.2)
    assert sizes(examples) == [16, 4, 6]
    assert all("/val/" in examples.pixels.name(row) for row in examples.rows("test"))
    assert "the validation folder is the test part" in examples.notes[0]


def test_classes_below_classes_are_named(tmp_path):
    lay(tmp_path, *(f"{place}:3" for place in ("felis/catus", "felis/silvestris", "canis/lupus")))
    examples = load(tmp_path)
    assert examples.classes == ("canis", "felis")
    assert examples.notes == (
        "9 images lie in folders below those of the classes and belong to the class above, such "
        "as canis/lupus to canis; pass --layout group/class if the lower folders are the classes.",
    )
    lower = load(tmp_path, "group/class")
    assert (lower.classes, lower.notes) == (("catus", "lupus", "silvestris"), ())


@pytest.mark.parametrize("name", ["masks", "fold2", "Annotations"])
def test_classes_that_look_like_something_else_are_named(tmp_path, name):
    lay(tmp_path, "ant:4", "bee:4", f"{name}:4")
    for number, image in enumerate(sorted((tmp_path / name).iterdir())):
        image.rename(image.with_name(f"other{number}.png"))
    (note,) = load(tmp_path).notes
    assert note.startswith(f"Read as classes: {name}; move them elsewhere")
    assert load(tmp_path, "class").notes == ()


def test_a_few_folders_below_classes_are_no_groups(tmp_path):
    lay(tmp_path, "cat:9", "dog:9", *grid("cat dog", "day night", count=1))
    examples = load(tmp_path)
    assert examples.classes == ("cat", "dog") and "4 images lie in folders" in examples.notes[0]
    (tmp_path / "one").mkdir()
    root = lay(tmp_path / "one", *grid("cat dog", "2020"))
    assert load(root).classes == ("cat", "dog")


def test_one_folder_of_images_in_each_class_is_no_matter(tmp_path):
    examples = load(lay(tmp_path, *grid("n01 n02", "images")))
    assert (examples.classes, examples.notes) == (("n01", "n02"), ())


def test_letters_with_accents_are_the_same_however_they_are_stored(tmp_path):
    composed = "Café"
    decomposed = unicodedata.normalize("NFD", composed)
    assert composed != decomposed
    lay(tmp_path, f"train/{composed}:4", "train/x:4", f"test/{decomposed}:2", "test/x:2")
    examples = load(tmp_path)
    assert examples.classes == (composed, "x")
    assert sizes(examples) == [6, 2, 4]


def test_a_decomposed_name_of_a_flat_folder_stays_as_it_is(tmp_path):
    decomposed = unicodedata.normalize("NFD", "Café")
    assert load(lay(tmp_path, f"{decomposed}:4", "x:4")).classes == (decomposed, "x")


@pytest.mark.parametrize("other", ["cat", "CAT", "Cat ", "c a t"])
def test_class_names_that_are_nearly_the_same_in_two_parts_are_refused(tmp_path, other):
    lay(tmp_path, "train/Cat:4", "train/c-a-t:4", "train/dog:4", f"test/{other}:2", "test/dog:2")
    with pytest.raises(InputError, match="give both the same name"):
        load(tmp_path)


def test_letters_may_differ_by_case_alone(tmp_path):
    examples = load(lay(tmp_path, "train/A:4", "train/a:4", "test/A:2", "test/a:1"))
    assert examples.classes == ("A", "a")
    assert examples.notes == ("Classes of their own, though their names are alike: 'A' and 'a'.",)


def test_classes_without_test_images_are_named(tmp_path):
    examples = load(lay(tmp_path, "train/a:4", "train/b:4", "train/c:4", "test/b:2"))
    assert examples.notes == ("No test images of: a, c.",)


def test_the_options_of_folders_are_refused_for_data_sets_with_a_name(tmp_path):
    for options, flag in (
        (DataOptions(layout="class"), "--layout class"),
        (DataOptions(group="x"), "--group x"),
    ):
        for dataset in ("beetles", "CUB"):
            with pytest.raises(InputError, match=f"{flag}: expected with a folder of images"):
                load_examples(dataset, options)


def test_the_samples_of_usual_folders_are_those_of_earlier_versions(tmp_path):
    """Digests by version 0.1.0, of names, classes and parts."""
    flat = lay(tmp_path / "flat", "b:5", "a:7", "b/deep/er:2", "a/x.JPG", "a/.hidden.png")
    parts = lay(tmp_path / "parts", *grid("Train valid test", "x y", count=3), "README.txt")
    assert samples_digest(load(flat)) == "17b9b5b2c0687bc640c96879dade7eff"
    assert samples_digest(load(parts)) == "14e7864b489b68ed22e6d18435a7d8e7"
