"""Reference rows of every table: how well the class alone detects attributes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from irtheory.checks import check_whole
from irtheory.fidelity.inputs import (
    Matrix,
    annotation,
    class_labels,
    same_length,
)
from irtheory.fidelity.score import FeatureFidelity, feature_fidelity


@dataclass(frozen=True)
class ClassOracle:
    """Best F1 that a union of classes reaches.

    Attributes:
        per_attribute: n best values of F1; NaN for an attribute without annotation.
        mean: their mean over the annotated attributes.
    """

    per_attribute: npt.NDArray[np.float64]
    mean: float


def class_oracle_fidelity(attributes: Matrix, labels: Matrix) -> ClassOracle:
    """Largest F1(f_i, 1[y ∈ A]) over unions A of classes, for each attribute.

    F1 is a ratio of linear functions of A, so the best union takes every class whose prevalence
    of the attribute exceeds some level: a prefix of the classes sorted by prevalence. A
    complement of a union is a union, so this bounds r̂ of any function of the class as well.

    Args:
        attributes: m × n zeros and ones, NaN where an annotation is missing.
        labels: m whole numbers, the class of each sample.

    Raises:
        ValueError: for other entries, lengths that differ, or no annotation at all.
    """
    f = annotation("attributes", attributes)
    y = class_labels("labels", labels)
    same_length(f.length, labels=len(y))
    rows = slice(None) if f.rows is None else f.rows.cpu().numpy()
    _, index = np.unique(y[rows], return_inverse=True)
    one_hot = np.eye(index.max() + 1)[:, index]
    present = one_hot @ f.positive.cpu().numpy()
    size = np.broadcast_to(one_hot @ f.annotated.cpu().numpy(), present.shape)
    order = np.argsort(-present / np.maximum(size, 1), axis=0, kind="stable")
    both = np.take_along_axis(present, order, 0).cumsum(0)
    chosen = np.take_along_axis(size, order, 0).cumsum(0)
    best = (2 * both / np.maximum(present.sum(0) + chosen, 1)).max(0)
    per_attribute = np.where(size.sum(0) > 0, best, np.nan)
    return ClassOracle(per_attribute, float(np.nanmean(per_attribute)))


def predicted_class_fidelity(
    attributes: Matrix,
    predicted: Matrix,
    n_classes: int | None = None,
    *,
    complement: bool = False,
    null_draws: int = 0,
    bootstrap: int = 0,
    seed: int = 0,
) -> FeatureFidelity:
    """Feature fidelity of the one-hot code of a predicted class.

    Args:
        attributes: m × n zeros and ones, NaN where an annotation is missing.
        predicted: m whole numbers ≥ 0.
        n_classes: number of columns of the one-hot code, the largest prediction + 1 by default.
            A class that is never predicted is a dead feature.
        complement: append 1 − one-hot. The binarisation of codes holds every column's
            complement, which raises d_D(g‖f): compare it with this.
        null_draws: as in `feature_fidelity`.
        bootstrap: as in `feature_fidelity`.
        seed: as in `feature_fidelity`.

    Raises:
        ValueError: for a prediction outside 0 … n_classes − 1, and as `feature_fidelity` does.
    """
    y = class_labels("predicted", predicted)
    k = int(y.max()) + 1 if n_classes is None else check_whole("n_classes", n_classes, 1)
    outside = y[(y < 0) | (y >= k)]
    if len(outside):
        raise ValueError(f"predicted: expected classes 0 to {max(k - 1, 0)}, found {outside[0]}")
    one_hot = (y[:, None] == np.arange(k)).view(np.uint8)
    g = np.hstack([one_hot, 1 - one_hot]) if complement else one_hot
    same_length(annotation("attributes", attributes).length, predicted=len(y))
    return feature_fidelity(attributes, g, null_draws=null_draws, bootstrap=bootstrap, seed=seed)
