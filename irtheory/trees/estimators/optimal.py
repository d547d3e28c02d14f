"""Optimal trees on tables."""

from __future__ import annotations

from typing import Any, Literal, Self

import numpy as np
import numpy.typing as npt
from jaxtyping import Float
from sklearn.utils import Bunch

from irtheory.checks import check_whole
from irtheory.trees.choices import Cost
from irtheory.trees.estimators.base import TableTree, Training, node_losses
from irtheory.trees.estimators.class_weight import ClassWeight
from irtheory.trees.estimators.classes import TreeOfClasses
from irtheory.trees.estimators.losses import Loss, children_of
from irtheory.trees.estimators.settings import check_alpha, check_choice, check_share
from irtheory.trees.estimators.values import TreeOfValues
from irtheory.trees.exact.solver import ExactFit, check_limits, check_settings, fit_exact_tree

_CRITERIA: dict[str, Loss] = {
    "misclassification": "linear",
    "gini": "squared_error",
    "entropy": "entropy",
}

# Copies of a sample on average, where they stand for its weight, and in all; at least so many.
_COPIES = 32
_MOST_COPIES = 2**17
_FEWEST_COPIES = 4
# Rounding in a share of a weight.
_ROUNDING = 1e-12


def _check(model: Any, cost: Any) -> None:
    check_whole("n_bins", model.n_bins, 2)
    check_settings(model.max_depth, cost, model.min_samples_leaf, model.threads)
    check_limits(model.time_limit, model.max_memory)
    check_alpha(model.ccp_alpha)
    check_share("min_weight_fraction_leaf", model.min_weight_fraction_leaf)
    if model.max_leaf_nodes is not None:
        check_whole("max_leaf_nodes", model.max_leaf_nodes, 1)
        if model.ccp_alpha:
            raise ValueError("ccp_alpha: expected 0 where max_leaf_nodes is given")


def _searched(model: Any, training: Training) -> ExactFit:
    """The optimal tree on codes; also sets the attributes that tell how it was found."""
    codes, targets, weight, least = _with_least_weight(model, training)
    settings: dict[str, Any] = {
        "cost": training.loss,
        "sample_weight": weight,
        "min_samples_leaf": least,
        "time_limit": model.time_limit,
        "threads": model.threads,
        "max_memory": model.max_memory,
    }
    if model.max_leaf_nodes is not None:
        from irtheory.trees.exact.path import fit_exact_tree_of_size

        sizes = (model.max_depth, model.max_leaf_nodes)
        fit = fit_exact_tree_of_size(codes, targets, *sizes, **settings)
    else:
        penalty = model.ccp_alpha * training.price
        fit = fit_exact_tree(codes, targets, model.max_depth, leaf_penalty=penalty, **settings)
    model.loss_, model.objective_ = fit.loss, fit.objective
    model.lower_bound_, model.status_ = fit.lower_bound, fit.status
    moved = training.coded.most_moved(int(model.max_depth)) if weight is None else None
    model.most_moved_ = moved
    return fit


def _with_least_weight(
    model: Any, training: Training
) -> tuple[np.ndarray, np.ndarray, np.ndarray | None, int]:
    """Codes, targets, weights and the least samples of a leaf, so that it holds its share.

    The search counts samples. Where they have weights, each stands for a number of copies about
    in proportion, which share its weight: the loss stays what it is.
    """
    codes, targets, weight = training.coded.codes, training.targets, training.weight
    share, least = float(model.min_weight_fraction_leaf), int(model.min_samples_leaf)
    if share == 0 or weight is None:
        counted = int(np.ceil(share * len(targets) * (1 - _ROUNDING)))
        return codes, targets, weight, max(least, counted)
    if least > 1:
        raise ValueError(
            f"min_samples_leaf: expected 1 where min_weight_fraction_leaf is given, found {least}"
        )
    steps = max(_FEWEST_COPIES * len(weight), min(_COPIES * len(weight), _MOST_COPIES))
    copies = np.maximum(np.rint(weight / weight.sum() * steps), 1).astype(np.int64)
    counted = int(np.ceil(share * copies.sum() * (1 - _ROUNDING)))
    own = (weight / copies).repeat(copies)
    return codes.repeat(copies, axis=0), targets.repeat(copies, axis=0), own, counted


def _path(model: Any, training: Training) -> Bunch:
    from irtheory.trees.exact.path import optimal_tree_path

    codes, targets, weight, least = _with_least_weight(model, training)
    path = optimal_tree_path(
        codes,
        targets,
        model.max_depth,
        cost=training.loss,
        sample_weight=weight,
        min_samples_leaf=least,
        time_limit=model.time_limit,
        max_memory=model.max_memory,
        threads=model.threads,
    )
    return Bunch(
        ccp_alphas=np.asarray(path.alphas) / training.price,
        impurities=np.asarray(path.losses) / training.price,
        n_leaves=np.asarray(path.leaves),
    )


