from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from irtheory.trees import Tree, class_counts, fit_cart, shorten


@given(seed=st.integers(0, 10**6), depth=st.integers(0, 5))
def test_images_that_are_reached_get_the_same_class(seed, depth):
    rng = np.random.default_rng(seed)
    tree = fit_cart(rng.integers(0, 3, (80, 4)), rng.dirichlet(np.ones(3) / 2, 80), depth)
    codes = rng.integers(0, 3, (12, 4))
    visited = tree.decision_path(codes)
    short = shorten(tree, visited.any(0))
    classes = [one.predict(codes).argmax(1) for one in (tree, short.tree)]
    np.testing.assert_array_equal(*classes)
    # Every leaf of the short tree stands for a node that some image reaches, on the same path.
    assert visited[:, short.nodes].any(0).all()
    np.testing.assert_array_equal(short.tree.decision_path(codes), visited[:, short.nodes])


def test_counts_are_those_of_the_samples():
    rng = np.random.default_rng(0)
    codes, labels = rng.integers(0, 2, (50, 3)), rng.integers(0, 4, 50)
    tree = fit_cart(codes, np.eye(4)[labels], 3)
    counts = class_counts(tree, codes, labels, 4)
    assert counts[0].tolist() == np.bincount(labels, minlength=4).tolist()
    leaf = tree.apply(codes)
    for node in tree.leaves:
        expected = np.bincount(labels[leaf == node], minlength=4)
        assert counts[node].tolist() == expected.tolist()


def test_another_number_of_nodes_is_refused():
    tree = fit_cart(np.eye(2, dtype=int), np.eye(2), 1)
    with pytest.raises(ValueError, match="reached: expected 3 entries"):
        shorten(tree, [True])


@pytest.mark.parametrize(
    "labels",
    [None, 3, {}, ["a", "b", "c"], [0, None, 1], [0, 1], [[0], [1], [0]], [0, -1, 1], [0, 2, 1],
     [0.5, 0, 1], [0, np.nan, 1], [[0], [1, 2], [0]]],
)  # fmt: skip
def test_labels_that_are_no_classes_are_named(labels) -> None:
    with pytest.raises(ValueError, match="labels: expected"):
        class_counts(Tree.leaf([0.5, 0.5], 3, 1), [[0], [1], [0]], labels, 2)


def test_labels_may_be_booleans() -> None:
    counted = class_counts(Tree.leaf([0.5, 0.5], 3, 1), [[0], [1], [0]], [True, False, True], 2)
    assert counted.tolist() == [[1, 2]]
