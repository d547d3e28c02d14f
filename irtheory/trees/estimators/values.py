"""What is special to regression: y as an array of numbers, means at the leaves."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.base import MultiOutputMixin, RegressorMixin
from sklearn.utils.validation import check_array, check_consistent_length

from irtheory.trees.estimators.base import TableTree, Training, check_passed, kept_rows
from irtheory.trees.estimators.losses import Loss
from irtheory.trees.estimators.table import read_table
from irtheory.trees.estimators.whole import refuse_merged, refuse_merged_cells
from irtheory.trees.keys.key import End
from irtheory.trees.writing import rounded
from irtheory.trees.written import count_of


def read_values(y: Any) -> np.ndarray:
    """Y [m] or [m, k] as finite numbers.

    Raises:
        ValueError: something else; a missing value or a whole number beyond ±2^53 among them.
    """
    check_passed(y)
    plain = type(y) is np.ndarray and y.dtype == np.float64 and y.ndim in (1, 2) and y.size
    if plain and np.isfinite(y).all():
        return y
    own = check_array(y, ensure_2d=False, dtype="numeric", input_name="y")
    refuse_merged("y", None, own.ravel())
    if own.dtype.kind not in "biuf":
        refuse_merged_cells("y", None, own.ravel())
        own = own.astype(np.float64)
    if own.ndim == 1 or own.shape[1]:
        return own
    raise ValueError(f"y: expected numbers, found shape {own.shape}")


class TreeOfValues(MultiOutputMixin, RegressorMixin, TableTree):
    """A tree with numbers at its leaves."""

    _one_dimensional: bool

    def _prepare(
        self, X: Any, y: Any, sample_weight: Any, loss: Loss, most_codes: int | None,
        threads: int | None,
    ) -> Training:  # fmt: skip
        """Read a training table and its targets."""
        table, values = read_table(self, X, reset=True), read_values(y)
        check_consistent_length(values, np.empty(len(table)))
        weight, kept = kept_rows(sample_weight, len(table))
        if not kept.all():
            table, values = table.rows(kept), values[kept]
        coded, read = self._coded(table, weight, most_codes, threads)
        self._one_dimensional = values.ndim == 1
        targets = np.asarray(values, np.float64).reshape(len(values), -1)
        unit = {"squared_error": targets.shape[1], "entropy": np.log(2.0), "linear": 1.0}[loss]
        return Training(coded, read, targets, weight, loss, float(unit))

    def predict(self, X: npt.ArrayLike) -> npt.NDArray[np.float64]:
        """Values of the leaves that the rows of X [m, n] reach: [m], or [m, k] as y was.

        Raises:
            ValueError: X has other columns than in training, or a value that training gave no
                place to: a missing one or a word where training had none like it.
        """
        leaf = self.apply(X)
        predicted = self.tree_.value[leaf]
        return predicted[:, 0] if self._one_dimensional else predicted

    def _ends(self) -> dict[int, End]:
        return {
            node: End(_written(self.tree_.value[node]), note=f"(n = {count_of(self.tree_, node)})")
            for node in self.tree_.leaves.tolist()
        }


def _written(value: np.ndarray) -> str:
    """Numbers in four digits; "≈" says where more would follow."""
    texts = [rounded(number, 4) for number in value.tolist()]
    more = any(float(text) != number for text, number in zip(texts, value, strict=True))
    text = texts[0] if len(texts) == 1 else f"[{', '.join(texts)}]"
    return f"≈ {text}" if more else text
