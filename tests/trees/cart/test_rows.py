"""Sums of gathered rows, and their rotation, against plain numpy."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.tree import DecisionTreeRegressor

from irtheory.trees import fit_cart
from irtheory.trees.cart import plan
from irtheory.trees.cart.rows import _add_rows, _rotate
from irtheory.trees.kernels.lanes import LANES, aligned_zeros


def padded(rows):
    """Rows as flat blocks of eight, padded with 0."""
    width = -(-rows.shape[1] // LANES) * LANES
    flat = aligned_zeros(len(rows) * width)
    flat.reshape(len(rows), width)[:, : rows.shape[1]] = rows
    return flat


@pytest.mark.parametrize("blocks", range(1, 27))
def test_rows_are_added(blocks):
    rng = np.random.default_rng(blocks)
    rows, left = rng.normal(size=(30, blocks * LANES)), aligned_zeros(blocks * LANES)
    order = rng.permutation(30).astype(np.uint32)
    left[:] = start = rng.normal(size=len(left))
    _add_rows(left, padded(rows), blocks, order, 4, 17)
    np.testing.assert_allclose(left, start + rows[order[4:17]].sum(axis=0), rtol=1e-12, atol=1e-12)
    before = left.copy()
    _add_rows(left, padded(rows), blocks, order, 5, 5)
    np.testing.assert_array_equal(left, before)


def rotated(rows):
    n, z = len(rows), padded(rows)
    blocks = _rotate(z, n, len(z) // n, np.zeros(n * n), np.zeros(n))
    return z[: n * blocks * LANES].reshape(n, -1)


@given(
    n=st.integers(1, 40),
    rank=st.integers(0, 40),
    near=st.sampled_from([0.0, 1e-12, 1e-9, 1e-7, 1e-3]),
    seed=st.integers(0, 10**6),
)
@settings(max_examples=80)
def test_rotation_keeps_inner_products(n, rank, near, seed):
    rng = np.random.default_rng(seed)
    rows = rng.normal(size=(n, rank)) @ rng.normal(size=(rank, 40))
    rows[n // 2 :] = rows[: n - n // 2] * (1 + near * rng.normal(size=40))
    gram = rows @ rows.T
    found = rotated(rows)
    assert found.shape == (n, -(-n // LANES) * LANES)
    np.testing.assert_allclose(found @ found.T, gram, rtol=0, atol=1e-14 * np.trace(gram))


@pytest.mark.parametrize("levels", [2, 4, 16])
def test_every_way_is_taken_and_finds_the_same_loss(levels):
    rng = np.random.default_rng(levels)
    codes = rng.integers(0, levels, size=(1500, 24))
    targets = rng.normal(size=(1500, 70)) + codes[:, :1] - codes[:, 1:2] ** 2 * codes[:, 2:3]
    joints = (np.ascontiguousarray(codes.T, dtype=np.uint8),) + (np.zeros((0, 1500), np.uint8),) * 3
    sizes = (6, 40, 200, 10**5)
    taken = [plan.choose_way(n, levels, joints, 9, False, 4096, 70)[0] for n in sizes]
    assert taken[0] == plan.ROTATED and taken[2] == plan.ROWS and taken[3] == 0
    tree = fit_cart(codes, targets, 9, criterion="squared_error")
    peer = DecisionTreeRegressor(max_depth=9, random_state=0).fit(codes, targets)
    losses = [((one.predict(codes) - targets) ** 2).sum() for one in (tree, peer)]
    assert losses[0] == pytest.approx(losses[1], rel=1e-10)
