from __future__ import annotations

import io

import joblib
import numpy as np
import pytest
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor
from sklearn.utils.class_weight import compute_class_weight

from irtheory.trees import (
    CodeTreeClassifier,
    CodeTreeRegressor,
    OptimalTreeClassifier,
    OptimalTreeRegressor,
)

pd = pytest.importorskip("pandas")

GREEDY = [CodeTreeClassifier(), CodeTreeRegressor()]
EXACT = [OptimalTreeClassifier(max_depth=2), OptimalTreeRegressor(max_depth=2)]
every = pytest.mark.parametrize("model", [*GREEDY, *EXACT], ids=lambda model: type(model).__name__)


def problem(m: int = 200, classes: int = 3, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    x = rng.integers(0, 6, size=(m, 5)).astype(float)
    y = (x[:, 0] + 2 * x[:, 1] + 4 * rng.normal(size=m)).astype(int) % classes
    return x, y


@pytest.mark.parametrize("criterion", ["gini", "entropy"])
def test_greedy_trees_are_those_of_scikit_learn(criterion):
    x, y = problem()
    own = CodeTreeClassifier(max_depth=4, criterion=criterion).fit(x, y)
    peer = DecisionTreeClassifier(max_depth=4, criterion=criterion, random_state=0).fit(x, y)
    np.testing.assert_allclose(own.predict_proba(x), peer.predict_proba(x), atol=1e-12)
    np.testing.assert_array_equal(own.predict(x), peer.predict(x))
    np.testing.assert_allclose(own.feature_importances_, peer.feature_importances_, atol=1e-12)
    assert own.get_depth() == peer.get_depth() and own.get_n_leaves() == peer.get_n_leaves()


def test_trees_without_a_limit_know_all_that_can_be_known():
    x, y = problem()
    own = CodeTreeClassifier(max_depth=None).fit(x, y)
    peer = DecisionTreeClassifier(random_state=0).fit(x, y)
    assert own.score(x, y) == peer.score(x, y)
    assert own.get_depth() > 5


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("depth", [1, 2, 3])
def test_optimal_trees_lose_no_more_than_greedy_ones(depth, weighted):
    x, y = problem()
    w = np.random.default_rng(1).random(len(y)) if weighted else None
    weight = np.ones(len(y)) if w is None else w
    for criterion in ("misclassification", "gini", "entropy"):
        model = OptimalTreeClassifier(max_depth=depth, criterion=criterion).fit(x, y, w)
        peer = DecisionTreeClassifier(max_depth=depth, random_state=0).fit(x, y, w)
        own, other = (one.predict_proba(x) for one in (model, peer))
        losses = [loss(criterion, p, y, weight) for p in (own, other)]
        assert losses[0] == pytest.approx(model.loss_, rel=1e-9)
        assert losses[0] <= losses[1] + 1e-9
        assert model.lower_bound_ == pytest.approx(model.loss_, rel=1e-6)


def loss(criterion: str, share: np.ndarray, y: np.ndarray, w: np.ndarray) -> float:
    """What shares at leaves lose, sample by sample."""
    own = share[np.arange(len(y)), y]
    if criterion == "misclassification":
        return float((w * (share.argmax(axis=1) != y)).sum())
    if criterion == "gini":
        return float((w * ((np.eye(share.shape[1])[y] - share) ** 2).sum(axis=1)).sum())
    return float(-(w * np.log(own)).sum())


@pytest.mark.parametrize("kind", ["str", "object", "category", "bool", "int"])
def test_labels_of_any_kind_come_back(kind):
    x, y = problem(classes=2)
    table = pd.Series(y)
    words = table.map({0: "yes", 1: "no"})
    label = {
        "str": words.to_numpy(str),
        "object": words.astype(object),
        "category": words.astype("category"),
        "bool": y == 1,
        "int": table * 7,
    }[kind]
    model = CodeTreeClassifier(max_depth=None).fit(x, label)
    assert list(model.classes_) == sorted(set(np.asarray(label).tolist()))
    assert model.score(x, label) == np.mean(model.predict(x) == np.asarray(label))
    assert np.asarray(label)[0] in model.classes_


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (["a", None, "b"], "expected a label for every sample, found NaN or none in row 1"),
        ([0.0, np.nan, 1.0], "row 1"),
        (pd.Series(["a", pd.NA, "b"]), "row 1"),
        (np.array([1, "a", 2], dtype=object), "labels of one kind, found int and str"),
        ([0.5, 1.5, 2.25], "Unknown label type"),
        (["a", "b"], "inconsistent numbers of samples"),
    ],
)
def test_labels_that_are_none_are_refused(labels, message):
    with pytest.raises(ValueError, match=message):
        CodeTreeClassifier().fit(np.eye(3), labels)


