"""Greedy and optimal trees on binned columns, with the interface of scikit-learn."""

from __future__ import annotations

from typing import Any, Self

import numpy as np
import numpy.typing as npt
from sklearn.base import BaseEstimator, MultiOutputMixin, RegressorMixin
from sklearn.utils.validation import check_is_fitted, validate_data

from irtheory.checks import check_whole
from irtheory.trees.binning import LEVELS, Binned, bin_columns
from irtheory.trees.cart.fit import fit_cart
from irtheory.trees.choices import Cost, Criterion
from irtheory.trees.exact.solver import check_settings, fit_exact_tree
from irtheory.trees.tree import Tree

# Its annotations know neither array-likes nor that it returns a pair where y is given.
_validate: Any = validate_data
# Types that are taken as they are; others, lists too, become the first of them.
_TYPES = [
    *(np.float64, np.float32, np.bool_),
    *(np.uint8, np.uint16, np.uint32, np.uint64, np.int8, np.int16, np.int32, np.int64),
]


class _TreeOnCodes(MultiOutputMixin, RegressorMixin, BaseEstimator):
    """What trees on binned columns share: the columns on the way in, the tree on the way out."""

    n_bins: int
    tree_: Tree

    def _binned(self, X, y, threads: int | None) -> tuple[Binned, np.ndarray]:
        """X as codes, and y as an array."""
        x, targets = _validate(self, X, y, dtype=_TYPES, multi_output=True, y_numeric=True)
        return bin_columns(x, int(self.n_bins), threads), targets

    def _keep(self, tree: Tree, binned: Binned, targets: np.ndarray) -> Self:
        self.tree_ = binned.in_units_of_x(tree)
        self.n_outputs_ = tree.n_outputs
        self._one_dimensional = targets.ndim == 1
        return self

    def predict(self, X: npt.ArrayLike) -> npt.NDArray[np.float64]:
        """Values of the leaves that the rows of X [m, n] reach: [m], or [m, k] as y was."""
        check_is_fitted(self)
        x = _validate(self, X, dtype=_TYPES, reset=False)
        predicted = self.tree_.value[self.tree_.apply_checked(x)]
        return predicted[:, 0] if self._one_dimensional else predicted


class CodeTreeRegressor(_TreeOnCodes):
    """Greedy regression tree (CART) on columns cut into at most `n_bins` codes.

    A column with at most `n_bins` distinct values, such as integer codes, may be cut between
    any two of them; one with more is cut at quantiles of the training values.

    Args:
        max_depth: largest number of tests on a path.
        criterion: "squared_error", or "entropy" where the rows of y are label distributions.
        min_samples_leaf: samples a leaf must hold.
        n_bins: values per column that the tree may tell apart, 2 … 256.

    Attributes:
        tree_: the `Tree`, with thresholds in the units of X.
        n_features_in_: columns of X.
        n_outputs_: columns k of y.
    """

    def __init__(
        self,
        max_depth: int = 5,
        criterion: Criterion = "squared_error",
        min_samples_leaf: int = 1,
        n_bins: int = 32,
    ) -> None:
        """Keep the settings; `fit` checks them."""
        self.max_depth = max_depth
        self.criterion: Criterion = criterion
        self.min_samples_leaf = min_samples_leaf
        self.n_bins = n_bins

    def fit(self, X: npt.ArrayLike, y: npt.ArrayLike) -> Self:
        """Grow the tree for X [m, n] and y [m] or [m, k].

        Raises:
            ValueError: X or y is not a finite numeric array of matching length, or a
                setting is out of range.
        """
        check_whole("n_bins", self.n_bins, 2, LEVELS)
        binned, targets = self._binned(X, y, None)
        tree = fit_cart(
            binned.codes,
            targets,
            self.max_depth,
            criterion=self.criterion,
            min_samples_leaf=self.min_samples_leaf,
        )
        return self._keep(tree, binned, targets)


class OptimalTreeRegressor(_TreeOnCodes):
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
        check_whole("n_bins", self.n_bins, 2)
        check_settings(self.max_depth, self.cost, self.min_samples_leaf, self.threads)
        binned, targets = self._binned(X, y, self.threads)
        fit = fit_exact_tree(
            binned.codes,
            targets,
            self.max_depth,
            cost=self.cost,
            min_samples_leaf=self.min_samples_leaf,
            time_limit=self.time_limit,
            threads=self.threads,
        )
        self.loss_, self.lower_bound_, self.status_ = fit.loss, fit.lower_bound, fit.status
        return self._keep(fit.tree, binned, targets)

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
