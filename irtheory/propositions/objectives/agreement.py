"""The agreement loss of labels in {−1, +1}, convex in each argument alone (setting "agreement")."""

from __future__ import annotations

from dataclasses import dataclass, field
from types import ModuleType
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.linalg import cho_factor, cho_solve

from irtheory.propositions.objectives.contract import (
    Array,
    Claims,
    LeafCost,
    Smoothness,
    ThetaMinimum,
    checked_array,
    largest_gram_eigenvalue,
    squared_norm,
)
from irtheory.propositions.objectives.feature_model import FeatureModel


@dataclass(frozen=True, eq=False)
class AgreementObjective(FeatureModel):
    """L[a, b] = (1/m) Σ_i (1 − a_i b_i)² with k = 1 output and labels y_i in {−1, +1}.

    Quadratic in θ for a fixed T and in T for a fixed θ, not jointly convex: at
    g = T = 0 the coupling of a sample has a Hessian with eigenvalues ±2/m.

    Raises:
        ValueError: as `FeatureModel`, or labels other than one column of −1 and +1.
    """

    ridge: float = 0.1
    name: str = field(default="agreement", init=False)
    leaf_cost: LeafCost = field(default="linear", init=False)

    def __post_init__(self) -> None:
        """Check the sample, the labels being signs."""
        super().__post_init__()
        checked_array("labels", self.labels, ("m", 1))
        strange = self.labels[np.abs(self.labels) != 1]
        if strange.size:
            raise ValueError(f"labels: expected -1 and +1 only, found {strange[0]}")

    @property
    def omega_ridge(self) -> float:
        """The ridge is also the weight on free leaf values, which are unbounded without it."""
        return self.ridge

    @property
    def claims(self) -> Claims:
        """Convex in θ; coercive with a ridge or with features of full column rank."""
        if self.ridge > 0:
            reason = "the ridge term grows with theta"
        elif self.rank == self.theta_shape[0]:
            reason = "the features have full column rank, the label loss is (1/m)||G - y||^2"
        else:
            reason = ""
        return Claims(
            jointly_convex=False,
            coercive_because=reason,
        )

    @property
    def strong_convexity(self) -> float:
        """(2/m) λ_min(Φᵀ Φ) + ridge, labels being of size 1."""
        return self.least_curvature + self.ridge

    def loss(self, a: Array, b: Array) -> float:
        """(1/m) Σ_i (1 − a_i b_i)²."""
        return squared_norm(1 - a * b) / self.n_samples

    def grad_theta(self, theta: ArrayLike, T: ArrayLike) -> Array:
        """(2/m) Φᵀ ((y² + T²) g − y − T) + ridge θ, [P, 1]."""
        tree = self.checked_tree(T)
        slope = (self.labels**2 + tree**2) * self.outputs(theta) - self.labels - tree
        return self.features.T @ slope * (2 / self.n_samples) + self.ridge * np.asarray(theta)

    def grad_tree(self, theta: ArrayLike, T: ArrayLike) -> Array:
        """−(2/m) g (1 − g T), [m, 1]."""
        g = self.outputs(theta)
        return g * (g * self.checked_tree(T) - 1) * (2 / self.n_samples)

    def hessian_theta(self, theta: ArrayLike, T: ArrayLike) -> Array:
        """(2/m) Φᵀ diag(y² + T²) Φ + ridge I, [P, P]; the same for every θ."""
        self.checked_theta(theta)
        curvature = (self.labels**2 + self.checked_tree(T) ** 2) * (2 / self.n_samples)
        weighted = np.sqrt(curvature) * self.features
        return weighted.T @ weighted + self.ridge * np.eye(weighted.shape[1])

    def tree_curvature(self, theta: ArrayLike) -> Array:
        """∂²Q/∂T_i² = (2/m) g_i², [m, 1]."""
        return self.outputs(theta) ** 2 * (2 / self.n_samples)

    def cross_curvature(self, theta: ArrayLike, T: ArrayLike) -> Array:
        """∂²Q/∂g_i∂T_i = (2/m) (2 g_i T_i − 1), [m, 1]."""
        return (2 * self.outputs(theta) * self.checked_tree(T) - 1) * (2 / self.n_samples)

    def smoothness(self) -> Smoothness:
        """β = 4 λ_max(Φᵀ Φ)/m + ridge for |T_i| ≤ 1."""
        return Smoothness(
            4 * self.gram_scale + self.ridge,
            "bound: 4 lambda_max(Phi^T Phi)/m + ridge, for |T| <= 1 (equal at |T| = 1)",
        )

    def minimise_theta(self, T: ArrayLike, start: ArrayLike | None = None) -> ThetaMinimum:
        """The solution of the normal equations; a closed form, `start` plays no part.

        (Φᵀ diag(y² + T²) Φ + (m ridge/2) I) θ = Φᵀ (y + T); with ridge 0 the
        least-squares fit of (y + T)/(y² + T²) under those weights, of minimum norm.
        """
        tree = self.checked_tree(T)
        if self.ridge > 0:
            normal = self.hessian_theta(np.zeros(self.theta_shape), tree)
            moment = self.features.T @ (self.labels + tree) * (2 / self.n_samples)
            theta = cho_solve(cho_factor(normal, check_finite=False), moment, check_finite=False)
            how = "closed form: weighted ridge fit"
        else:
            root = np.sqrt(self.labels**2 + tree**2)
            fit = np.linalg.lstsq(root * self.features, (self.labels + tree) / root)
            theta = np.asarray(fit[0], dtype=np.float64)
            how = "closed form: weighted least-squares fit of minimum norm"
        gradient_norm = float(np.linalg.norm(self.grad_theta(theta, tree)))
        return ThetaMinimum(theta, self.value(theta, tree), gradient_norm, how)

    def targets(self, theta: ArrayLike) -> Array:
        """The costs (1 + g)² and (1 − g)² of a leaf that says −1 and +1, [m, 2]."""
        g = self.outputs(theta)
        return np.hstack([(1 + g) ** 2, (1 - g) ** 2])

    def decode(self, values: ArrayLike) -> Array:
        """One-hot choices [..., 2] between −1 and +1 as tree outputs [..., 1]."""
        return np.asarray(values, dtype=np.float64) @ np.array([[-1.0], [1.0]])

    def min_over_trees(self, theta: ArrayLike, tree_cost: float) -> float:
        """label_loss(θ) + tree_cost/m, tree_cost the summed cost of the signs chosen."""
        return self.label_loss(theta) + tree_cost / self.n_samples

    def expression(self, cp: ModuleType, theta: Any, T: Any) -> Any:
        """Q as a cvxpy expression, convex in θ [P, 1] alone and in T [m, 1] alone."""
        outputs = self.features @ theta
        losses = cp.sum_squares(1 - cp.multiply(self.labels, outputs)) + cp.sum_squares(
            1 - cp.multiply(T, outputs)
        )
        return losses / self.n_samples + 0.5 * self.ridge * cp.sum_squares(theta)