@every
def test_whole_weights_are_as_good_as_repeated_samples(model):
    x, y = problem(seed=4)
    x += np.random.default_rng(3).normal(size=x.shape)  # more values than bins
    w = np.random.default_rng(2).integers(0, 4, len(y))
    weighted = clone(model).fit(x, y, w)
    repeated = clone(model).fit(x.repeat(w, axis=0), y.repeat(w))
    np.testing.assert_array_equal(weighted.tree_.feature, repeated.tree_.feature)
    np.testing.assert_array_equal(weighted.tree_.threshold, repeated.tree_.threshold)
    np.testing.assert_allclose(weighted.tree_.value, repeated.tree_.value, atol=1e-12)


@every
def test_equal_weights_change_nothing(model):
    x, y = problem(seed=5)
    plain = clone(model).fit(x, y)
    for weight in (1.0, 0.37):
        own = clone(model).fit(x, y, np.full(len(y), weight))
        np.testing.assert_array_equal(own.tree_.feature, plain.tree_.feature)
        np.testing.assert_allclose(own.tree_.value, plain.tree_.value, atol=1e-12)


@every
@pytest.mark.parametrize(
    ("weight", "message"),
    [
        ([1, 2], "expected 200 numbers, found"),
        (np.full(200, -1.0), "found -1.0"),
        (np.full(200, np.nan), "finite"),
        (np.zeros(200), "expected a weight above 0"),
        (np.full(200, "a"), "expected 200 numbers"),
    ],
)
def test_weights_that_are_none_are_refused(model, weight, message):
    with pytest.raises(ValueError, match=f"sample_weight: .*{message}"):
        clone(model).fit(*problem(), weight)


@pytest.mark.parametrize("model", [CodeTreeClassifier(), OptimalTreeClassifier(max_depth=2)])
def test_weights_of_classes_are_weights_of_their_samples(model):
    x, y = problem(seed=6)
    label = np.array(["a", "b", "c"])[y]
    by_sample = clone(model).fit(x, label, np.array([1.0, 5.0, 0.5])[y])
    by_class = clone(model).set_params(class_weight={"b": 5, "c": 0.5}).fit(x, label)
    assert by_class.tree_ == by_sample.tree_
    balanced = clone(model).set_params(class_weight="balanced").fit(x, label)
    factor = compute_class_weight("balanced", classes=np.unique(label), y=label)
    expected = clone(model).fit(x, label, factor[y])
    np.testing.assert_array_equal(balanced.tree_.feature, expected.tree_.feature)
    np.testing.assert_allclose(balanced.predict_proba(x), expected.predict_proba(x), atol=1e-12)


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ({"d": 1}, "expected classes such as 0, 1, 2, found 'd'"),
        ({1: -1}, "found -1 for 1"),
        ("even", "found 'even'"),
        ({0: 0, 1: 0, 2: 0}, "expected a weight above 0"),
    ],
)
def test_weights_of_classes_that_are_none_are_refused(setting, message):
    with pytest.raises(ValueError, match=f"class_weight: .*{message}"):
        CodeTreeClassifier(class_weight=setting).fit(*problem())


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (CodeTreeClassifier(criterion="squared_error"), "criterion: expected 'gini' or 'entropy'"),
        (CodeTreeRegressor(criterion="gini"), "criterion: expected 'squared_error' or 'entropy'"),
        (
            OptimalTreeClassifier(criterion="log"),
            "criterion: expected 'misclassification' or 'gini'",
        ),
        (CodeTreeClassifier(ccp_alpha=-1), "ccp_alpha: expected a finite number ≥ 0, found -1"),
        (OptimalTreeClassifier(ccp_alpha=np.nan), "ccp_alpha"),
        (CodeTreeClassifier(max_leaf_nodes=0), "max_leaf_nodes: expected a whole number ≥ 1"),
        (OptimalTreeClassifier(max_leaf_nodes=2.5), "max_leaf_nodes: expected a whole number ≥ 1"),
        (OptimalTreeRegressor(max_leaf_nodes=2, ccp_alpha=1), "ccp_alpha: expected 0 where"),
        (CodeTreeClassifier(min_weight_fraction_leaf=0.6), "min_weight_fraction_leaf"),
        (CodeTreeClassifier(max_depth=-1), "max_depth: expected a whole number ≥ 0"),
        (OptimalTreeClassifier(max_depth=None), "max_depth: expected a whole number ≥ 0"),
    ],
)
def test_settings_out_of_range_are_named(model, message):
    with pytest.raises(ValueError, match=message):
        model.fit(*problem())


