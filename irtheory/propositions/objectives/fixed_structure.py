"""Q(θ, ω) over the leaf values ω of a tree of fixed structure (Proposition 2)."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from itertools import product
from types import ModuleType
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from irtheory.propositions.objectives.agreement import AgreementObjective, agreement_smoothness
from irtheory.propositions.objectives.contract import (
    Array,
    Lipschitz,
    Smoothness,
    ThetaMinimum,
    checked_array,
    squared_norm,
)
from irtheory.propositions.objectives.logistic import LogisticObjective
from irtheory.propositions.objectives.squared import SquaredLoss


@dataclass(frozen=True, eq=False)
class OmegaMinimum:
    """A minimiser of Q(θ, ·): ω [L, k], Q there, ‖∇_ω Q‖ there, the method.

    Its fields are those of `ThetaMinimum` for the other block.
    """

    omega: Array
    value: float
    gradient_norm: float
    how: str


@dataclass(frozen=True, eq=False)
class FixedStructure:
    """Q as a smooth function of θ and leaf values ω [L, k], T = ω[leaf_of].

    The penalty (omega_ridge/2)‖ω‖² of the objective is counted here.

    Raises:
        ValueError: an objective without a minimum over leaf values (logistic, agreement with
            ridge 0), a leaf index outside 0 … L − 1, or a leaf without samples.
    """

    objective: SquaredLoss | AgreementObjective
    leaf_of: NDArray[np.int64]
    n_leaves: int

    def __post_init__(self) -> None:
        """Check that the minimum over ω exists and that every leaf holds a sample."""
        _refuse_unbounded_leaves(self.objective)
        object.__setattr__(
            self, "leaf_of", _checked_leaves(self.leaf_of, self.objective.n_samples, self.n_leaves)
        )

    @cached_property
    def theta_shape(self) -> tuple[int, ...]:
        """That of the objective."""
        return self.objective.theta_shape

    @cached_property
    def omega_shape(self) -> tuple[int, int]:
        """(L, k)."""
        return self.n_leaves, self.objective.n_outputs

    @cached_property
    def assignment(self) -> Array:
        """A [m, L], A_il = 1 if sample i lies in leaf l and else 0, so that T = A ω."""
        return np.eye(self.n_leaves)[self.leaf_of]

    def tree_outputs(self, omega: ArrayLike) -> Array:
        """T = ω[leaf_of], [m, k]; ValueError for another shape than [L, k]."""
        return self.assignment @ checked_array("omega", omega, self.omega_shape)

    def _leaf_sums(self, per_sample: Array) -> Array:
        return self.assignment.T @ per_sample

    def value(self, theta: ArrayLike, omega: ArrayLike) -> float:
        """Q(θ, T) + (omega_ridge/2)‖ω‖²."""
        tree = self.tree_outputs(omega)
        return self.objective.value(theta, tree) + self._penalty(omega)

    def _penalty(self, omega: ArrayLike) -> float:
        return 0.5 * self.objective.omega_ridge * squared_norm(np.asarray(omega, dtype=np.float64))

    def grad_theta(self, theta: ArrayLike, omega: ArrayLike) -> Array:
        """∂Q/∂θ, in the shape of θ."""
        return self.objective.grad_theta(theta, self.tree_outputs(omega))

    def grad_omega(self, theta: ArrayLike, omega: ArrayLike) -> Array:
        """∂Q/∂ω, [L, k]: ∂Q/∂T summed over each leaf, + omega_ridge ω."""
        slope = self._leaf_sums(self.objective.grad_tree(theta, self.tree_outputs(omega)))
        return slope + self.objective.omega_ridge * np.asarray(omega)

    def minimise_theta(self, omega: ArrayLike) -> ThetaMinimum:
        """The minimiser of Q(·, ω), in closed form."""
        found = self.objective.minimise_theta(self.tree_outputs(omega))
        value = found.value + self._penalty(omega)
        return ThetaMinimum(found.theta, value, found.gradient_norm, found.how)

    def minimise_omega(self, theta: ArrayLike) -> OmegaMinimum:
        """The minimiser of Q(θ, ·), in closed form.

        Q(θ, ·) is quadratic and separates over the leaves, so
        ω = −Σ ∂Q/∂T(T = 0) / (Σ ∂²Q/∂T² + omega_ridge), sums over the leaf: the leaf
        means of G for squared loss, Σ g / (Σ g² + m ridge/2) for agreement.
        """
        at_zero = self._leaf_sums(self.objective.grad_tree(theta, np.zeros(self._tree_shape)))
        curvature = self._leaf_sums(self.objective.tree_curvature(theta))
        omega = -at_zero / (curvature + self.objective.omega_ridge)
        gradient_norm = float(np.linalg.norm(self.grad_omega(theta, omega)))
        how = "closed form: quadratic in every leaf value"
        return OmegaMinimum(omega, self.value(theta, omega), gradient_norm, how)

    @property
    def _tree_shape(self) -> tuple[int, int]:
        return self.objective.n_samples, self.objective.n_outputs

    def hessian(self, theta: ArrayLike, omega: ArrayLike) -> Array:
        """The symmetric Hessian over (theta.ravel(), omega.ravel())."""
        tree = self.tree_outputs(omega)
        mixed = self._mixed(self.objective.cross_curvature(theta, tree))
        leaf_curvature = self._leaf_sums(self.objective.tree_curvature(theta))
        leaves = np.diag(leaf_curvature.ravel() + self.objective.omega_ridge)
        return np.block([[self.objective.hessian_theta(theta, tree), mixed], [mixed.T, leaves]])

    def _mixed(self, curvature: Array) -> Array:
        """∂²Q/∂θ∂ω: (∂G/∂θ)ᵀ diag(∂²Q/∂G∂T) A, a column for each leaf value."""
        k = self.objective.n_outputs
        columns = []
        for in_leaf, c in product(self.assignment.T, range(k)):
            cotangent = np.zeros(curvature.shape)
            cotangent[:, c] = in_leaf * curvature[:, c]
            columns.append(self.objective.pull(cotangent).ravel())
        return np.stack(columns, axis=1)

    def smoothness(self, theta: ArrayLike, omega: ArrayLike) -> Smoothness:
        """A β that bounds the norm of the joint Hessian on {Q ≤ Q(θ, ω)}.

        Exact for squared loss, whose Hessian is constant; a proven bound for agreement.
        """
        if isinstance(self.objective, SquaredLoss):
            largest = float(np.linalg.eigvalsh(self.hessian(theta, omega))[-1])
            return Smoothness(largest, "exact: largest eigenvalue of the constant joint Hessian")
        return agreement_smoothness(
            self.objective, self.leaf_of, self.assignment, self.value(theta, omega)
        )

    def lipschitz(self, theta: ArrayLike, omega: ArrayLike) -> Lipschitz:
        """A bound on the joint gradient on {Q ≤ Q_1}, Q_1 = Q(θ, ω): √(2 β Q_1).

        A step of 1/β against the gradient stays in the level set and lowers Q by at least
        ‖∇Q‖²/(2 β), and Q ≥ 0.
        """
        beta = self.smoothness(theta, omega).beta
        constant = float(np.sqrt(2 * beta * self.value(theta, omega)))
        return Lipschitz(constant, "bound: sqrt(2 beta Q_1) on the level set Q <= Q_1, as Q >= 0")

    def expression(self, cp: ModuleType, theta: Any, omega: Any) -> Any:
        """Q as a cvxpy expression, one of θ and ω [L, k] being a variable."""
        fit = self.objective.expression(cp, theta, self.assignment @ omega)
        return fit + 0.5 * self.objective.omega_ridge * cp.sum_squares(omega)


def _refuse_unbounded_leaves(objective: object) -> None:
    if isinstance(objective, LogisticObjective):
        raise ValueError(
            "objective: L[G, T] of the logistic objective is linear in T, so Q has no minimum "
            "over free leaf values; use the alternating algorithm"
        )
    if not isinstance(objective, SquaredLoss | AgreementObjective):
        raise ValueError(
            "objective: expected one of squared loss or an AgreementObjective, "
            f"found {type(objective).__name__}"
        )
    if isinstance(objective, AgreementObjective) and objective.ridge == 0:
        raise ValueError(
            "objective: expected a ridge > 0 for the agreement loss over free leaf values, "
            "found 0; Q then need not attain its infimum (labels the features cannot predict: "
            "Q = 1 + 1/t² along g = 1/t, T = t)"
        )


def _checked_leaves(leaf_of: ArrayLike, n_samples: int, n_leaves: int) -> NDArray[np.int64]:
    if n_leaves < 1:
        raise ValueError(f"n_leaves: expected an integer ≥ 1, found {n_leaves}")
    leaves = checked_array("leaf_of", leaf_of, (n_samples,))
    outside = (leaves != np.floor(leaves)) | (leaves < 0) | (leaves >= n_leaves)
    if outside.any():
        raise ValueError(
            f"leaf_of: expected integers 0 … {n_leaves - 1}, found {leaves[outside][0]}"
        )
    indices = leaves.astype(np.int64)
    empty = np.flatnonzero(np.bincount(indices, minlength=n_leaves) == 0)
    if empty.size:
        raise ValueError(f"leaf_of: expected a sample in every leaf, found none in leaf {empty[0]}")
    indices.setflags(write=False)
    return indices
