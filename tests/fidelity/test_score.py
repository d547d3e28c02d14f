"""Feature fidelity against a double loop over scikit-learn's F1."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import f1_score

from irtheory.fidelity import FeatureFidelity, feature_fidelity
from irtheory.fidelity.pairs import closed_under_complement

ZERO: Any = 0  # F1 where neither side has a positive


def f1(a: np.ndarray, b: np.ndarray) -> float:
    return float(f1_score(a, b, zero_division=ZERO))


def by_hand(f: np.ndarray, g: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """r̂(f_i, g_j), whether complemented, and r̂(g_j, f_i), all n × D, by definition."""
    shape = (f.shape[1], g.shape[1])
    forward, flipped, backward = np.zeros(shape), np.zeros(shape, bool), np.zeros(shape)
    for i in range(shape[0]):
        rows = ~np.isnan(f[:, i])
        if not rows.any():
            continue
        a = f[rows, i].astype(int)
        for j in range(shape[1]):
            b = g[rows, j].astype(int)
            same, other = f1(a, b), f1(a, 1 - b)
            forward[i, j], flipped[i, j] = max(same, other), other > same
            backward[i, j] = max(same, f1(1 - a, b))
    return forward, flipped, backward


def check(found: FeatureFidelity, f: np.ndarray, g: np.ndarray) -> None:
    seen = ~np.isnan(f).all(0)
    forward, flipped, backward = by_hand(f, g)
    by_features, by_attributes = forward.max(1)[seen].mean(), backward.max(0).mean()
    assert found.attributes_by_features == pytest.approx(by_features, abs=1e-12)
    assert found.features_by_attributes == pytest.approx(by_attributes, abs=1e-12)
    total = by_features + by_attributes
    harmonic = 2 * by_features * by_attributes / total if total else 0.0
    assert found.score == pytest.approx(harmonic, abs=1e-12)
    best = forward.argmax(1)
    at = np.arange(len(best))
    np.testing.assert_allclose(found.per_attribute[seen], forward.max(1)[seen], atol=1e-12)
    np.testing.assert_array_equal(found.best_feature, np.where(seen, best, -1))
    np.testing.assert_array_equal(found.complemented, flipped[at, best] & seen)
    np.testing.assert_array_equal(found.excluded, np.isnan(f).sum(0))
    assert np.isnan(found.per_attribute[~seen]).all()
    assert found.unannotated == (~seen).sum()


@settings(max_examples=25)
@given(st.integers(0, 10**6), st.booleans(), st.booleans())
def test_equals_the_definition(seed: int, missing: bool, paired: bool) -> None:
    rng = np.random.default_rng(seed)
    m, n, d = rng.integers(2, 12), rng.integers(1, 4), rng.integers(1, 5)
    f = (rng.random((m, n)) < rng.random(n)).astype(float)
    g = (rng.random((m, d)) < rng.choice([0, 0.1, 0.5, 0.9, 1], d)).astype(np.uint8)
    if paired:
        g = np.hstack([g, 1 - g])
    if missing:
        f[rng.random((m, n)) < 0.3] = np.nan
        f[0] = np.nan
    f[-1, 0] = 1.0
    annotated = ~np.isnan(f).all(1)
    columns = int(rng.integers(1, 6))
    found = feature_fidelity(f, g, block_columns=columns)
    check(found, f, g)
    constant = np.ptp(g[annotated].astype(int), axis=0) == 0
    assert found.dead_features == constant.sum()


def test_complement_directions_differ() -> None:
    f = np.array([[1, 1, 1, 0, 0, 0, 0, 0]]).T
    g = np.array([[0, 0, 0, 1, 1, 1, 1, 0]]).T
    found = feature_fidelity(f, g)
    assert found.attributes_by_features == pytest.approx(f1(f[:, 0], 1 - g[:, 0]))
    assert found.features_by_attributes == pytest.approx(f1(g[:, 0], 1 - f[:, 0]))
    assert found.attributes_by_features != pytest.approx(found.features_by_attributes)
    assert found.complemented.tolist() == [True]


def test_equal_matches_are_not_complemented_and_lowest() -> None:
    f = np.array([[1], [1], [0], [0]])
    crossed = np.array([[1], [0], [1], [0]])
    found = feature_fidelity(f, np.hstack([crossed, crossed, 1 - crossed]))
    assert (found.best_feature.tolist(), found.complemented.tolist()) == ([0], [False])
    # A complemented match at a lower index comes before an equal one that is not.
    found = feature_fidelity(f, np.hstack([1 - f, f]))
    assert (found.best_feature.tolist(), found.complemented.tolist()) == ([0], [True])


def test_near_ties_are_told_apart() -> None:
    # 2·10000/20001 and 2·10001/20003 differ by 2.5e-9, far below float32's resolution.
    f = np.zeros((30_000, 1), np.uint8)
    f[:10_001] = 1
    g = np.zeros((30_000, 2), np.uint8)
    g[1:10_001, 0] = 1
    g[:10_001, 1] = g[10_001, 1] = 1
    found = feature_fidelity(f, g)
    exact = [2 * 10_000 / 20_001, 2 * 10_001 / 20_003]
    assert found.best_feature.tolist() == [int(np.argmax(exact))]
    assert found.per_attribute[0] == max(exact)


def test_identical_columns_score_one() -> None:
    f = np.random.default_rng(0).integers(0, 2, (50, 4))
    found = feature_fidelity(f, f)
    assert (found.score, found.dead_features, found.dead_attributes) == (1.0, 0, 0)
    assert found.best_feature.tolist() == [0, 1, 2, 3]


def test_constant_columns_are_counted() -> None:
    zeros, ones = np.zeros((6, 1)), np.ones((6, 1))
    mixed = np.array([[0, 1, 0, 1, 1, 0]]).T
    found = feature_fidelity(np.hstack([zeros, mixed]), np.hstack([zeros, ones, mixed]))
    assert (found.dead_features, found.dead_attributes) == (2, 1)
    nothing = feature_fidelity(zeros, zeros)
    assert nothing.attributes_by_features == 0.0
    assert nothing.features_by_attributes == 0.0
    assert nothing.score == 0.0


def test_rows_without_annotation_change_nothing() -> None:
    rng = np.random.default_rng(3)
    f, g = rng.integers(0, 2, (40, 3)).astype(float), rng.integers(0, 2, (40, 6))
    longer_f = np.vstack([f, np.full((5, 3), np.nan)])
    longer_g = np.vstack([g, np.ones((5, 6), int)])
    short = feature_fidelity(f, g, null_draws=3, bootstrap=5)
    long = feature_fidelity(longer_f, longer_g, null_draws=3, bootstrap=5)
    assert (short.score, short.null_mean, short.interval) == (
        long.score,
        long.null_mean,
        long.interval,
    )
    assert long.excluded.tolist() == [5, 5, 5]


@pytest.mark.parametrize("dtype", [bool, np.int64, np.float32, np.uint16, np.float64])
def test_every_dtype_and_tensor_gives_the_same(dtype: type) -> None:
    rng = np.random.default_rng(1)
    f, g = rng.integers(0, 2, (30, 3)), rng.integers(0, 2, (30, 5))
    expected = feature_fidelity(f, g)
    locked = np.asfortranarray(g.astype(dtype))
    locked.flags.writeable = False
    for features in (locked, locked[::-1][::-1], torch.from_numpy(g.astype(dtype))):
        assert feature_fidelity(f.astype(dtype), features).score == expected.score
    tensors = feature_fidelity(torch.from_numpy(f), torch.from_numpy(g))
    assert isinstance(tensors.best_feature, np.ndarray)
    np.testing.assert_array_equal(tensors.per_attribute, expected.per_attribute)


@pytest.mark.parametrize("missing", [False, True])
def test_block_size_does_not_matter(missing: bool) -> None:
    rng = np.random.default_rng(2)
    f = rng.integers(0, 2, (60, 4)).astype(float)
    g = rng.integers(0, 2, (60, 17))
    if missing:
        f[rng.random(f.shape) < 0.2] = np.nan
    results = [
        feature_fidelity(f, g, null_draws=3, bootstrap=3, block_columns=b) for b in (1, 5, 17, 99)
    ]
    for other in results[1:]:
        assert other.null_mean == pytest.approx(results[0].null_mean, abs=1e-12)
        assert other.interval == pytest.approx(results[0].interval, abs=1e-12)
        assert other.score == pytest.approx(results[0].score, abs=1e-12)
        np.testing.assert_array_equal(other.best_feature, results[0].best_feature)


def test_many_attributes_are_read_in_narrow_strips() -> None:
    rng = np.random.default_rng(8)
    f, g = rng.integers(0, 2, (20, 20_000)).astype(np.uint8), rng.integers(0, 2, (20, 3))
    found = feature_fidelity(f, g)
    few = np.arange(0, 20_000, 4_999)
    forward, _, _ = by_hand(f[:, few].astype(float), g)
    np.testing.assert_allclose(found.per_attribute[few], forward.max(1), atol=1e-12)
    assert (found.best_feature[few] == forward.argmax(1)).all()


def test_closed_under_complement() -> None:
    u = torch.from_numpy(np.random.default_rng(0).integers(0, 2, (600, 6), dtype=np.uint8))
    assert closed_under_complement(torch.hstack([u, 1 - u]))
    broken = torch.hstack([u, 1 - u])
    broken[-1, -1] ^= 1
    assert not closed_under_complement(broken)
    assert not closed_under_complement(broken[:, :-1])


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_cuda_equals_cpu() -> None:
    rng = np.random.default_rng(4)
    f, g = rng.integers(0, 2, (500, 7)).astype(float), rng.integers(0, 2, (500, 90))
    f[rng.random(f.shape) < 0.1] = np.nan
    here = feature_fidelity(f, g, null_draws=3, bootstrap=3)
    there = feature_fidelity(f, torch.from_numpy(g).cuda(), null_draws=3, bootstrap=3)
    assert there.score == pytest.approx(here.score, abs=1e-12)
    assert there.null_mean == pytest.approx(here.null_mean, abs=1e-12)
    assert there.interval == pytest.approx(here.interval, abs=1e-12)
    np.testing.assert_array_equal(there.best_feature, here.best_feature)


GOOD = np.array([[0, 1], [1, 0], [1, 1]])


@pytest.mark.parametrize(
    ("f", "g", "message"),
    [
        (GOOD, GOOD * 2, r"features: expected 0 or 1, found 2"),
        (GOOD, np.where(GOOD, np.nan, 0.0), r"features: expected .*, found nan"),
        (GOOD, np.where(GOOD, np.inf, 0.0), r"features: expected .*, found inf"),
        (GOOD - 1, GOOD, r"attributes: expected 0, 1 or NaN, found -1"),
        (GOOD * 257, GOOD, r"attributes: expected .*, found 257"),
        (GOOD * 0.5, GOOD, r"attributes: expected .*, found 0.5"),
        (GOOD[:2], GOOD, r"features: expected 2 rows, found 3"),
        (GOOD[0], GOOD, r"attributes: expected .*, found shape \(2,\)"),
        (GOOD, GOOD[:, :0], r"features: expected .*, found shape \(3, 0\)"),
        (np.zeros((0, 2)), np.zeros((0, 2)), r"attributes: expected .*, found shape \(0, 2\)"),
        (GOOD * np.nan, GOOD, r"attributes: expected .*, found NaN in every cell"),
        (GOOD.astype(str), GOOD, r"attributes: expected .*, found dtype <U"),
        ([[1, 0], [1]], GOOD, r"attributes: expected .*, found no array"),
    ],
)
def test_bad_arrays(f: np.ndarray, g: np.ndarray, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        feature_fidelity(f, g)


@pytest.mark.parametrize("name", ["null_draws", "bootstrap", "seed", "block_columns"])
@pytest.mark.parametrize("found", [-1, 1.5, True, "3"])
def test_bad_numbers(name: str, found: Any) -> None:
    with pytest.raises(ValueError, match=f"{name}: expected a whole number.*, found {found!r}"):
        feature_fidelity(GOOD, GOOD, **{name: found})
