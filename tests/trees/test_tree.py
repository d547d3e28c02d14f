from __future__ import annotations

import copy
from dataclasses import FrozenInstanceError
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.tree import DecisionTreeRegressor

from irtheory.trees.tree import Tree

N_FEATURES, N_OUTPUTS = 4, 2
# Inputs and thresholds share a grid, so that samples fall exactly on a cut.
GRID = st.sampled_from([-1.5, -0.0, 0.0, 0.1, 0.5, 2.0, np.nextafter(0.5, 1)])
NUMBER = st.floats(allow_nan=False, allow_infinity=False)
OWN = {
    "value": st.lists(NUMBER, min_size=N_OUTPUTS, max_size=N_OUTPUTS),
    "count": st.floats(0, 1e9),
}
# A nested dictionary is the tree as a mathematician draws it; the arrays are tested against it.
DRAWN = st.recursive(
    st.fixed_dictionaries(OWN),
    lambda smaller: st.fixed_dictionaries(
        OWN
        | {
            "feature": st.integers(0, N_FEATURES - 1),
            "threshold": GRID | NUMBER,
            "left": smaller,
            "right": smaller,
        }
    ),
    max_leaves=12,
)
ROWS = st.lists(st.lists(GRID, min_size=N_FEATURES, max_size=N_FEATURES), min_size=1, max_size=8)


def assembled(drawn: dict[str, Any]) -> Tree:
    if "left" not in drawn:
        return Tree.leaf(drawn["value"], drawn["count"], N_FEATURES)
    left, right = assembled(drawn["left"]), assembled(drawn["right"])
    own = drawn["value"], drawn["count"]
    return Tree.grow(drawn["feature"], drawn["threshold"], left, right, *own)


def size(drawn: dict[str, Any]) -> int:
    return 1 + (size(drawn["left"]) + size(drawn["right"]) if "left" in drawn else 0)


def height(drawn: dict[str, Any]) -> int:
    return 1 + max(height(drawn["left"]), height(drawn["right"])) if "left" in drawn else 0


def walk(drawn: dict[str, Any], row: list[float]) -> tuple[list[float], list[int]]:
    """Value and preorder numbers on the way of one sample, by hand."""
    node, path = 0, [0]
    while "left" in drawn:
        goes_left = row[drawn["feature"]] <= drawn["threshold"]
        node += 1 if goes_left else 1 + size(drawn["left"])
        path.append(node)
        drawn = drawn["left" if goes_left else "right"]
    return drawn["value"], path


@pytest.fixture
def fields() -> dict[str, Any]:
    """Five nodes: 0 tests column 1; its left child 1 tests column 0; 2, 3 and 4 are leaves."""
    return {
        "feature": np.array([1, 0, -1, -1, -1]),
        "threshold": np.array([0.5, 2.5, 0.0, 0.0, 0.0]),
        "left": np.array([1, 2, -1, -1, -1]),
        "right": np.array([4, 3, -1, -1, -1]),
        "value": np.arange(10.0).reshape(5, 2),
        "count": np.array([9.0, 5.0, 2.0, 3.0, 4.0]),
        "n_features": 3,
    }


@settings(max_examples=120, deadline=None)
@given(DRAWN, ROWS)
def test_predict_apply_and_path_follow_the_drawn_tree(drawn, rows):
    tree = assembled(drawn)
    visited = tree.decision_path(rows)
    for row, leaf, prediction, seen in zip(
        rows, tree.apply(rows), tree.predict(rows), visited, strict=True
    ):
        value, path = walk(drawn, row)
        assert leaf == path[-1]
        assert prediction.tolist() == value
        assert np.flatnonzero(seen).tolist() == path
    assert (tree.n_nodes, tree.depth) == (size(drawn), height(drawn))


@settings(max_examples=120, deadline=None)
@given(DRAWN)
def test_json_keeps_every_bit(drawn):
    tree = assembled(drawn)
    again = Tree.from_json(tree.to_json())
    assert again == tree
    for name in ("feature", "threshold", "left", "right", "value", "count"):
        assert getattr(again, name).tobytes() == getattr(tree, name).tobytes()


def test_json_keeps_minus_zero_and_subnormals():
    tree = Tree.leaf([-0.0, 5e-324, 0.1 + 0.2, 1.7976931348623157e308], 1, 1)
    again = Tree.from_json(tree.to_json())
    assert again.value.tobytes() == tree.value.tobytes()
    assert np.signbit(again.value[0, 0])


def test_properties_of_a_known_tree(fields):
    tree = Tree(**fields)
    assert (tree.n_nodes, tree.n_leaves, tree.n_outputs, tree.depth) == (5, 3, 2, 2)
    assert tree.leaves.tolist() == [2, 3, 4]
    assert tree.used_features == (0, 1)
    assert Tree.leaf([1.0], 3, 2).used_features == ()


