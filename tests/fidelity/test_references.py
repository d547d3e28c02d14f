"""Class oracle against all unions of classes; predicted class; distance against loops."""

from __future__ import annotations

from itertools import product
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import f1_score

from irtheory.fidelity import (
    class_oracle_fidelity,
    feature_fidelity,
    fidelity_distance,
    predicted_class_fidelity,
)

ZERO: Any = 0  # F1 where neither side has a positive


def best_union(f: np.ndarray, y: np.ndarray) -> float:
    classes = np.unique(y)
    unions = product([False, True], repeat=len(classes))
    return max(f1_score(f, np.isin(y, classes[list(u)]), zero_division=ZERO) for u in unions)


@settings(max_examples=20)
@given(st.integers(0, 10**6), st.booleans())
def test_oracle_equals_all_unions(seed: int, missing: bool) -> None:
    rng = np.random.default_rng(seed)
    y = rng.integers(0, 4, 25) * 7 - 3
    f = (rng.random((25, 3)) < rng.random(3)).astype(float)
    if missing:
        f[rng.random(f.shape) < 0.4] = np.nan
        f[0], f[1, 2] = np.nan, 1.0
    oracle = class_oracle_fidelity(f, y)
    for i, found in enumerate(oracle.per_attribute):
        rows = ~np.isnan(f[:, i])
        if rows.any():
            expected = best_union(f[rows, i].astype(int), y[rows])
            assert found == pytest.approx(expected, abs=1e-12)
        else:
            assert np.isnan(found)
    assert oracle.mean == pytest.approx(np.nanmean(oracle.per_attribute))


def test_oracle_of_a_function_of_the_class_is_one() -> None:
    y = np.arange(20) % 4
    assert class_oracle_fidelity(np.isin(y, [1, 3])[:, None], torch.from_numpy(y)).mean == 1.0


def test_predicted_class_is_the_one_hot_code() -> None:
    rng = np.random.default_rng(0)
    f, y = rng.integers(0, 2, (40, 3)), rng.integers(0, 4, 40)
    found = predicted_class_fidelity(f, y, 6, null_draws=2, seed=3)
    expected = feature_fidelity(f, np.eye(6)[y], null_draws=2, seed=3)
    assert (found.score, found.null_mean) == (expected.score, expected.null_mean)
    assert found.dead_features == 2
    assert predicted_class_fidelity(f, y).score > found.score
    both = feature_fidelity(f, np.hstack([np.eye(4)[y], 1 - np.eye(4)[y]]))
    assert predicted_class_fidelity(f, y, complement=True).score == both.score


@pytest.mark.parametrize("complement", [False, True])
def test_distance_equals_loops(complement: bool) -> None:
    rng = np.random.default_rng(1)
    f, g = rng.random((30, 3)), rng.random((30, 5)).astype(np.float32)
    g[:, 4] = 1 - f[:, 1]
    pairs = [[np.abs(a - b).mean() for b in g.T] for a in f.T]
    flipped = [[np.abs(a - (1 - b.astype(float))).mean() for b in g.T] for a in f.T]
    nearest = np.minimum(pairs, flipped) if complement else np.array(pairs)
    found = fidelity_distance(f, g, complement=complement)
    a, b = nearest.min(1).mean(), nearest.min(0).mean()
    assert found.attributes_by_features == pytest.approx(a)
    assert found.features_by_attributes == pytest.approx(b)
    assert found.distance == pytest.approx(2 * a * b / (a + b))
    np.testing.assert_allclose(found.per_attribute, nearest.min(1), atol=1e-12)
    np.testing.assert_array_equal(found.best_feature, nearest.argmin(1))
    strict = np.array(flipped) < np.array(pairs)
    expected = strict[np.arange(3), nearest.argmin(1)] if complement else np.zeros(3, bool)
    np.testing.assert_array_equal(found.complemented, expected)
    assert fidelity_distance(f, torch.from_numpy(f)).distance == 0.0


F = np.array([[0, 1], [1, 0], [1, 1]])


def test_bad_input() -> None:
    with pytest.raises(ValueError, match=r"labels: expected 3 rows, found 2"):
        class_oracle_fidelity(F, [0, 1])
    with pytest.raises(ValueError, match=r"labels: expected whole numbers, found 0.5"):
        class_oracle_fidelity(F, [0, 1, 0.5])
    with pytest.raises(ValueError, match=r"labels: expected whole numbers, found nan"):
        class_oracle_fidelity(F, [0, 1, np.nan])
    with pytest.raises(ValueError, match=r"labels: expected .*, found shape \(3, 2\)"):
        class_oracle_fidelity(F, F)
    with pytest.raises(ValueError, match=r"predicted: expected classes 0 to 2, found 3"):
        predicted_class_fidelity(F, [0, 1, 3], 3)
    with pytest.raises(ValueError, match=r"predicted: expected .*, found -1"):
        predicted_class_fidelity(F, [0, 1, -1])
    with pytest.raises(ValueError, match=r"predicted: expected 3 rows, found 2"):
        predicted_class_fidelity(F, [0, 1])
    with pytest.raises(ValueError, match=r"features: expected 3 rows, found 2"):
        fidelity_distance(F, F[:2])
    with pytest.raises(ValueError, match=r"features: expected finite.*, found nan"):
        fidelity_distance(F, F * np.nan)