@pytest.mark.parametrize("kind", [CodeTreeClassifier, OptimalTreeClassifier])
def test_leaves_hold_a_share_of_the_weight(kind):
    x, y = problem()
    w = np.random.default_rng(0).random(len(y))
    for weight in (None, w):
        model = kind(max_depth=4, min_weight_fraction_leaf=0.1).fit(x, y, weight)
        leaf = model.apply(x)
        held = np.bincount(leaf, np.ones(len(y)) if weight is None else weight)
        total = len(y) if weight is None else w.sum()
        assert held[np.unique(leaf)].min() >= 0.09 * total  # weights are rounded
        assert model.get_n_leaves() > 3


@every
def test_readers_agree_with_each_other(model):
    x, y = problem()
    own = clone(model).fit(x, y)
    leaf, path = own.apply(x), own.decision_path(x)
    assert path.shape == (len(x), own.tree_.n_nodes)
    assert (path[np.arange(len(x)), leaf] == 1).all()
    assert (np.asarray(path.sum(axis=1)).ravel() <= own.get_depth() + 1).all()
    assert set(leaf) == set(own.tree_.leaves)
    assert own.feature_importances_.sum() == pytest.approx(1)
    assert own.feature_importances_.shape == (5,)
    assert own.feature_importances_.min() >= 0


@every
def test_a_written_tree_leads_where_the_tree_leads(model):
    x, y = problem()
    table = pd.DataFrame(x, columns=["a", "b", "c", "d", "e"])
    own = clone(model).fit(table, y)
    assert list(own.feature_names_in_) == list(table)
    for row in range(0, 200, 17):
        leaf = own.apply(table.iloc[[row]])[0]
        assert own._leaf_texts()[leaf] == follow(own.to_text(), table.iloc[row])
    dot, key = own.to_dot(), own.to_key()
    assert dot.count("->") == own.tree_.n_nodes - 1
    assert len(key.splitlines()) == own.tree_.n_nodes - 1
    for text in own._leaf_texts().values():
        assert text in dot and text in key


def follow(text: str, row: pd.Series) -> str:
    """The leaf that the indented text leads to."""
    lines, at, indent = text.splitlines(), 0, 0
    while True:
        line = lines[at].strip()
        if " (n = " in line or " of " in line:
            return line
        name, sign, cut = line.split(" ")
        low = row[name] <= float(cut)
        if low == (sign == "≤"):
            at, indent = at + 1, indent + 1
        else:
            at = next(i for i in range(at + 1, len(lines))
                      if len(lines[i]) - len(lines[i].lstrip()) == 4 * indent)  # fmt: skip


def test_keys_name_classes_and_count_samples_not_weights():
    table = pd.DataFrame({"legs": [2, 2, 2, 4, 4, 6]})
    label = ["bird", "bird", "bat", "cat", "dog", "ant"]
    model = CodeTreeClassifier(max_depth=1).fit(table, label, [1, 1, 9, 1, 1, 1])
    assert model.to_key() == (
        "1a. legs > 3 → ant: 1 of 3 training samples\n1b. legs ≤ 3 → bat: 1 of 3 training samples"
    )


