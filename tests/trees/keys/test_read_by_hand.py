"""A printed key, followed by hand on the cells of a row, names what the tree predicts."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from irtheory.estimators import IntersectionClassifier
from irtheory.trees.estimators import CodeTreeClassifier, OptimalTreeClassifier
from irtheory.trees.export import to_key
from irtheory.trees.tree import Tree

Row = Mapping[str, Any]


def read_key(text: str) -> Callable[[Row], str]:
    """A function that follows the lines of a key for a row, given as cells by printed name."""
    lines = {}
    for line in text.splitlines():
        number, letter, statement, goal = re.fullmatch(r"(\d+)([ab])\. (.*) → (.*)", line).groups()  # pyright: ignore
        lines[int(number), letter] = statement, goal

    def follow(row: Row) -> str:
        goal, before = "1", 0
        while goal.isdigit():
            number = int(goal)
            assert number > before
            before = number
            sides = {letter: holds(lines[number, letter][0], row) for letter in "ab"}
            assert sum(sides.values()) == 1, (lines[number, "a"], lines[number, "b"], row)
            goal = lines[number, "a" if sides["a"] else "b"][1]
        return re.sub(r": \d+ of \d+ training samples$| \(n = [\d.]+\)$", "", goal)

    return follow


def holds(statement: str, row: Row) -> bool:
    """Whether a statement holds for a row."""
    name = max((name for name in row if statement.startswith(f"{name} ")), key=len)
    said, value = statement[len(name) + 1 :], row[name]
    gone = value is None or (isinstance(value, float) and math.isnan(value))
    if said in ("missing", "not missing"):
        return gone == (said == "missing")
    if said in ("present", "absent"):
        return (value == 1) == (said == "present")
    if found := re.fullmatch(r"([≤>]) (\S+?)( or missing)?", said):
        if gone or value is None:
            return found[3] is not None
        return value <= float(found[2]) if found[1] == "≤" else value > float(found[2])
    words = re.split(r", | or ", said.removeprefix("is "))
    return ("missing" if gone else value) in words


CELLS = st.floats(-1e6, 1e6, allow_nan=False) | st.integers(-3, 3).map(float)


@st.composite
def tables(draw: st.DrawFn) -> tuple[pd.DataFrame, np.ndarray]:
    """Numbers with long decimals, 0 and 1, words, missing cells; classes with unlucky names."""
    rows = draw(st.integers(8, 16))

    def column(cells: st.SearchStrategy[Any]) -> list[Any]:
        return draw(st.lists(cells, min_size=rows, max_size=rows))

    frame = pd.DataFrame(
        {
            "size": column(CELLS),
            "size x": column(CELLS | st.just(math.nan)),
            "wings": column(st.integers(0, 1)),
            "colour": column(st.sampled_from(["red", "blue", "grey", None])),
        }
    )
    return frame, np.array(column(st.sampled_from(["bird", "fish", "class → 2", "7"])), object)


@given(tables())
@settings(max_examples=12, deadline=None, derandomize=True)
def test_keys_of_tables_lead_to_what_is_predicted(table: tuple[pd.DataFrame, np.ndarray]):
    frame, y = table
    model = CodeTreeClassifier(max_depth=4).fit(frame, y)
    follow = None if model.get_n_leaves() == 1 else read_key(model.to_key())
    for row, label in zip(frame.to_dict("records"), model.predict(frame), strict=True):
        if follow is not None:
            assert follow(row) == label.replace("→", "->")


def test_an_exact_tree_and_columns_whose_names_print_alike():
    draw = np.random.default_rng(3)
    x = pd.DataFrame(draw.normal(size=(60, 3)).round(12) * 1e-3, columns=["a b", "a  b", "c"])
    y = np.where(x.iloc[:, 1] > 1e-4, "hi", np.where(x["c"] > 0, "mid", "low"))
    model = OptimalTreeClassifier(max_depth=3).fit(x, y)
    names = ["a b (column 0)", "a b (column 1)", "c"]
    follow = read_key(model.to_key())
    found = [follow(dict(zip(names, row, strict=True))) for row in x.to_numpy().tolist()]
    assert found == model.predict(x).tolist()


@given(st.integers(0, 2**32 - 1))
@settings(max_examples=25, deadline=None, derandomize=True)
def test_keys_of_trees_with_any_cuts(seed: int):
    draw = np.random.default_rng(seed)

    def grown(left: int) -> Tree:
        value = np.eye(4)[draw.integers(4)]
        if left == 0:
            return Tree.leaf(value, 3, 3)
        cut = float(draw.choice([draw.normal(), 0.1 + 0.2, -1e-9, 1e20, 0.5]))
        return Tree.grow(int(draw.integers(3)), cut, grown(left - 1), grown(left - 1), value, 6)

    tree, names = grown(3), ["a", "a b", "-1"]
    follow = read_key(to_key(tree, names, ["p", "q", "r", "s"]))
    cuts = np.unique(tree.threshold)
    x = draw.choice([*cuts, *np.nextafter(cuts, np.inf), 0.0], size=(50, 3))
    named = np.array(list("pqrs"))[tree.predict(x).argmax(axis=1)]
    assert [follow(dict(zip(names, row, strict=True))) for row in x.tolist()] == named.tolist()


@pytest.mark.parametrize("bits", [1, 2])
def test_the_key_of_codes_leads_to_what_the_tree_predicts(bits: int):
    draw = np.random.default_rng(1)
    x = draw.normal(size=(80, 4))
    y = np.array(["<a>", "b → 3", "c"])[(x[:, 0] > 0).astype(int) + (x[:, 1] > 0)]
    model = IntersectionClassifier(8, bits=bits, epochs=5, hidden=(), random_state=0).fit(x, y)
    names = model.get_feature_names_out().tolist()
    # Cuts of columns may stand in front of the codes, which decide.
    follow = read_key(
        re.sub(r"^(\d+[ab]\. ).* \((code \d+ [^()]*)\)", r"\1\2", model.key(), flags=re.M)
    )
    codes = model.transform(x).tolist()
    found = [follow(dict(zip(names, row, strict=True))) for row in codes]
    assert found == [label.replace("→", "->") for label in model.predict_tree(x)]
