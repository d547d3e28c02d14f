"""Models linear in features, G_theta(x) = Phi theta, and their squared loss (setting "convex")."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from functools import cached_property
from types import ModuleType
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from irtheory.objectives.contract import (
    Array,
    Claims,
    LeafCost,
    Smoothness,
    ThetaMinimum,
    checked_array,
    frozen_copy,
    largest_gram_eigenvalue,
    squared_norm,
)


@dataclass(frozen=True, eq=False)
class FeatureModel(ABC):
    """The sample S = (Phi [m, P], y [m, k]) of a model G_theta = Phi theta, theta [P, k].

    A model says what L_S[a, b] is in `loss`; Q and its two parts follow from it.

    Phi holds a column of ones if an intercept is wanted. `ridge` >= 0 is the weight r of
    (r/2)||theta||^2.

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
            raise ValueError(f"features: expected m, P >= 1, found {list(features.shape)}")
        labels = checked_array("labels", self.labels, (features.shape[0], "k"))
        if labels.shape[1] == 0:
            raise ValueError(f"labels: expected k >= 1, found {list(labels.shape)}")
        ridge = float(checked_array("ridge", self.ridge, ()))
        if ridge < 0:
            raise ValueError(f"ridge: expected a number >= 0, found {ridge}")
        object.__setattr__(self, "features", frozen_copy(features))
        object.__setattr__(self, "labels", frozen_copy(labels))
        object.__setattr__(self, "ridge", ridge)

    @property
    def n_samples(self) -> int:
        """The sample size m."""
        return self.features.shape[0]

    @property
    def n_outputs(self) -> int:
        """The number k of outputs."""
        return self.labels.shape[1]

    @property
    def theta_shape(self) -> tuple[int, int]:
        """(P, k)."""
        return self.features.shape[1], self.labels.shape[1]

    @cached_property
    def rank(self) -> int:
        """The numerical rank of Phi."""
        return int(np.linalg.matrix_rank(self.features))

    @cached_property
    def gram_scale(self) -> float:
        """lambda_max(Phi^T Phi) / m."""
        return largest_gram_eigenvalue(self.features) / self.n_samples

    def checked_theta(self, theta: ArrayLike) -> Array:
        """Theta as float64 [P, k]; ValueError for another shape or entries not finite."""
        return checked_array("theta", theta, self.theta_shape)

    def checked_tree(self, T: ArrayLike) -> Array:
        """Tree outputs as float64 [m, k]; ValueError for another shape or entries not finite."""
        return checked_array("T", T, (self.n_samples, self.n_outputs))

    def outputs(self, theta: ArrayLike) -> Array:
        """G_theta on the sample, Phi theta [m, k]."""
        return self.features @ self.checked_theta(theta)

    def penalty(self, theta: ArrayLike) -> float:
        """(ridge/2)||theta||^2."""
        if self.ridge == 0:
            return 0.0
        return 0.5 * self.ridge * squared_norm(self.checked_theta(theta))

    @abstractmethod
    def loss(self, a: Array, b: Array) -> float:
        """L_S[a, b] for outputs a and targets b, both [m, k]."""

    def label_loss(self, theta: ArrayLike) -> float:
        """L_S[G_theta, y] + (ridge/2)||theta||^2."""
        return self.loss(self.outputs(theta), self.labels) + self.penalty(theta)

    def coupling(self, theta: ArrayLike, T: ArrayLike) -> float:
        """L_S[G_theta, T]."""
        return self.loss(self.outputs(theta), self.checked_tree(T))

    def value(self, theta: ArrayLike, T: ArrayLike) -> float:
        """Q = label_loss(theta) + coupling(theta, T)."""
        G, tree = self.outputs(theta), self.checked_tree(T)
        return self.loss(G, self.labels) + self.penalty(theta) + self.loss(G, tree)


