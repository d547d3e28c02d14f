"""Permutation null and bootstrap, against explicit permutation and resampling."""

from __future__ import annotations

import numpy as np
import pytest

from irtheory.fidelity import feature_fidelity
from irtheory.fidelity.null import PERMUTATIONS, RESAMPLES


def data(
    seed: int, m: int = 200, n: int = 4, d: int = 12, noise: float = 0.5
) -> tuple[np.ndarray, np.ndarray]:
    """Attributes, and features that are noisy copies of them (independent for noise 0.5)."""
    rng = np.random.default_rng(seed)
    f = rng.integers(0, 2, (m, n))
    return f, f[:, np.arange(d) % n] ^ (rng.random((m, d)) < noise)


@pytest.mark.parametrize("missing", [False, True])
def test_null_is_the_score_of_shuffled_rows(missing: bool) -> None:
    f, g = data(0)
    f = f.astype(float)
    if missing:
        f[np.random.default_rng(9).random(f.shape) < 0.2] = np.nan
        f = f[~np.isnan(f).all(1)]
        g = g[: len(f)]
    found = feature_fidelity(f, g, null_draws=4, seed=5)
    rng = np.random.default_rng([5, PERMUTATIONS])
    scores = [feature_fidelity(f[rng.permutation(len(f))], g).score for _ in range(4)]
    assert found.null_mean == pytest.approx(np.mean(scores), abs=1e-12)
    assert found.null_sd == pytest.approx(np.std(scores, ddof=1), abs=1e-12)
    assert found.adjusted == pytest.approx(
        (found.score - np.mean(scores)) / (1 - np.mean(scores)), abs=1e-12
    )


@pytest.mark.parametrize("missing", [False, True])
def test_bootstrap_is_the_score_of_resampled_rows(missing: bool) -> None:
    f, g = data(1, noise=0.2)
    f = f.astype(float)
    if missing:
        f[np.random.default_rng(9).random(f.shape) < 0.2] = np.nan
        f = f[~np.isnan(f).all(1)]
        g = g[: len(f)]
    found = feature_fidelity(f, g, bootstrap=6, seed=5)
    m = len(f)
    counts = np.random.default_rng([5, RESAMPLES]).multinomial(m, np.full(m, 1 / m), size=6)
    rows = [np.repeat(np.arange(m), c) for c in counts]
    scores = [feature_fidelity(f[r], g[r]).score for r in rows]
    centred = np.percentile(scores, [2.5, 97.5]) + found.score - np.mean(scores)
    assert found.interval == pytest.approx(centred, abs=1e-12)


def test_the_interval_holds_its_score_where_resampling_lifts_the_maxima() -> None:
    rng = np.random.default_rng(0)
    f, g = rng.random((200, 6)) < 0.3, rng.random((200, 300)) < 0.3
    found = feature_fidelity(f, g, bootstrap=60)
    assert found.interval is not None and found.interval[0] < found.score < found.interval[1]


def test_independent_columns_score_like_their_null() -> None:
    f, g = data(2, m=1000)
    found = feature_fidelity(f, g, null_draws=40)
    assert found.null_mean is not None and found.null_sd is not None and found.adjusted is not None
    assert abs(found.score - found.null_mean) < 4 * found.null_sd
    assert abs(found.adjusted) < 0.05
    related = feature_fidelity(*data(2, m=1000, noise=0.1), null_draws=10)
    assert related.adjusted is not None and related.adjusted > 0.6


def test_interval_covers_the_score_of_the_population() -> None:
    # Copies with noise ε of fair attributes: F1 = 1 − ε in both directions.
    covered = 0
    for seed in range(20):
        low, high = feature_fidelity(*data(seed, d=4, noise=0.1), bootstrap=100).interval or (1, 0)
        covered += low <= 0.9 <= high
    assert covered >= 17


def test_asked_for_apart() -> None:
    f, g = data(3)
    plain = feature_fidelity(f, g)
    assert (plain.null_mean, plain.null_sd, plain.adjusted, plain.interval) == (None,) * 4
    both = feature_fidelity(f, g, null_draws=3, bootstrap=4, seed=1)
    assert both.null_mean == feature_fidelity(f, g, null_draws=3, seed=1).null_mean
    assert both.interval == feature_fidelity(f, g, bootstrap=4, seed=1).interval
    assert both.null_mean != feature_fidelity(f, g, null_draws=3, seed=2).null_mean
    assert feature_fidelity(f, g, null_draws=1).null_sd is None


def test_no_room_above_a_perfect_null() -> None:
    ones = np.ones((5, 1))
    found = feature_fidelity(ones, ones, null_draws=2)
    assert (found.score, found.null_mean, found.adjusted) == (1.0, 1.0, 0.0)
