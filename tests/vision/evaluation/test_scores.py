from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from sklearn.metrics import (
    accuracy_score,
    balanced_accuracy_score,
    confusion_matrix,
    f1_score,
    recall_score,
)

from irtheory.fidelity import feature_fidelity, within_class_recovery
from irtheory.intersection.quantize import binarize
from irtheory.trees.tree import Tree
from irvision.data.examples import Attributes
from irvision.evaluation.accuracy import confusion
from irvision.evaluation.fidelity import column_words
from irvision.evaluation.scores import evaluate
from irvision.evaluation.subject import Predictions, Subject

# The four codes that are kept, among 32; all others are constant.
KEPT, D = np.array([4, 7, 9, 30]), 32
CLASSES = ("ant", "bee", "fly")
NAMES = ("wings", "stripes", "never seen", "constant", "sting")


def a_tree() -> Tree:
    """Code 1 ≤ 0 names class 0; else code 3 ≤ 1 names class 1, else class 2."""
    one, two, three = (Tree.leaf(np.eye(3)[i], 10, 4) for i in range(3))
    right = Tree.grow(3, 1.0, two, three, [0, 0.5, 0.5], 20)
    return Tree.grow(1, 0.0, one, right, [1 / 3] * 3, 30)


def a_part(seed: int, m: int = 240) -> tuple[Predictions, np.ndarray, Attributes]:
    """Codes of 2 bits; stripes follow code 0 also inside classes, wings follow the class."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, 3, m)
    codes = rng.integers(0, 4, (m, 4)).astype(np.uint8)
    wrong = rng.random(m) < 0.1
    named = np.where(wrong, rng.integers(0, 3, m), labels)
    codes[:, 1] = named > 0
    codes[:, 3] = np.where(named == 2, 3, rng.integers(0, 2, m))
    outputs = np.eye(3)[np.where(rng.random(m) < 0.2, 0, named)] * 0.8 + 0.1
    values = rng.integers(0, 2, (m, 5)).astype(np.float64)
    values[:, 0] = labels > 0
    values[:, 1] = np.where(rng.random(m) < 0.1, values[:, 1], codes[:, 0] == 2)
    values[:, 2] = np.nan
    values[:, 3] = 1.0
    values[rng.random(m) < 0.3, 4] = np.nan
    every = np.full((m, D), 3, np.uint8)
    every[:, KEPT] = codes
    part = Predictions(every, outputs.astype(np.float32), labels.astype(np.int64))
    return part, codes, Attributes(NAMES, values)


TEST, CODES, ATTRIBUTES = a_part(0)
FIT, FIT_CODES, FIT_ATTRIBUTES = a_part(1)
SUBJECT = Subject(
    a_tree(), KEPT, 2, CLASSES,
    {"test": TEST, "train": FIT}, {"test": ATTRIBUTES, "train": FIT_ATTRIBUTES},
)  # fmt: skip
FULL = evaluate(SUBJECT, 5, 30, 3)


def best_f1(attribute: np.ndarray, columns: np.ndarray) -> float:
    both = [*columns.T, *(1 - columns.T)]
    return max(float(f1_score(attribute, column)) for column in both if column.any())


def recalls_of(named: np.ndarray) -> list[float]:
    return [float(recall_score(TEST.labels == c, named == c)) for c in range(3)]


def test_accuracies_are_those_of_scikit_learn() -> None:
    by_g = TEST.outputs.argmax(1)
    by_t = np.where(CODES[:, 1] <= 0, 0, np.where(CODES[:, 3] <= 1, 1, 2))
    assert FULL.accuracy_g.value == pytest.approx(accuracy_score(TEST.labels, by_g))
    assert FULL.accuracy_t.value == pytest.approx(accuracy_score(TEST.labels, by_t))
    assert FULL.agreement.value == pytest.approx(accuracy_score(by_g, by_t))
    assert [each.t for each in FULL.classes] == pytest.approx(recalls_of(by_t))
    assert [each.g for each in FULL.classes] == pytest.approx(recalls_of(by_g))
    assert [each.name for each in FULL.classes] == list(CLASSES)
    assert [each.images for each in FULL.classes] == np.bincount(TEST.labels).tolist()
    assert (FULL.codes, FULL.bits, FULL.codes_tested, FULL.leaves) == (4, 2, 2, 3)


def test_fidelity_rows_are_those_of_direct_calls() -> None:
    rows = {row.name: row for row in FULL.fidelity}
    draws = {"null_draws": 5, "bootstrap": 30, "seed": 3}
    one_hot = np.eye(3)[TEST.outputs.argmax(1)]
    features = {
        "all codes": binarize(CODES, 2),
        "codes T tests": binarize(CODES[:, [1, 3]], 2),
        "predicted class": np.hstack([one_hot, 1 - one_hot]),
        "predicted class, one-hot": one_hot,
    }
    assert set(rows) == {*features, "class oracle"}
    for name, columns in features.items():
        found = feature_fidelity(ATTRIBUTES.values, columns, **draws)
        row = rows[name]
        assert (row.features, row.score) == (columns.shape[1], found.score)
        assert row.interval == found.interval and row.adjusted == found.adjusted
        assert (row.null_mean, row.null_sd) == (found.null_mean, found.null_sd)
    every = feature_fidelity(ATTRIBUTES.values, binarize(TEST.codes, 2), null_draws=5, seed=3)
    row = rows["all codes"]
    assert (row.constant, row.score_with_constant) == (D - 4, every.score)
    assert row.features_by_attributes_with_constant == every.features_by_attributes
    assert row.adjusted_with_constant == every.adjusted and every.score < row.score
    assert rows["codes T tests"].score_with_constant == rows["codes T tests"].score


def test_dropping_constant_codes_changes_no_score() -> None:
    """A method that drops codes and one that keeps them are scored alike."""
    tree = replace(a_tree(), feature=KEPT[a_tree().feature] * (a_tree().feature >= 0) - (
        a_tree().feature < 0), n_features=D)  # fmt: skip
    keeping = replace(SUBJECT, tree=tree, kept=np.arange(D))
    assert evaluate(keeping, 5, 30, 3).fidelity == FULL.fidelity


def test_classes_without_test_images_are_no_columns() -> None:
    """Classes 3 and 4 have no test images; G names 4 in training only."""
    parts = {
        part: replace(each, outputs=np.pad(each.outputs, ((0, 0), (0, 2))))
        for part, each in SUBJECT.parts.items()
    }
    parts["train"].outputs[:5] = np.eye(5)[4]
    tree = replace(a_tree(), value=np.pad(a_tree().value, ((0, 0), (0, 2))))
    more = replace(SUBJECT, tree=tree, parts=parts, classes=(*CLASSES, "gnat", "wasp"))
    rows = {row.name: row for row in evaluate(more, 5, 30, 3).fidelity}
    for row in FULL.fidelity:
        assert rows[row.name] == row
    # Class 2 has test images, but G never names it.
    for each in parts.values():
        each.outputs[:, 2] = 0
    rows = {row.name: row for row in evaluate(more, 5, 0, 3).fidelity}
    assert (rows["predicted class"].features, rows["predicted class"].constant) == (4, 1)
    row = rows["predicted class, one-hot"]
    assert row.features_by_attributes is not None
    # The third column matches nothing.
    assert row.features_by_attributes_with_constant == row.features_by_attributes * 2 / 3


def test_the_oracle_is_the_best_union_of_classes() -> None:
    unions = np.array([[(y >> c) & 1 for c in range(3)] for y in range(8)])
    for index in (0, 1, 4):
        seen = ~np.isnan(ATTRIBUTES.values[:, index])
        columns = unions[:, TEST.labels[seen]].T
        expected = best_f1(ATTRIBUTES.values[seen, index], columns)
        assert FULL.attributes[index].class_oracle == pytest.approx(expected)
    oracle = FULL.fidelity[-1]
    scored = [row.class_oracle for row in FULL.attributes if row.class_oracle is not None]
    assert oracle.attributes_by_features == pytest.approx(np.mean(scored))
    assert oracle.score is None


def test_rows_of_attributes_are_those_of_scikit_learn() -> None:
    columns = binarize(CODES, 2).astype(int)
    predicted = np.eye(3, dtype=int)[TEST.outputs.argmax(1)]
    for index in (0, 1, 4):
        row, values = FULL.attributes[index], ATTRIBUTES.values[:, index]
        seen = ~np.isnan(values)
        assert row.attribute == NAMES[index]
        assert (row.annotated, row.prevalence) == (seen.sum(), np.nanmean(values))
        assert row.f1 == pytest.approx(best_f1(values[seen], columns[seen]))
        assert row.predicted_class == pytest.approx(best_f1(values[seen], predicted[seen]))


def test_the_null_of_an_attribute_is_its_mean_over_shuffles() -> None:
    columns, rng = binarize(CODES, 2).astype(int), np.random.default_rng(7)
    values = ATTRIBUTES.values[:, 1]
    drawn = [best_f1(rng.permutation(values), columns) for _ in range(12)]
    assert FULL.attributes[1].null == pytest.approx(np.mean(drawn), abs=0.02)


def test_the_best_column_is_in_words_that_hold() -> None:
    stripes = FULL.attributes[1]
    assert (stripes.column, stripes.code, stripes.tested) == ("code 4 = 2", 4, False)
    wings = FULL.attributes[0]
    assert wings.code == 7 and wings.tested
    words = (wings.column or "").split()
    equal = CODES[:, 1] == int(words[3])
    on = equal if words[2] == "=" else ~equal
    assert f1_score(ATTRIBUTES.values[:, 0], on) == pytest.approx(wings.f1)


@pytest.mark.parametrize(
    ("column", "flipped", "bits", "expected"),
    [
        (0, False, 1, "code 5 = 0"),
        (0, True, 1, "code 5 = 1"),
        (3, True, 1, "code 8 = 0"),
        (4, False, 1, "code 5 = 1"),
        (5, False, 2, "code 8 = 1"),
        (5, True, 2, "code 8 ≠ 1"),
        (13, False, 2, "code 8 ≠ 1"),
        (13, True, 2, "code 8 = 1"),
    ],
)
def test_columns_in_words(column: int, flipped: bool, bits: int, expected: str) -> None:
    assert column_words(column, flipped, bits, (5, 8)) == expected
    values = np.arange(2**bits)
    codes = np.stack(np.meshgrid(values, values), -1).reshape(-1, 2).astype(np.uint8)
    _, code, sign, level = expected.split()
    equal = codes[:, (5, 8).index(int(code))] == int(level)
    stated = equal if sign == "=" else ~equal
    assert (stated == (binarize(codes, bits)[:, column] ^ flipped)).all()


def test_attributes_never_annotated_are_kept_without_numbers() -> None:
    row = FULL.attributes[2]
    assert row.attribute == "never seen"
    assert row.annotated == 0
    assert {row.f1, row.null, row.column, row.code, row.tested, row.class_oracle} == {None}


def test_within_classes_is_that_of_a_direct_call() -> None:
    found = within_class_recovery(
        FIT_ATTRIBUTES.values, FIT.labels, FIT_CODES,
        ATTRIBUTES.values, TEST.labels, CODES, bits=2, bootstrap=30, seed=3,
    )  # fmt: skip
    assert FULL.within is not None
    assert FULL.within_note == ""
    assert (FULL.within.auc, FULL.within.f1_excess) == (found.mean_auc, found.mean_f1_excess)
    assert (FULL.within.pairs, FULL.within.classes) == (len(found.auc), 3)
    assert FULL.within.attributes == 2  # stripes and sting


def test_within_classes_says_why_it_is_not_there() -> None:
    def note(attributes: Attributes, fit: Attributes | None) -> str:
        known = {"test": attributes} if fit is None else {"test": attributes, "train": fit}
        found = evaluate(replace(SUBJECT, attributes=known), 0, 0)
        assert found.within is None and found.fidelity
        return found.within_note

    by_class = replace(ATTRIBUTES, level="class")
    flat = replace(ATTRIBUTES, values=np.repeat((TEST.labels > 0)[:, None], 5, 1).astype(float))
    assert "by class" in note(by_class, FIT_ATTRIBUTES)
    assert "training images" in note(ATTRIBUTES, None)
    assert "varies inside a class" in note(flat, FIT_ATTRIBUTES)


def test_tests_of_the_tree_are_named_by_what_they_match() -> None:
    """Without validation images, on test images."""
    named = {each.code: each for each in FULL.tests}
    wings = named[7]
    assert (wings.attribute, wings.present, wings.feature, wings.threshold) == ("wings", True, 1, 0)
    assert (wings.part, wings.node) == ("test", 0) and FULL.inner == 2
    assert wings.f1 == pytest.approx(f1_score(ATTRIBUTES.values[:, 0], CODES[:, 1] > 0))
    lacking = replace(ATTRIBUTES, values=1 - ATTRIBUTES.values)
    found = evaluate(replace(SUBJECT, attributes={"test": lacking}), 0, 0).tests
    assert (found[0].code, found[0].attribute, found[0].present) == (7, "wings", False)
    images = {"validation": FIT, **SUBJECT.parts}
    known = {"validation": FIT_ATTRIBUTES, **SUBJECT.attributes}
    found = evaluate(replace(SUBJECT, parts=images, attributes=known), 0, 0).tests
    assert (found[0].part, found[0].test_images) == ("validation", len(TEST.labels))


def test_without_attributes_there_are_accuracy_and_tree_only() -> None:
    none = Attributes(NAMES, np.full((len(TEST.labels), 5), np.nan))
    for attributes, note in (
        ({}, "no attributes: accuracy and tree only"),
        ({"train": FIT_ATTRIBUTES}, "no annotation of the test images (only of train images)"),
        ({"test": none, "train": none}, "no annotation of the test images: accuracy"),
    ):
        found = evaluate(replace(SUBJECT, attributes=attributes))
        assert found.accuracy_t == FULL.accuracy_t and found.fidelity_note.startswith(note)
        assert (found.fidelity, found.within, found.attributes, found.tests) == ((), None, (), ())


def test_a_tree_of_one_leaf_has_no_row_of_its_own() -> None:
    found = evaluate(replace(SUBJECT, tree=Tree.leaf([1.0, 0, 0], 10, 4)), 0, 0)
    assert [row.name for row in found.fidelity][:2] == ["all codes", "predicted class"]
    assert found.tests == () and found.inner == 0
    assert found.fidelity[0].interval is None and found.attributes[0].null is None
    assert "T can name 1 of 3 classes" in " ".join(found.warnings)


def test_a_class_without_test_images_has_no_accuracy() -> None:
    rows = TEST.labels != 1
    few = Predictions(TEST.codes[rows], TEST.outputs[rows], TEST.labels[rows])
    found = evaluate(replace(SUBJECT, parts={"test": few}, attributes={}))
    assert (found.classes[1].images, found.classes[1].g, found.classes[1].t) == (0, None, None)
    by_t = SUBJECT.by_t("test")[rows]
    assert found.balanced_t == pytest.approx(
        np.mean([(by_t[few.labels == c] == c).mean() for c in (0, 2)])
    )


def test_balanced_accuracy_and_confusion_are_those_of_scikit_learn() -> None:
    by_g, by_t = SUBJECT.by_g("test"), SUBJECT.by_t("test")
    assert FULL.balanced_g == pytest.approx(balanced_accuracy_score(TEST.labels, by_g))
    assert FULL.balanced_t == pytest.approx(balanced_accuracy_score(TEST.labels, by_t))
    tables = confusion(SUBJECT)
    for table, named in zip(tables, (by_g, by_t), strict=True):
        np.testing.assert_array_equal(table, confusion_matrix(TEST.labels, named))
    for each in FULL.confused:
        true, named = CLASSES.index(each.name), CLASSES.index(each.named)
        assert true != named
        assert (each.by_g, each.by_t) == (tables[0][true, named], tables[1][true, named])
    most = tables[1] - np.diag(np.diag(tables[1]))
    assert FULL.confused[0].by_t == most.max()


def test_the_majority_is_that_of_training() -> None:
    labels = np.where(np.arange(len(FIT.labels)) < 200, 2, FIT.labels)
    parts = {"test": TEST, "train": replace(FIT, labels=labels)}
    found = evaluate(replace(SUBJECT, parts=parts, attributes={}))
    assert (found.majority.name, found.majority.accuracy) == ("fly", (TEST.labels == 2).mean())


def test_a_useless_model_is_called_one() -> None:
    flat = {p: replace(q, outputs=np.tile([0.4, 0.3, 0.3], (len(q.labels), 1)))
            for p, q in SUBJECT.parts.items()}  # fmt: skip
    warnings = evaluate(replace(SUBJECT, parts=flat, attributes={})).warnings
    assert any(w.startswith("28 of 32 codes are the same for all training") for w in warnings)
    (of_g,) = (w for w in warnings if w.startswith("accuracy of G"))
    assert "not clearly better than naming" in of_g
    assert not any(w.startswith("accuracy of T") for w in warnings)


def test_classes_of_leaves_that_no_image_reaches_are_not_named() -> None:
    """No code 1 is above 5, so that nothing reaches the leaves of classes 1 and 2."""
    tree = replace(a_tree(), threshold=np.where(a_tree().feature == 1, 5.0, a_tree().threshold))
    found = evaluate(replace(SUBJECT, tree=tree, attributes={}))
    assert found.classes_named == 1
    assert any(w.startswith("T can name 1 of 3 classes") for w in found.warnings)


def test_another_set_is_not_taken_for_training_images() -> None:
    """As with --test: one class, and nothing but test images."""
    rows = TEST.labels == 1
    one = Predictions(TEST.codes[rows], TEST.outputs[rows], TEST.labels[rows])
    counts = np.array([5, 9, 40])
    other = replace(SUBJECT, parts={"test": one}, attributes={}, trained_on=counts)
    found = evaluate(other)
    assert (found.majority.name, found.majority.accuracy) == ("fly", 0)
    assert not any("training images" in w or "better than" in w for w in found.warnings)
    assert any("1 of 3 classes: others have no images" in w for w in found.warnings)


def test_axes_that_do_not_fit_are_refused() -> None:
    with pytest.raises(ValueError, match="tree: expected 4 entries, found 5"):
        replace(SUBJECT, tree=Tree.leaf([1.0, 0, 0], 10, 5))
    with pytest.raises(ValueError, match="kept: expected codes 0 … 31, found 32"):
        replace(SUBJECT, kept=np.array([1, 2, 3, 32]))
    with pytest.raises(ValueError, match="classes: expected 3 entries, found 2"):
        replace(SUBJECT, classes=("a", "b"))
    with pytest.raises(ValueError, match="test: attributes: expected 240 entries, found 2"):
        replace(SUBJECT, attributes={"test": Attributes(NAMES, np.zeros((2, 5)))})
