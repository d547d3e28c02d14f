from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from irtheory import IntersectionClassifier
from irtheory.intersection.column_cuts import LEAST, best_cut


def by_brute_force(x: np.ndarray, passes: np.ndarray) -> float:
    """The largest share of its worse side for which any cut of any column is right."""
    best = 0.0
    for column in x.T:
        for value in column:
            for right in (passes == (column > value), passes == (column <= value)):
                if 0 < (column > value).sum() < len(column):
                    best = max(best, min(right[passes].mean(), right[~passes].mean()))
    return best


@given(st.integers(0, 10_000))
def test_no_cut_of_a_column_is_closer(seed: int) -> None:
    rng = np.random.default_rng(seed)
    x = rng.integers(0, 6, (30, 3)).astype(float)
    passes = (x[:, 1] > 2) ^ (rng.random(30) < 0.05)
    if passes.all() or not passes.any():
        assert best_cut(x, passes) is None
        return
    found, expected = best_cut(x, passes), by_brute_force(x, passes)
    if found is None:
        assert expected < LEAST + 1e-9
        return
    above = x[:, found.column] > found.low
    assert (above == (x[:, found.column] >= found.high)).all()
    right = passes == (above == found.above)
    worse = min(right[passes].mean(), right[~passes].mean())
    assert worse == pytest.approx(expected) and worse >= LEAST
    assert found.same == pytest.approx(right.mean())


def test_a_key_of_codes_names_the_columns_that_come_close() -> None:
    rng = np.random.default_rng(0)
    wide = rng.normal(size=300)
    table = pd.DataFrame({"noise": rng.normal(size=300), "petal → length": wide})
    labels = np.where(wide > 0.4, "long", "short")
    model = IntersectionClassifier(n_features=4, epochs=30, random_state=0).fit(table, labels)
    lines = model.key().splitlines()
    assert "petal -> length" in lines[0] and "(code " in lines[0], lines
    assert sorted("length > " in line for line in lines[:2]) == [False, True], lines
    assert "petal" not in model.key([f"c{i}" for i in range(len(model.kept_))])
