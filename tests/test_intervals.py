"""Intervals against SciPy, and the range and the value that each of them must respect."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binomtest

from irtheory.fidelity import feature_fidelity, within_class_recovery
from irtheory.intervals import (
    ANY,
    SHARE,
    centred_interval,
    cut,
    percentile_interval,
    wilson_interval,
)
from irtheory.studies.recovery.table import interval

SHARES = st.lists(st.floats(0, 1), min_size=1, max_size=40)


@pytest.mark.parametrize(("hits", "size"), [(0, 7), (7, 7), (30, 100), (1, 1), (999_999, 10**6)])
def test_a_share_has_wilsons_interval(hits: int, size: int) -> None:
    expected = binomtest(hits, size).proportion_ci(method="wilson")
    assert wilson_interval(hits, size) == pytest.approx((expected.low, expected.high))


@given(st.integers(1, 10**9), st.floats(0, 1))
def test_wilsons_interval_holds_its_share_in_0_to_1(size: int, share: float) -> None:
    hits = round(share * size)
    low, high = wilson_interval(hits, size)
    assert 0 <= low <= hits / size <= high <= 1
    assert (low == 0) == (hits == 0) and (high == 1) == (hits == size)


@pytest.mark.parametrize(("hits", "size"), [(1, 0), (3, 2), (-1, 2), (0.5, 2), (True, 2)])
def test_hits_that_are_no_number_of_trials_are_refused(hits, size) -> None:
    with pytest.raises(ValueError, match=r"hits|size"):
        wilson_interval(hits, size)


@given(st.floats(0, 1), SHARES)
def test_a_centred_interval_holds_its_value_in_its_range(value: float, draws) -> None:
    low, high = centred_interval(value, np.array(draws), SHARE)
    assert 0 <= low <= value <= high <= 1


@given(SHARES)
def test_percentiles_and_means_of_shares_lie_in_0_to_1(values) -> None:
    low, high = percentile_interval(np.array(values), SHARE)
    assert 0 <= low <= high <= 1
    if len(values) > 1:
        found = interval(values, SHARE)
        assert 0 <= found.low <= found.high <= 1
        assert found.low <= found.mean + 1e-12 and found.mean <= found.high + 1e-12


def test_only_what_leaves_the_range_is_cut() -> None:
    assert cut(-0.2, 1.15, SHARE) == (0.0, 1.0) and cut(0.2, 0.7, SHARE) == (0.2, 0.7)
    assert cut(-3, 7, ANY) == (-3.0, 7.0)


@pytest.mark.parametrize("seed", range(6))
def test_fidelity_of_few_samples_has_intervals_in_range(seed: int) -> None:
    # A handful of rows and rare attributes: resamples without a positive lower the mean far.
    rng = np.random.default_rng(seed)
    f = rng.random((7, 3)) < 0.3
    g = np.hstack([f, rng.random((7, 2)) < 0.5])
    found = feature_fidelity(f, g, bootstrap=40, seed=seed)
    assert found.interval is not None
    assert 0 <= found.interval[0] <= found.score <= found.interval[1] <= 1
    inside = within_class_recovery(
        f, np.zeros(7, int), g, f, np.zeros(7, int), g, min_samples=2, prevalence=(0, 1)
    )
    if inside.auc_interval is not None and inside.f1_excess_interval is not None:
        assert 0 <= inside.auc_interval[0] <= inside.auc_interval[1] <= 1
        assert -1 <= inside.f1_excess_interval[0] <= inside.f1_excess_interval[1] <= 1
