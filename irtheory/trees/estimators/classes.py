"""What is special to classification: labels as classes, their shares at the leaves."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Self

import numpy as np
import numpy.typing as npt
from jaxtyping import Float, Int
from sklearn.base import ClassifierMixin
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_consistent_length, column_or_1d

from irtheory.trees.estimators.base import TableTree, Training, check_passed, kept_rows
from irtheory.trees.estimators.class_weight import ClassWeight, by_class
from irtheory.trees.estimators.losses import Loss, sums_at_nodes
from irtheory.trees.estimators.table import read_table
from irtheory.trees.keys.key import End, ends_of_counts
from irtheory.trees.tree import Tree

_MISSING_TYPES = ("NAType", "NaTType", "NoneType")


def read_labels(y: Any) -> tuple[np.ndarray, Int[np.ndarray, " m"]]:
    """The classes, ascending, and the place of each label among them.

    Raises:
        ValueError: a label is missing, labels are of several kinds, or y is continuous.
    """
    check_passed(y)
    labels = column_or_1d(_as_objects(y), warn=True)
    for row, label in enumerate(labels.tolist() if labels.dtype.kind in "Of" else ()):
        if type(label).__name__ in _MISSING_TYPES or (label != label) is True:
            raise ValueError(
                f"y: expected a label for every sample, found NaN or none in row {row}"
            )
        if isinstance(label, float) and np.isinf(label):
            raise ValueError(f"y: expected labels, found inf in row {row}")
    try:
        classes, label = np.unique(labels, return_inverse=True)
    except TypeError:
        kinds = sorted({type(label).__name__ for label in labels.tolist()})
        raise ValueError(f"y: expected labels of one kind, found {' and '.join(kinds)}") from None
    if labels.dtype.kind not in "biuUSO":  # whole numbers and words are labels
        check_classification_targets(labels)
    return classes, label.astype(np.int64)


def _as_objects(y: Any) -> Any:
    """Series of text or categories (pandas, polars) as arrays of objects; others as they are."""
    if hasattr(y, "dtype") and hasattr(y, "to_numpy"):
        return np.asarray(y.to_numpy())
    return y


class TreeOfClasses(ClassifierMixin, TableTree):
    """A tree with shares of classes at its leaves."""

    class_weight: ClassWeight
    classes_: np.ndarray
    _counts: np.ndarray

    def _prepare(
        self, X: Any, y: Any, sample_weight: Any, loss: Loss, most_codes: int | None,
        threads: int | None,
    ) -> Training:  # fmt: skip
        """Read a training table and its labels; targets are one-hot rows, or costs 1 − one-hot."""
        table, (classes, label) = read_table(self, X, reset=True), read_labels(y)
        check_consistent_length(label, np.empty(len(table)))
        self.classes_, self.n_classes_ = classes, len(classes)
        weight, kept = kept_rows(sample_weight, len(table))
        if not kept.all():
            table, label = table.rows(kept), label[kept]
        coded, read = self._coded(table, weight, most_codes, threads)
        weight = by_class(self.class_weight, classes, label, weight)
        one_hot = np.eye(len(classes))[label]
        targets = 1.0 - one_hot if loss == "linear" else one_hot
        unit = float(np.log(2.0)) if loss == "entropy" else 1.0
        return Training(coded, read, targets, weight, loss, unit)

    def _keep_classes(self, tree: Tree, training: Training, alpha: float = 0.0) -> Self:
        """Keep a tree, with the shares of classes by weight as its values."""
        self._keep(tree, training, alpha)
        one_hot = 1.0 - training.targets if training.loss == "linear" else training.targets
        leaf = self.tree_.apply_checked(training.read)
        sums = counts = sums_at_nodes(self.tree_, leaf, one_hot)
        if training.weight is not None:
            sums = sums_at_nodes(self.tree_, leaf, one_hot * training.weight[:, None])
        self._counts = np.rint(counts).astype(np.int64)
        total = sums.sum(axis=1, keepdims=True)
        share = np.where(total > 0, sums / np.where(total > 0, total, 1.0), 1 / sums.shape[1])
        names, count = self._class_names(), self._counts.sum(axis=1)
        self.tree_ = replace(self.tree_, value=share, count=count, class_names=names)
        return self

    def predict_proba(self, X: npt.ArrayLike) -> Float[np.ndarray, "m k"]:
        """Shares of the classes, by weight, at the leaves that the rows of X reach.

        Raises:
            ValueError: X has other columns than in training, or a value that training gave no
                place to: a missing one or a word where training had none like it.
        """
        leaf = self.apply(X)
        return self.tree_.value[leaf]

    def predict_log_proba(self, X: npt.ArrayLike) -> Float[np.ndarray, "m k"]:
        """Logarithms of `predict_proba`; −∞ for a share of 0."""
        with np.errstate(divide="ignore"):
            return np.log(self.predict_proba(X))

    def predict(self, X: npt.ArrayLike) -> np.ndarray:
        """The class with the largest share at the leaf of each row; among equals the first.

        Raises:
            ValueError: that of `predict_proba`.
        """
        leaf = self.apply(X)
        return self.classes_[self.tree_.value.argmax(axis=1)[leaf]]

    def _class_names(self) -> tuple[str, ...]:
        return tuple(str(label) for label in self.classes_)

    def _ends(self) -> dict[int, End]:
        return ends_of_counts(self.tree_, self._counts, self._class_names(), "training samples")
