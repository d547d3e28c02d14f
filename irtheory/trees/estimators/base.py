"""What all tree estimators share: a table on the way in, a tree to read on the way out."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Self

import numpy as np
import numpy.typing as npt
from jaxtyping import Bool, Float, Int
from scipy import sparse
from sklearn.base import BaseEstimator
from sklearn.utils import Bunch
from sklearn.utils.validation import check_is_fitted

from irtheory.trees.checks import check_weights
from irtheory.trees.estimators.coding import Coded, code_table
from irtheory.trees.estimators.encoder import Encoder
from irtheory.trees.estimators.losses import (
    Loss,
    gains_of,
    importances,
    losses_of,
    sums_at_nodes,
)
from irtheory.trees.estimators.plot import draw
from irtheory.trees.estimators.pruning import weakest_links, without
from irtheory.trees.estimators.table import Table, read_table
from irtheory.trees.keys.key import End, Key, key_of
from irtheory.trees.keys.text import as_text as key_as_text
from irtheory.trees.tree import Tree
from irtheory.trees.written import as_dot, as_text, dot_labels


@dataclass(frozen=True, eq=False)
class Training:
    """A training table as a search reads it, without samples of weight 0.

    Attributes:
        coded: the table as codes.
        read: what the tree reads of the table.
        targets: [m, k].
        weight: [m]; None where all weigh the same.
        loss: what nodes lose.
        unit: the loss of one unit of weight that is 1 in scikit-learn's impurity.
    """

    coded: Coded
    read: np.ndarray
    targets: Float[np.ndarray, "m k"]
    weight: Float[np.ndarray, " m"] | None
    loss: Loss
    unit: float

    @property
    def weights(self) -> Float[np.ndarray, " m"]:
        """The weights as numbers."""
        return np.ones(len(self.targets)) if self.weight is None else self.weight

    @property
    def price(self) -> float:
        """The price of a leaf, in units of the loss, at `ccp_alpha` = 1."""
        return float(self.weights.sum()) * self.unit


class TableTree(BaseEstimator):
    """A tree on the columns of a table: reads tables, and is read itself."""

    n_bins: Any
    tree_: Tree
    encoder_: Encoder
    n_features_in_: int
    _loss: Loss
    _weights: np.ndarray

    def __sklearn_tags__(self) -> Any:
        """Missing values and words are taken."""
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        # Words too; but the tag `string` promises to take any object for a word.
        tags.input_tags.categorical = True
        return tags

    def _read(self, X: Any) -> np.ndarray:
        """What the tree reads of X."""
        check_is_fitted(self)
        table = read_table(self, X, reset=False)
        return self.encoder_.transform(table, self.tree_.used_features)

    def _coded(
        self, table: Table, weight: np.ndarray | None, most_codes: int | None, threads: int | None
    ) -> tuple[Coded, np.ndarray]:
        coded = code_table(table, int(self.n_bins), most_codes, weight, threads)
        self.encoder_, self.cut_columns_ = coded.encoder, coded.cut
        return coded, coded.encoder.transform(table)

    def _keep(self, tree: Tree, training: Training, alpha: float = 0.0) -> Self:
        """Keep a tree in what `Encoder.transform` gives, pruned at the price `alpha`."""
        if alpha > 0:
            links = weakest_links(tree, node_losses(tree, training))
            tree = without(tree, links.falls <= alpha * training.price)
        self._loss, self._weights = training.loss, tree.count
        if training.weight is not None:
            leaf = tree.apply_checked(training.read)
            both = np.stack([training.weight, np.ones(len(leaf))], axis=1)
            self._weights, counts = sums_at_nodes(tree, leaf, both).T
            tree = tree.with_values(tree.value, counts)
        if not self.encoder_.plain or hasattr(self, "feature_names_in_"):
            tree = replace(tree, feature_names=self.encoder_.tested_names)
        self.tree_, self.n_outputs_ = tree, tree.n_outputs
        return self

    def apply(self, X: npt.ArrayLike) -> Int[np.ndarray, " m"]:
        """Node of `tree_` that is the leaf of each row of X."""
        read = self._read(X)
        return self.tree_.apply_checked(read)

    def decision_path(self, X: npt.ArrayLike) -> sparse.csr_array:
        """Which nodes of `tree_` each row of X visits, as a sparse matrix [m, nodes] of 0 and 1."""
        read = self._read(X)
        visited = self.tree_.decision_path(read)
        return sparse.csr_array(visited.astype(np.int64))

    def get_depth(self) -> int:
        """Largest number of tests on a path."""
        check_is_fitted(self)
        return self.tree_.depth

    def get_n_leaves(self) -> int:
        """Number of leaves."""
        check_is_fitted(self)
        return self.tree_.n_leaves

    @property
    def feature_importances_(self) -> Float[np.ndarray, " n"]:
        """Each column's share in what the tree takes off the loss of a single leaf."""
        check_is_fitted(self)
        source = np.array([column.source for column in self.encoder_.columns])
        gain = self._gains()
        return importances(self.tree_, gain, source, self.n_features_in_)

    def _gains(self) -> Float[np.ndarray, " nodes"]:
        """What the split of each inner node takes off the loss."""
        return gains_of(self._loss, self.tree_, self._weights)

    def to_text(self) -> str:
        """The tree as indented text: a line for each branch and leaf."""
        check_is_fitted(self)
        return as_text(self.tree_, self.encoder_.wording(self.tree_), self._leaf_texts())

    def to_key(self) -> str:
        """The tree as a dichotomous key: a couplet of lines for every test."""
        return key_as_text(self.make_key())

    def make_key(self, title: str = "") -> Key:
        """The same as data, for `irtheory.trees.keys.formats.write_key`.

        Args:
            title: of the key.
        """
        check_is_fitted(self)
        return key_of(self.tree_, self.encoder_.wording(self.tree_), self._ends(), title)

    def to_dot(self) -> str:
        """The tree as a Graphviz digraph."""
        check_is_fitted(self)
        wording = self.encoder_.wording(self.tree_)
        return as_dot(self.tree_, dot_labels(self.tree_, wording, self._leaf_texts()))

    def plot(self, ax: Any = None) -> Any:
        """Draw the tree with matplotlib; returns the axes.

        Args:
            ax: the axes to draw on; None makes a figure of a fitting size.
        """
        check_is_fitted(self)
        return draw(self.tree_, self.encoder_.wording(self.tree_), self._leaf_texts(), ax)

    def _leaf_texts(self) -> dict[int, str]:
        """What is said at each leaf, by its node."""
        return {node: end.text for node, end in self._ends().items()}

    def _ends(self) -> dict[int, End]:
        """What a key says at each leaf, by its node."""
        raise NotImplementedError


