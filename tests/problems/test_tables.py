"""CSV tables as problems: every kind of column, every refusal with its line."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from irtheory.problems.synthetic import Column
from irtheory.problems.tables import bin_column, encode_column, table_problem, tree_in_units
from irtheory.runs.files import InputError
from irtheory.tables.columns import Reading
from irtheory.tables.options import TableOptions
from irtheory.tables.place import Place
from irtheory.trees.exact.solver import fit_exact_tree
from irtheory.trees.export import to_key
from irtheory.trees.tree import Tree


def table(folder: Path, text: str | bytes, name: str = "table.csv") -> Path:
    path = folder / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def encoded(name: str, cells: list[str], bins: int = 8):
    reading = Reading(Place("table"), range(2, len(cells) + 2), ".", None)
    return encode_column(reading.column(name, cells), bins)


def test_every_kind_of_column(tmp_path: Path) -> None:
    header = "flag,level,weight,sex,colour,name,same,only,many,kind\n"
    rows = [
        f"{i % 2},{i % 3 + 5},{i / 7},{'mf'[i % 2]},{'rgb'[i % 3]},id{i},1,x,{3 * i},{'ab'[i % 2]}"
        for i in range(40)
    ]
    problem = table_problem(table(tmp_path, header + "\n".join(rows)), "kind", bins=4)
    assert problem.feature_names == (
        "flag", "level", "weight", "sex=m", "colour=b", "colour=g", "colour=r", "many",
    )  # fmt: skip
    i = np.arange(40)
    expected = [i % 2, i % 3 + 5, i // 10, i % 2 == 0, i % 3 == 2, i % 3 == 1, i % 3 == 0, i // 10]
    np.testing.assert_array_equal(problem.codes, np.stack(expected, axis=1))
    assert problem.class_names == ("a", "b")
    np.testing.assert_array_equal(problem.classes, i % 2)
    np.testing.assert_array_equal(problem.one_hot, np.eye(2)[i % 2])
    assert problem.notes == (
        "table.csv: 40 rows, label kind with 2 classes",
        "flag: binary, codes as they are",
        "level: whole numbers, 3 values, codes as they are",
        "weight: numbers, binned at 1.35714, 2.78571, 4.21429 into 4 codes",
        "sex: text, 2 values, 1 binary columns",
        "colour: text, 3 values, 3 binary columns",
        "name: ignored, text with 40 different values, such as 'id0'",
        "same: dropped, always 1",
        "only: dropped, always x",
        "many: numbers, binned at 28.5, 58.5, 88.5 into 4 codes",
        "flag: gives the label away, each of its 2 values stands for one class and each class for "
        "one value; consider --drop 'flag'",
        "sex: gives the label away, each of its 2 values stands for one class and each class for "
        "one value; consider --drop 'sex'",
        "name: another word in every row, so it says which row, not what is in it; consider "
        "--index 'name'",
    )
    kinds = [column.kind for column in problem.columns]
    assert kinds == ["binary", "whole", "binned", "word", "word", "word", "word", "binned"]
    assert tuple(column.name for column in problem.columns) == problem.feature_names
    assert problem.columns[-1].cuts == (28.5, 58.5, 88.5) and problem.columns[0].cuts is None


def test_cells_are_stripped_quotes_kept_together_and_blank_lines_skipped(tmp_path: Path) -> None:
    text = '\ufeff a , b,y\r\n"0", 1 ,"one, two"\r\n\r\n1,0, three\r\n'
    problem = table_problem(table(tmp_path, text), "y")
    assert problem.feature_names == ("a", "b")
    np.testing.assert_array_equal(problem.codes, [[0, 1], [1, 0]])
    assert problem.class_names == ("one, two", "three")


@pytest.mark.parametrize(("values", "kind"), [(16, "codes as they are"), (17, "binned")])
def test_whole_numbers_are_codes_up_to_sixteen_values(values: int, kind: str) -> None:
    columns, note = encoded("n", [str(v) for v in range(values)])
    assert kind in note and len(columns) == 1


@pytest.mark.parametrize(("words", "made"), [(10, 10), (11, 0)])
def test_text_becomes_columns_up_to_ten_words(words: int, made: int) -> None:
    columns, _ = encoded("w", [f"w{i:02}" for i in range(words)])
    assert len(columns) == made
    assert all(codes.sum() == 1 for _, codes in columns)


def test_a_row_with_a_missing_cell_that_is_used_is_left_out(tmp_path: Path) -> None:
    rows = "a,n,y\n1,p0,p\n?,p1,q\n2,,q\n3,p3,q\n4,p4,?\n" + "".join(
        f"5,p{i},p\n" for i in range(5, 15)
    )
    problem = table_problem(table(tmp_path, rows), "y", options=TableOptions(na=("?",)))
    # The column n is not used, as it has too many words, so its empty cell does not matter.
    np.testing.assert_array_equal(problem.codes[:4, 0], [1, 2, 3, 5])
    assert "1 row left out, where a cell is missing (first: line 3)" in problem.notes
    assert "y: 1 row left out without a label (line 6)" in problem.notes


def test_a_column_that_is_one_number_in_many_spellings_says_so(tmp_path: Path) -> None:
    problem = table_problem(table(tmp_path, "a,b,y\n1,1,p\n01,2,q\n1.0,3,q\n"), "y")
    assert "a: dropped, always 1 (also written 01, 1.0)" in problem.notes
    assert problem.feature_names == ("b",)


floats = st.floats(-100, 100, allow_subnormal=False)


@given(st.lists(floats, min_size=1, max_size=40), st.integers(2, 9))
def test_bins_keep_the_order_and_part_whatever_differs(values: list[float], bins: int) -> None:
    array = np.array(values)
    codes, cuts = bin_column(array, bins)
    for c, cut in enumerate(cuts):
        np.testing.assert_array_equal(codes <= c, array <= cut)
    order = np.argsort(array, kind="stable")
    assert np.all(np.diff(codes[order]) >= 0)
    assert np.all(codes[array == array[0]] == codes[0])
    np.testing.assert_array_equal(np.unique(codes), np.arange(codes.max() + 1))
    assert codes.max() + 1 <= bins
    assert (codes.max() > 0) == (array.max() > array.min())


def test_bins_hold_equal_shares_of_distinct_values() -> None:
    values = np.random.default_rng(0).permutation(80) / 7
    np.testing.assert_array_equal(np.bincount(bin_column(values, 8)[0]), [10] * 8)


@pytest.mark.parametrize("rare", [-1.0, 2.0])
def test_a_rare_value_beside_a_common_one_is_not_lost(rare: float) -> None:
    codes, _ = bin_column(np.array([0.5] * 99 + [rare]), 8)
    assert codes[-1] == (rare > 0.5) and np.all(codes[:-1] == (rare < 0.5))


@pytest.mark.parametrize(("whole", "kind"), [("9007199254740991", "whole"), ("1e20", "binned")])
def test_whole_numbers_that_no_longer_count_exactly_are_binned(whole: str, kind: str) -> None:
    columns, _ = encoded("n", ["0", whole])
    assert columns[0][0].kind == kind
    np.testing.assert_array_equal(columns[0][1] > 0, [False, True])


def test_a_key_speaks_in_the_units_of_the_table(tmp_path: Path) -> None:
    rows = [f"{10 + i / 4},{i % 3},{i % 2},{'mf'[i % 2]},c{i >= 6}" for i in range(12)]
    problem = table_problem(table(tmp_path, "height [cm],legs,fur,sex,y\n" + "\n".join(rows)), "y")
    tests = {}
    for feature in range(4):
        zero = Tree.leaf([0.0], 1, 4)
        tree = tree_in_units(Tree.grow(feature, 0.5, zero, zero, [0.0], 2), problem.columns)
        binary = [column.kind in ("binary", "word") for column in problem.columns]
        key = to_key(tree, problem.feature_names, binary=binary)
        tests[problem.feature_names[feature]] = key.split(" → ")[0]
    assert tests == {
        "height [cm]": "1a. height [cm] > 10.375",
        "legs": "1a. legs > 0",
        "fur": "1a. fur present",
        "sex=m": "1a. sex=m present",
    }


@pytest.mark.parametrize("cells", [["0.2", "0.8"], ["-1", "2"], ["0", "0.5", "1"]])
def test_only_zero_and_one_are_present_or_absent(cells: list[str]) -> None:
    (column, codes), *_ = encoded("x", cells, 2)[0]
    tree = fit_exact_tree(codes[:, None], (codes > codes.min())[:, None] * 1.0, 1).tree
    key = to_key(tree_in_units(tree, [column]), ["x"])
    assert "present" not in key and "absent" not in key and "x > " in key


@given(st.lists(st.floats(-3, 3), min_size=2, max_size=30), st.integers(2, 6))
def test_a_tree_in_units_sends_the_numbers_where_their_codes_go(
    values: list[float], bins: int
) -> None:
    array = np.array([*values, 4.0])
    whole = np.rint(array).astype(int)
    codes, cuts = bin_column(array, bins)
    target = np.arange(len(array))[:, None] % 3 * 1.0
    both = np.stack([codes, whole], axis=1)
    tree = fit_exact_tree(both, target, 2, threads=1).tree
    columns = (Column("x", "binned", cuts), Column("w", "whole"))
    in_units = tree_in_units(tree, columns)
    table = np.stack([array, whole], axis=1)
    np.testing.assert_array_equal(in_units.predict(table), tree.predict(both))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "expected a header line and rows, found 0 rows"),
        ("a,y\n", "expected a header line and rows, found 0 rows"),
        ("a,y,a\n1,2,3\n", "column 'a' appears twice"),
        ("a,y\n1,p\n1\n", "line 3: expected 2 cells, found 1"),
        ("a,y\n1,p\n\n1,q,r\n", "line 4: expected 2 cells, found 3"),
        ("a,y\n1,p\n , q\n", "line 3, column 'a': expected a value, found an empty cell; --na ''"),
        ("a,y\n1,p\n2,p\n", "--label y: expected 2 to 100 classes, found 1"),
        ("a,y\n" + "".join(f"1,c{i}\n" for i in range(101)), "2 to 100 classes, found 101"),
        ("a,y\n1,p\n1,q\n", "no column can be used as a feature"),
        ("y\np\nq\n", "no column can be used as a feature"),
        (b"a,y\n\xff\xfe,p\n", "expected a CSV text file"),
    ],
)
def test_refusals_name_the_file_and_the_place(tmp_path: Path, text: str, words: str) -> None:
    path = table(tmp_path, text)
    with pytest.raises(InputError) as refusal:
        table_problem(path, "y")
    message = str(refusal.value)
    assert words in message and "\n" not in message
    assert "table.csv" in message or message.startswith("--label y")


def test_settings_that_cannot_be_used_are_named(tmp_path: Path) -> None:
    path = table(tmp_path, "a,y\n1,p\n2,q\n")
    with pytest.raises(InputError, match="--data needs --label COLUMN"):
        table_problem(path, None)
    with pytest.raises(InputError, match="--bins: expected at least 2, found 1"):
        table_problem(path, "y", bins=1)
    with pytest.raises(InputError, match=r"--label kind: no such column in .*found a, y"):
        table_problem(path, "kind")
    with pytest.raises(InputError, match=r"missing\.csv: No such file"):
        table_problem(tmp_path / "missing.csv", "y")
    with pytest.raises(InputError, match="Is a directory"):
        table_problem(tmp_path, "y")


def test_the_zoo(shared_data: Path) -> None:
    path = shared_data / "zoo" / "zoo.csv"
    if not path.exists():
        pytest.skip(f"the zoo table is not at {path}")
    problem = table_problem(path, "type")
    assert problem.codes.shape == (101, 16) and len(problem.class_names) == 7
    names = dict(zip(problem.class_names, np.bincount(problem.classes), strict=True))
    assert names["mammal"] == 41 and names["bird"] == 20
    legs = problem.codes[:, problem.feature_names.index("legs")]
    assert sorted(set(legs.tolist())) == [0, 2, 4, 5, 6, 8]
    milk = problem.codes[:, problem.feature_names.index("milk")]
    mammals = np.array(problem.class_names)[problem.classes] == "mammal"
    np.testing.assert_array_equal(milk == 1, mammals)
    assert "name: ignored, text with 100 different values, such as 'aardvark'" in problem.notes
    assert any(note.startswith("name: another word in nearly every row") for note in problem.notes)
