"""Missing values and words, against a search that is written out on the raw columns."""

from __future__ import annotations

import json
from itertools import combinations

import numpy as np
import pytest

from irtheory.trees import CodeTreeClassifier, OptimalTreeClassifier, OptimalTreeRegressor
from irtheory.trees.estimators.encoder import Encoder

pd = pytest.importorskip("pandas")


def frame(seed: int, m: int = 60, words: int = 3) -> pd.DataFrame:
    """A column of numbers and one of words, some of both missing, and one of yes and no."""
    rng = np.random.default_rng(seed)
    names = ["red", "green", "blue", "pale grey", "black", "white", "brown"][:words]
    table = pd.DataFrame(
        {
            "length": rng.integers(0, 5, m) / 4,
            "colour": rng.choice(names, m),
            "hair": rng.random(m) < 0.5,
        }
    )
    table.loc[rng.random(m) < 0.25, "length"] = np.nan
    table.loc[rng.random(m) < 0.25, "colour"] = None
    return table


def labels(table: pd.DataFrame, seed: int, classes: int = 3) -> np.ndarray:
    rng = np.random.default_rng(seed)
    place = (table["length"].fillna(0.6) > 0.5).to_numpy() + 2 * table["colour"].isin(
        ["red", "blue"]
    )
    noise = rng.integers(0, classes, len(table))
    return np.where(rng.random(len(table)) < 0.6, place % classes, noise).astype(int)


def every_test(table: pd.DataFrame) -> list[np.ndarray]:
    """All ways in which a test may part the rows, from the raw values."""
    sides = []
    for name in table:
        column, missing = table[name], table[name].isna().to_numpy()
        if column.dtype.kind == "b":
            sides.append(column.to_numpy())
            continue
        if column.dtype.kind == "f":
            known = np.unique(column[~missing])
            groups = [column.to_numpy() <= cut for cut in known]
        else:
            words = sorted(set(column[~missing]))
            parts = [g for n in range(len(words) + 1) for g in combinations(words, n)]
            groups = [column.isin(group).to_numpy() for group in parts]
        sides += [group & ~missing for group in groups] + [group | missing for group in groups]
    return sides


def misses(y: np.ndarray) -> float:
    return len(y) - np.bincount(y).max() if len(y) else np.inf


def gini(y: np.ndarray) -> float:
    share = np.bincount(y) / max(len(y), 1)
    return len(y) * (1 - (share**2).sum()) if len(y) else np.inf


def best_by_hand(sides: list[np.ndarray], y: np.ndarray, loss, depth: int) -> float:
    best = loss(y)
    if depth and len(y):
        for side in sides:
            parts = [([s[side == way] for s in sides], y[side == way]) for way in (True, False)]
            if all(len(own) for _, own in parts):
                best = min(best, sum(best_by_hand(s, own, loss, depth - 1) for s, own in parts))
    return best


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize(("criterion", "loss"), [("misclassification", misses), ("gini", gini)])
def test_no_tree_on_the_raw_columns_is_better(seed, criterion, loss):
    table = frame(seed, m=40)
    y = labels(table, seed)
    model = OptimalTreeClassifier(max_depth=2, criterion=criterion).fit(table, y)
    expected = best_by_hand(every_test(table), y, loss, 2)
    assert model.loss_ == pytest.approx(expected, abs=1e-9)
    leaf = model.apply(table)
    assert sum(loss(y[leaf == one]) for one in np.unique(leaf)) == pytest.approx(expected)


def test_many_words_are_tested_one_by_one_with_missing_ones_on_either_side():
    table = frame(7, m=200, words=7)
    y = np.where(table["colour"].isna() | (table["colour"] == "white"), 1.0, 0.0)
    model = OptimalTreeRegressor(max_depth=1).fit(table, y)
    assert model.loss_ == pytest.approx(0)
    lines = model.to_text().splitlines()
    assert lines[::2] == ["colour is neither white nor missing", "colour is white or missing"]
    y = table["colour"].isna().to_numpy(float)
    text = OptimalTreeRegressor(max_depth=1).fit(table, y).to_text()
    assert text.splitlines()[0] == "colour not missing"
    y = (table["colour"] == "white").to_numpy(float)
    model = OptimalTreeRegressor(max_depth=1).fit(table, y)
    assert model.loss_ == pytest.approx(0)
    assert model.to_text().splitlines()[::2] == ["colour is not white", "colour is white"]


def test_missing_numbers_go_to_either_side_or_to_their_own():
    table = frame(8, m=200)[["length"]]
    missing = table["length"].isna().to_numpy()
    for y, branch in (
        ((table["length"] > 0.4).to_numpy(), "length ≤ 0.375 or missing"),
        ((table["length"] > 0.4).to_numpy() | missing, "length > 0.375 or missing"),
        (missing, "length not missing"),
    ):
        model = OptimalTreeClassifier(max_depth=1).fit(table, y)
        assert model.score(table, y) == 1
        assert branch in model.to_text().splitlines()


