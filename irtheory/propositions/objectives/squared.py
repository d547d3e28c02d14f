"""Squared loss, L[a, b] = (1/m) sum_i ||a_i - b_i||^2, of any model affine in theta."""

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
    """Q and its derivatives; jointly convex in (theta, T), the Hessian constant."""

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
        """dG/dtheta as a matrix [mk, size of theta], rows by (sample, output)."""

    @property
    def shared_design(self) -> Array:
        """D, [m or mk, q], that takes theta as q rows to G: Phi where all outputs share it."""
        return self.design

    @property
    def gram(self) -> Array:
        """D^T D for D = `shared_design`, [q, q]."""
        return self.shared_design.T @ self.shared_design

    def settling_matrix(self, leaves: Array) -> Array:
        """D^T (2 - A A^T) D for A = `leaves` [m, L] with orthonormal columns, [q, q]."""
        design = self.shared_design
        in_leaves = (leaves.T @ design.reshape(len(leaves), -1)).reshape(-1, design.shape[1])
        return 2 * self.gram - in_leaves.T @ in_leaves

    @property
    @abstractmethod
    def coercive_because(self) -> str:
        """Why the label loss grows with theta where there is no ridge; empty if it need not."""

    @property
    def claims(self) -> Claims:
        """Jointly convex; coercive with a ridge, or by what the model says."""
        reason = "the ridge term grows with theta" if self.ridge > 0 else self.coercive_because
        return Claims(jointly_convex=True, coercive_because=reason)

    def loss(self, a: Array, b: Array) -> float:
        """(1/m)||a - b||^2."""
        return squared_norm(a - b) / self.n_samples

    def grad_theta(self, theta: ArrayLike, T: ArrayLike) -> Array:
        """(2/m) (dG/dtheta)^T (2G - y - T) + ridge theta, in the shape of theta."""
        residual = 2 * self.outputs(theta) - self.labels - self.checked_tree(T)
        return self.pull(residual * (2 / self.n_samples)) + self.ridge * np.asarray(theta)

    def grad_tree(self, theta: ArrayLike, T: ArrayLike) -> Array:
        """(2/m) (T - G), [m, k]."""
        return (self.checked_tree(T) - self.outputs(theta)) * (2 / self.n_samples)

    def hessian_theta(self, theta: ArrayLike, T: ArrayLike) -> Array:
        """(4/m) (dG/dtheta)^T (dG/dtheta) + ridge I; the same for every theta and T."""
        self.checked_theta(theta)
        self.checked_tree(T)
        design = self.design
        return design.T @ design * (4 / self.n_samples) + self.ridge * np.eye(design.shape[1])

    def tree_curvature(self, theta: ArrayLike) -> Array:
        """d^2 Q / dT_ic^2 = 2/m, [m, k]."""
        return np.full_like(self.outputs(theta), 2 / self.n_samples)

    def cross_curvature(self, theta: ArrayLike, T: ArrayLike) -> Array:
        """d^2 Q / dG_ic dT_ic = -2/m, [m, k]."""
        self.checked_tree(T)
        return np.full_like(self.outputs(theta), -2 / self.n_samples)

    def targets(self, theta: ArrayLike) -> Array:
        """G_theta itself, [m, k]: the squared error of a leaf is its share of the coupling."""
        return self.outputs(theta)

    def decode(self, values: ArrayLike) -> Array:
        """The values themselves, [..., k]."""
        return np.asarray(values, dtype=np.float64)

    def min_over_trees(self, theta: ArrayLike, tree_cost: float) -> float:
        """label_loss(theta) + tree_cost/m, tree_cost the summed squared error of the leaves."""
        return self.label_loss(theta) + tree_cost / self.n_samples

    def squares(self, cp: Any, outputs: Any, T: Any, theta: Any) -> Any:
        """Q as an expression of cvxpy, from its outputs [m, k]."""
        losses = cp.sum_squares(outputs - self.labels) + cp.sum_squares(outputs - T)
        return losses / self.n_samples + 0.5 * self.ridge * cp.sum_squares(theta)