@pytest.mark.parametrize("cut", [0.5, -0.0])
def test_a_sample_on_the_threshold_goes_left(cut):
    tree = Tree.grow(0, cut, Tree.leaf([0], 1, 1), Tree.leaf([1], 1, 1), [0.5], 2)
    assert tree.predict([[cut], [np.nextafter(cut, 9)]]).tolist() == [[0.0], [1.0]]


def test_no_rows_give_no_predictions(fields):
    tree = Tree(**fields)
    assert tree.predict(np.empty((0, 3))).shape == (0, 2)
    assert tree.decision_path(np.empty((0, 3))).shape == (0, 5)


def test_arrays_are_private_canonical_and_read_only(fields):
    fields["value"] = np.asfortranarray(fields["value"].astype(np.float32))
    fields["feature"] = fields["feature"].astype(np.int8)
    tree = Tree(**fields)
    fields["value"][0] = 99
    assert tree.value[0, 0] == 0
    assert (tree.feature.dtype, tree.value.dtype) == (np.int64, np.float64)
    assert tree.value.flags.c_contiguous
    for each in (tree, copy.copy(tree), copy.deepcopy(tree)):
        assert each == tree
        with pytest.raises(ValueError, match="read-only"):
            each.count[0] = 1
    with pytest.raises(FrozenInstanceError):
        tree.n_features = 7  # pyright: ignore[reportAttributeAccessIssue]


@pytest.mark.parametrize("name", ["threshold", "value", "count", "n_features"])
def test_equality_sees_every_field(fields, name):
    other = fields | {name: fields[name] + (np.asarray(fields[name]) > 0)}
    assert Tree(**fields) == Tree(**fields)
    assert Tree(**fields) != Tree(**(other | {"n_features": int(other["n_features"])}))
    assert Tree(**fields) != "a tree"


def test_with_values_keeps_the_tests(fields):
    tree = Tree(**fields)
    other = tree.with_values(np.ones((5, 3)))
    assert other.n_outputs == 3
    assert other.count.tolist() == tree.count.tolist()
    assert tree.with_values(tree.value, tree.count * 2).count.tolist() == [18, 10, 4, 6, 8]
    with pytest.raises(ValueError, match=r"value: expected .*, found shape \(4, 2\)"):
        tree.with_values(np.ones((4, 2)))


CORRUPTIONS = [
    ("feature", [1, 3, -1, -1, -1], "feature: expected -1 ... 2, found 3 at node 1"),
    ("feature", [1, -2, -1, -1, -1], "feature: expected .*, found -2 at node 1"),
    ("feature", [1, -1, -1, -1, -1], "threshold: expected 0 at a leaf.*, found 2.5 at node 1"),
    ("feature", [1, 0, 2, -1, -1], "left: expected two children.*, found -1 at node 2"),
    ("feature", [1.0, 0.0, -1.0, -1.0, -1.0], "feature: expected .*, found dtype float64"),
    ("feature", [[1, 0, -1, -1, -1]], r"feature: expected .*, found shape \(1, 5\)"),
    ("feature", np.empty(0, dtype=int), r"feature: expected .*, found shape \(0,\)"),
    (
        "feature",
        np.array([1, 0, 9, 9, 9], dtype=np.uint64),
        "feature: expected .*, found dtype uint64",
    ),
    ("threshold", [0.5, np.nan, 0, 0, 0], "threshold: expected finite.*, found nan at node 1"),
    ("threshold", [0.5, 2.5, 0, 0, -2], "threshold: expected 0 at a leaf.*, found -2.0 at node 4"),
    ("threshold", [0.5, 2.5, 0, 0], r"threshold: expected \(5,\), found shape \(4,\)"),
    ("threshold", ["a"] * 5, "threshold: expected .*, found dtype <U1"),
    ("left", [1, -1, -1, -1, -1], "left: expected two children.*, found -1 at node 1"),
    ("left", [0, 2, -1, -1, -1], "left: expected a child after its parent.*, found 0 at node 0"),
    ("left", [1, 5, -1, -1, -1], "left: expected a child after .* below 5, found 5 at node 1"),
    ("left", [1, 2, 4, -1, -1], "left: expected -1 at a leaf.*, found 4 at node 2"),
    ("left", [1, 4, -1, -1, -1], "found node 2 reached never"),
    ("right", [1, 3, -1, -1, -1], "found node 1 reached twice"),
    ("right", [4, -1, -1, -1, -1], "right: expected two children.*, found -1 at node 1"),
    ("right", [4, 3, -1, -1], r"right: expected .*, found shape \(4,\)"),
    ("value", np.full((5, 2), np.inf), r"value: expected finite.*, found \[inf inf\] at node 0"),
    ("value", np.ones(5), r"value: expected \(5, k\).*, found shape \(5,\)"),
    ("value", np.ones((5, 0)), r"value: expected .*, found shape \(5, 0\)"),
    ("value", [[1], [1, 2], [1], [1], [1]], "value: expected .*, found no array"),
    ("count", [9, 5, 2, -3, 4], "count: expected no negative.*, found -3.0 at node 3"),
    ("count", [9, 5, 2, 3, np.inf], "count: expected .*, found inf at node 4"),
    ("count", [1j] * 5, "count: expected .*, found dtype complex128"),
    ("n_features", 0, "n_features: expected .*, found 0"),
    ("n_features", 2.0, r"n_features: expected .*, found 2\.0"),
    ("n_features", True, "n_features: expected .*, found True"),
]