def test_categories_with_an_order_are_cut_by_it():
    sizes = pd.Categorical(["s", "l", "m", "xl", None] * 4, ["s", "m", "l", "xl"], ordered=True)
    table = pd.DataFrame({"size": sizes})
    y = ["big" if size in ("l", "xl") else "other" for size in sizes]
    model = OptimalTreeClassifier(max_depth=1).fit(table, y)
    assert model.to_key().splitlines() == [
        "1a. size > m → big: 8 of 8 training samples",
        "1b. size ≤ m or missing → other: 12 of 12 training samples",
    ]
    assert (model.predict(table) == y).all()


def test_yes_and_no_are_worded_by_the_type_of_the_column():
    y = np.array([0, 1] * 10)
    for column, words in ((y == 1, "flag present"), (y, "flag present"), (y * 1.0, "flag > 0.5")):
        table = pd.DataFrame({"flag": column})
        key = CodeTreeClassifier(max_depth=1).fit(table, y).to_key()
        assert key.splitlines()[0] == f"1a. {words} → 1: 10 of 10 training samples"


def test_words_that_could_be_misread_are_quoted():
    words = ["missing", "a or b", " x", "plain", "1,5"] * 3
    table = pd.DataFrame({"some  name": words})
    text = CodeTreeClassifier(max_depth=None).fit(table, words).to_text()
    for quoted in ("'missing'", "'a or b'", "' x'", "'1,5'", "some name is"):
        assert quoted in text
    assert "'plain'" not in text


def test_all_columns_of_objects_are_read_by_their_cells():
    y = [0, 0, 1, 1]
    x = np.array([["a", 1.5], ["a", None], ["b", 2], ["b", np.nan]], dtype=object)
    model = CodeTreeClassifier().fit(x, y)
    assert [column.kind for column in model.encoder_.columns] == ["words", "number", "number"]
    assert model.to_key().startswith("1a. x0 is b →")
    assert (model.predict(x) == y).all()


class Frame:
    """The part of a polars frame that is read."""

    def __init__(self, columns: dict[str, list]) -> None:
        self.columns, self._data = list(columns), columns

    def __len__(self) -> int:
        return len(next(iter(self._data.values())))

    @property
    def shape(self) -> tuple[int, int]:
        return len(self), len(self.columns)

    def get_column(self, name: str) -> pd.Series:
        return pd.Series(self._data[name])


def test_frames_with_the_methods_of_polars_are_read_alike():
    table = frame(3)
    y = labels(table, 3)
    own = Frame({name: list(table[name]) for name in table})
    model = CodeTreeClassifier().fit(own, y)
    np.testing.assert_array_equal(
        model.predict(own), CodeTreeClassifier().fit(table, y).predict(table)
    )


def test_numbers_in_frames_are_numbers_in_arrays():
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(50, 3)), rng.integers(0, 2, 50)
    array = CodeTreeClassifier().fit(x, y)
    for table in (pd.DataFrame(x), pd.DataFrame(x).convert_dtypes(), x.astype(object), x.tolist()):
        assert CodeTreeClassifier().fit(table, y).tree_ == array.tree_


def refusal(model, table) -> str:
    with pytest.raises(ValueError) as caught:
        model.predict(table)
    return str(caught.value)


def test_values_without_a_place_are_refused_by_name():
    table = frame(2).dropna().reset_index(drop=True)
    y = [
        f"{c}{h}{n > 0.3}"
        for c, h, n in zip(table["colour"], table["hair"], table["length"], strict=True)
    ]
    model = CodeTreeClassifier(max_depth=None).fit(table, y)
    other = table.copy()
    other.loc[3, "colour"] = "pink"
    assert "column 'colour': 'pink' in row 3 was not seen in training" in refusal(model, other)
    other.loc[3, "colour"] = None
    assert "column 'colour': missing value in row 3" in refusal(model, other)
    other = table.assign(length=table["length"].where(table.index != 5))
    assert "column 'length': missing value in row 5" in refusal(model, other)
    assert "column 'length': expected numbers as in training" in refusal(
        model, table.assign(length="a")
    )
    assert "column 'colour': expected words as in training" in refusal(
        model, table.assign(colour=1)
    )
    other = table.assign(length=table["length"].where(table.index != 5, np.inf))
    assert "inf in row 5 of column 'length'" in refusal(model, other)


def test_an_unseen_word_is_missing_where_training_had_missing_ones():
    table = frame(2)
    y = table["colour"].isna().to_numpy()
    model = OptimalTreeClassifier(max_depth=1).fit(table, y)
    pink = table.assign(colour="pink")
    assert model.predict(pink).all()


def test_columns_that_are_not_tested_may_hold_anything():
    table = frame(2).dropna()
    model = OptimalTreeClassifier(max_depth=1).fit(table, table["hair"])
    other = table.assign(colour="pink", length=np.nan)
    np.testing.assert_array_equal(model.predict(other), table["hair"])


