"""Optimal trees with the interface of scikit-learn."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Self

import numpy as np
import numpy.typing as npt
from jaxtyping import Float, Int
from sklearn.base import BaseEstimator, MultiOutputMixin, RegressorMixin
from sklearn.utils.validation import check_is_fitted, validate_data

from irtheory.trees.choices import Cost
from irtheory.trees.exact.solver import fit_exact_tree
from irtheory.trees.tree import Tree

# Its annotations know neither array-likes nor that it returns a pair where y is given.
_validate: Any = validate_data


class OptimalTreeRegressor(MultiOutputMixin, RegressorMixin, BaseEstimator):
    """Regression tree of least training cost among all trees of depth ≤ `max_depth`.

    A column with at most `n_bins` distinct values, such as integer codes, may be cut between
    any two of them; one with more is cut at quantiles of the training values. The tree is
    optimal among trees that use these cuts.

    Args:
        max_depth: largest number of tests on a path; 3 and 4 are the fast ones.
        cost: "squared_error", or "linear": y is then a cost matrix C [m, k], a leaf picks the
            column of least total cost, and `predict` gives that column as a one-hot row.
        n_bins: values per column that the tree may tell apart, at least 2.
        min_samples_leaf: samples a leaf must hold.
        time_limit: seconds after which the best tree known is taken; None is no limit.
        threads: threads of the search; None takes the machine's cores.

    Attributes:
        tree_: the `Tree`, with thresholds in the units of X.
        loss_: its cost on the training data, a sum over samples.
        lower_bound_: proven lower bound on that cost over the class of trees.
        status_: "optimal" or "time_limit".
        n_features_in_: columns of X.
        n_outputs_: columns k of y.
    """

    def __init__(
        self,
        max_depth: int = 3,
        cost: Cost = "squared_error",
        n_bins: int = 8,
        min_samples_leaf: int = 1,
        time_limit: float | None = None,
        threads: int | None = None,
    ) -> None:
        """Keep the settings; `fit` checks them."""
        self.max_depth = max_depth
        self.cost: Cost = cost
        self.n_bins = n_bins
        self.min_samples_leaf = min_samples_leaf
        self.time_limit = time_limit
        self.threads = threads

    def fit(self, X: npt.ArrayLike, y: npt.ArrayLike) -> Self:
        """Find the best tree for X [m, n] and y [m] or [m, k].

        Raises:
            ValueError: X or y is not a finite numeric array of matching length, or a
                setting is out of range.
        """
        if not isinstance(self.n_bins, int | np.integer) or self.n_bins < 2:
            raise ValueError(f"n_bins: expected a whole number ≥ 2, found {self.n_bins!r}")
        x, targets = _validate(self, X, y, dtype=np.float64, multi_output=True, y_numeric=True)
        cuts = [cut_points(column, int(self.n_bins)) for column in x.T]
        fit = fit_exact_tree(
            codes_of(x, cuts),
            targets,
            self.max_depth,
            cost=self.cost,
            min_samples_leaf=self.min_samples_leaf,
            time_limit=self.time_limit,
            threads=self.threads,
        )
        self.tree_ = in_units_of_x(fit.tree, cuts)
        self.loss_, self.lower_bound_, self.status_ = fit.loss, fit.lower_bound, fit.status
        self.n_outputs_ = self.tree_.n_outputs
        self._one_dimensional = targets.ndim == 1
        return self

    def predict(self, X: npt.ArrayLike) -> npt.NDArray[np.float64]:
        """Values of the leaves that the rows of X [m, n] reach: [m], or [m, k] as y was."""
        check_is_fitted(self)
        predicted = self.tree_.predict(_validate(self, X, dtype=np.float64, reset=False))
        return predicted[:, 0] if self._one_dimensional else predicted

    def score(
        self, X: npt.ArrayLike, y: npt.ArrayLike, sample_weight: npt.ArrayLike | None = None
    ) -> float:
        """R² of the predictions, averaged over outputs.

        Raises:
            ValueError: the cost is linear, where y holds costs and not values to be met.
        """
        if self.cost != "squared_error":
            raise ValueError(f"cost: a score needs 'squared_error', found {self.cost!r}")
        return super().score(X, y, sample_weight)


def cut_points(column: Float[np.ndarray, " m"], n_bins: int) -> Float[np.ndarray, " cuts"]:
    """At most `n_bins` − 1 ascending thresholds, each between two neighbouring values."""
    values, count = np.unique(column, return_counts=True)
    below = np.arange(len(values) - 1)
    if len(values) > n_bins:
        share = np.cumsum(count) / len(column)
        wanted = np.searchsorted(share, np.arange(1, n_bins) / n_bins - 1e-12)
        below = np.unique(np.minimum(wanted, len(values) - 2))
    low, high = values[below], values[below + 1]
    middle = low / 2 + high / 2
    # Between neighbouring floats there is no middle: rounding may give the upper one.
    return np.where((middle >= low) & (middle < high), middle, low)


def codes_of(
    x: Float[np.ndarray, "m n"], cuts: list[Float[np.ndarray, " cuts"]]
) -> Int[np.ndarray, "m n"]:
    """Number of cut points of its column below each entry, so that x ≤ cuts[c] iff code ≤ c."""
    columns = [np.searchsorted(cut, column) for cut, column in zip(cuts, x.T, strict=True)]
    return np.stack(columns, axis=1)


def in_units_of_x(tree: Tree, cuts: list[Float[np.ndarray, " cuts"]]) -> Tree:
    """The tree on codes with cut points for thresholds: x ≤ cuts[c] iff its code is ≤ c."""
    threshold = tree.threshold.copy()
    for node in np.flatnonzero(tree.feature >= 0):
        threshold[node] = cuts[tree.feature[node]][int(threshold[node])]
    return replace(tree, threshold=threshold)
