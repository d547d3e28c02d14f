from __future__ import annotations

import numpy as np
import pytest
from scipy import sparse
from sklearn.base import clone
from sklearn.tree import DecisionTreeRegressor
from sklearn.utils.estimator_checks import check_estimator

from irtheory.trees import binning
from irtheory.trees.binning import codes_of, cut_points, in_units_of_x
from irtheory.trees.cart.fit import fit_cart
from irtheory.trees.compile import warm_up
from irtheory.trees.estimators import (
    CodeTreeClassifier,
    CodeTreeRegressor,
    OptimalTreeClassifier,
    OptimalTreeRegressor,
)
from irtheory.trees.exact.solver import fit_exact_tree


@pytest.mark.parametrize(
    "model",
    [
        CodeTreeClassifier(),
        CodeTreeClassifier(max_depth=None, criterion="entropy", max_leaf_nodes=9),
        CodeTreeRegressor(),
        OptimalTreeClassifier(max_depth=2),
        OptimalTreeClassifier(max_depth=2, criterion="entropy"),
        pytest.param(OptimalTreeClassifier(), marks=pytest.mark.slow),
        OptimalTreeRegressor(),
    ],
    ids=lambda model: type(model).__name__,
)
def test_scikit_learn_contract(model):
    # One check of scikit-learn skips itself unless SCIPY_ARRAY_API is set before scipy loads.
    report = check_estimator(model, on_skip=None)
    assert {check["status"] for check in report} <= {"passed", "skipped"}
    skipped = [check["check_name"] for check in report if check["status"] == "skipped"]
    assert set(skipped) <= {"check_array_api_input"}


def test_optimal_trees_take_codes_as_they_are():
    rng = np.random.default_rng(0)
    codes, targets = rng.choice([-2, 0, 5, 6], size=(80, 4)), rng.normal(size=(80, 3))
    model, exact = OptimalTreeRegressor().fit(codes, targets), fit_exact_tree(codes, targets, 3)
    assert model.tree_ == exact.tree
    assert (model.loss_, model.lower_bound_) == (exact.loss, exact.lower_bound)
    assert (model.status_, model.n_features_in_, model.n_outputs_) == ("optimal", 4, 3)
    np.testing.assert_array_equal(model.predict(codes), exact.predictions)


def test_greedy_trees_take_codes_as_they_are():
    rng = np.random.default_rng(1)
    codes, targets = rng.integers(0, 9, size=(90, 4)), rng.dirichlet(np.ones(3), size=90)
    model = clone(CodeTreeRegressor(max_depth=3, criterion="entropy", min_samples_leaf=4))
    assert model.fit(codes, targets).tree_ == fit_cart(codes, targets, 3, min_samples_leaf=4)
    assert (model.n_features_in_, model.n_outputs_) == (4, 3)


def test_few_values_are_cut_as_scikit_learn_cuts_them():
    rng = np.random.default_rng(0)
    x = rng.choice(rng.normal(size=30), size=(300, 4))
    y = rng.normal(size=(300, 2)) + x[:, :2]
    own = CodeTreeRegressor(max_depth=4).fit(x, y)
    peer = DecisionTreeRegressor(max_depth=4, random_state=0).fit(x, y)
    np.testing.assert_allclose(own.predict(x), peer.predict(x), rtol=1e-12)


def samples(kind: str) -> np.ndarray:
    """160 × 7 numbers of a type: few values and many, a constant column."""
    x = np.random.default_rng(5).normal(20, 9, size=(160, 7))
    x[:, :3] = np.rint(x[:, :3] / 9)
    x[:, 3] = 4
    x = np.abs(x) if kind.startswith("u") else x
    return (x if np.dtype(kind).kind in "iuf" else x > 20).astype(kind)


def by_hand(x: np.ndarray, n_bins: int) -> tuple[np.ndarray, list[np.ndarray]]:
    """Codes and cut points by way of float64 and numpy, column by column."""
    real = x.astype(np.float64)
    cuts = [cut_points(column, n_bins) for column in real.T]
    return codes_of(real, cuts), cuts


