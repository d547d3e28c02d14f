from __future__ import annotations

import numpy as np
import pytest

from irtheory.trees import fit_cart

CODES = np.array([[0, 1], [1, 0], [2, 1]])
LABELS = np.eye(3)


@pytest.mark.parametrize(
    ("codes", "message"),
    [
        (np.zeros(3), r"codes: expected samples × features, found shape \(3,\)"),
        (np.zeros((0, 2)), r"codes: .* found shape \(0, 2\)"),
        (CODES - 1, "codes: expected 0 … 255, found -1"),
        (CODES + 254, "codes: expected 0 … 255, found 256"),
        (CODES + 0.5, "codes: expected whole numbers, found fractions"),
        (np.where(CODES == 2, np.nan, 0), "codes: expected finite"),
        (CODES.astype(str), "codes: expected whole numbers, found dtype"),
    ],
)
def test_bad_codes(codes, message):
    with pytest.raises(ValueError, match=message):
        fit_cart(codes, LABELS, 2)


@pytest.mark.parametrize(
    ("targets", "message"),
    [
        (LABELS[:2], r"targets: expected 3 × k numbers, found shape \(2, 3\)"),
        (np.zeros((3, 0)), r"targets: .* found shape \(3, 0\)"),
        (np.full((3, 3), np.nan), "targets: expected finite numbers"),
        (LABELS.astype(str), "targets: expected numbers, found dtype"),
        (np.diag([1.0, 1.0, 0.9]), "rows that sum to 1 for entropy, found 0.9 in row 2"),
        (np.array([[1, 0], [1.5, -0.5], [1, 0]]), "no negative share for entropy, found -0.5"),
    ],
)
def test_bad_targets(targets, message):
    with pytest.raises(ValueError, match=message):
        fit_cart(CODES, targets, 2)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"max_depth": -1}, "max_depth: expected a whole number ≥ 0, found -1"),
        ({"max_depth": 1.5}, "max_depth: .* found 1.5"),
        ({"min_samples_leaf": 0}, "min_samples_leaf: expected a whole number ≥ 1, found 0"),
        ({"threads": 0}, "threads: expected a whole number ≥ 1, found 0"),
        ({"criterion": "gini"}, "criterion: .* found 'gini'"),
        ({"columns": [2]}, "columns: expected 0 … 1, found 2"),
        ({"columns": []}, "columns: expected a list of whole numbers"),
        ({"columns": [True]}, "columns: expected a list of whole numbers"),
    ],
)
def test_bad_settings(settings, message):
    with pytest.raises(ValueError, match=message):
        fit_cart(CODES, LABELS, **{"max_depth": 2, **settings})
