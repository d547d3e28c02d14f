"""Fidelity as a distance, for real-valued functions (end of Sec. 3.1)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from irtheory.fidelity.inputs import Matrix, finite_matrix, same_length
from irtheory.fidelity.pairs import Halves


@dataclass(frozen=True)
class FidelityDistance:
    """How far D real features g are from n real attributes f, 0 where they coincide.

    Attributes:
        distance: harmonic mean of the two halves; 0 as soon as one of them is 0.
        attributes_by_features: mean over attributes of the distance to the nearest feature.
        features_by_attributes: mean over features of the distance to the nearest attribute.
        per_attribute: n distances to the nearest feature.
        best_feature: n indices of it, the lowest of equals.
        complemented: n booleans, whether 1 − g_j is strictly nearer than g_j.
    """

    distance: float
    attributes_by_features: float
    features_by_attributes: float
    per_attribute: npt.NDArray[np.float64]
    best_feature: npt.NDArray[np.int64]
    complemented: npt.NDArray[np.bool_]


def _mean_absolute_difference(f: Tensor, g: Tensor) -> Tensor:
    """E|f_i − g_j|, n × D, from f n × m and g D × m."""
    return torch.cdist(f, g, p=1.0) / f.shape[1]


def fidelity_distance(
    attributes: Matrix, features: Matrix, *, complement: bool = False
) -> FidelityDistance:
    """Eq. 3 with r(q₁, q₂) = E|q₁ − q₂| and minima in place of the maxima.

    Args:
        attributes: m × n finite reals.
        features: m × D finite reals.
        complement: also compare with 1 − g_j. Sensible only for values scaled to [0, 1]; as
            |f − (1 − g)| = |g − (1 − f)|, one matrix serves both halves.

    Raises:
        ValueError: for entries that are not finite, or axes that do not fit.
    """
    f, g = finite_matrix("attributes", attributes), finite_matrix("features", features)
    same_length(len(f), features=len(g))
    device = g.device if isinstance(features, Tensor) else f.device
    f, g = f.to(device, torch.float64).T.contiguous(), g.to(device, torch.float64).T.contiguous()
    plain = _mean_absolute_difference(f, g)
    flipped = _mean_absolute_difference(f, 1 - g) if complement else plain
    nearest = torch.minimum(plain, flipped)
    value, feature = nearest.min(1)
    at = feature[:, None]
    halves = Halves(float(value.mean()), float(nearest.amin(0).mean()))
    return FidelityDistance(
        distance=halves.score,
        attributes_by_features=halves.attributes_by_features,
        features_by_attributes=halves.features_by_attributes,
        per_attribute=value.cpu().numpy(),
        best_feature=feature.cpu().numpy(),
        complemented=(flipped.gather(1, at) < plain.gather(1, at)).flatten().cpu().numpy(),
    )
