"""Models linear in features, G_θ(x) = Φ θ."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike

from irtheory.propositions.objectives.contract import (
    Array,
    checked_array,
    frozen_copy,
    largest_gram_eigenvalue,
)
from irtheory.propositions.objectives.model import Model


@dataclass(frozen=True, eq=False)
class FeatureModel(Model):
    """The sample S = (Φ [m, P], y [m, k]) of a model G_θ = Φ θ, θ [P, k].

    Φ holds a column of ones if an intercept is wanted. `ridge` ≥ 0 is the weight r of
    (r/2)‖θ‖².

    Raises:
        ValueError: wrong shapes, entries that are not finite, or a negative ridge.
    """

    features: Array
    labels: Array
    ridge: float = 0.0

    def __post_init__(self) -> None:
        """Check the sample and freeze copies of it."""
        features = checked_array("features", self.features, ("m", "P"))
        if 0 in features.shape:
            raise ValueError(f"features: expected m, P ≥ 1, found {list(features.shape)}")
        self._settle(features.shape[0])
        object.__setattr__(self, "features", frozen_copy(features))

    @property
    def theta_shape(self) -> tuple[int, int]:
        """(P, k)."""
        return self.features.shape[1], self.labels.shape[1]

    @cached_property
    def rank(self) -> int:
        """The numerical rank of Φ."""
        return int(np.linalg.matrix_rank(self.features))

    @cached_property
    def gram_scale(self) -> float:
        """λ_max(Φᵀ Φ) / m."""
        return largest_gram_eigenvalue(self.features) / self.n_samples

    @cached_property
    def least_curvature(self) -> float:
        """(2/m) λ_min(Φᵀ Φ), 0 up to rounding if the columns are linearly dependent."""
        gram = self.features.T @ self.features / self.n_samples
        smallest = float(np.linalg.eigvalsh(gram)[0])
        floor = len(gram) * np.finfo(float).eps * float(np.trace(gram))
        return 2 * smallest * (smallest > floor)

    def outputs(self, theta: ArrayLike) -> Array:
        """G_θ on the sample, Φ θ [m, k]."""
        return self.features @ self.checked_theta(theta)

    def pull(self, cotangent: Array) -> Array:
        """Φᵀ times an array [m, k], [P, k]."""
        return self.features.T @ cotangent
