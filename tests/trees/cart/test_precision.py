"""Structure that is tiny beside an offset, a size or other structure is found all the same."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from irtheory.trees import Tree, fit_cart, refine_tree
from irtheory.trees.cart import levels

CODES = (np.arange(64)[:, None] >> np.arange(6)) & 1
C = CODES.astype(float)


def grow(targets, depth=2, codes=CODES, **settings):
    return fit_cart(codes, targets, depth, criterion="squared_error", **settings)


def loss(tree: Tree, targets, codes=CODES) -> float:
    y = np.asarray(targets, float).reshape(len(codes), -1)
    return float(((tree.predict(codes) - y) ** 2).sum())


@pytest.mark.parametrize("large", [1e3, 1e6, 1e9, 1e12, 1e100])
@pytest.mark.parametrize("weight", [None, np.linspace(1, 2, 64)])
def test_small_outputs_beside_large_ones(large, weight):
    targets = np.c_[C[:, 0] * large, C[:, 1]]
    assert loss(grow(targets, sample_weight=weight), targets) == 0
    tensors = torch.as_tensor(CODES), torch.as_tensor(targets)
    assert fit_cart(*tensors, 2, criterion="squared_error") == grow(targets)


@pytest.mark.parametrize("offset", [1e5, 1e10, 1e14, -1e14, 1e15])
@pytest.mark.parametrize("weight", [None, np.linspace(1, 2, 64)])
def test_offsets_lose_no_split(offset, weight):
    for targets in (offset + C[:, 3], np.c_[offset + C[:, 3], -offset + C[:, 4]]):
        tree = grow(targets, sample_weight=weight)
        assert loss(tree, targets) == 0
        assert set(tree.used_features) <= {3, 4}


@pytest.mark.parametrize("size", [5e-324, 1e-300, 1e-170, 1e-140, 1e140, 1e170, 1e308])
def test_targets_of_any_size(size):
    near = grow(C[:, 2] + 3 * C[:, 4])
    targets = size * C[:, 2] + (size / 2 if size > 1e300 else 3 * size) * C[:, 4]
    tree = grow(targets)
    np.testing.assert_array_equal(np.sort(tree.used_features), np.sort(near.used_features))
    np.testing.assert_array_equal(tree.predict(CODES)[:, 0], targets)


@pytest.mark.parametrize("far", [1e3, 1e7, 1e10, 1e13])
@pytest.mark.parametrize("sign", [-1, 1])
def test_tiny_structure_beside_huge_structure(far, sign):
    # Half of the samples lie far away and differ by 1; the others are 0.
    targets = sign * C[:, 0] * (far + C[:, 1])
    for y in (targets, np.c_[targets, targets]):
        tree = grow(y)
        assert loss(tree, y) == 0
        assert tree.used_features == (0, 1)
        tensors = torch.as_tensor(CODES), torch.as_tensor(y)
        assert fit_cart(*tensors, 2, criterion="squared_error") == tree


def test_noise_in_the_last_place_is_no_structure():
    rng = np.random.default_rng(0)
    y = 0.3 + rng.integers(-1, 2, 64) * np.spacing(0.3) / 2
    assert grow(y, 6).n_nodes == 1
    y = 1e3 * C[:, 0] + y
    assert grow(y, 6).n_leaves == 2


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_what_is_no_number_is_refused(value):
    targets = C[:, 0].copy()
    targets[5] = value
    with pytest.raises(ValueError, match="targets: expected finite numbers"):
        grow(targets)


def test_the_careful_search_grows_the_same_tree(monkeypatch):
    rng = np.random.default_rng(0)
    codes = rng.integers(0, 5, (500, 7))
    targets = rng.normal(size=(500, 3)) + codes[:, :1]
    tree = grow(targets, 6, codes, min_samples_leaf=3)
    monkeypatch.setattr(levels, "_CAREFUL", 0.0)
    careful = grow(targets, 6, codes, min_samples_leaf=3)
    for name in ("feature", "threshold", "count"):
        np.testing.assert_array_equal(getattr(tree, name), getattr(careful, name))


def stump(targets, feature):
    """A tree of depth 2 that tests one column in both halves of another."""
    leaf = Tree.leaf(np.zeros(np.asarray(targets).reshape(64, -1).shape[1]), 1, 6)
    value = leaf.value[0]
    half = Tree.grow(feature, 0.5, leaf, leaf, value, 1)
    return Tree.grow(0, 0.5, half, half, value, 1)


@pytest.mark.parametrize(
    "targets",
    [
        np.c_[C[:, 0] * 1e6, C[:, 1]],
        np.c_[C[:, 0] * 1e10, C[:, 1]],
        1e14 + C[:, 0] + 2 * C[:, 1],
        1e-170 * (C[:, 0] + 2 * C[:, 1]),
        1e170 * (C[:, 0] + 2 * C[:, 1]),
    ],
    ids=["1e6", "1e10", "offset", "small", "large"],
)
def test_refinement_finds_it_too(targets):
    codes = CODES.copy()
    codes[:, 5] = codes[:, 1] ^ (np.arange(64) % 9 == 0)  # nearly the column that is wanted
    refined = refine_tree(stump(targets, 5), codes, targets)
    np.testing.assert_array_equal(refined.predict(codes), np.reshape(targets, (64, -1)))
    assert refined.used_features == (0, 1)
