from __future__ import annotations

import copy
import html
import json
import re
import unicodedata
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from irtheory.trees.export import gaps_of, to_dot, to_key, to_text
from irtheory.trees.short_tree import shorten
from irtheory.trees.tree import Tree
from irtheory.trees.writing import rounded, shortest_between, told_apart

LEAF = Tree.leaf([-1.0, 0.25], 1, 3)
# Column 1 at the root, column 0 at its left child; leaves 2, 3 and 4.
FIVE_NODES = Tree.grow(1, 0.5, Tree.grow(0, 2.5, LEAF, LEAF, [0, 0], 2), LEAF, [0, 0], 3)


def animals() -> Tree:
    """Feathers, then legs; leaves are shares of bird, fish and beetle."""
    bird = Tree.leaf([1, 0, 0], 20, 2)
    fish = Tree.leaf([0, 0.75, 0.25], 8, 2)
    beetle = Tree.leaf([0, 0, 1], 12, 2)
    naked = Tree.grow(1, 3, fish, beetle, [0, 0.3, 0.7], 20)
    return Tree.grow(0, 0.5, naked, bird, [0.5, 0.15, 0.35], 40)


NAMES: dict[str, Any] = {
    "feature_names": ["feathers", "legs"],
    "output_names": ["bird", "fish", "beetle"],
}


def random_tree(seed: int, depth: int = 5, n_features: int = 4) -> Tree:
    """Columns 0 and 1 are codes cut at 0.5, the others are cut anywhere."""
    draw = np.random.default_rng(seed)

    def grown(left_to_go: int) -> Tree:
        value, count = draw.normal(size=2), int(draw.integers(1, 50))
        if left_to_go == 0 or (left_to_go < depth and draw.random() < 0.3):
            return Tree.leaf(value, count, n_features)
        feature = int(draw.integers(n_features))
        threshold = 0.5 if feature < 2 else float(draw.choice([draw.normal(), 1e-7, 3.0, 1e20]))
        branches = grown(left_to_go - 1), grown(left_to_go - 1)
        return Tree.grow(feature, threshold, *branches, value, count)

    return grown(depth)


def random_inputs(seed: int, tree: Tree, rows: int = 200) -> np.ndarray:
    """Codes in columns 0 and 1; elsewhere the cuts themselves and their neighbours."""
    draw = np.random.default_rng(seed)
    x = draw.choice(np.append(tree.threshold, 0.0), size=(rows, tree.n_features))
    x = np.nextafter(x, draw.choice([-np.inf, np.inf], size=x.shape), where=x > 1, out=x)
    x[:, :2] = draw.integers(0, 2, size=(rows, 2))
    return x


LINE = re.compile(r"(\d+)([ab])\. x(\d+) (present|absent|> (\S+)|≤ (\S+)) → (.+)")


def followed(key: str, row: np.ndarray) -> str:
    """Read a printed key as a reader would, knowing nothing of the tree."""
    lines = {}
    for line in key.splitlines():
        found = LINE.fullmatch(line)
        assert found, line
        lines.setdefault(int(found[1]), []).append(found)
    couplet = "1"
    while couplet.isdigit():
        [couplet] = [line[7] for line in lines[int(couplet)] if holds(line, row)]
    return couplet


def holds(line: re.Match[str], row: np.ndarray) -> bool:
    x = row[int(line[3])]
    if line[4] in ("present", "absent"):
        return x == (line[4] == "present")
    return x > float(line[5]) if line[5] else x <= float(line[6])


@pytest.mark.parametrize("binary", [True, False])
@pytest.mark.parametrize("seed", range(15))
def test_following_the_printed_key_is_predicting(seed, binary):
    tree = random_tree(seed)
    x = random_inputs(seed, tree)
    key = to_key(tree, leaf_names=[f"leaf {leaf}" for leaf in tree.leaves], binary=binary)
    assert ("present" in key) == (binary and bool({0, 1} & set(tree.used_features)))
    reached = [re.fullmatch(r"leaf (\d+) \(n = (\d+)\)", followed(key, row)) for row in x]
    leaf = [int(found[1]) for found in reached if found]
    assert tree.value[leaf].tolist() == tree.predict(x).tolist()
    assert tree.count[leaf].tolist() == [float(found[2]) for found in reached if found]