@every
def test_a_tree_is_drawn(model):
    pyplot = pytest.importorskip("matplotlib.pyplot")
    own = clone(model).fit(*problem())
    ax = own.plot()
    shown = {text.get_text().replace("\n", " ") for text in ax.texts}
    assert set(own._leaf_texts().values()) <= shown
    assert own.plot(ax=ax) is ax
    pyplot.close(ax.figure)


@every
def test_fitted_trees_are_stored_by_joblib(model):
    x, y = problem()
    own, file = clone(model).fit(x, y), io.BytesIO()
    joblib.dump(own, file)
    file.seek(0)
    again = joblib.load(file)
    np.testing.assert_array_equal(again.predict(x), own.predict(x))
    assert again.encoder_ == own.encoder_ and again.to_key() == own.to_key()


@pytest.mark.slow
@every
def test_a_grid_is_searched_by_two_processes(model):
    search = GridSearchCV(model, {"max_depth": [1, 2]}, cv=2, n_jobs=2).fit(*problem())
    assert search.best_params_["max_depth"] in (1, 2)


def test_pruning_is_that_of_scikit_learn():
    rng = np.random.default_rng(9)
    x, y = rng.integers(0, 30, (300, 4)).astype(float), rng.normal(size=300)
    label, w = (y + x[:, 0] / 15 > 1).astype(int), rng.random(300) + 0.5
    for own, peer, target in (
        (CodeTreeRegressor(max_depth=6), DecisionTreeRegressor(max_depth=6, random_state=0), y),
        (CodeTreeRegressor(max_depth=4), DecisionTreeRegressor(max_depth=4, random_state=0),
         np.stack([y, y**2], axis=1)),
        (CodeTreeClassifier(max_depth=4), DecisionTreeClassifier(max_depth=4, random_state=0),
         label),
        (CodeTreeClassifier(max_depth=4, criterion="entropy"),
         DecisionTreeClassifier(max_depth=4, criterion="entropy", random_state=0), label),
    ):  # fmt: skip
        path = own.cost_complexity_pruning_path(x, target, w)
        expected = peer.cost_complexity_pruning_path(x, target, w)
        alphas = expected.ccp_alphas
        places = np.searchsorted(alphas, path.ccp_alphas * (1 + 1e-9) + 1e-15) - 1
        np.testing.assert_allclose(path.ccp_alphas, alphas[places], rtol=1e-9, atol=1e-12)
        np.testing.assert_allclose(path.impurities, expected.impurities[places], rtol=1e-9)
        assert len(path.ccp_alphas) > 5 and path.n_leaves[-1] == 1
        for alpha in path.ccp_alphas[1:-1:3] * 1.0001:
            pruned = clone(own).set_params(ccp_alpha=alpha).fit(x, target, w)
            other = clone(peer).set_params(ccp_alpha=alpha).fit(x, target, w)
            assert pruned.get_n_leaves() == other.get_n_leaves()
            np.testing.assert_allclose(pruned.predict(x), other.predict(x), atol=1e-9)


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("leaves", [1, 2, 5, 12])
def test_best_first_growth_is_that_of_scikit_learn(leaves, weighted):
    rng = np.random.default_rng(10)
    x, y = rng.integers(0, 30, (300, 4)).astype(float), rng.normal(size=300)
    w = rng.random(300) + 0.5 if weighted else None
    own = CodeTreeRegressor(max_depth=None, max_leaf_nodes=leaves).fit(x, y, w)
    if leaves == 1:  # scikit-learn starts at two
        assert own.get_n_leaves() == 1
        return
    peer = DecisionTreeRegressor(max_leaf_nodes=leaves, random_state=0).fit(x, y, w)
    assert own.get_n_leaves() == leaves
    np.testing.assert_allclose(own.predict(x), peer.predict(x), rtol=1e-9)