class _Searching(TableTree):
    """What both optimal trees offer."""

    def _read_training(self, X: Any, y: Any, sample_weight: Any) -> Training:
        raise NotImplementedError

    def cost_complexity_pruning_path(
        self, X: npt.ArrayLike, y: npt.ArrayLike, sample_weight: npt.ArrayLike | None = None
    ) -> Bunch:
        """All values of `ccp_alpha` at which the optimal tree changes, and what it loses there.

        These are optimal trees, each found anew, and not subtrees of one tree.

        Returns:
            `ccp_alphas` ascending, `impurities` (per unit of weight) and `n_leaves`.
        """
        return _path(self, self._read_training(X, y, sample_weight))


class OptimalTreeRegressor(_Searching, TreeOfValues):
    """Regression tree of least training cost among all trees of depth ≤ `max_depth`.

    A column with at most `n_bins` distinct values, such as integer codes, may be cut between
    any two of them; one with more is cut at quantiles of the training values. Missing values
    may go to either side of every test, and words are parted into groups (see
    `irtheory.trees.estimators.encoder`). The tree is optimal among all that use such tests.

    Args:
        max_depth: largest number of tests on a path; 3 and 4 are the fast ones.
        cost: "squared_error"; "linear": y is then a cost matrix C [m, k], a leaf picks the
            column of least total cost, and `predict` gives that column as a one-hot row; or
            "entropy", where the rows of y are label distributions.
        n_bins: values per column that the tree may tell apart, at least 2, without an upper limit.
        min_samples_leaf: samples a leaf must hold.
        time_limit: seconds after which the best tree known is taken; None is no limit.
        threads: threads of the search; None takes the machine's cores.
        max_memory: bytes that the search may take; None is a share of what is free.
        min_weight_fraction_leaf: share of the total weight that a leaf must hold. Where samples
            have weights, these are rounded for this rule (not for the loss), to 1/32 of their
            mean, or to ¼ of it beyond 2^15 samples.
        max_leaf_nodes: largest number of leaves; None is no limit. Not together with `ccp_alpha`.
        ccp_alpha: price of a leaf in scikit-learn's units: the tree has the least (impurity +
            ccp_alpha · leaves), the impurity being the squared error of the training samples,
            averaged over their weights and over outputs (or the average cost).

    Attributes:
        tree_: the `Tree`, with thresholds in the units of X; on the columns of `encoder_`
            where X holds words or missing values.
        loss_: its cost on the training data, a sum over samples by weight.
        objective_: `loss_` and, with `ccp_alpha`, the price of the leaves in its units.
        lower_bound_: proven lower bound on the objective over the class of trees.
        status_: "optimal" or "time_limit".
        encoder_: how the columns of X become those that the tree tests.
        cut_columns_: names of the columns that were cut to fewer values than they have: the
            tree is optimal among trees with these cuts, not among all.
        most_moved_: how many samples at most may be at another leaf in the best tree of all,
            with any cuts (see `irtheory.trees.binning.Binned.most_moved`); 0 where no cut was
            left out, None where samples have weights, of which it says nothing.
        feature_importances_: each column's share in what the tree takes off the loss.
        n_features_in_: columns of X.
        feature_names_in_: their names, where X is a data frame.
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
        max_leaf_nodes: int | None = None,
        ccp_alpha: float = 0.0,
        max_memory: int | None = None,
        min_weight_fraction_leaf: float = 0.0,
    ) -> None:
        """Keep the settings; `fit` checks them."""
        self.max_depth = max_depth
        self.cost: Cost = cost
        self.n_bins = n_bins
        self.min_samples_leaf = min_samples_leaf
        self.time_limit = time_limit
        self.threads = threads
        self.max_leaf_nodes = max_leaf_nodes
        self.ccp_alpha = ccp_alpha
        self.max_memory = max_memory
        self.min_weight_fraction_leaf = min_weight_fraction_leaf

    def fit(
        self, X: npt.ArrayLike, y: npt.ArrayLike, sample_weight: npt.ArrayLike | None = None
    ) -> Self:
        """Find the best tree for X [m, n] and y [m] or [m, k].

        Raises:
            ValueError: X or y is not of matching length, y not finite, a column of X mixes
                numbers and words or holds infinity, or a setting is out of range.
        """
        training = self._read_training(X, y, sample_weight)
        fit = _searched(self, training)
        self._keep(training.coded.on_the_way_in(fit.tree), training)
        self._costs = None
        if self.cost == "linear":  # values do not tell what other columns would have cost
            losses = node_losses(self.tree_, training)
            self._costs = losses - children_of(self.tree_, losses)
        return self

    def _gains(self) -> Float[np.ndarray, " nodes"]:
        return super()._gains() if self._costs is None else self._costs

    def _read_training(self, X: Any, y: Any, sample_weight: Any) -> Training:
        _check(self, self.cost)
        return self._prepare(X, y, sample_weight, self.cost, None, self.threads)

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


class OptimalTreeClassifier(_Searching, TreeOfClasses):
    """Classification tree of least training loss among all trees of depth ≤ `max_depth`.

    A column with at most `n_bins` distinct values, such as integer codes, may be cut between
    any two of them; one with more is cut at quantiles of the training values. Missing values
    may go to either side of every test, and words are parted into groups (see
    `irtheory.trees.estimators.encoder`). The tree is optimal among all that use such tests.

    Args:
        max_depth: largest number of tests on a path; 3 and 4 are the fast ones.
        criterion: what is least: "misclassification", the weight of the samples that are not
            of the class named at their leaf; "gini", Σ n (1 − Σ p²) over the leaves, n the
            weight of a leaf and p the shares of the classes; or "entropy", Σ n H(p) in nats.
        n_bins: values per column that the tree may tell apart, at least 2, without an upper limit.
        min_samples_leaf: samples a leaf must hold.
        time_limit: seconds after which the best tree known is taken; None is no limit.
        threads: threads of the search; None takes the machine's cores.
        max_memory: bytes that the search may take; None is a share of what is free.
        min_weight_fraction_leaf: share of the total weight that a leaf must hold. Where samples
            have weights, these are rounded for this rule (not for the loss), to 1/32 of their
            mean, or to ¼ of it beyond 2^15 samples.
        max_leaf_nodes: largest number of leaves; None is no limit. Not together with `ccp_alpha`.
        ccp_alpha: price of a leaf in scikit-learn's units: the tree has the least (impurity +
            ccp_alpha · leaves), the impurity of the training samples (share of errors, Gini, or
            entropy in bits) averaged over their weights.
        class_weight: weights by label; "balanced" gives all classes the same total weight.

    Attributes:
        classes_: the labels, ascending.
        tree_: the `Tree`, with thresholds in the units of X and shares of the classes as
            values; on the columns of `encoder_` where X holds words or missing values.
        loss_: the criterion on the training data, a sum over samples by weight.
        objective_: `loss_` and, with `ccp_alpha`, the price of the leaves in its units.
        lower_bound_: proven lower bound on the objective over the class of trees.
        status_: "optimal" or "time_limit".
        encoder_: how the columns of X become those that the tree tests.
        cut_columns_: names of the columns that were cut to fewer values than they have: the
            tree is optimal among trees with these cuts, not among all.
        most_moved_: how many samples at most may be at another leaf in the best tree of all,
            with any cuts (see `irtheory.trees.binning.Binned.most_moved`), and no more than the
            errors of this tree where the criterion is "misclassification"; 0 where no cut was
            left out, None where samples or classes have weights, of which it says nothing.
        feature_importances_: each column's share in what the tree takes off the loss.
        n_features_in_: columns of X.
        feature_names_in_: their names, where X is a data frame.
    """

    def __init__(
        self,
        max_depth: int = 3,
        criterion: Literal["misclassification", "gini", "entropy"] = "misclassification",
        n_bins: int = 8,
        min_samples_leaf: int = 1,
        time_limit: float | None = None,
        threads: int | None = None,
        max_leaf_nodes: int | None = None,
        ccp_alpha: float = 0.0,
        class_weight: ClassWeight = None,
        max_memory: int | None = None,
        min_weight_fraction_leaf: float = 0.0,
    ) -> None:
        """Keep the settings; `fit` checks them."""
        self.max_depth = max_depth
        self.criterion: Literal["misclassification", "gini", "entropy"] = criterion
        self.n_bins = n_bins
        self.min_samples_leaf = min_samples_leaf
        self.time_limit = time_limit
        self.threads = threads
        self.max_leaf_nodes = max_leaf_nodes
        self.ccp_alpha = ccp_alpha
        self.max_memory = max_memory
        self.min_weight_fraction_leaf = min_weight_fraction_leaf
        self.class_weight: ClassWeight = class_weight

    def fit(
        self, X: npt.ArrayLike, y: npt.ArrayLike, sample_weight: npt.ArrayLike | None = None
    ) -> Self:
        """Find the best tree for X [m, n] and labels y [m].

        Raises:
            ValueError: X or y is not of matching length, a label is missing, a column of X
                mixes numbers and words or holds infinity, or a setting is out of range.
        """
        training = self._read_training(X, y, sample_weight)
        fit = _searched(self, training)
        if self.criterion == "misclassification" and self.most_moved_ is not None:
            self.most_moved_ = min(self.most_moved_, round(fit.loss))
        return self._keep_classes(training.coded.on_the_way_in(fit.tree), training)

    def _read_training(self, X: Any, y: Any, sample_weight: Any) -> Training:
        check_choice("criterion", self.criterion, tuple(_CRITERIA))
        _check(self, "squared_error")
        loss = _CRITERIA[self.criterion]
        return self._prepare(X, y, sample_weight, loss, None, self.threads)