@pytest.mark.parametrize("seed", range(5))
def test_the_key_has_a_couplet_for_every_inner_node_in_order_of_appearance(seed):
    tree = random_tree(seed)
    lines = to_key(tree).splitlines()
    n_inner = tree.n_nodes - tree.n_leaves
    labels = [line.split(".")[0] for line in lines]
    assert labels == [f"{number}{side}" for number in range(1, n_inner + 1) for side in "ab"]
    goals = [line.split(" → ")[1] for line in lines]
    assert sorted(int(goal) for goal in goals if goal.isdigit()) == list(range(2, n_inner + 1))
    assert sum("(n = " in goal for goal in goals) == tree.n_leaves
    for line, goal in zip(lines, goals, strict=True):
        number, side = int(re.findall(r"\d+", line)[0]), line.split(".")[0][-1]
        assert not goal.isdigit() or int(goal) > number
        assert side == "b" or not goal.isdigit() or int(goal) == number + 1


def test_a_known_key():
    assert to_key(animals(), **NAMES, binary=[True, False]).splitlines() == [
        "1a. feathers present → bird (n = 20)",
        "1b. feathers absent → 2",
        "2a. legs > 3 → beetle (n = 12)",
        "2b. legs ≤ 3 → fish, share 0.75 (n = 8)",
    ]
    lines = to_key(animals(), **NAMES).splitlines()
    assert lines[0] == "1a. feathers > 0.5 → bird (n = 20)"
    assert to_key(animals()).splitlines()[3] == "2b. x1 ≤ 3 → class 1, share 0.75 (n = 8)"


def test_a_feature_cut_elsewhere_too_is_not_called_present():
    leaf = Tree.leaf([1.0], 1, 1)
    tree = Tree.grow(0, 0.5, leaf, Tree.grow(0, 1.5, leaf, leaf, [1.0], 2), [1.0], 3)
    assert to_key(tree, binary=True).splitlines()[0] == "1a. x0 > 0.5 → 2"


def test_a_cut_at_one_half_says_nothing_about_a_column():
    assert "present" not in to_key(animals(), **NAMES) + to_text(animals(), **NAMES)
    assert "present" not in to_key(animals(), **NAMES, binary=[False, True])
    wrong: tuple[Any, ...] = ([True], [1, 0], "yes")
    for flags in wrong:
        with pytest.raises(ValueError, match="binary: expected a bool or 2 of them, found"):
            to_key(animals(), binary=flags)


def test_a_single_leaf_is_one_line():
    leaf = Tree.leaf([0.0, 1.0], 7, 2)
    assert to_key(leaf, output_names=["a", "b"]) == "→ b (n = 7)"
    assert to_text(leaf, output_names=["a", "b"]) == "b (n = 7)"
    assert dot_parts(to_dot(leaf)) == ({0: "class 1\nn = 7"}, [])


def test_values_that_are_no_shares_are_printed_rounded():
    leaf = Tree.leaf([1 / 3, -1234.56], 2.5, 1)
    assert to_key(leaf) == "→ [0.333, -1235] (n = 2.5)"
    assert to_key(leaf, output_names=["u", "v"]) == "→ u = 0.333, v = -1235 (n = 2.5)"
    assert to_key(Tree.leaf([999.96], 1e6, 1)) == "→ 1000 (n = 1000000)"


def test_a_known_text():
    assert to_text(animals(), **NAMES).splitlines() == [
        "feathers ≤ 0.5",
        "    legs ≤ 3",
        "        fish, share 0.75 (n = 8)",
        "    legs > 3",
        "        beetle (n = 12)",
        "feathers > 0.5",
        "    bird (n = 20)",
    ]


