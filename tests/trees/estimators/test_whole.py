"""Whole numbers that float64 would merge are refused wherever X and y come from."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import numpy as np
import pytest

from irtheory.trees import (
    CodeTreeClassifier,
    CodeTreeRegressor,
    OptimalTreeClassifier,
    OptimalTreeRegressor,
)

pd = pytest.importorskip("pandas")

MODELS = [
    CodeTreeClassifier(max_depth=1),
    CodeTreeRegressor(max_depth=1),
    OptimalTreeClassifier(max_depth=1),
    OptimalTreeRegressor(max_depth=1),
]
every = pytest.mark.parametrize("model", MODELS, ids=lambda model: type(model).__name__)
LABELS = np.arange(6) // 3
BIG = [2**60 + i for i in range(6)]


def tables(big: list[int]) -> dict[str, Any]:
    """Two columns, of which the second holds these whole numbers, in many forms."""
    pairs = [[i, whole] for i, whole in enumerate(big)]
    gone = [*big[:5], None]
    return {
        "array": np.array(pairs),
        "unsigned": np.array(pairs, np.uint64) + np.uint64(2**63),
        "negative": -np.array(pairs),
        "swapped bytes": np.array(pairs).astype(">i8"),
        "objects": np.array([[i, 2**10 * whole] for i, whole in enumerate(big)], dtype=object),
        "decimals": np.array([[i, Decimal(w) + 1] for i, w in enumerate(big)], dtype=object),
        "texts": np.array([[str(cell) for cell in row] for row in pairs]),
        "lists": pairs,
        "lists with a float": [[0.5 + i, whole] for i, whole in pairs],
        "frame": pd.DataFrame(pairs, columns=["x0", "x1"]),
        "nullable": pd.DataFrame({"x0": range(6), "x1": pd.array(gone, dtype="Int64")}),
        "frame of objects": pd.DataFrame({"x0": range(6), "x1": pd.Series(gone, dtype=object)}),
    }


@pytest.mark.parametrize("form", tables(BIG))
@every
def test_columns_that_float64_would_merge_are_refused(model, form):
    found = tables(BIG)[form]
    with pytest.raises(ValueError, match=r"X: .*2\^53.*column 'x[01]'"):
        model.fit(found, LABELS)
    small = np.arange(12).reshape(6, 2)
    framed = isinstance(found, pd.DataFrame)
    model.fit(pd.DataFrame(small, columns=found.columns) if framed else small, LABELS)
    with pytest.raises(ValueError, match=r"X: .*2\^53.*column 'x[01]'"):
        model.predict(found)


def test_integers_with_missing_ones_of_polars_are_refused():
    polars = pytest.importorskip("polars")
    table = polars.DataFrame({"size": [2**60, 2**60 + 1, None]})
    with pytest.raises(ValueError, match=r"found 1152921504606846976 in row 0 of column 'size'"):
        CodeTreeClassifier().fit(table, [0, 1, 1])


@every
def test_numbers_up_to_two_to_the_53_and_large_floats_are_taken(model):
    x = np.array([2**53, 2**53 - 1, 2**53 - 2, -(2**53), 1 - 2**53, 2 - 2**53])[:, None]
    for own in (x, x.astype(object), x.astype(float) * 2.0**40, (x * 1e20).tolist()):
        model.fit(own, x[:, 0] > 0)
        assert model.score(own, x[:, 0] > 0) == 1


@pytest.mark.parametrize("y", [BIG, [2**70 + i for i in range(6)]], ids=["int64", "objects"])
@pytest.mark.parametrize("model", MODELS[1::2], ids=lambda model: type(model).__name__)
def test_targets_that_float64_would_merge_are_refused(model, y):
    with pytest.raises(ValueError, match=r"y: .*2\^53"):
        model.fit(np.arange(6)[:, None], y)