@pytest.mark.parametrize(
    ("column", "message"),
    [
        (
            [1, "a", None],
            "numbers or words in a column, found both in column 'c', 'a' in row 1",
        ),
        ([1.0, np.inf, 2.0], "inf in row 1 of column 'c'"),
        ([2**2000, 1, 2], r"2\^53.* beyond 10\^40 in row 0 of column 'c'"),
        ([10**5000, 1, 2], r"2\^53.* beyond 10\^40 in row 0 of column 'c'"),
        (pd.date_range("2020", periods=3), "expected numbers or words, found datetime64"),
        ([f"w{i}" for i in range(257)], "at most 256 different words in a column, found 257"),
    ],
)
def test_columns_that_cannot_be_read_are_named(column, message):
    table = pd.DataFrame({"c": column})
    with pytest.raises(ValueError, match=message):
        CodeTreeClassifier().fit(table, np.arange(len(table)) % 2)


def test_cells_of_other_kinds_are_refused():
    table = pd.DataFrame({"c": [{"a": 1}, {"b": 2}]})
    with pytest.raises(TypeError, match="found dict in row 0 of column 'c'"):
        CodeTreeClassifier().fit(table, [0, 1])


def test_an_encoder_goes_through_json():
    for table in (frame(1), frame(1, m=100, words=7), frame(1)[["hair"]]):
        y = labels(table.reindex(columns=["length", "colour", "hair"]), 1)
        model = OptimalTreeClassifier(max_depth=2).fit(table, y)
        again = Encoder.from_dict(json.loads(json.dumps(model.encoder_.to_dict(), allow_nan=False)))
        assert again == model.encoder_


@pytest.mark.parametrize(
    "change",
    [
        {"format": "other"},
        {"version": 2},
        {"names": "length"},
        {"plain": 1},
        {"columns": {}},
        {"columns": [{"source": 9}]},
        {"more": 1},
    ],
)
def test_other_json_is_no_encoder(change):
    found = CodeTreeClassifier().fit(frame(1), labels(frame(1), 1)).encoder_.to_dict()
    with pytest.raises(ValueError, match="expected"):
        Encoder.from_dict(found | change)


@pytest.mark.parametrize(
    "change",
    [
        {"source": 3},
        {"kind": "text"},
        {"cuts": [2.0, 1.0]},
        {"cuts": ["a"]},
        {"missing": "no"},
        {"words": [1]},
        {"name": "width"},
    ],
)
def test_a_column_that_is_wrong_is_refused(change):
    found = CodeTreeClassifier().fit(frame(1), labels(frame(1), 1)).encoder_.to_dict()
    found["columns"][0] = found["columns"][0] | change
    with pytest.raises(ValueError, match=r"expected|unknown"):
        Encoder.from_dict(found)


def test_columns_with_more_values_than_bins_are_named():
    rng = np.random.default_rng(0)
    table = pd.DataFrame({"few": rng.integers(0, 4, 300), "many": rng.normal(size=300)})
    assert CodeTreeClassifier(n_bins=8).fit(table, table["few"]).cut_columns_ == ("many",)
    table.loc[0, "few"] = np.nan
    assert CodeTreeClassifier(n_bins=8).fit(table, table["many"] > 0).cut_columns_ == ("many",)
    assert CodeTreeClassifier(n_bins=3).fit(table, table["many"] > 0).cut_columns_ == (
        "few",
        "many",
    )


def test_as_many_bins_as_codes_leave_room_for_missing_values():
    x = np.append(np.arange(400.0), np.nan)[:, None]
    y = np.append(np.arange(400) // 200, 2)
    model = CodeTreeClassifier(n_bins=256).fit(x, y)
    assert model.score(x, y) == 1


@pytest.mark.parametrize("missing", [0.0, 0.2])
def test_cuts_that_were_left_out_cost_no_more_errors_than_is_said(missing):
    rng = np.random.default_rng(1)
    x = rng.normal(size=(60, 2))
    y = (x[:, 0] > 0.3) ^ (rng.random(60) < 0.1)
    x[rng.random(x.shape) < missing] = np.nan
    coarse, fine = (OptimalTreeClassifier(max_depth=2, n_bins=n).fit(x, y) for n in (4, 60))
    assert fine.most_moved_ == 0 and coarse.most_moved_ > 0
    assert fine.loss_ < coarse.loss_ <= fine.loss_ + coarse.most_moved_


def test_names_and_words_that_look_alike_are_told_apart():
    table = pd.DataFrame([["é", 1.0], ["e\u0301", 2.0]] * 5, columns=["a", "a\u200b"])
    text = CodeTreeClassifier().fit(table, [0, 1] * 5).to_text()
    assert text.splitlines()[0].startswith("a (column 0) is ")
    assert "(word 0)" in text and "(word 1)" in text
    text = CodeTreeClassifier().fit(table, ["x\u200b", "x"] * 5).to_text()
    assert "(class 0)" in text and "(class 1)" in text