@pytest.mark.parametrize("seed", range(5))
def test_the_text_has_every_branch_and_leaf(seed):
    tree = random_tree(seed)
    lines = to_text(tree).splitlines()
    assert len(lines) == 2 * (tree.n_nodes - tree.n_leaves) + tree.n_leaves
    leaves = [line for line in lines if "(n = " in line]
    assert [int(line.split("n = ")[1][:-1]) for line in leaves] == tree.count[tree.leaves].tolist()
    indents = [(len(line) - len(line.lstrip())) // 4 for line in leaves]
    path_lengths = [int(tests) for tests in depths(tree)[tree.leaves]]
    assert indents == path_lengths


def depths(tree: Tree) -> np.ndarray:
    depth = np.zeros(tree.n_nodes)
    for node in range(tree.n_nodes):
        for child in (tree.left[node], tree.right[node]):
            if child >= 0:
                depth[child] = depth[node] + 1
    return depth


QUOTED = r'"((?:[^"\\\n]|\\.)*)"'
NODE = re.compile(rf"  (\d+) \[label={QUOTED}\];")
EDGE = re.compile(rf"  (\d+) -> (\d+) \[label={QUOTED}\];")


def dot_parts(dot: str) -> tuple[dict[int, str], list[tuple[int, int, str]]]:
    """Labels as drawn, and edges, of a digraph of one statement a line; fails on other text."""
    first, shape, *statements, last = dot.splitlines()
    assert (first, shape, last) == ("digraph tree {", "  node [shape=box];", "}")
    labels, edges = {}, []
    for statement in statements:
        if found := NODE.fullmatch(statement):
            drawn = re.sub(r"\\(.)", lambda m: {"n": "\n"}.get(m[1], m[1]), found[2])
            labels[int(found[1])] = html.unescape(drawn)
        else:
            found = EDGE.fullmatch(statement)
            assert found, statement
            edges.append((int(found[1]), int(found[2]), found[3]))
    return labels, edges


@pytest.mark.parametrize("seed", range(5))
def test_dot_has_every_node_and_edge(seed):
    tree = random_tree(seed)
    labels, edges = dot_parts(to_dot(tree))
    assert sorted(labels) == list(range(tree.n_nodes))
    for node in np.flatnonzero(tree.feature >= 0).tolist():
        assert labels[node].startswith(f"x{tree.feature[node]} ≤ ")
        assert (node, tree.left[node], "yes") in edges
        assert (node, tree.right[node], "no") in edges
    assert len(edges) == tree.n_nodes - 1


@pytest.mark.parametrize(
    "name", ['say "hi"', "two\nlines", "back\\", '\\"', "a & b &lt;", "<b>]; {}", "naïve → ✓", ""]
)
def test_any_name_survives_dot(name):
    dot = to_dot(animals(), [name, "legs"], [name, "fish", "beetle"])
    labels, edges = dot_parts(dot)
    assert labels[0] == f"{name or 'column 0'} ≤ 0.5\nn = 40"
    assert labels[4] == f"{name or 'class 0'}\nn = 20"
    assert len(edges) == 4


def test_a_line_end_in_a_name_does_not_break_a_line():
    names = ["fea\nthers", "legs\r\n"], ["a\nb", "c", "d"]
    assert len(to_key(animals(), *names).splitlines()) == 4
    assert len(to_text(animals(), *names).splitlines()) == 7


def test_precision_is_in_significant_digits():
    leaf = Tree.leaf([2 / 3], 1, 1)
    assert dot_parts(to_dot(leaf, precision=5))[0] == {0: "0.66667\nn = 1"}
    with pytest.raises(ValueError, match=r"precision: expected .*, found 0"):
        to_dot(leaf, precision=0)


@pytest.mark.parametrize("export", [to_dot, to_text, to_key])
def test_wrong_names_are_refused(export):
    with pytest.raises(ValueError, match="feature_names: expected 2 names, found 1"):
        export(animals(), feature_names=["a"])
    with pytest.raises(ValueError, match="output_names: expected 3 names, found 4"):
        export(animals(), output_names=list("abcd"))
    with pytest.raises(ValueError, match="feature_names: expected 2 names, found 'ab'"):
        export(animals(), feature_names="ab")


def test_a_wrong_number_of_leaf_names_is_refused():
    with pytest.raises(ValueError, match="leaf_names: expected 3 names, found 2"):
        to_key(animals(), leaf_names=["a", "b"])


def test_json_states_its_format_and_names():
    document = json.loads(FIVE_NODES.to_json(["a", 'b"\n', "ç"]))
    assert (document["format"], document["version"]) == ("ira-tree", 1)
    assert document["feature_names"] == ["a", 'b"\n', "ç"]
    again = Tree.from_json(json.dumps(document))
    assert again == FIVE_NODES and again.feature_names == ("a", 'b"\n', "ç")
    with pytest.raises(ValueError, match="feature_names: expected 3 names, found 2"):
        FIVE_NODES.to_json(["a", "b"])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"format": "sklearn"}, "format: expected 'ira-tree', found 'sklearn'"),
        ({"format": None}, "format: expected .*, found None"),
        ({"version": 2}, "version: expected 1, found 2"),
        ({"version": True}, "version: expected .*, found True"),
        ({"extra": 1}, r"text: expected no other keys, found \['extra'\]"),
        ({"feature": "abc"}, "feature: expected a list, found 'abc'"),
        ({"feature": [1, 0, -1, -1, None]}, "feature: expected a number, found None"),
        ({"feature": [1, 0, -1, -1, True]}, "feature: expected a number, found True"),
        ({"feature": [1, 0, -1, -1, 10**30]}, "feature: expected .*, found dtype object"),
        ({"threshold": [0.5, "2.5", 0, 0, 0]}, r"threshold: expected a number, found '2\.5'"),
        (
            {"threshold": [0.5, float("nan"), 0, 0, 0]},
            "threshold: expected .*, found nan at node 1",
        ),
        ({"value": [1, 2, 3, 4, 5]}, "value: expected a list, found 1"),
        ({"value": [[1], [1, 2], [1], [1], [1]]}, "value: expected .*, found no array"),
        ({"count": {}}, "count: expected a list, found {}"),
        ({"count": [9, 5, 2, 3, -float("inf")]}, "count: expected .*, found -inf at node 4"),
        ({"n_features": "3"}, "n_features: expected a number, found '3'"),
        ({"n_features": 3.0}, r"n_features: expected an integer.*, found 3\.0"),
        ({"feature_names": ["a"]}, "feature_names: expected 3 names, found 1"),
        ({"feature_names": ["a", "b", 3]}, "feature_names: expected strings.*, found 3"),
        ({"feature_names": "abc"}, "feature_names: expected 3 names, found 'abc'"),
        ({"feature_names": None}, "feature_names: expected .*, found None"),
        ({"class_names": ["a"]}, "class_names: expected 2 names, found 1"),
        ({"class_names": ["a", 2]}, "class_names: expected strings.*, found 2"),
        ({"class_names": "ab"}, "class_names: expected 2 names, found 'ab'"),
    ],
)
def test_malformed_json_is_refused(change, message):
    document = json.loads(FIVE_NODES.to_json()) | change
    with pytest.raises(ValueError, match=message):
        Tree.from_json(json.dumps(document))


