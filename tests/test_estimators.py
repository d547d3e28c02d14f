from __future__ import annotations

import pickle
import re
from collections import Counter
from itertools import pairwise

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.base import clone
from sklearn.datasets import load_iris, make_blobs
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import GridSearchCV, train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.tree import DecisionTreeClassifier
from sklearn.utils.estimator_checks import check_estimator

from irtheory.estimators import IntersectionClassifier, held_out
from irtheory.intersection.arrays import ArraySettings, fit_arrays
from irtheory.intersection.methods import METHODS

SMALL = {
    "n_features": 8,
    "max_depth": 2,
    "hidden": (16,),
    "epochs": 10,
    "batch_size": 16,
    "learning_rate": 0.03,
}
X, LABELS = load_iris(return_X_y=True)
Y = load_iris().target_names[LABELS]


@pytest.fixture(scope="module")
def iris():
    return IntersectionClassifier(**SMALL, random_state=0).fit(X, Y)


def test_scikit_learn_contract():
    # One check of scikit-learn skips itself unless SCIPY_ARRAY_API is set before scipy loads.
    least = SMALL | {"max_depth": 1, "hidden": (), "epochs": 3, "learning_rate": 0.05}
    report = check_estimator(IntersectionClassifier(**least), on_skip=None)
    assert {check["status"] for check in report} <= {"passed", "skipped"}
    skipped = [check["check_name"] for check in report if check["status"] == "skipped"]
    assert set(skipped) <= {"check_array_api_input"}


def test_it_is_the_engine_with_the_method_of_that_name(iris):
    seed = int(np.random.RandomState(0).randint(2**31 - 1))
    settings = ArraySettings(8, 1, 2, (16,), epochs=10, batch_size=16, learning_rate=0.03)
    settings = ArraySettings(**{**vars(settings), "seed": seed})
    fitted = fit_arrays(X, LABELS, 3, METHODS["ira"], settings)
    codes, outputs = fitted.apply(X)
    assert iris.tree_ == fitted.tree
    np.testing.assert_array_equal(iris.transform(X), codes)
    np.testing.assert_allclose(iris.predict_proba(X), outputs, atol=1e-6)


def test_predictions_are_the_networks_and_the_trees(iris):
    with torch.inference_mode():
        logits = iris.network_(torch.as_tensor(X)).numpy()
    assert list(iris.classes_) == ["setosa", "versicolor", "virginica"]
    np.testing.assert_array_equal(iris.predict(X), iris.classes_[logits.argmax(axis=1)])
    np.testing.assert_allclose(iris.predict_proba(X).sum(axis=1), 1, rtol=1e-12)
    leaf = iris.tree_.value[iris.tree_.apply(iris.transform(X))]
    np.testing.assert_array_equal(iris.predict_tree(X), iris.classes_[leaf.argmax(axis=1)])
    assert iris.score(X, Y) == np.mean(iris.predict(X) == Y) > 0.9
    assert iris.score_tree(X, Y) == np.mean(iris.predict_tree(X) == Y) > 0.9
    weight = np.linspace(0, 1, len(Y))
    right = iris.predict_tree(X) == Y
    assert iris.score_tree(X, Y, weight) == pytest.approx(weight @ right / weight.sum())


def test_classes_that_the_tree_cannot_name_are_known(iris, capsys):
    assert list(iris.classes_named_) == list(iris.classes_)
    shallow = IntersectionClassifier(**SMALL | {"max_depth": 1}, random_state=0, verbose=1)
    shallow.fit(X, Y)
    assert set(shallow.predict_tree(X)) <= set(shallow.classes_named_) < set(shallow.classes_)
    assert "T can name 2 of 3 classes" in capsys.readouterr().out


def test_leaves_are_mean_class_probabilities(iris):
    at, proba = iris.tree_.apply(iris.transform(X)), iris.predict_proba(X)
    assert iris.tree_.depth <= 2
    for leaf in iris.tree_.leaves:
        np.testing.assert_allclose(iris.tree_.value[leaf], proba[at == leaf].mean(axis=0), 1e-5)


@pytest.mark.parametrize("bits", [1, 2])
def test_codes_are_whole_numbers_of_so_many_bits(bits):
    model = IntersectionClassifier(**SMALL | {"bits": bits}, random_state=1).fit(X, Y)
    codes = model.transform(X)
    assert codes.dtype == np.int64 and codes.shape == (150, len(model.kept_))
    assert codes.min() >= 0 and codes.max() <= 2**bits - 1
    assert (codes != codes[0]).any(axis=0).all()
    assert ("present" in model.key()) == (bits == 1)
    assert codes.max() > 1 or bits == 1