@pytest.mark.parametrize(("name", "bad", "message"), CORRUPTIONS)
def test_a_corrupt_field_is_refused(fields, name, bad, message):
    with pytest.raises(ValueError, match=message):
        Tree(**(fields | {name: bad}))


def test_another_order_of_nodes_is_refused(fields):
    fields |= {"left": np.array([1, 2, -1, -1, -1]), "right": np.array([3, 4, -1, -1, -1])}
    with pytest.raises(ValueError, match="expected preorder, found node 4 in place 3"):
        Tree(**fields)


def test_ill_fitting_branches_are_refused():
    leaf = Tree.leaf([1.0], 1, 2)
    with pytest.raises(ValueError, match="expected equal n_features, found 2 and 3"):
        Tree.grow(0, 0.5, leaf, Tree.leaf([1.0], 1, 3), [1.0], 2)
    with pytest.raises(ValueError, match="expected equal n_outputs, found 1 and 2"):
        Tree.grow(0, 0.5, leaf, Tree.leaf([1.0, 2.0], 1, 2), [1.0], 2)
    with pytest.raises(ValueError, match=r"value: expected \(1,\), found shape \(2,\)"):
        Tree.grow(0, 0.5, leaf, leaf, [1.0, 2.0], 2)
    with pytest.raises(ValueError, match=r"feature: expected .*, found 2 at node 0"):
        Tree.grow(2, 0.5, leaf, leaf, [1.0], 2)


@pytest.mark.parametrize(
    ("x", "message"),
    [
        ([[0, 1, np.nan]], "x: expected finite.*, found nan at row 0, column 2"),
        ([[0, 1, 2], [-np.inf, 1, 2]], "x: expected .*, found -inf at row 1, column 0"),
        ([[0, 1]], r"x: expected \(m, 3\), found shape \(1, 2\)"),
        ([0, 1, 2], r"x: expected .*, found shape \(3,\)"),
        ([["a", "b", "c"]], "x: expected .*, found dtype <U1"),
        ([[0, 1, None]], "x: expected .*, found dtype object"),
        ([[0, 1, 2], [0]], "x: expected .*, found no array"),
    ],
)
def test_bad_inputs_are_refused(fields, x, message):
    for method in (Tree(**fields).predict, Tree(**fields).apply, Tree(**fields).decision_path):
        with pytest.raises(ValueError, match=message):
            method(x)


@pytest.mark.parametrize("dtype", [np.int8, np.uint8, np.float32, np.bool_])
def test_numeric_inputs_of_any_kind(fields, dtype):
    x = np.array([[0, 1, 0], [1, 0, 1]], dtype=dtype)
    assert Tree(**fields).apply(x).tolist() == [4, 2]


@pytest.mark.parametrize("n_outputs", [1, 3])
def test_a_scikit_learn_tree_converts(n_outputs):
    draw = np.random.default_rng(7)
    x = draw.integers(0, 8, size=(300, 6)).astype(float)
    y = draw.normal(size=(300, n_outputs)) + x[:, :n_outputs]
    fitted = DecisionTreeRegressor(max_depth=6, random_state=0).fit(x, y)
    theirs = fitted.tree_
    leaf = theirs.children_left < 0
    tree = Tree(
        feature=np.where(leaf, -1, theirs.feature),
        threshold=np.where(leaf, 0.0, theirs.threshold),
        left=theirs.children_left,
        right=theirs.children_right,
        value=theirs.value[:, :, 0],
        count=theirs.n_node_samples,
        n_features=6,
    )
    probe = draw.integers(-1, 9, size=(500, 6)).astype(float)
    assert tree.predict(probe).tolist() == fitted.predict(probe).reshape(500, -1).tolist()
    assert tree.apply(probe).tolist() == fitted.apply(probe).tolist()
    path = fitted.decision_path(probe).toarray().astype(bool)
    assert np.array_equal(tree.decision_path(probe), path)
    assert (tree.depth, tree.n_leaves) == (fitted.get_depth(), fitted.get_n_leaves())
