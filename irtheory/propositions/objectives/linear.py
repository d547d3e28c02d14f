"""Squared loss of models linear in features (setting "convex")."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from types import ModuleType
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from irtheory.propositions.objectives.contract import Array, Smoothness, ThetaMinimum
from irtheory.propositions.objectives.feature_model import FeatureModel
from irtheory.propositions.objectives.squared import SquaredLoss


@dataclass(frozen=True, eq=False)
class LinearObjective(FeatureModel, SquaredLoss):
    """Squared loss of a model linear in features; raises as `FeatureModel`."""

    name: str = field(default="convex", init=False)

    @property
    def coercive_because(self) -> str:
        """Features of full column rank."""
        return "the features have full column rank" if self.rank == self.theta_shape[0] else ""

    @property
    def design(self) -> Array:
        """Φ ⊗ I_k, [mk, Pk]."""
        return np.asarray(np.kron(self.features, np.eye(self.n_outputs)), dtype=np.float64)

    @property
    def shared_design(self) -> Array:
        """Φ, the same for every output."""
        return self.features

    def hessian_theta(self, theta: ArrayLike, T: ArrayLike) -> Array:
        """((4/m) Φᵀ Φ + ridge I) ⊗ I_k, [Pk, Pk]; the same for every θ and T."""
        self.checked_theta(theta)
        self.checked_tree(T)
        gram = self.features.T @ self.features * (4 / self.n_samples)
        per_output = gram + self.ridge * np.eye(len(gram))
        return np.asarray(np.kron(per_output, np.eye(self.n_outputs)), dtype=np.float64)

    @property
    def strong_convexity(self) -> float:
        """(2/m) λ_min(Φᵀ Φ) + ridge."""
        return self.least_curvature + self.ridge

    def smoothness(self) -> Smoothness:
        """β = 4 λ_max(Φᵀ Φ)/m + ridge, the largest eigenvalue of the Hessian."""
        return Smoothness(
            4 * self.gram_scale + self.ridge, "exact: 4 lambda_max(Phi^T Phi)/m + ridge"
        )

    @cached_property
    def _fit_operator(self) -> Array:
        """The matrix [P, m] that takes (y + T)/2 to (Φᵀ Φ + (m ridge/4) I)⁺ Φᵀ (y + T)/2.

        Built from the singular values, so the condition number of Φ is not squared.
        """
        left, singular, right = np.linalg.svd(self.features, full_matrices=False)
        cutoff = singular[0] * max(self.features.shape) * np.finfo(np.float64).eps
        gain = np.zeros_like(singular)
        kept = singular > (cutoff if self.ridge == 0 else 0.0)
        gain[kept] = singular[kept] / (singular[kept] ** 2 + self.n_samples * self.ridge / 4)
        return (right.T * gain) @ left.T

    def minimise_theta(self, T: ArrayLike, start: ArrayLike | None = None) -> ThetaMinimum:
        """The least-squares (ridge) fit to (y + T)/2; a closed form, `start` plays no part.

        With ridge 0 and features short of full column rank it is the fit of minimum norm.
        """
        theta = self._fit_operator @ ((self.labels + self.checked_tree(T)) / 2)
        if self.ridge > 0:
            how = "closed form: ridge fit to (y + T)/2"
        elif self.rank == self.theta_shape[0]:
            how = "closed form: least-squares fit to (y + T)/2"
        else:
            how = (
                "closed form: fit to (y + T)/2 of minimum norm by the pseudo-inverse, "
                f"the features have rank {self.rank} < {self.theta_shape[0]}"
            )
        gradient_norm = float(np.linalg.norm(self.grad_theta(theta, T)))
        return ThetaMinimum(theta, self.value(theta, T), gradient_norm, how)

    def expression(self, cp: ModuleType, theta: Any, T: Any) -> Any:
        """Q as a cvxpy expression, convex in θ [P, k] and in T [m, k]."""
        return self.squares(cp, self.features @ theta, T, theta)