def test_columns_are_named_after_their_codes(iris):
    names = iris.get_feature_names_out()
    assert list(names) == [f"code {code}" for code in iris.kept_]
    frame = clone(iris).set_output(transform="pandas").fit(X, Y).transform(X)
    assert isinstance(frame, pd.DataFrame) and list(frame.columns) == list(names)
    tested = {names[feature] for feature in iris.tree_.used_features}
    assert tested and all(name in iris.key() for name in tested)
    own = [f"trait {letter}" for letter in "abcdefgh"[: len(names)]]
    assert iris.key(own).replace("trait", "code") != iris.key()
    with pytest.raises(ValueError, match=f"expected {len(names)} names, found 1"):
        iris.key(["trait"])


def test_following_the_key_is_the_tree(iris):
    lines = dict(line.split(". ", 1) for line in iris.key().splitlines())
    names = list(iris.get_feature_names_out())

    def follow(row: np.ndarray) -> str:
        couplet = "1"
        while f"{couplet}a" in lines:
            # A cut of a column may stand in front; the code in brackets decides.
            told = re.search(r"(code \d+) (present|absent)\)? → ", lines[f"{couplet}a"])
            assert told is not None
            branch = "a" if row[names.index(told[1])] == (told[2] == "present") else "b"
            couplet = lines[couplet + branch].split(" → ")[1]
        return couplet.split(": ")[0]

    assert [follow(row) for row in iris.transform(X)] == list(iris.predict_tree(X))


def test_the_key_counts_training_samples(iris):
    said = re.findall(r"→ (\w+): (\d+) of (\d+) training samples", iris.key())
    named, codes = iris.predict_tree(X), iris.transform(X)
    leaf = iris.tree_.apply(codes)
    expected = Counter()
    for node in np.unique(leaf):
        here = leaf == node
        expected[named[here][0]] += np.array([np.sum(Y[here] == named[here][0]), here.sum()])
    found = Counter()
    for name, right, total in said:
        found[name] += np.array([int(right), int(total)])
    assert {name: tuple(value) for name, value in found.items()} == {
        name: tuple(value) for name, value in expected.items()
    }


def test_equal_seeds_equal_results(iris):
    again = clone(iris).fit(X, Y)
    np.testing.assert_array_equal(again.predict_proba(X), iris.predict_proba(X))
    assert again.tree_ == iris.tree_
    other = clone(iris).set_params(random_state=1).fit(X, Y)
    assert (other.predict_proba(X) != iris.predict_proba(X)).any()
    drawn = [
        IntersectionClassifier(**SMALL, random_state=np.random.RandomState(5)).fit(X, Y).tree_
        for _ in range(2)
    ]
    assert drawn[0] == drawn[1]


def test_global_random_states_are_left_alone():
    torch.manual_seed(3)
    expected = torch.rand(2)
    torch.manual_seed(3)
    IntersectionClassifier(**SMALL, random_state=0).fit(X, Y)
    torch.testing.assert_close(torch.rand(2), expected, rtol=0, atol=0)


def test_a_pickled_copy_predicts_the_same(iris):
    copy = pickle.loads(pickle.dumps(iris))
    np.testing.assert_array_equal(copy.predict_proba(X), iris.predict_proba(X))
    assert copy.key() == iris.key()


def test_given_weights_replace_those_of_the_method():
    base = IntersectionClassifier(**SMALL, random_state=0, method="paper")
    weighed = clone(base).set_params(lambda_tree=0, lambda_sparsity=0).fit(X, Y)
    named = clone(base).set_params(method="quantised").fit(X, Y)
    assert weighed.tree_ == named.tree_
    assert (base.fit(X, Y).predict_proba(X) != named.predict_proba(X)).any()
    sparse = clone(base).set_params(lambda_sparsity=0.1).fit(X, Y)
    assert sparse.transform(X).mean() < base.transform(X).mean()


def test_a_method_that_does_not_prune_keeps_all_codes():
    paper = IntersectionClassifier(**SMALL, random_state=0, method="paper").fit(X, Y)
    np.testing.assert_array_equal(paper.kept_, np.arange(8))


def test_constant_codes_are_no_warning_where_they_are_dropped():
    settings = {**SMALL, "batch_size": 32, "lambda_sparsity": 100.0, "random_state": 0}
    model = IntersectionClassifier(**settings).fit(X, Y)
    assert len(model.kept_) < 8
    with pytest.warns(UserWarning, match="codes are constant"):
        model.set_params(method="paper").fit(X, Y)


def test_history_has_a_record_an_epoch(iris):
    assert iris.n_iter_ == len(iris.history_) == 10
    assert [record.epoch for record in iris.history_] == list(range(1, 11))
    assert iris.history_[-1].losses["label"] < iris.history_[0].losses["label"]
    assert all(record.validation_g is None for record in iris.history_)


