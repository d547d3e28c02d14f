"""Squared loss, L[a, b] = (1/m) Σ_i ‖a_i − b_i‖², of any model affine in θ."""

from __future__ import annotations

from abc import abstractmethod
from types import ModuleType
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from irtheory.propositions.objectives.contract import (
    Array,
    Claims,
    LeafCost,
    Smoothness,
    ThetaMinimum,
    squared_norm,
)
from irtheory.propositions.objectives.model import Model


class SquaredLoss(Model):
    """Q and its derivatives; jointly convex in (θ, T), the Hessian constant."""

    name: str
    leaf_cost: LeafCost = "squared_error"
    omega_ridge: float = 0.0
    features: Any

    @property
    @abstractmethod
    def strong_convexity(self) -> float:
        """See `Objective`."""

    @abstractmethod
    def smoothness(self) -> Smoothness:
        """See `Objective`."""

    @abstractmethod
    def minimise_theta(self, T: ArrayLike, start: ArrayLike | None = None) -> ThetaMinimum:
        """See `Objective`."""

    @abstractmethod
    def expression(self, cp: ModuleType, theta: Any, T: Any) -> Any:
        """See `Objective`."""

    @property
    @abstractmethod
    def design(self) -> Array:
        """∂G/∂θ as a matrix [mk, size of θ], rows by (sample, output)."""

    @property
    def shared_design(self) -> Array:
        """D, [m or mk, q], that takes θ as q rows to G: Φ where all outputs share it."""
        return self.design

    @property
    def gram(self) -> Array:
        """Dᵀ D for D = `shared_design`, [q, q]."""
        return self.shared_design.T @ self.shared_design

    def settling_matrix(self, leaves: Array) -> Array:
        """Dᵀ (2 − A Aᵀ) D for A = `leaves` [m, L] with orthonormal columns, [q, q]."""
        design = self.shared_design
        in_leaves = (leaves.T @ design.reshape(len(leaves), -1)).reshape(-1, design.shape[1])
        return 2 * self.gram - in_leaves.T @ in_leaves

    @property
    @abstractmethod
    def coercive_because(self) -> str:
        """Why the label loss grows with θ without a ridge; empty if it need not."""

    @property
    def claims(self) -> Claims:
        """Jointly convex; coercive with a ridge, or for the reason that the model gives."""
        reason = "the ridge term grows with theta" if self.ridge > 0 else self.coercive_because
        return Claims(jointly_convex=True, coercive_because=reason)

    def loss(self, a: Array, b: Array) -> float:
        """(1/m)‖a − b‖²."""
        return squared_norm(a - b) / self.n_samples

    def grad_theta(self, theta: ArrayLike, T: ArrayLike) -> Array:
        """(2/m) (∂G/∂θ)ᵀ (2G − y − T) + ridge θ, in the shape of θ."""
        residual = 2 * self.outputs(theta) - self.labels - self.checked_tree(T)
        return self.pull(residual * (2 / self.n_samples)) + self.ridge * np.asarray(theta)

    def grad_tree(self, theta: ArrayLike, T: ArrayLike) -> Array:
        """(2/m) (T − G), [m, k]."""
        return (self.checked_tree(T) - self.outputs(theta)) * (2 / self.n_samples)

    def hessian_theta(self, theta: ArrayLike, T: ArrayLike) -> Array:
        """(4/m) (∂G/∂θ)ᵀ (∂G/∂θ) + ridge I; the same for every θ and T."""
        self.checked_theta(theta)
        self.checked_tree(T)
        design = self.design
        return design.T @ design * (4 / self.n_samples) + self.ridge * np.eye(design.shape[1])

    def tree_curvature(self, theta: ArrayLike) -> Array:
        """∂²Q/∂T_ic² = 2/m, [m, k]."""
        return np.full_like(self.outputs(theta), 2 / self.n_samples)

    def cross_curvature(self, theta: ArrayLike, T: ArrayLike) -> Array:
        """∂²Q/∂G_ic∂T_ic = −2/m, [m, k]."""
        self.checked_tree(T)
        return np.full_like(self.outputs(theta), -2 / self.n_samples)

    def targets(self, theta: ArrayLike) -> Array:
        """G_θ itself, [m, k]: the squared error of a leaf is its share of the coupling."""
        return self.outputs(theta)

    def decode(self, values: ArrayLike) -> Array:
        """The values themselves, [..., k]."""
        return np.asarray(values, dtype=np.float64)

    def min_over_trees(self, theta: ArrayLike, tree_cost: float) -> float:
        """label_loss(θ) + tree_cost/m, tree_cost the summed squared error of the leaves."""
        return self.label_loss(theta) + tree_cost / self.n_samples

    def squares(self, cp: Any, outputs: Any, T: Any, theta: Any) -> Any:
        """Q as an expression of cvxpy, from its outputs [m, k]."""
        losses = cp.sum_squares(outputs - self.labels) + cp.sum_squares(outputs - T)
        return losses / self.n_samples + 0.5 * self.ridge * cp.sum_squares(theta)
