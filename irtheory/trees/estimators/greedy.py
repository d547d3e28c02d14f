"""Greedy trees (CART) on tables."""

from __future__ import annotations

from typing import Any, Literal, Self

import numpy.typing as npt
from sklearn.base import clone
from sklearn.utils import Bunch

from irtheory.checks import check_whole
from irtheory.trees.binning import LEVELS
from irtheory.trees.cart.fit import fit_cart
from irtheory.trees.choices import Criterion
from irtheory.trees.estimators.base import TableTree, Training, pruning_path
from irtheory.trees.estimators.class_weight import ClassWeight
from irtheory.trees.estimators.classes import TreeOfClasses
from irtheory.trees.estimators.settings import check_alpha, check_choice, check_share
from irtheory.trees.estimators.values import TreeOfValues
from irtheory.trees.tree import Tree

_CRITERIA: dict[str, Criterion] = {"gini": "squared_error", "entropy": "entropy"}


def _check(model: Any) -> None:
    check_whole("n_bins", model.n_bins, 2, LEVELS)
    check_alpha(model.ccp_alpha)
    check_share("min_weight_fraction_leaf", model.min_weight_fraction_leaf)


def _grown(model: Any, training: Training, criterion: Criterion) -> Tree:
    """The greedy tree, in what the encoder gives."""
    tree = fit_cart(
        training.coded.codes,
        training.targets,
        model.max_depth,
        criterion=criterion,
        sample_weight=training.weight,
        min_samples_leaf=model.min_samples_leaf,
        min_weight_leaf=model.min_weight_fraction_leaf * float(training.weights.sum()),
        max_leaf_nodes=model.max_leaf_nodes,
    )
    return training.coded.on_the_way_in(tree)


def _path(model: TableTree, X: Any, y: Any, sample_weight: Any) -> Bunch:
    """The pruning path of the tree that a copy of the model grows."""
    copy: Any = clone(model)
    copy.set_params(ccp_alpha=0.0)
    training = copy._trained(X, y, sample_weight)
    return pruning_path(copy.tree_, training)


class CodeTreeRegressor(TreeOfValues):
    """Greedy regression tree (CART) on columns cut into at most `n_bins` codes.

    A column with at most `n_bins` distinct values, such as integer codes, may be cut between
    any two of them; one with more is cut at quantiles of the training values. Missing values
    go to the better side of every test, and words are parted into groups (see
    `irtheory.trees.estimators.encoder`).

    Args:
        max_depth: largest number of tests on a path; None is no limit.
        criterion: "squared_error", or "entropy" where the rows of y are label distributions.
        min_samples_leaf: samples a leaf must hold.
        n_bins: values per column that the tree may tell apart, 2 … 256, missing as one of them.
        min_weight_fraction_leaf: share of the total weight that a leaf must hold.
        max_leaf_nodes: largest number of leaves, grown best first; None is no limit.
        ccp_alpha: price of a leaf in scikit-learn's units: the tree is pruned to the smallest
            one with the least (impurity + ccp_alpha · leaves), the impurity of the training
            samples averaged over their weights, and over outputs.

    Attributes:
        tree_: the `Tree`, with thresholds in the units of X; on the columns of `encoder_`
            where X holds words or missing values.
        encoder_: how the columns of X become those that the tree tests.
        cut_columns_: names of the columns that were cut to fewer values than they have.
        feature_importances_: each column's share in what the tree takes off the loss.
        n_features_in_: columns of X.
        feature_names_in_: their names, where X is a data frame.
        n_outputs_: columns k of y.
    """

    def __init__(
        self,
        max_depth: int | None = 5,
        criterion: Criterion = "squared_error",
        min_samples_leaf: int = 1,
        n_bins: int = 32,
        max_leaf_nodes: int | None = None,
        ccp_alpha: float = 0.0,
        min_weight_fraction_leaf: float = 0.0,
    ) -> None:
        """Keep the settings; `fit` checks them."""
        self.max_depth = max_depth
        self.criterion: Criterion = criterion
        self.min_samples_leaf = min_samples_leaf
        self.n_bins = n_bins
        self.max_leaf_nodes = max_leaf_nodes
        self.ccp_alpha = ccp_alpha
        self.min_weight_fraction_leaf = min_weight_fraction_leaf

    def fit(
        self, X: npt.ArrayLike, y: npt.ArrayLike, sample_weight: npt.ArrayLike | None = None
    ) -> Self:
        """Grow the tree for X [m, n] and y [m] or [m, k].

        Raises:
            ValueError: X or y is not of matching length, y not finite, a column of X mixes
                numbers and words or holds infinity, or a setting is out of range.
        """
        self._trained(X, y, sample_weight)
        return self

    def _trained(self, X: Any, y: Any, sample_weight: Any) -> Training:
        _check(self)
        check_choice("criterion", self.criterion, ("squared_error", "entropy"))
        training = self._prepare(X, y, sample_weight, self.criterion, LEVELS, None)
        self._keep(_grown(self, training, self.criterion), training, self.ccp_alpha)
        return training

    def cost_complexity_pruning_path(
        self, X: npt.ArrayLike, y: npt.ArrayLike, sample_weight: npt.ArrayLike | None = None
    ) -> Bunch:
        """All values of `ccp_alpha` at which the tree changes, and what it loses there.

        Returns:
            `ccp_alphas` ascending, `impurities` (per unit of weight) and `n_leaves`.
        """
        return _path(self, X, y, sample_weight)