def test_early_stopping_goes_back_to_the_epoch_before_the_second_drop():
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(120, 4)), rng.integers(0, 2, size=120)
    settings = SMALL | {"early_stopping": True, "validation_fraction": 0.25, "epochs": 50}
    model = IntersectionClassifier(**settings, random_state=0).fit(x, y)
    seen = [record.validation_g for record in model.history_]
    fell = [now < last for last, now in pairwise(seen)]
    assert model.n_iter_ < 50 and sum(fell) == 2 and fell[-1]
    seed = int(np.random.RandomState(0).randint(2**31 - 1))
    train, held = held_out(y, 0.25, seed)
    assert sorted([*train, *held]) == list(range(120)) and len(held) == 30
    assert model.score(x[held], y[held]) == pytest.approx(seen[-2])


def test_held_out_samples_are_stratified_where_they_can_be():
    labels = np.repeat([0, 1, 2], [60, 30, 10])
    train, held = held_out(labels, 0.2, seed=0)
    np.testing.assert_array_equal(np.bincount(labels[held]), [12, 6, 2])
    assert not set(train) & set(held)
    alone = np.r_[labels, 3]
    assert len(held_out(alone, 0.2, seed=0)[1]) == 21


@pytest.mark.parametrize("verbose", [0, 1])
def test_progress_is_shown_if_asked(verbose, capsys, monkeypatch):
    monkeypatch.setattr("irtheory.runs.console.LINE_EVERY", 0.0)
    IntersectionClassifier(**SMALL, random_state=0, verbose=verbose).fit(X, Y)
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 10 * verbose
    assert not lines or lines[-1].startswith("epoch 10, accuracy G 0.")


def test_pipeline_and_grid_search():
    pipeline = make_pipeline(StandardScaler(), IntersectionClassifier(**SMALL, random_state=0))
    name = "intersectionclassifier__lambda_route"
    search = GridSearchCV(pipeline, {name: [0.0, 1.0]}, cv=2).fit(X, Y)
    assert search.best_score_ > 0.85
    assert search.best_params_[name] in (0.0, 1.0)


def test_its_tree_beats_a_greedy_tree_of_that_depth_on_real_animals(shared_data):
    animals = pd.read_csv(shared_data / "zoo" / "zoo.csv", index_col="name")
    x = pd.get_dummies(animals.drop(columns="type"), columns=["legs"], dtype=float)
    own, peer = [], []
    for seed in range(2):
        train, test, y, test_y = train_test_split(
            x, animals["type"], test_size=0.3, stratify=animals["type"], random_state=seed
        )
        settings = {"max_depth": 5, "epochs": 40, "batch_size": 16, "random_state": seed}
        own.append(IntersectionClassifier(**settings).fit(train, y).score_tree(test, test_y))
        greedy = DecisionTreeClassifier(max_depth=5, random_state=seed).fit(train, y)
        peer.append(greedy.score(test, test_y))
    assert np.mean(own) >= np.mean(peer)


def test_labels_of_any_kind():
    x, _ = make_blobs(60, centers=2, random_state=0)
    side = x[:, 0] > np.median(x[:, 0])
    for y in (side, side.astype(float), np.where(side, "on", "off").astype(object)):
        model = IntersectionClassifier(**SMALL, random_state=0).fit(x, y)
        assert model.score(x, y) > 0.9
        assert model.predict(x).dtype == y.dtype


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"n_features": 0}, "n_features: expected a whole number ≥ 1, found 0"),
        ({"n_features": 2.5}, "n_features: expected a whole number ≥ 1, found 2.5"),
        ({"bits": 9}, "bits: expected a whole number from 1 to 8, found 9"),
        ({"max_depth": 0}, "max_depth: expected a whole number ≥ 1, found 0"),
        ({"method": "magic"}, "method: expected one of quantised, .*, found 'magic'"),
        ({"lambda_label": 0}, "lambda_label: expected a number > 0, found 0"),
        ({"lambda_route": -1}, "lambda_route: expected a number ≥ 0, found -1"),
        ({"lambda_tree": "2"}, "lambda_tree: expected a number, found '2'"),
        ({"hidden": 64}, "hidden: expected a tuple of widths, found 64"),
        ({"hidden": (64, 0)}, "hidden: expected a whole number ≥ 1, found 0"),
        ({"epochs": 0}, "epochs: expected a whole number ≥ 1, found 0"),
        ({"batch_size": 0}, "batch_size: expected a whole number ≥ 1, found 0"),
        ({"dropout": 1}, "dropout: expected a share in"),
        ({"learning_rate": float("nan")}, "learning_rate: expected a number ≥ 0, found nan"),
        ({"early_stopping": "x"}, "early_stopping: expected a bool, found 'x'"),
        ({"criterion": "gini"}, "criterion: expected one of 'entropy', .*, found 'gini'"),
        ({"min_samples_leaf": 0}, "min_samples_leaf: expected a whole number ≥ 1, found 0"),
        (
            {"early_stopping": True, "validation_fraction": 1.0},
            "validation_fraction: expected a share that leaves some, found 1.0 of 150 samples",
        ),
        (
            {"early_stopping": True, "validation_fraction": 0},
            "validation_fraction: expected a share that leaves some, found 0 of 150 samples",
        ),
    ],
)
def test_bad_settings(settings, message):
    with pytest.raises(ValueError, match=message):
        IntersectionClassifier(**SMALL | settings).fit(X, Y)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_bad_numbers(bad, iris):
    broken = X.copy()
    broken[3, 1] = bad
    with pytest.raises(ValueError, match="Input X contains"):
        IntersectionClassifier(**SMALL).fit(broken, Y)
    with pytest.raises(ValueError, match="Input X contains"):
        iris.predict_tree(broken)


