"""Names of columns and classes: in `tree_`, told apart where they look alike, none twice."""

from __future__ import annotations

import numpy as np
import pytest

from irtheory.trees import (
    CodeTreeClassifier,
    CodeTreeRegressor,
    OptimalTreeClassifier,
    OptimalTreeRegressor,
)
from irtheory.trees.tree import Tree

pd = pytest.importorskip("pandas")

every = pytest.mark.parametrize(
    "kind", [CodeTreeClassifier, CodeTreeRegressor, OptimalTreeClassifier, OptimalTreeRegressor]
)
Y = np.array([3, 5] * 4)


@every
@pytest.mark.parametrize("weight", [None, np.arange(1.0, 9)])
def test_the_tree_has_the_names_of_columns_and_classes(kind, weight):
    table = pd.DataFrame({"long": np.arange(8), "wide": Y})
    tree = kind(max_depth=1).fit(table, Y, weight).tree_
    assert tree.feature_names == ("long", "wide")
    assert tree.class_names == (("3", "5") if "Classifier" in kind.__name__ else None)
    assert Tree.from_json(tree.to_json()).feature_names == tree.feature_names
    assert kind(max_depth=1).fit(table.to_numpy(), Y, weight).tree_.feature_names is None


def test_pruned_trees_have_names_too():
    table = pd.DataFrame({"long": np.arange(8), "wide": Y})
    tree = CodeTreeClassifier(ccp_alpha=0.1).fit(table, Y).tree_
    assert (tree.feature_names, tree.class_names) == (("long", "wide"), ("3", "5"))


def test_columns_of_codes_are_named_by_what_they_say():
    table = pd.DataFrame({"long": [1.0, None] * 4, "hue": ["red", "blue"] * 4})
    tree = CodeTreeClassifier().fit(table, Y).tree_
    assert tree.feature_names == ("long", "long", "hue is red")
    words = pd.DataFrame({"hue": [f"w{i}" for i in range(8)]})
    names = OptimalTreeClassifier(max_depth=1).fit(words, Y).tree_.feature_names
    assert names == tuple(f"hue is w{i}" for i in range(8))


@every
def test_names_that_differ_in_spaces_alone_are_numbered(kind):
    table = pd.DataFrame({"x y": np.zeros(8), "x  y": np.arange(8) % 2, " ": np.zeros(8)})
    model = kind(max_depth=1).fit(table, Y)
    for text in (model.to_key(), model.to_text(), model.to_dot()):
        assert "x y (column 1)" in text and "'" not in text


def test_words_and_classes_that_differ_in_spaces_alone_are_numbered():
    table = pd.DataFrame({"hue": ["pale red", "pale  red"] * 4})
    text = CodeTreeClassifier().fit(table, ["a b", "a  b"] * 4).to_text()
    for shown in ("pale red (word 0)", "pale red (word 1)", "a b (class 0)", "a b (class 1)"):
        assert shown in text


@every
def test_names_that_come_twice_are_refused(kind):
    table = pd.DataFrame(np.zeros((8, 3)), columns=["a", "b", "a"])
    with pytest.raises(ValueError, match=r"X: .*different names, found 'a' for columns 0 and 2"):
        kind().fit(table, Y)
    model = kind().fit(table.iloc[:, :2], Y)
    with pytest.raises(ValueError, match="found 'a' for columns 0 and 2"):
        model.predict(table)


def test_samples_that_moved_are_no_more_than_the_errors():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(80, 1))
    y = (x[:, 0] > 0.1).astype(int)
    y[:2] = 1 - y[:2]
    model = OptimalTreeClassifier(max_depth=2, n_bins=3).fit(x, y)
    assert model.most_moved_ == (model.predict(x) != y).sum() > 0
    gini = OptimalTreeClassifier(max_depth=2, n_bins=3, criterion="gini").fit(x, y)
    assert gini.most_moved_ > model.most_moved_
    assert OptimalTreeClassifier(max_depth=1).fit(x, y, np.ones(80)).most_moved_ is None
    assert OptimalTreeClassifier(class_weight="balanced").fit(x, y).most_moved_ is None