class CodeTreeClassifier(TreeOfClasses):
    """Greedy classification tree (CART) on columns cut into at most `n_bins` codes.

    A column with at most `n_bins` distinct values, such as integer codes, may be cut between
    any two of them; one with more is cut at quantiles of the training values. Missing values
    go to the better side of every test, and words are parted into groups (see
    `irtheory.trees.estimators.encoder`).

    Args:
        max_depth: largest number of tests on a path; None is no limit.
        criterion: "gini" or "entropy".
        min_samples_leaf: samples a leaf must hold.
        n_bins: values per column that the tree may tell apart, 2 … 256, missing as one of them.
        min_weight_fraction_leaf: share of the total weight that a leaf must hold.
        max_leaf_nodes: largest number of leaves, grown best first; None is no limit.
        ccp_alpha: price of a leaf in scikit-learn's units: the tree is pruned to the smallest
            one with the least (impurity + ccp_alpha · leaves), the impurity (Gini, or entropy in
            bits) of the training samples averaged over their weights.
        class_weight: weights by label; "balanced" gives all classes the same total weight.

    Attributes:
        classes_: the labels, ascending.
        tree_: the `Tree`, with thresholds in the units of X and shares of the classes as
            values; on the columns of `encoder_` where X holds words or missing values.
        encoder_: how the columns of X become those that the tree tests.
        cut_columns_: names of the columns that were cut to fewer values than they have.
        feature_importances_: each column's share in what the tree takes off the loss.
        n_features_in_: columns of X.
        feature_names_in_: their names, where X is a data frame.
    """

    def __init__(
        self,
        max_depth: int | None = 5,
        criterion: Literal["gini", "entropy"] = "gini",
        min_samples_leaf: int = 1,
        n_bins: int = 32,
        max_leaf_nodes: int | None = None,
        ccp_alpha: float = 0.0,
        class_weight: ClassWeight = None,
        min_weight_fraction_leaf: float = 0.0,
    ) -> None:
        """Keep the settings; `fit` checks them."""
        self.max_depth = max_depth
        self.criterion: Literal["gini", "entropy"] = criterion
        self.min_samples_leaf = min_samples_leaf
        self.n_bins = n_bins
        self.max_leaf_nodes = max_leaf_nodes
        self.ccp_alpha = ccp_alpha
        self.min_weight_fraction_leaf = min_weight_fraction_leaf
        self.class_weight: ClassWeight = class_weight

    def fit(
        self, X: npt.ArrayLike, y: npt.ArrayLike, sample_weight: npt.ArrayLike | None = None
    ) -> Self:
        """Grow the tree for X [m, n] and labels y [m].

        Raises:
            ValueError: X or y is not of matching length, a label is missing, a column of X
                mixes numbers and words or holds infinity, or a setting is out of range.
        """
        self._trained(X, y, sample_weight)
        return self

    def _trained(self, X: Any, y: Any, sample_weight: Any) -> Training:
        _check(self)
        check_choice("criterion", self.criterion, tuple(_CRITERIA))
        criterion = _CRITERIA[self.criterion]
        training = self._prepare(X, y, sample_weight, criterion, LEVELS, None)
        self._keep_classes(_grown(self, training, criterion), training, self.ccp_alpha)
        return training

    def cost_complexity_pruning_path(
        self, X: npt.ArrayLike, y: npt.ArrayLike, sample_weight: npt.ArrayLike | None = None
    ) -> Bunch:
        """All values of `ccp_alpha` at which the tree changes, and what it loses there.

        Returns:
            `ccp_alphas` ascending, `impurities` (per unit of weight) and `n_leaves`.
        """
        return _path(self, X, y, sample_weight)
