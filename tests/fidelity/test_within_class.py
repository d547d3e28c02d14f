"""Within-class recovery against loops over scikit-learn, and on planted codes."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy.stats import rankdata
from sklearn.metrics import f1_score, roc_auc_score

from irtheory.fidelity import WithinClassRecovery, within_class_recovery
from irtheory.fidelity.cuts import f1_excess
from irtheory.fidelity.ranks import auc_excess, midranks

ZERO: Any = 0  # F1 where neither side has a positive

Half = tuple[np.ndarray, np.ndarray, np.ndarray]


def half(rng: np.random.Generator, kind: str, m: int = 240) -> Half:
    """Attributes (4, one rare), labels (3) and values (6) of one kind."""
    f = (rng.random((m, 4)) < [0.5, 0.3, 0.7, 0.02]).astype(float)
    y = rng.integers(0, 3, m)
    if kind == "class":
        values = np.column_stack([y == 0, y == 1, y, y % 2, 3 - y, np.ones(m)]).astype(int)
    elif kind == "codes":
        values = rng.integers(0, 4, (m, 6))
        values[:, 2] = np.where(f[:, 0] == 1, 3, rng.integers(0, 3, m))
    else:
        values = rng.normal(size=(m, 6))
        values[:, 4] -= 2 * f[:, 1]
    return f, y, values


def by_hand(first: Half, test: Half, bits: int | None) -> dict[tuple[int, int], tuple[float, ...]]:
    """(column, auc, F1 column, F1 excess) of every pair, by loops."""
    (f, y, v), (ft, yt, vt) = first, test
    found = {}
    for c in np.unique(y):
        for i in range(f.shape[1]):
            rows, other = (y == c) & ~np.isnan(f[:, i]), (yt == c) & ~np.isnan(ft[:, i])
            shares = f[rows, i].mean(), ft[other, i].mean()
            if min(rows.sum(), other.sum()) < 20 or min(shares) < 0.1 or max(shares) > 0.9:
                continue
            a, b = f[rows, i], ft[other, i]
            aucs = np.array([roc_auc_score(a, column) for column in v[rows].T])
            k = int(np.argmax(np.round(np.abs(aucs - 0.5), 12)))
            auc = roc_auc_score(b, vt[other, k] * (1 if aucs[k] >= 0.5 else -1))
            best = (-2.0, -1, np.zeros(1))
            for flip in (False, True):
                for j, (column, tested) in enumerate(zip(v[rows].T, vt[other].T, strict=True)):
                    for on, on_test in binary(column, tested, bits):
                        p, ons = a.sum(), (on ^ flip).sum()
                        score = f1_score(a, on ^ flip, zero_division=ZERO)
                        score -= 2 * p * ons / len(a) / (p + ons)
                        if score > best[0] + 1e-12:
                            best = (score, j, on_test ^ flip)
            p, on = b.sum(), best[2].sum()
            chance = 2 * p * on / len(b) / (p + on)
            found[int(c), i] = k, auc, best[1], f1_score(b, best[2]) - chance
    return found


def binary(
    column: np.ndarray, tested: np.ndarray, bits: int | None
) -> list[tuple[np.ndarray, np.ndarray]]:
    if bits is not None:
        return [(column == j, tested == j) for j in range(2**bits)]
    cuts = [np.sort(column)[int(q * (len(column) - 1))] for q in (0.25, 0.5, 0.75)]
    return [(column > t, tested > t) for t in cuts]


@pytest.mark.parametrize("missing", [False, True])
@pytest.mark.parametrize(("kind", "bits"), [("codes", 2), ("reals", None)])
def test_equals_loops(kind: str, bits: int | None, missing: bool) -> None:
    rng = np.random.default_rng(0)
    first, test = half(rng, kind), half(rng, kind)
    if missing:
        for f, _, _ in (first, test):
            f[rng.random(f.shape) < 0.15] = np.nan
            f[:5] = np.nan
    found = within_class_recovery(*first, *test, bits=bits, bootstrap=50)
    expected = by_hand(first, test, bits)
    keys = list(zip(found.class_label.tolist(), found.attribute.tolist(), strict=True))
    assert keys == sorted(expected) and len(keys) == 9
    columns, aucs, f1_columns, excesses = map(
        np.array, zip(*(expected[k] for k in keys), strict=True)
    )
    np.testing.assert_array_equal(found.column, columns)
    np.testing.assert_allclose(found.auc, aucs, atol=1e-12)
    np.testing.assert_array_equal(found.f1_column, f1_columns)
    np.testing.assert_allclose(found.f1_excess, excesses, atol=1e-12)
    assert found.mean_auc == pytest.approx(aucs.mean())
    assert found.mean_f1_excess == pytest.approx(excesses.mean())
    for mean, interval in (
        (found.mean_auc, found.auc_interval),
        (found.mean_f1_excess, found.f1_excess_interval),
    ):
        assert interval is not None and interval[0] < mean < interval[1]


@pytest.mark.parametrize("bits", [2, None])
def test_codes_of_the_class_are_worth_nothing(bits: int | None) -> None:
    rng = np.random.default_rng(1)
    found = within_class_recovery(*half(rng, "class"), *half(rng, "class"), bits=bits)
    assert len(found.auc) == 9
    assert (found.auc == 0.5).all()
    assert (found.f1_excess == 0.0).all()
    assert found.auc_interval == (0.5, 0.5)


def test_planted_instance_codes_score_high() -> None:
    rng = np.random.default_rng(2)
    found = within_class_recovery(*half(rng, "codes"), *half(rng, "codes"), bits=2)
    planted = found.attribute == 0
    assert (found.column[planted] == 2).all() and (found.f1_column[planted] == 2).all()
    assert (found.auc[planted] == 1.0).all()
    assert (found.f1_excess[planted] > 0.4).all()
    assert np.abs(found.auc[~planted] - 0.5).mean() < 0.1


def test_only_the_first_half_chooses() -> None:
    # A column that is perfect on the test half alone must not be picked.
    rng = np.random.default_rng(3)
    first, test = half(rng, "reals", 400), half(rng, "reals", 400)
    test[2][:, 0] = test[0][:, 0]
    found = within_class_recovery(*first, *test)
    assert (found.auc[found.attribute == 0] < 0.9).all()


def test_sign_is_that_of_the_first_half() -> None:
    rng = np.random.default_rng(4)
    first, test = half(rng, "reals"), half(rng, "reals")
    turned = (test[0], test[1], -test[2])
    same, opposite = (within_class_recovery(*first, *t) for t in (test, turned))
    np.testing.assert_allclose(same.auc, 1 - opposite.auc, atol=1e-12)
    assert (same.sign[same.attribute == 1] == -1).all()


def test_no_pair() -> None:
    rng = np.random.default_rng(5)
    found = within_class_recovery(*half(rng, "reals"), *half(rng, "reals"), min_samples=500)
    assert len(found.auc) == 0
    assert np.isnan(found.mean_auc) and np.isnan(found.mean_f1_excess)
    assert found.auc_interval is None and found.f1_excess_interval is None
    assert isinstance(found, WithinClassRecovery)


@pytest.mark.parametrize("levels", [2, 5, 1000])
def test_midranks_and_auc(levels: int) -> None:
    rng = np.random.default_rng(levels)
    values, positive = rng.integers(0, levels, (80, 5)), rng.integers(0, 2, (80, 3))
    ranks, ascending = midranks(values)
    np.testing.assert_array_equal(ranks, rankdata(values, axis=0))
    np.testing.assert_array_equal(ascending, np.sort(values.T, axis=1))
    expected = [[roc_auc_score(p, v) for p in positive.T] for v in values.T]
    np.testing.assert_allclose(auc_excess(ranks, positive.astype(float)) + 0.5, expected)


def test_f1_excess_is_over_the_mean_of_permutations() -> None:
    rng = np.random.default_rng(6)
    a, b = rng.integers(0, 2, 30), rng.integers(0, 2, 30)
    draws = [f1_score(rng.permutation(a), b) for _ in range(800)]
    spread = 4 * np.std(draws) / np.sqrt(len(draws))
    assert f1_excess(a, b) == pytest.approx(f1_score(a, b) - np.mean(draws), abs=spread)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"bits": 1}, r"values: expected codes 0 to 1, found \d"),
        ({"bits": 0}, r"bits: expected a whole number ≥ 1, found 0"),
        ({"bits": 9}, r"bits: expected at most 8, found 9"),
        ({"bootstrap": -1}, r"bootstrap: expected .*, found -1"),
        ({"min_samples": 0}, r"min_samples: expected .*, found 0"),
        ({"prevalence": (0.9, 0.1)}, r"prevalence: expected .*, found \(0.9, 0.1\)"),
        ({"labels": np.zeros(3, int)}, r"labels: expected 240 rows, found 3"),
        ({"values": np.zeros((3, 6))}, r"values: expected 240 rows, found 3"),
        ({"values": np.full((240, 6), np.nan)}, r"values: expected finite.*, found nan"),
        ({"test_values": np.zeros((240, 5))}, r"test_values: expected 6 columns, found 5"),
        ({"test_attributes": np.zeros((240, 2))}, r"test_attributes: expected .*, found 2"),
    ],
)
def test_bad_input(changes: dict[str, Any], message: str) -> None:
    rng = np.random.default_rng(7)
    names = ("attributes", "labels", "values")
    good: dict[str, Any] = dict(zip(names, half(rng, "codes"), strict=True))
    good |= {f"test_{k}": v for k, v in zip(names, half(rng, "codes"), strict=True)}
    with pytest.raises(ValueError, match=message):
        within_class_recovery(**(good | changes))


def test_a_dead_code_does_not_take_the_place_of_a_live_one() -> None:
    # Where an attribute is common, a column that is always on has the larger F1 and no content.
    rng = np.random.default_rng(0)
    m, y = 2000, np.zeros(2000, dtype=int)
    f = (rng.random((m, 1)) < 0.8).astype(int)
    code = np.where(rng.random((m, 1)) < 0.2, 1 - f, f)
    dead = np.hstack([code, np.zeros((m, 1), dtype=int)])
    a, b = slice(0, 1000), slice(1000, None)
    alone, both = (
        within_class_recovery(f[a], y[a], v[a], f[b], y[b], v[b], bits=1) for v in (code, dead)
    )
    assert alone.mean_f1_excess == both.mean_f1_excess > 0.1
