from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from irtheory.trees import fit_cart
from irtheory.trees.tree import Tree
from irvision.explain.change import smallest_change


def fewest_by_brute_force(tree: Tree, codes: np.ndarray, largest: int) -> int | None:
    """The fewest codes that differ in any vector of codes for which T names another class."""
    every = np.array(list(product(range(largest + 1), repeat=len(codes))))
    named = tree.predict(every).argmax(1)
    other = every[named != tree.predict(codes[None]).argmax()]
    return None if not len(other) else int((other != codes).sum(1).min())


@given(st.integers(0, 10_000), st.sampled_from([1, 3]), st.integers(1, 5))
def test_no_fewer_codes_change_the_class(seed: int, largest: int, depth: int) -> None:
    rng = np.random.default_rng(seed)
    d = 5 if largest == 1 else 4
    x = rng.integers(0, largest + 1, (60, d)).astype(np.uint8)
    y = np.eye(3)[rng.integers(0, 3, 60)]
    tree = fit_cart(x, y, max_depth=depth)
    codes = rng.integers(0, largest + 1, d)
    levels = codes + rng.uniform(-0.49, 0.49, d)
    change = smallest_change(tree, codes, levels, largest)
    fewest = fewest_by_brute_force(tree, codes, largest)
    if change is None:
        assert fewest is None
        return
    assert len(change.codes) == fewest
    moved = codes.copy()
    for column, value, to in change.codes:
        assert codes[column] == value != to and 0 <= to <= largest
        moved[column] = to
    assert tree.predict(moved[None]).argmax() == change.label
    assert change.label != tree.predict(codes[None]).argmax()


def two_ways() -> Tree:
    """Class 1 with code 0 or with code 1, else class 0."""
    ends = [Tree.leaf(row, 1, 2) for row in np.eye(2)]
    inner = Tree.grow(1, 0.5, ends[0], ends[1], [0.5, 0.5], 2)
    return Tree.grow(0, 0.5, inner, ends[1], [0.5, 0.5], 3)


@pytest.mark.parametrize(("levels", "column"), [([0.4, 0.1], 0), ([0.1, 0.4], 1)])
def test_of_two_changes_the_shorter_way_is_taken(levels: list[float], column: int) -> None:
    change = smallest_change(two_ways(), [0, 0], np.array(levels), 1)
    assert change is not None and change.codes == ((column, 0, 1),)


def test_a_tree_of_one_class_cannot_be_changed() -> None:
    ends = [Tree.leaf([0.9, 0.1], 1, 1), Tree.leaf([0.8, 0.2], 1, 1)]
    assert smallest_change(Tree.grow(0, 0.5, *ends, [0.85, 0.15], 2), [0], None, 1) is None
    assert smallest_change(Tree.leaf([1.0, 0.0], 1, 1), [0], None, 1) is None
