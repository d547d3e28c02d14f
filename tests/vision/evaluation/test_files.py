from __future__ import annotations

import csv
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from safetensors import safe_open
from safetensors.numpy import load_file
from sklearn.metrics import confusion_matrix

from irtheory.trees.tree import Tree
from irvision.data.examples import PARTS, Attributes, Part
from irvision.evaluation.files import write_evaluation
from irvision.evaluation.scores import evaluate
from irvision.evaluation.subject import Predictions, Subject
from irvision.runs.attribute_table import read_attribute_table
from irvision.runs.leaf_counts import read_leaf_counts

CLASSES = ("ant, red", 'bee "b"')
SIZES: dict[Part, int] = {"train": 300, "validation": 90, "test": 120}


def part_of(seed: int, m: int) -> tuple[Predictions, Attributes]:
    rng = np.random.default_rng(seed)
    codes, labels = rng.integers(0, 2, (m, 3)).astype(np.uint8), rng.integers(0, 2, m)
    codes[:, 2] = np.where(rng.random(m) < 0.2, codes[:, 2], labels)
    outputs = rng.dirichlet([1, 1], m).astype(np.float32)
    values = np.stack([codes[:, 2], rng.integers(0, 2, m)], 1).astype(float)
    return Predictions(codes, outputs, labels), Attributes(("wings", "x"), values)


FOUND = {part: part_of(seed, m) for seed, (part, m) in enumerate(SIZES.items())}
ENDS = [Tree.leaf([1.0, 0.0], 9, 2), Tree.leaf([0.0, 1.0], 9, 2)]
SUBJECT = Subject(
    Tree.grow(1, 0.5, *ENDS, [0.5, 0.5], 18), np.array([0, 2]), 1, CLASSES,
    {part: found[0] for part, found in FOUND.items()},
    {part: found[1] for part, found in FOUND.items()},
)  # fmt: skip
IMAGES: dict[Part, list[str]] = {
    part: [f"{part}, {i}.png" for i in range(m)] for part, m in SIZES.items()
}


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("run")
    write_evaluation(folder, evaluate(SUBJECT, 1, 0), SUBJECT, IMAGES)
    return folder


def rows_of(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))


def test_every_image_is_listed_with_what_is_named_for_it(run: Path) -> None:
    rows = rows_of(run / "predictions.csv")
    assert {row["image"] for row in rows} == {name for part in PARTS for name in IMAGES[part]}
    for row in rows:
        part, i = row["part"], int(row["image"].split()[1].removesuffix(".png"))
        each, _ = FOUND[part]  # pyright: ignore[reportArgumentType]
        assert row["class"] == CLASSES[each.labels[i]]
        assert row["G"] == CLASSES[each.outputs[i].argmax()]
        assert row["T"] == CLASSES[each.codes[i, 2]]
        assert row["leaf"] == str(1 + each.codes[i, 2])
        assert float(row[f"p({CLASSES[1]})"]) == pytest.approx(each.outputs[i, 1], abs=1e-3)


def test_errors_come_first_and_test_images_before_others(run: Path) -> None:
    rows = rows_of(run / "predictions.csv")
    assert [row["part"] for row in rows] == ["test"] * 120 + ["validation"] * 90 + ["train"] * 300
    right = [(row["G"] == row["class"]) + (row["T"] == row["class"]) for row in rows]
    for start, stop in ((0, 120), (120, 210), (210, 510)):
        assert right[start:stop] == sorted(right[start:stop])
        assert right[start] == 0


