from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from irtheory.trees import fit_cart
from irtheory.trees.export import merge_same_class


@given(seed=st.integers(0, 10**6), k=st.integers(1, 4), depth=st.integers(0, 5))
def test_same_classes_from_fewer_leaves(seed, k, depth):
    rng = np.random.default_rng(seed)
    codes, targets = rng.integers(0, 3, (80, 4)), rng.dirichlet(np.ones(k) / 2, 80)
    tree = fit_cart(codes, targets, depth)
    merged = merge_same_class(tree)
    every = rng.integers(0, 3, (300, 4))
    named = [one.predict(every).argmax(axis=1) for one in (tree, merged)]
    np.testing.assert_array_equal(*named)
    assert merged.n_leaves <= tree.n_leaves
    inner = np.flatnonzero((merged.feature >= 0) & (merged.feature[merged.left] < 0))
    for node in inner[merged.feature[merged.right[inner]] < 0]:
        sides = merged.value[[merged.left[node], merged.right[node]]].argmax(axis=1)
        assert sides[0] != sides[1]
