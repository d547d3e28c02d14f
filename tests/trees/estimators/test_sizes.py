"""Optimal trees of a size, and over the price of a leaf, against all trees of small problems."""

from __future__ import annotations

import numpy as np
import pytest

from irtheory.trees import OptimalTreeClassifier, OptimalTreeRegressor


def problem(seed: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    x = rng.integers(0, 3, (60, 3))
    return x, (x[:, 0] + x[:, 1] * x[:, 2] + rng.integers(0, 2, 60)) % 3


def best_by_leaves(x, y, loss, depth: int) -> dict[int, float]:
    """Least loss of any tree with so many leaves."""
    best = {1: loss(y)}
    for j in range(x.shape[1] if depth else 0):
        for cut in np.unique(x[:, j])[:-1]:
            left = x[:, j] <= cut
            low, high = (best_by_leaves(x[s], y[s], loss, depth - 1) for s in (left, ~left))
            for a, lost in low.items():
                for b, other in high.items():
                    best[a + b] = min(best.get(a + b, np.inf), lost + other)
    return best


def misses(y) -> float:
    return float(len(y) - np.bincount(y).max())


def gini(y) -> float:
    return float(len(y) - (np.bincount(y) ** 2).sum() / len(y))


def entropy(y) -> float:
    count = np.bincount(y)
    return float(-(count[count > 0] * np.log(count[count > 0] / len(y))).sum())


LOSSES = {"misclassification": misses, "gini": gini, "entropy": entropy}


@pytest.mark.parametrize("criterion", LOSSES)
@pytest.mark.parametrize("seed", range(2))
def test_trees_of_a_size_are_the_best_of_that_size(criterion, seed):
    x, y = problem(seed)
    best = best_by_leaves(x, y, LOSSES[criterion], 2)
    for leaves in range(1, 5):
        model = OptimalTreeClassifier(2, criterion, max_leaf_nodes=leaves).fit(x, y)
        assert model.get_n_leaves() <= leaves
        expected = min(lost for n, lost in best.items() if n <= leaves)
        assert model.loss_ == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize("criterion", LOSSES)
@pytest.mark.parametrize("weight", [None, 2.5])
def test_the_price_of_a_leaf_is_that_of_scikit_learn(criterion, weight):
    x, y = problem(3)
    best = best_by_leaves(x, y, LOSSES[criterion], 2)
    unit = len(y) * (np.log(2) if criterion == "entropy" else 1)  # bits, per unit of weight
    w = None if weight is None else np.full(len(y), weight)
    for alpha in (0.0, 0.01, 0.05, 0.2, 2.0):
        model = OptimalTreeClassifier(2, criterion, ccp_alpha=alpha).fit(x, y, w)
        expected = min(lost / unit + alpha * n for n, lost in best.items())
        found = model.loss_ / (weight or 1) / unit + alpha * model.get_n_leaves()
        assert found == pytest.approx(expected, abs=1e-9)
        assert model.objective_ == pytest.approx(expected * unit * (weight or 1), abs=1e-9)
        assert model.lower_bound_ <= model.objective_ + 1e-9


@pytest.mark.parametrize("criterion", LOSSES)
def test_the_path_lists_where_the_tree_changes(criterion):
    x, y = problem(4)
    model = OptimalTreeClassifier(2, criterion)
    path = model.cost_complexity_pruning_path(x, y)
    assert path.n_leaves[-1] == 1 and path.ccp_alphas[0] == 0 and len(path.n_leaves) > 1
    for alpha, impurity, leaves in zip(
        path.ccp_alphas * 1.0001 + 1e-9, path.impurities, path.n_leaves, strict=True
    ):
        own = OptimalTreeClassifier(2, criterion, ccp_alpha=alpha).fit(x, y)
        unit = len(y) * (np.log(2) if criterion == "entropy" else 1)
        assert own.get_n_leaves() == leaves
        assert own.loss_ / unit == pytest.approx(impurity, abs=1e-9)


def test_the_price_of_a_leaf_averages_over_outputs():
    x, y = problem(5)
    one = OptimalTreeRegressor(2, ccp_alpha=0.05).fit(x, y)
    two = OptimalTreeRegressor(2, ccp_alpha=0.05).fit(x, np.stack([y, y], axis=1))
    assert one.tree_.feature.tolist() == two.tree_.feature.tolist()
    assert two.objective_ == pytest.approx(2 * one.objective_)