@pytest.mark.parametrize("kind", ["bool", "uint8", "int16", "int64", "uint64", "f4", "f8"])
@pytest.mark.parametrize("n_bins", [5, 200])
@pytest.mark.parametrize("small", [0, 2**60])
def test_trees_of_every_type_are_those_of_codes_by_hand(kind, n_bins, small, monkeypatch):
    monkeypatch.setattr(binning, "_SMALL", small)  # with all threads, and with one
    x, y = samples(kind), np.random.default_rng(6).normal(size=(160, 2))
    codes, cuts = by_hand(x, n_bins)
    greedy = CodeTreeRegressor(max_depth=4, n_bins=n_bins).fit(x, y)
    tree = fit_cart(codes, y, 4, criterion="squared_error")
    assert greedy.tree_ == in_units_of_x(tree, cuts)
    optimal = OptimalTreeRegressor(max_depth=2, n_bins=n_bins).fit(x, y)
    assert optimal.tree_ == in_units_of_x(fit_exact_tree(codes, y, 2).tree, cuts)
    for model in (greedy, optimal):
        np.testing.assert_array_equal(model.predict(x), model.tree_.predict(x))
        np.testing.assert_array_equal(
            model.predict(np.asfortranarray(x)), model.predict(x.astype(float))
        )


@pytest.mark.parametrize("kinds", [("i8", "i8"), ("u1", "f4"), ("bool", "i8"), ("bool", "bool")])
def test_data_frames_keep_their_names(kinds):
    pandas = pytest.importorskip("pandas")
    x = samples("uint8")[:, :2]
    frame = pandas.DataFrame({"a": x[:, 0].astype(kinds[0]), "b": x[:, 1].astype(kinds[1])})
    model = CodeTreeRegressor(max_depth=2).fit(frame, np.arange(160.0))
    assert list(model.feature_names_in_) == ["a", "b"]
    plain = CodeTreeRegressor(max_depth=2).fit(frame.to_numpy(dtype=float), np.arange(160.0))
    assert model.tree_ == plain.tree_
    with pytest.raises(ValueError, match="feature names"):
        model.predict(frame[["b", "a"]])


@pytest.mark.parametrize("kind", ["u1", "i8", "f4", "f8"])
def test_a_first_fit_compiles_nothing(kind):
    warm_up()
    kernels = [k for k in vars(binning).values() if hasattr(k, "signatures")]
    before = [list(kernel.signatures) for kernel in kernels]
    for x in (samples(kind), -samples(kind), samples(kind) / samples(kind).dtype.type(3)):
        CodeTreeRegressor(n_bins=4).fit(x.astype(kind), np.arange(160.0))
    assert len(kernels) >= 7
    assert before == [list(kernel.signatures) for kernel in kernels]


@pytest.mark.parametrize("wrong", [np.inf, "a", 1j])
def test_what_is_no_finite_number_is_refused(wrong):
    for kind in (None, np.float32):
        x = np.array([[1.0], [wrong]], dtype=kind if isinstance(wrong, float) else None)
        for model in (CodeTreeRegressor(), OptimalTreeRegressor()):
            with pytest.raises(ValueError):
                model.fit(x, [0.0, 1.0])


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
        (
            {"cost": "gini"},
            "cost: expected one of .* found 'gini'",
        ),
    ],
)
def test_bad_settings_are_named(changed, message):
    with pytest.raises(ValueError, match=message):
        OptimalTreeRegressor(**changed).fit([[0.0], [1.0]], [0.0, 1.0])


def test_sparse_input_is_refused():
    with pytest.raises(TypeError, match=r"[Ss]parse"):
        OptimalTreeRegressor().fit(sparse.eye(4, format="csr"), np.arange(4.0))


@pytest.mark.parametrize("n_bins", [1, 257, 2.5])
def test_bins_out_of_range(n_bins):
    with pytest.raises(
        ValueError, match=f"n_bins: expected a whole number from 2 to 256, found {n_bins}"
    ):
        CodeTreeRegressor(n_bins=n_bins).fit(np.eye(3), np.arange(3))