@pytest.mark.parametrize("key", list(json.loads(FIVE_NODES.to_json())))
def test_a_missing_key_is_named(key):
    document = json.loads(FIVE_NODES.to_json())
    del document[key]
    with pytest.raises(ValueError, match=rf"{key}: expected .*, found None|found no {key}"):
        Tree.from_json(json.dumps(document))


@pytest.mark.parametrize("text", ["", "{", "[]", "3", "null", "[" * 100_000, b"{}", None])
def test_text_that_is_no_tree_is_refused(text):
    with pytest.raises(ValueError, match=r"text: expected .*, found"):
        Tree.from_json(text)


def test_names_of_inputs_and_classes_stand_in_the_json():
    classes, columns = ("bird", "fish", "beetle"), ("feathers", "legs")
    text = animals().to_json(columns, classes)
    again = Tree.from_json(text)
    assert (again.feature_names, again.class_names) == (columns, classes)
    assert again.to_json() == text and again == animals()
    assert to_key(again) == to_key(animals(), columns, classes)
    assert to_key(again, ["a", "b"]).startswith("1a. a > 0.5 → bird")
    assert shorten(again).tree.class_names == classes
    assert copy.copy(again).class_names == classes
    # Files of earlier versions have no names, or no classes.
    assert Tree.from_json(animals().to_json()).feature_names is None
    with pytest.raises(ValueError, match="class_names: expected 3 names, found 2"):
        replace(again, class_names=("a", "b"))
    with pytest.raises(ValueError, match="feature_names: expected 2 names, found 'ab'"):
        replace(again, feature_names="ab")


ALIKE = [
    ["x y", "x  y"], ["a=b=c", "a=b=c"], ["", " "], ["a\tb", "a b"], ["é", "e\u0301"],
    ["x", "x\u200b"], ["x", "x (column 0)"], ["x", "x", "x (column 0)"], ["", "column 0"],
    ["\u200b", "b"], ["a\u202eb", "ab"], ["a\x00", "a"], ["\x1b[31mred", "red"], ["a\nb", "a b"],
]  # fmt: skip


@pytest.mark.parametrize("names", ALIKE)
@pytest.mark.parametrize("lines", [True, False])
def test_names_that_print_alike_are_told_apart(names, lines):
    shown = told_apart(names, "column", lines)
    looks = {unicodedata.normalize("NFKC", " ".join(name.split())) for name in shown}
    assert len({look.replace("\u200b", "") for look in looks}) == len(names)
    for name in shown:
        assert name.strip("\u200b ") and not re.search(r"[\x00-\x09\x0b-\x1f\u202e]", name)
        assert lines or "\n" not in name
    assert told_apart(["x y", "z"], "column") == ["x y", "z"]