def test_tensors_have_the_rows_of_the_table(run: Path) -> None:
    rows, found = rows_of(run / "predictions.csv"), load_file(run / "predictions.safetensors")
    with safe_open(run / "predictions.safetensors", "np") as file:
        about = file.metadata()
    assert json.loads(about["images"]) == [row["image"] for row in rows]
    assert found["codes"].shape == (510, 3) and found["codes"].dtype == np.uint8
    assert [PARTS[part] for part in found["part"]] == [row["part"] for row in rows]
    assert [CLASSES[label] for label in found["labels"]] == [row["class"] for row in rows]
    assert [CLASSES[label] for label in found["named_by_t"]] == [row["T"] for row in rows]
    assert [CLASSES[i] for i in found["outputs"].argmax(1)] == [row["G"] for row in rows]
    assert [str(leaf) for leaf in found["leaf"]] == [row["leaf"] for row in rows]


def test_confusion_is_that_of_scikit_learn(run: Path) -> None:
    test = SUBJECT.test
    for name, by in (("G", SUBJECT.by_g("test")), ("T", SUBJECT.by_t("test"))):
        rows = rows_of(run / f"confusion-{name}.csv")
        assert [row["class"] for row in rows] == list(CLASSES)
        found = [[int(row[column]) for column in CLASSES] for row in rows]
        assert found == confusion_matrix(test.labels, by).tolist()


def test_leaves_key_and_tests_say_the_same(run: Path) -> None:
    counts = read_leaf_counts(run, SUBJECT.tree, CLASSES)
    for part, found in SUBJECT.counts().items():
        np.testing.assert_array_equal(counts[part], found)
    train, test = counts["train"], counts["test"]
    assert (run / "key.txt").read_text(encoding="utf-8").splitlines() == [
        f'1a. wings present (code 2 present) → bee "b": {train[2, 1]} of {train[2].sum()} training '
        f"images, {test[2, 1]} of {test[2].sum()} test images",
        f"1b. wings absent (code 2 absent) → ant, red: {train[1, 0]} of {train[1].sum()} training "
        f"images, {test[1, 0]} of {test[1].sum()} test images",
    ]
    (row,) = rows_of(run / "tests.csv")
    content = json.loads((run / "evaluation.json").read_text(encoding="utf-8"))
    (named,) = content["tests"]
    assert (row["attribute"], row["node"], row["part"]) == ("wings", "0", "validation")
    assert (named["attribute"], named["present"], row["present"]) == ("wings", True, "present")
    assert float(row["test_passed"]) == named["test_passed"]
    assert read_attribute_table(run / "attributes.csv")[0].tested


def test_without_some_samples_the_key_stays(tmp_path: Path) -> None:
    for name in ("key.txt", "leaves.csv"):
        (tmp_path / name).write_text("as trained")
    scored = replace(evaluate(SUBJECT, 0, 0), left_out=3)
    written = {path.name for path in write_evaluation(tmp_path, scored, SUBJECT, IMAGES)}
    assert "evaluation.json" in written and not written & {"key.txt", "leaves.csv"}
    assert (tmp_path / "key.txt").read_text() == "as trained"
    assert json.loads((tmp_path / "evaluation.json").read_text())["left_out"] == 3


def test_names_that_are_not_utf8_are_kept(tmp_path: Path) -> None:
    images: dict[Part, list[str]] = {p: [f"\udcff{n}" for n in IMAGES[p]] for p in PARTS}
    write_evaluation(tmp_path, evaluate(SUBJECT, 0, 0), SUBJECT, images)
    assert b"\xfftest, 0.png" in (tmp_path / "predictions.csv").read_bytes()


def test_without_attributes_old_tables_go_and_the_key_names_codes(tmp_path: Path) -> None:
    bare = replace(SUBJECT, attributes={})
    write_evaluation(tmp_path, evaluate(SUBJECT, 0, 0), SUBJECT, IMAGES)
    (tmp_path / "attributes.svg").touch()
    written = write_evaluation(tmp_path, evaluate(bare), bare, IMAGES)
    assert sorted(path.name for path in written) == sorted(p.name for p in tmp_path.iterdir())
    assert not {"attributes.csv", "tests.csv"} & {path.name for path in written}
    assert (tmp_path / "key.txt").read_text(encoding="utf-8").startswith("1a. code 2 present → bee")