def node_losses(tree: Tree, training: Training) -> Float[np.ndarray, " nodes"]:
    """What each node of a tree would lose as a leaf."""
    leaf = tree.apply_checked(training.read)
    return losses_of(training.loss, tree, leaf, training.targets, training.weights)


def pruning_path(tree: Tree, training: Training) -> Bunch:
    """`ccp_alphas` and `impurities` of the best subtrees of a tree, in scikit-learn's units."""
    links = weakest_links(tree, node_losses(tree, training))
    return Bunch(
        ccp_alphas=links.prices / training.price,
        impurities=links.losses / training.price,
        n_leaves=links.leaves,
    )


def check_passed(y: Any) -> None:
    """Refuse a y that is None (ValueError)."""
    if y is None:
        raise ValueError("requires y to be passed, but the target y is None")


def kept_rows(sample_weight: npt.ArrayLike | None, m: int) -> tuple[
    Float[np.ndarray, " kept"] | None, Bool[np.ndarray, " m"]
]:  # fmt: skip
    """The weights above 0 and which rows have them; None where all rows weigh the same."""
    if sample_weight is None:
        return None, np.ones(m, np.bool_)
    raw = np.asarray(sample_weight)
    if raw.dtype.kind in "biuf" and not raw.any():
        raise ValueError("sample_weight: expected a weight above 0, found that all are zero")
    weight = check_weights(raw, m)
    return weight[weight > 0], weight > 0
