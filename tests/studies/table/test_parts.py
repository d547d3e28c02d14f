"""Parts of `ira table`: which rows are held out, columns as numbers, what is said of columns."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from irtheory.runs.files import InputError
from irtheory.studies.table.features import described
from irtheory.studies.table.files import _share
from irtheory.studies.table.fit import frame_of
from irtheory.studies.table.leaf_size import check_leaf_size
from irtheory.studies.table.matrix import FARTHEST, Matrix
from irtheory.studies.table.proven import facts_of
from irtheory.studies.table.rows import split_rows
from irtheory.studies.table.score import Score, confusion
from irtheory.studies.table.settings import TableSettings
from irtheory.studies.table.short_cuts import short_cuts
from irtheory.studies.table.tree_model import TreeModel
from irtheory.tables.columns import Reading, TableColumn
from irtheory.tables.place import Place
from irtheory.trees.estimators import CodeTreeClassifier


def column(cells: list[str], name: str = "x") -> TableColumn:
    return Reading(Place("t"), range(2, len(cells) + 2), ".", ("NA",)).column(name, cells)


classes = st.lists(st.integers(0, 3), min_size=1, max_size=60)


@given(classes, st.floats(0, 0.9), st.integers(0, 5))
def test_every_class_is_held_out_in_its_share(drawn: list[int], share: float, seed: int) -> None:
    labels = np.array(drawn)
    found = split_rows(labels, [], share, seed)
    assert sorted([*found.train, *found.test]) == list(range(len(labels)))
    for number in set(drawn):
        rows = drawn.count(number)
        held = int((labels[found.test] == number).sum())
        assert held == min(round(share * rows), rows - 1)
    again = split_rows(labels, [], share, seed)
    np.testing.assert_array_equal(found.test, again.test)


words = st.lists(st.sampled_from(["u", "v", "w", "x", "NA"]), min_size=30, max_size=30)


@given(words, words, st.integers(0, 3))
def test_no_held_out_row_has_a_word_without_a_place(
    first: list[str], second: list[str], seed: int
) -> None:
    labels = np.arange(30) % 3
    found = split_rows(labels, [column(first), column(second)], 0.5, seed)
    for cells in (first, second):
        assert {cells[row] for row in found.test} <= {cells[row] for row in found.train}
    moved = 15 - len(found.test)
    assert bool(moved) == any("more to train on" in note for note in found.notes)


def test_a_split_depends_on_its_seed() -> None:
    tests = {tuple(split_rows(np.arange(40) % 2, [], 0.3, seed).test) for seed in range(5)}
    assert len(tests) == 5


numbers = st.floats(allow_nan=False, allow_infinity=False)


@given(st.lists(numbers, min_size=2, max_size=12), st.lists(numbers, min_size=1, max_size=5))
def test_columns_of_any_size_are_scaled_to_finite_numbers(
    train: list[float], other: list[float]
) -> None:
    usual = [value for value in train if abs(value) >= 2.0**-1022 or value == 0] or [0.0]
    own = column([repr(value) for value in usual])
    matrix = Matrix.of([own])
    inside = matrix.apply([own])
    assert np.isfinite(inside).all() and np.abs(inside).max() <= 1 + 1e-9
    # No two numbers change places.
    assert (np.diff(inside[np.argsort(usual, kind="stable"), 0]) >= 0).all()
    outside = matrix.apply([TableColumn("x", [], np.zeros(len(other), bool), np.array(other))])
    assert np.isfinite(outside).all() and np.abs(outside).max() <= FARTHEST


def test_words_and_missing_cells_are_columns_of_zero_and_one() -> None:
    train = [column(["u", "v", "NA", "u"]), column(["1", "3", "NA", "5"])]
    matrix = Matrix.of(train)
    np.testing.assert_array_equal(
        matrix.apply(train),
        [[1, 0, 0, -1, 0], [0, 1, 0, 0, 0], [0, 0, 1, 0, 1], [1, 0, 0, 1, 0]],
    )
    new = [column(["zz", "u"]), column(["NA", "3"])]
    np.testing.assert_array_equal(matrix.apply(new), [[0, 0, 1, 0, 1], [1, 0, 0, 0, 0]])
    again = Matrix.from_list(json.loads(json.dumps(matrix.to_list())))
    assert again == matrix


FLAT = {"name": "x", "words": None, "middle": 0, "spread": 0, "missing": False}


@pytest.mark.parametrize("found", [None, {}, [1], [{"name": "x"}], [FLAT]])
def test_a_matrix_that_is_none_is_refused(found: object) -> None:
    with pytest.raises(ValueError, match="matrix"):
        Matrix.from_list(found)


@pytest.mark.parametrize(
    ("cells", "usable", "words"),
    [
        (["1", "1", "1"], False, "always 1"),
        (["1", "01", "1.0"], False, "always 1 (also written 01, 1.0)"),
        (["u", "u", "u"], False, "always 'u'"),
        (["NA", "NA"], False, "always missing"),
        (["1", "NA", "1"], True, "1 missing"),
        (["0", "1", "1"], True, "0 or 1"),
        (["0.5", "1", "1"], True, "numbers 0.5 … 1, 2 different"),
        (["u", "v", "w"], False, "text with 3 different words, such as 'u'"),
        (["u", "v", "NA"], True, "text, 2 words ('u', 'v'), 1 missing"),
    ],
)
def test_what_is_said_of_a_column(cells: list[str], usable: bool, words: str) -> None:
    found, note = described(column(cells), most_words=2)
    assert found == usable and words in note


def test_a_frame_keeps_kinds() -> None:
    frame = frame_of([
        column(["1", "2", "3"], "whole"), column(["1", "NA", "3"], "gaps"),
        column(["1.5", "NA", "3"], "half"), column(["u", "NA", "v"], "text"),
    ])  # fmt: skip
    assert frame["whole"].dtype == np.int64
    assert frame["gaps"].tolist()[0] == 1 and frame["gaps"].isna().tolist() == [False, True, False]
    assert frame["half"].dtype == np.float64 and frame["text"].isna().sum() == 1


@pytest.mark.parametrize("gaps", [False, True])
def test_short_cuts_part_the_same_rows(gaps: bool) -> None:
    rng = np.random.default_rng(0)
    cells = [[f"{v:.2f}" for v in rng.normal(4, 2, 60)] for _ in range(3)]
    labels = np.array([float(a) + float(b) > 8 for a, b, _ in zip(*cells, strict=True)])
    for place in range(0, 60, 7) if gaps else ():
        cells[0][place] = "NA"
    columns = [column(own, name) for own, name in zip(cells, "abc", strict=True)]
    estimator = CodeTreeClassifier(max_depth=4).fit(frame_of(columns), labels)
    encoder, tree = short_cuts(estimator.encoder_, estimator.tree_, columns)
    before = TreeModel(estimator.encoder_, estimator.tree_).shares(columns)
    np.testing.assert_array_equal(TreeModel(encoder, tree).shares(columns), before)
    cuts = tree.threshold if encoder.plain else [c for e in encoder.columns for c in e.cuts]
    assert encoder.plain != gaps and all(len(repr(float(cut))) <= 6 for cut in cuts)


def test_confusion_counts_pairs() -> None:
    labels, predicted = np.array([0, 0, 1, 2]), np.array([0, 1, 1, 1])
    np.testing.assert_array_equal(
        confusion(labels, predicted, 3), [[1, 1, 0], [0, 1, 0], [0, 1, 0]]
    )


def test_a_score_is_a_share_with_its_interval() -> None:
    score = Score.of("x", np.array([True] * 9 + [False]))
    assert (score.right, score.rows, score.accuracy) == (9, 10, 0.9)
    assert 0.5 < score.interval[0] < 0.9 < score.interval[1] < 1


@given(st.floats(0, 1))
def test_shares_are_0_or_1_only_if_they_are(share: float) -> None:
    written = float(_share(share))
    assert abs(written - share) < 1e-6 and (written in (0, 1)) == (share in (0, 1))


@pytest.mark.parametrize(
    ("cells", "most"),
    [
        (["1", "2", "3", "4", "5", "6"], 3),
        (["0", "0", "0", "0", "0", "1"], 1),
        (["u", "u", "v", "w", "w", "w"], 3),
        (["1", "1", "1", "1", "NA", "2"], 2),
        (["1", "NA", "NA", "1", "1", "1"], 2),
    ],
)
def test_leaves_are_no_larger_than_a_test_can_make_them(cells: list[str], most: int) -> None:
    columns = [column(["0"] * 6), column(cells)]
    for size in range(1, 8):
        settings = TableSettings(Path("t.csv"), min_samples_leaf=size).resolved()
        if size > most:
            with pytest.raises(InputError, match=f"expected at most {most}, .* found {size}"):
                check_leaf_size(columns, settings)
        else:
            check_leaf_size(columns, settings)


def facts_with(loss: float, bound: float, moved: float | None, **options: object) -> str:
    settings = TableSettings(Path("t.csv"), **options).resolved()  # type: ignore[arg-type]
    fitted = SimpleNamespace(
        get_depth=lambda: 2, get_n_leaves=lambda: 4, cut_columns_=["x"], loss_=loss,
        lower_bound_=bound, status_="optimal", most_moved_=moved,
    )  # fmt: skip
    return facts_of(fitted, settings, 50)[0][-1]


def test_nothing_is_better_than_no_errors() -> None:
    assert "no tree with more cuts can be better" in facts_with(0, 0, 7)
    assert "no tree with more cuts can be better" in facts_with(0, 0, None, criterion="gini")
    assert "may name all 3 training rows right" in facts_with(3, 3, 7)
    assert "with all cuts names 2 training rows or more wrongly" in facts_with(5, 5, 3)
    assert facts_with(3, 3, 7, min_samples_leaf=2).endswith(": x")
