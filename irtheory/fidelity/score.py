"""Feature fidelity d_D(f; g), Eq. 3 and its harmonic mean, with null and interval."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from irtheory.checks import check_whole
from irtheory.fidelity.inputs import (
    Annotation,
    Matrix,
    annotation,
    binary_features,
    same_length,
)
from irtheory.fidelity.null import bootstrap_interval, permutation_null
from irtheory.fidelity.pairs import FeatureBlocks, Halves, best_matches

# Wide enough for a fast matrix product, narrow enough that a block of floats stays small.
BLOCK_COLUMNS = 2048


@dataclass(frozen=True)
class FeatureFidelity:
    """How well D binary features g match n binary attributes f.

    Attributes:
        score: d_D(f; g), harmonic mean of the two halves.
        attributes_by_features: d_D(f‖g), mean over annotated attributes of their best r̂.
        features_by_attributes: d_D(g‖f), mean over all features of their best r̂.
        per_attribute: n best r̂(f_i, g_j); NaN for an attribute without annotation.
        best_feature: n indices j of that feature, the lowest of equals; −1 without annotation.
        complemented: n booleans, whether the match is F1(f_i, 1 − g_j) > F1(f_i, g_j).
        dead_features: number of features that are constant on the annotated rows.
        dead_attributes: number of annotated attributes that are constant.
        excluded: n counts of samples without annotation of the attribute.
        null_mean: mean score with the rows of f shuffled; None unless asked for.
        null_sd: standard deviation of these scores; None below two draws.
        adjusted: (score − null_mean) / (1 − null_mean); None unless a null is asked for.
        interval: 95% bootstrap interval over samples, centred on the score and cut at 0 and 1, or
            None.
    """

    score: float
    attributes_by_features: float
    features_by_attributes: float
    per_attribute: npt.NDArray[np.float64]
    best_feature: npt.NDArray[np.int64]
    complemented: npt.NDArray[np.bool_]
    dead_features: int
    dead_attributes: int
    excluded: npt.NDArray[np.int64]
    null_mean: float | None
    null_sd: float | None
    adjusted: float | None
    interval: tuple[float, float] | None

    @property
    def unannotated(self) -> int:
        """Number of attributes without any annotation, left out of every mean."""
        return int((self.best_feature < 0).sum())


def feature_fidelity(
    attributes: Matrix,
    features: Matrix,
    *,
    null_draws: int = 0,
    bootstrap: int = 0,
    seed: int = 0,
    block_columns: int = BLOCK_COLUMNS,
) -> FeatureFidelity:
    """Feature fidelity of binary features to binary attributes (Eq. 3).

    r̂(a, b) = max(F1(a, b), F1(a, 1 − b)), with F1 := 0 where neither side has a positive. It is
    not symmetric: d_D(f‖g) complements features, d_D(g‖f) complements attributes. Each pair is
    counted on the rows where its attribute is annotated; rows without any annotation are left
    out throughout.

    Args:
        attributes: m × n zeros and ones, NaN where an annotation is missing.
        features: m × D zeros and ones. Tensors are worked on where they are: on the device of
            the features, or of the attributes where only those are a tensor.
        null_draws: shuffles of the rows of f for the permutation null.
        bootstrap: resamples of the rows for the interval.
        seed: of both.
        block_columns: features that are held as floats at a time; no effect on the result.

    Returns:
        The fidelity, as numbers and numpy arrays.

    Raises:
        ValueError: for entries other than those above, axes that do not fit, negative draws, or
            attributes without any annotation.
    """
    check_whole("null_draws", null_draws, 0)
    check_whole("bootstrap", bootstrap, 0)
    check_whole("seed", seed, 0)
    check_whole("block_columns", block_columns, 1)
    f, g = _on_one_device(annotation("attributes", attributes), features)
    blocks = FeatureBlocks(f, g, block_columns)
    matches, by_feature = best_matches(blocks)
    seen = (f.annotated.amax(0) > 0).expand(f.positive.shape[1])
    both = Halves(float(matches.value[seen].mean()), float(by_feature) / blocks.total)
    null = permutation_null(blocks, null_draws, seed) if null_draws else None
    return FeatureFidelity(
        score=both.score,
        attributes_by_features=both.attributes_by_features,
        features_by_attributes=both.features_by_attributes,
        per_attribute=matches.value.masked_fill(~seen, torch.nan).cpu().numpy(),
        best_feature=matches.feature.masked_fill(~seen, -1).cpu().numpy(),
        complemented=(matches.complemented & seen).cpu().numpy(),
        dead_features=int((g.amax(0) == g.amin(0)).sum()),
        dead_attributes=_dead_attributes(f),
        excluded=f.excluded.cpu().numpy(),
        null_mean=null.mean if null else None,
        null_sd=null.sd if null else None,
        adjusted=null.adjusted(both.score) if null else None,
        interval=bootstrap_interval(blocks, both.score, bootstrap, seed) if bootstrap else None,
    )


def _on_one_device(f: Annotation, features: Matrix) -> tuple[Annotation, Tensor]:
    """Attributes and features on the device to work on, features on the annotated rows only."""
    g = binary_features("features", features)
    same_length(f.length, features=len(g))
    device = g.device if isinstance(features, Tensor) else f.positive.device
    rows = None if f.rows is None else f.rows.to(device)
    moved = Annotation(f.positive.to(device), f.annotated.to(device), rows, f.excluded, f.length)
    g = g.to(device)
    return moved, g if rows is None else g[rows]


def _dead_attributes(f: Annotation) -> int:
    """Annotated attributes that are constant on their annotated rows."""
    present = f.positive.sum(0)
    rows = f.annotated.sum(0).expand(present.shape)
    return int(((rows > 0) & ((present == 0) | (present == rows))).sum())