def agreement_smoothness(
    objective: AgreementObjective, leaf_of: NDArray[np.int64], assignment: Array, level: float
) -> Smoothness:
    """A bound on the joint Hessian where Q ≤ Q_1 = `level`, from three bounds on its blocks.

    With a = Φ u and b = A v the Hessian's quadratic form at (u, v) is
    (2/m) Σ_i [(1 + t_i²) a_i² + g_i² b_i² + (4 g_i t_i − 2) a_i b_i] + r(|u|² + |v|²).
    Q is a sum of terms ≥ 0, so Q ≤ Q_1 gives |θ|² ≤ 2 Q_1/r and |1 − gy|² ≤ m Q_1. The
    label loss takes at least its minimum, so with R = Q_1 − min label_loss and e = 1 − gT,
    |ω|² ≤ 2 R/r and |e|² ≤ m R. Let Φ_l be the n_l rows of leaf l,
    s² = λ_max(Φᵀ Φ), s_l² = λ_max(Φ_lᵀ Φ_l) and s_* = max_l s_l.
    (1) Σ (1 + t_i²) a_i² = |Φ u|² + Σ_l ω_l² |Φ_l u|²
        ≤ (s² + |ω|² s_*²) |u|².
    (2) Σ g_i² b_i² = Σ_l v_l² |g_l|² ≤ max_l |g_l|² |v|², where |g_l| = |y_l g_l|
        ≤ √n_l + √(m Q_1), and |g_l| ≤ s_l |θ|.
    (3) 4 g_i t_i − 2 = 2 − 4 e_i; |Σ a_i b_i| ≤ ‖Aᵀ Φ‖ |u| |v|, and |Σ e_i a_i b_i|
        ≤ Σ_l |v_l| |e_l| s_l |u| ≤ s_* |e| |u| |v|, by Cauchy and Schwarz over the leaves.
    So the sum is at most α |u|² + 2 κ |u| |v| + γ |v|² with κ = ‖Aᵀ Φ‖ +
    2 s_* √(m R), and the form at most r + (2/m) λ_max [[α, κ], [κ, γ]]
    on unit vectors. It is at least r − (2/m) κ there, as (1) and (2) are ≥ 0, and κ ≤
    λ_max, so the norm of the Hessian obeys the bound too.
    """
    Phi, m, r = objective.features, objective.n_samples, objective.ridge
    leaf_rows = [Phi[leaf_of == leaf] for leaf in range(assignment.shape[1])]
    leaf_scale = np.array([largest_gram_eigenvalue(rows) for rows in leaf_rows])
    sizes = np.array([len(rows) for rows in leaf_rows])
    # At T = 0 the coupling is 1 whatever θ is.
    rest = max(level - (objective.minimise_theta(np.zeros((m, 1))).value - 1), 0.0)
    g_squared = np.minimum((np.sqrt(sizes) + np.sqrt(m * level)) ** 2, leaf_scale * 2 * level / r)
    alpha = m * objective.gram_scale + leaf_scale.max() * 2 * rest / r
    gamma = g_squared.max()
    kappa = np.linalg.norm(assignment.T @ Phi, 2) + 2 * np.sqrt(leaf_scale.max() * m * rest)
    blocks = np.array([[alpha, kappa], [kappa, gamma]]) * (2 / m)
    return Smoothness(
        float(np.linalg.eigvalsh(blocks)[-1]) + r,
        f"bound: block norms of the joint Hessian on the level set Q <= {level:.6g}",
    )
