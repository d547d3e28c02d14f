"""How good predictions are, beside a usual tree and the most frequent class."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

from irtheory.intervals import Interval, wilson_interval
from irtheory.studies.table.matrix import Matrix
from irtheory.studies.table.settings import TableSettings
from irtheory.tables.columns import TableColumn

# What scikit-learn says of labels with few rows each; the report names all classes with theirs.
MANY_CLASSES = "The number of unique classes"


@dataclass(frozen=True)
class Score:
    """Accuracy of one way to predict.

    Attributes:
        name: of the way.
        right, rows: rows that are predicted right, of all.
        interval: 95% Wilson interval of the share.
        training: accuracy on the training rows; None where it was not measured.
    """

    name: str
    right: int
    rows: int
    accuracy: float
    interval: Interval
    training: float | None = None

    @classmethod
    def of(cls, name: str, hits: np.ndarray, training: np.ndarray | None = None) -> Score:
        """From what is right, row by row; there is a row."""
        right, rows = int(hits.sum()), len(hits)
        own = None if training is None else float(training.mean())
        return cls(name, right, rows, right / rows, wilson_interval(right, rows), own)


def named(shares: Float[np.ndarray, "m k"]) -> Int[np.ndarray, " m"]:
    """The class of the largest share; among equals the first."""
    return shares.argmax(axis=1)


def confusion(
    labels: Int[np.ndarray, " m"], predicted: Int[np.ndarray, " m"], classes: int
) -> Int[np.ndarray, "k k"]:
    """How often a row of a class (down) is predicted to be of a class (across)."""
    counts = np.zeros((classes, classes), np.int64)
    np.add.at(counts, (labels, predicted), 1)
    return counts


def usual_tree(
    train: Sequence[TableColumn],
    labels: Int[np.ndarray, " m"],
    test: Sequence[TableColumn],
    depth: int,
    settings: TableSettings,
) -> tuple[Int[np.ndarray, " m"], Int[np.ndarray, " test"]]:
    """What scikit-learn's tree of the same depth predicts for the training and other rows."""
    from sklearn.tree import DecisionTreeClassifier

    matrix = Matrix.of(train)
    tree = DecisionTreeClassifier(
        max_depth=depth,
        max_leaf_nodes=settings.max_leaves,
        min_samples_leaf=settings.min_samples_leaf,
        class_weight="balanced" if settings.balanced else None,
        random_state=settings.seed % 2**32,
    )
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=MANY_CLASSES)
        tree.fit(matrix.apply(train), labels)
    return tree.predict(matrix.apply(train)), tree.predict(matrix.apply(test))
