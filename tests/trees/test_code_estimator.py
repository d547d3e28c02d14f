from __future__ import annotations

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.tree import DecisionTreeRegressor
from sklearn.utils.estimator_checks import check_estimator

from irtheory.trees.cart.fit import fit_cart
from irtheory.trees.code_estimator import CodeTreeRegressor


def test_scikit_learn_contract():
    # One check of scikit-learn skips itself unless SCIPY_ARRAY_API is set before scipy loads.
    report = check_estimator(CodeTreeRegressor(), on_skip=None)
    assert {check["status"] for check in report} <= {"passed", "skipped"}
    skipped = [check["check_name"] for check in report if check["status"] == "skipped"]
    assert set(skipped) <= {"check_array_api_input"}


def test_few_values_are_cut_as_scikit_learn_cuts_them():
    rng = np.random.default_rng(0)
    x = rng.choice(rng.normal(size=30), size=(300, 4))
    y = rng.normal(size=(300, 2)) + x[:, :2]
    own = CodeTreeRegressor(max_depth=4).fit(x, y)
    peer = DecisionTreeRegressor(max_depth=4, random_state=0).fit(x, y)
    np.testing.assert_allclose(own.predict(x), peer.predict(x), rtol=1e-12)


def test_codes_are_taken_as_they_are():
    rng = np.random.default_rng(1)
    codes, targets = rng.integers(0, 9, size=(90, 4)), rng.dirichlet(np.ones(3), size=90)
    model = clone(CodeTreeRegressor(max_depth=3, criterion="entropy", min_samples_leaf=4))
    assert model.fit(codes, targets).tree_ == fit_cart(codes, targets, 3, min_samples_leaf=4)
    assert (model.n_features_in_, model.n_outputs_) == (4, 3)


@pytest.mark.parametrize("n_bins", [1, 257, 2.5])
def test_bins_out_of_range(n_bins):
    with pytest.raises(ValueError, match=f"n_bins: expected 2 … 256, found {n_bins}"):
        CodeTreeRegressor(n_bins=n_bins).fit(np.eye(3), np.arange(3))