def test_bad_labels():
    model = IntersectionClassifier(**SMALL)
    with pytest.raises(ValueError, match="y: expected two classes or more, found one class"):
        model.fit(X, np.repeat("setosa", 150))
    with pytest.raises(ValueError, match="inconsistent numbers of samples"):
        model.fit(X, Y[:-1])


@pytest.mark.parametrize("name", ["predict", "predict_proba", "predict_tree", "transform"])
def test_not_fitted(name):
    with pytest.raises(NotFittedError):
        getattr(IntersectionClassifier(), name)(X)
    with pytest.raises(NotFittedError):
        IntersectionClassifier().key()


@pytest.mark.parametrize(
    "change",
    [lambda x: x * 1e200, lambda x: x * 1e-300, lambda x: np.round(x * 10) + 1e14],
)
def test_units_and_offsets_do_not_matter(change):
    model = IntersectionClassifier(**SMALL, random_state=0).fit(change(X), Y)
    assert model.score(change(X), Y) > 0.9 and model.score_tree(change(X), Y) > 0.9


def test_a_cell_far_out_is_told_in_training_and_counts_in_prediction(iris):
    broken = X.copy()
    broken[3, 1] = 1e200
    with pytest.warns(UserWarning, match="1 of 150 cells in column 1"):
        model = IntersectionClassifier(**SMALL, random_state=0).fit(broken, Y)
    assert model.score(X, Y) > 0.9
    for cell in (1e39, -1e39, 1.7e308):
        far = X.copy()
        far[:, 2] = cell
        assert np.isfinite(iris.predict_proba(far)).all()
        large = np.where(cell > 0, 1000.0, -1000.0)
        near = np.column_stack([X[:, :2], np.full(150, large), X[:, 3:]])
        assert (iris.predict(far) == iris.predict(near)).mean() > 0.95


def test_whole_numbers_that_double_precision_merges_are_refused(iris):
    large = (X * 10).astype(np.int64)
    large[:, 2] += 2**60
    with pytest.raises(ValueError, match=r"X: expected whole numbers up to 2\^53.* in column 2"):
        IntersectionClassifier(**SMALL).fit(large, Y)
    frame = pd.DataFrame(X, columns=list("abcd")).assign(c=large[:, 2])
    with pytest.raises(ValueError, match="in column 'c'"):
        IntersectionClassifier(**SMALL).fit(frame, Y)
    with pytest.raises(ValueError, match="in column 2"):
        iris.predict(large)
    IntersectionClassifier(**SMALL, random_state=0).fit(large - [0, 0, 2**60, 0], Y)


@pytest.mark.parametrize(
    "labels",
    [None, np.array([object()] * 150), np.where(Y == "setosa", None, Y), [["a"], ["b", "c"]] * 75],
)
def test_labels_that_are_none_are_named(labels):
    with pytest.raises(ValueError, match="y"):
        IntersectionClassifier(**SMALL).fit(X, labels)


def test_labels_of_torch_and_booleans():
    side = Y == "setosa"
    for labels in (torch.tensor(side), side.tolist(), pd.Series(side)):
        model = IntersectionClassifier(**SMALL, random_state=0).fit(X, labels)
        assert model.classes_.tolist() == [False, True] and model.score(X, labels) > 0.9


def test_the_tree_names_its_codes_and_classes(iris):
    assert iris.tree_.class_names == tuple(iris.classes_)
    assert iris.tree_.feature_names == tuple(iris.get_feature_names_out())
    again = type(iris.tree_).from_json(iris.tree_.to_json())
    assert again == iris.tree_ and again.class_names == iris.tree_.class_names
