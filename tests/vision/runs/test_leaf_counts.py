from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from irtheory.runs.files import InputError
from irtheory.trees.tree import Tree
from irvision.data.examples import Part
from irvision.runs.key import key_text
from irvision.runs.leaf_counts import read_leaf_counts, write_leaf_counts
from irvision.runs.named_tree import AttributeName, name_tree

CLASSES = ("ant", "bee", "a, b")


def a_tree() -> Tree:
    ends = [Tree.leaf(row, 1, 2) for row in np.eye(3)]
    right = Tree.grow(1, 1.5, ends[1], ends[2], [0, 0.5, 0.5], 2)
    return Tree.grow(0, 0.5, ends[0], right, [1 / 3] * 3, 3)


def counts_of(*leaves: tuple[int, int, int]) -> np.ndarray:
    """Counts of all five nodes from those of the leaves 1, 3 and 4."""
    found = np.zeros((5, 3), int)
    found[[1, 3, 4]] = leaves
    found[2] = found[3] + found[4]
    found[0] = found[1] + found[2]
    return found


TRAIN, TEST = counts_of((5, 1, 0), (0, 0, 0), (0, 2, 9)), counts_of((3, 0, 0), (0, 1, 0), (0, 0, 0))


def test_counts_round_trip(tmp_path: Path) -> None:
    write_leaf_counts(tmp_path, a_tree(), CLASSES, {"train": TRAIN, "test": TEST})
    found = read_leaf_counts(tmp_path, a_tree(), CLASSES)
    assert set(found) == {"train", "test"}
    np.testing.assert_array_equal(found["train"], TRAIN)
    np.testing.assert_array_equal(found["test"], TEST)
    assert read_leaf_counts(tmp_path / "elsewhere", a_tree(), CLASSES) == {}


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("1,ant,5", r"leaves.csv:2: expected 5 cells, found 3"),
        ("2,ant,5,,", r"leaves.csv:2: expected a leaf of tree.json and a class, found '2' and"),
        ("1,wasp,5,,", r"leaves.csv:2: expected a leaf of tree.json and a class, found '1' and"),
        ("x,ant,5,,", r"leaves.csv:2: leaf: expected a whole number, found 'x'"),
        ("1,ant,-5,,", r"leaves.csv:2: train: expected a whole number, found '-5'"),
        ("1,ant," + "9" * 20 + ",,", r"leaves.csv:2: train: expected a whole number"),
    ],
)
def test_what_does_not_fit_is_named(tmp_path: Path, line: str, message: str) -> None:
    (tmp_path / "leaves.csv").write_text(f"leaf,class,train,validation,test\n{line}\n")
    with pytest.raises(InputError, match=message):
        read_leaf_counts(tmp_path, a_tree(), CLASSES)


def test_another_file_is_named(tmp_path: Path) -> None:
    for content in (b"", b"a,b\n", b"\xff\xfe\x00"):
        (tmp_path / "leaves.csv").write_bytes(content)
        with pytest.raises(InputError, match=r"leaves\.csv"):
            read_leaf_counts(tmp_path, a_tree(), CLASSES)


def test_the_key_leaves_out_what_no_image_reaches() -> None:
    """Only test images reach the bee, so that it appears with them and not before."""
    counts: dict[Part, np.ndarray] = {"train": TRAIN}
    before = key_text(name_tree(a_tree(), counts, CLASSES, (7, 9), 2))
    assert before.splitlines() == [
        "1a. code 7 ≥ 1 → a, b: 9 of 11 training images",
        "1b. code 7 < 1 → ant: 5 of 6 training images",
    ]
    counts["test"] = TEST
    attributes = {2: AttributeName("stripes", False)}
    after = key_text(name_tree(a_tree(), counts, CLASSES, (7, 9), 2, attributes))
    assert after.splitlines() == [
        "1a. code 7 ≥ 1 → 2",
        "1b. code 7 < 1 → ant: 5 of 6 training images, 3 of 3 test images",
        "2a. stripes absent (code 9 ≥ 2) → a, b: 9 of 11 training images, 0 of 0 test images",
        "2b. stripes present (code 9 < 2) → bee: 0 of 0 training images, 1 of 1 test images",
    ]
