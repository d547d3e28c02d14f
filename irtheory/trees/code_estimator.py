"""Greedy trees on binned columns with the interface of scikit-learn."""

from __future__ import annotations

from typing import Any, Self

import numpy as np
import numpy.typing as npt
from sklearn.base import BaseEstimator, MultiOutputMixin, RegressorMixin
from sklearn.utils.validation import check_is_fitted, validate_data

from irtheory.trees.cart.codes import LEVELS
from irtheory.trees.cart.fit import fit_cart
from irtheory.trees.choices import Criterion
from irtheory.trees.estimators import codes_of, cut_points, in_units_of_x

# Its annotations know neither array-likes nor that it returns a pair where y is given.
_validate: Any = validate_data


class CodeTreeRegressor(MultiOutputMixin, RegressorMixin, BaseEstimator):
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
        if not isinstance(self.n_bins, int | np.integer) or not 2 <= self.n_bins <= LEVELS:
            raise ValueError(f"n_bins: expected 2 … {LEVELS}, found {self.n_bins!r}")
        x, targets = _validate(self, X, y, dtype=np.float64, multi_output=True, y_numeric=True)
        cuts = [cut_points(column, int(self.n_bins)) for column in x.T]
        tree = fit_cart(
            codes_of(x, cuts).astype(np.uint8),
            targets,
            self.max_depth,
            criterion=self.criterion,
            min_samples_leaf=self.min_samples_leaf,
        )
        self.tree_ = in_units_of_x(tree, cuts)
        self.n_outputs_ = tree.n_outputs
        self._one_dimensional = targets.ndim == 1
        return self

    def predict(self, X: npt.ArrayLike) -> npt.NDArray[np.float64]:
        """Values of the leaves that the rows of X [m, n] reach: [m], or [m, k] as y was."""
        check_is_fitted(self)
        predicted = self.tree_.predict(_validate(self, X, dtype=np.float64, reset=False))
        return predicted[:, 0] if self._one_dimensional else predicted