@pytest.mark.parametrize("export", [to_dot, to_text, to_key])
def test_no_two_columns_or_classes_share_a_name_in_print(export):
    text = export(animals(), ["x y", "x  y"], ["cat", "cat ", "dog"])
    for name in ("x y (column 0)", "x y (column 1)", "cat (class 0)", "cat (class 1)", "dog"):
        assert name in text


CUTS = [2005.5, 0.1 + 0.2, 1e-300, 1e22, 123456789.5, -0.05, 999.9996, np.nextafter(1.0, 2)]


@pytest.mark.parametrize("cut", CUTS)
@pytest.mark.parametrize("with_gap", [True, False])
def test_a_printed_cut_parts_the_same_values(cut, with_gap):
    leaf = Tree.leaf([1.0], 1, 1)
    tree = Tree.grow(0, cut, leaf, leaf, [1.0], 2)
    x = np.array([[np.nextafter(cut, -np.inf)], [cut], [np.nextafter(cut, np.inf)], [cut + 1]])
    gaps = gaps_of(tree, x) if with_gap else None
    drawn = dot_parts(to_dot(tree, gaps=gaps))[0][0].split("\n")[0].split(" ≤ ")[1]
    for text in (drawn, *re.findall(r"[≤>] (\S+)", to_text(tree, gaps=gaps) + to_key(tree))):
        np.testing.assert_array_equal(x <= float(text), x <= cut)


@given(st.lists(st.floats(-1e6, 1e6), min_size=2, max_size=9), st.integers(0, 7))
def test_a_cut_in_a_gap_is_short_and_parts_the_same_rows(values, place):
    column = np.unique(values)
    if len(column) < 2:
        return
    low, high = column[place % (len(column) - 1) :][:2]
    middle = low / 2 + high / 2
    leaf = Tree.leaf([1.0], 1, 1)
    tree = Tree.grow(0, middle if low <= middle < high else low, leaf, leaf, [1.0], 2)
    gaps = gaps_of(tree, column[:, None])
    assert gaps == {0: (low, high)}
    text = to_text(tree, gaps=gaps).splitlines()[0].removeprefix("x0 ≤ ")
    np.testing.assert_array_equal(column <= float(text), column <= tree.threshold[0])
    assert len(text) <= len(repr(float(tree.threshold[0])))
    with pytest.raises(ValueError, match="gaps: expected one around"):
        to_text(tree, gaps={0: (high, high + 1)})


def test_a_cut_in_a_gap_is_the_middle_rounded_as_far_as_it_may_be():
    assert shortest_between(3.4, 3.5000000001) == "3.5"
    assert shortest_between(3, 4) == "3.5"
    assert shortest_between(1999.3, 2005.7) == "2000"
    assert shortest_between(-0.2, 0.1) == "-0.05"
    assert shortest_between(1, np.nextafter(1, 2)) == "1"
    with pytest.raises(ValueError, match="gap: expected"):
        shortest_between(2, 2)


@pytest.mark.parametrize(
    ("number", "shown"),
    [
        (0.9996, "0.9996"), (1.0, "1"), (1 - 1e-15, "1"), (0.99999, "0.99999"), (0.0004, "0.0004"),
        (2 / 3, "0.667"), (9.996, "9.996"), (999.96, "1000"), (-0.9999, "-0.9999"), (0.0, "0"),
        (1.0004, "1.0004"), (12345.6, "12346"), (1e-12, "1e-12"), (99.95, "99.95"),
    ],
)  # fmt: skip
def test_rounding_makes_no_whole_number_of_another(number, shown):
    assert rounded(number) == shown


def test_a_share_of_almost_1_is_not_written_as_1():
    leaf = Tree.leaf([0.9996, 0.0004], 2500, 1)
    assert to_key(leaf) == "→ class 0, share 0.9996 (n = 2500)"
    assert to_key(Tree.leaf([0.9996], 5, 1)) == "→ 0.9996 (n = 5)"
    assert to_key(Tree.leaf([1 - 1e-16, 1e-16], 5, 1)) == "→ class 0 (n = 5)"
    # Values that happen to be near a sum of 1 are no shares.
    assert to_key(Tree.leaf([0.5, 0.501], 5, 1)) == "→ [0.5, 0.501] (n = 5)"