@dataclass(frozen=True, eq=False)
class LinearObjective(FeatureModel):
    """Squared loss, L[a, b] = (1/m) sum_i ||a_i - b_i||^2, of a model linear in features.

    Jointly convex in (theta, T). Raises as `FeatureModel`.
    """

    name: str = field(default="convex", init=False)
    leaf_cost: LeafCost = field(default="squared_error", init=False)
    omega_ridge: float = field(default=0.0, init=False)

    @property
    def claims(self) -> Claims:
        """Jointly convex; coercive with a ridge or with features of full column rank."""
        if self.ridge > 0:
            reason = "the ridge term grows with theta"
        elif self.rank == self.theta_shape[0]:
            reason = "the features have full column rank"
        else:
            reason = ""
        return Claims(
            jointly_convex=True,
            coercive_because=reason,
        )

    def loss(self, a: Array, b: Array) -> float:
        """(1/m)||a - b||^2."""
        return squared_norm(a - b) / self.n_samples

    def grad_theta(self, theta: ArrayLike, T: ArrayLike) -> Array:
        """(2/m) Phi^T (2G - y - T) + ridge theta, [P, k]."""
        residual = 2 * self.outputs(theta) - self.labels - self.checked_tree(T)
        return self.features.T @ residual * (2 / self.n_samples) + self.ridge * np.asarray(theta)

    def grad_tree(self, theta: ArrayLike, T: ArrayLike) -> Array:
        """(2/m) (T - G), [m, k]."""
        return (self.checked_tree(T) - self.outputs(theta)) * (2 / self.n_samples)

    def hessian_theta(self, theta: ArrayLike, T: ArrayLike) -> Array:
        """((4/m) Phi^T Phi + ridge I) (x) I_k, [Pk, Pk]; the same for every theta and T."""
        self.checked_theta(theta)
        self.checked_tree(T)
        gram = self.features.T @ self.features * (4 / self.n_samples)
        per_output = gram + self.ridge * np.eye(len(gram))
        return np.asarray(np.kron(per_output, np.eye(self.n_outputs)), dtype=np.float64)

    def tree_curvature(self, theta: ArrayLike) -> Array:
        """d^2 Q / dT_ic^2 = 2/m, [m, k]."""
        return np.full_like(self.outputs(theta), 2 / self.n_samples)

    def cross_curvature(self, theta: ArrayLike, T: ArrayLike) -> Array:
        """d^2 Q / dG_ic dT_ic = -2/m, [m, k]."""
        self.checked_tree(T)
        return np.full_like(self.outputs(theta), -2 / self.n_samples)

    def smoothness(self) -> Smoothness:
        """Beta = 4 lambda_max(Phi^T Phi)/m + ridge, the largest eigenvalue of the Hessian."""
        return Smoothness(
            4 * self.gram_scale + self.ridge, "exact: 4 lambda_max(Phi^T Phi)/m + ridge"
        )

    @cached_property
    def _fit_operator(self) -> Array:
        """The matrix [P, m] that takes (y + T)/2 to (Phi^T Phi + (m ridge/4) I)^+ Phi^T (y + T)/2.

        Built from the singular values, so the condition number of Phi is not squared.
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

    def targets(self, theta: ArrayLike) -> Array:
        """G_theta itself, [m, k]: the squared error of a leaf is its share of the coupling."""
        return self.outputs(theta)

    def decode(self, values: ArrayLike) -> Array:
        """The values themselves, [..., k]."""
        return np.asarray(values, dtype=np.float64)

    def min_over_trees(self, theta: ArrayLike, tree_cost: float) -> float:
        """label_loss(theta) + tree_cost/m, tree_cost the summed squared error of the leaves."""
        return self.label_loss(theta) + tree_cost / self.n_samples

    def expression(self, cp: ModuleType, theta: Any, T: Any) -> Any:
        """Q as a cvxpy expression, convex in theta [P, k] and in T [m, k]."""
        outputs = self.features @ theta
        losses = cp.sum_squares(outputs - self.labels) + cp.sum_squares(outputs - T)
        return losses / self.n_samples + 0.5 * self.ridge * cp.sum_squares(theta)
