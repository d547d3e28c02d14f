from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import sparse
from sklearn.base import clone
from sklearn.utils.estimator_checks import check_estimator

from irtheory.trees.estimators import OptimalTreeRegressor, codes_of, cut_points
from irtheory.trees.exact.solver import fit_exact_tree


def test_scikit_learn_contract():
    # One check of scikit-learn skips itself unless SCIPY_ARRAY_API is set before scipy loads.
    report = check_estimator(OptimalTreeRegressor(), on_skip=None)
    assert {check["status"] for check in report} <= {"passed", "skipped"}
    skipped = [check["check_name"] for check in report if check["status"] == "skipped"]
    assert set(skipped) <= {"check_array_api_input"}


def test_codes_are_taken_as_they_are():
    rng = np.random.default_rng(0)
    codes, targets = rng.choice([-2, 0, 5, 6], size=(80, 4)), rng.normal(size=(80, 3))
    model, exact = OptimalTreeRegressor().fit(codes, targets), fit_exact_tree(codes, targets, 3)
    assert model.tree_ == exact.tree
    assert (model.loss_, model.lower_bound_) == (exact.loss, exact.lower_bound)
    assert (model.status_, model.n_features_in_, model.n_outputs_) == ("optimal", 4, 3)
    np.testing.assert_array_equal(model.predict(codes), exact.predictions)


@pytest.mark.parametrize("depth", [1, 2, 3, 4])
def test_thresholds_are_in_the_units_of_x(depth):
    rng = np.random.default_rng(depth)
    x, y = 100 * rng.normal(size=(200, 3)), rng.normal(size=200)
    model = OptimalTreeRegressor(max_depth=depth, n_bins=5).fit(x, y)
    assert model.tree_.depth == depth
    assert model.predict(x).shape == (200,)
    assert ((model.predict(x) - y) ** 2).sum() == pytest.approx(model.loss_, rel=1e-12)
    inner = model.tree_.feature >= 0
    for feature, threshold in zip(
        model.tree_.feature[inner], model.tree_.threshold[inner], strict=True
    ):
        assert threshold in cut_points(x[:, feature], 5)


@given(st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=1), st.integers(2, 9))
def test_cuts_part_the_values_and_codes_count_them(column, n_bins):
    column = np.array(column)
    cuts, distinct = cut_points(column, n_bins), np.unique(column)
    assert len(cuts) <= min(n_bins, len(distinct)) - 1
    assert len(distinct) > n_bins or len(cuts) == len(distinct) - 1
    codes = codes_of(column[:, None], [cuts])[:, 0]
    assert set(codes) == set(range(len(cuts) + 1))
    for c, cut in enumerate(cuts):
        np.testing.assert_array_equal(column <= cut, codes <= c)


def test_quantile_bins_hold_equal_shares():
    column = np.random.default_rng(0).normal(size=800)
    codes = codes_of(column[:, None], [cut_points(column, 8)])[:, 0]
    np.testing.assert_array_equal(np.bincount(codes), np.full(8, 100))


def test_linear_cost_predicts_the_chosen_column():
    rng = np.random.default_rng(1)
    codes, costs = rng.integers(0, 2, (100, 6)), rng.random((100, 4))
    model = OptimalTreeRegressor(cost="linear").fit(codes, costs)
    chosen = model.predict(codes)
    assert (chosen.sum(axis=1) == 1).all() and set(np.unique(chosen)) == {0, 1}
    assert (chosen * costs).sum() == pytest.approx(model.loss_, rel=1e-12)
    with pytest.raises(ValueError, match="cost: a score needs 'squared_error', found 'linear'"):
        model.score(codes, costs)


def test_settings_reach_the_search():
    rng = np.random.default_rng(2)
    x, y = rng.normal(size=(150, 4)), rng.normal(size=150)
    wide = OptimalTreeRegressor(min_samples_leaf=20, threads=1).fit(x, y)
    assert wide.tree_.count[wide.tree_.leaves].min() >= 20
    cut = clone(wide).set_params(time_limit=0).fit(x, y)
    assert cut.status_ == "time_limit" and cut.lower_bound_ <= wide.loss_ <= cut.loss_


@pytest.mark.parametrize(
    "changed, message",
    [
        ({"n_bins": 1}, "n_bins: expected a whole number ≥ 2, found 1"),
        ({"n_bins": 2.5}, "n_bins: expected a whole number ≥ 2, found 2.5"),
        ({"max_depth": -1}, "max_depth: expected a whole number ≥ 0"),
        ({"cost": "gini"}, "cost: expected 'squared_error' or 'linear'"),
    ],
)
def test_bad_settings_are_named(changed, message):
    with pytest.raises(ValueError, match=message):
        OptimalTreeRegressor(**changed).fit([[0.0], [1.0]], [0.0, 1.0])


def test_sparse_input_is_refused():
    with pytest.raises(TypeError, match=r"[Ss]parse"):
        OptimalTreeRegressor().fit(sparse.eye(4, format="csr"), np.arange(4.0))
