"""Multinomial logistic regression against labels and tree (setting "logistic")."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, field
from types import ModuleType
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from scipy.linalg import LinAlgError, cho_factor, cho_solve

from irtheory.propositions.objectives.contract import (
    Array,
    Claims,
    LeafCost,
    Smoothness,
    ThetaMinimum,
    checked_simplex,
)
from irtheory.propositions.objectives.feature_model import FeatureModel

MAX_NEWTON_STEPS = 200
MAX_HALVINGS = 60
ARMIJO = 1e-4
# Gradient norms relative to the largest that the data allow: Newton's method stops below the
# first; if rounding stops it earlier, a norm below the second still counts as the minimum.
CONVERGED = 1e-12
ROUNDING = 1e-9


@dataclass(frozen=True, eq=False)
class LogisticObjective(FeatureModel):
    """Cross-entropy, L[G, v] = −(1/m) Σ_i Σ_c v_ic log softmax(Φ θ)_ic.

    The rows of y lie on the simplex (one-hot or soft). T is in the second slot, where the loss
    is linear, so over trees with one-hot leaves a leaf chooses the class of least summed
    −log softmax.

    Raises:
        ValueError: as `FeatureModel`, or labels that are not on the simplex.
    """

    ridge: float = 1e-2
    name: str = field(default="logistic", init=False)
    leaf_cost: LeafCost = field(default="linear", init=False)
    omega_ridge: float = field(default=0.0, init=False)

    def __post_init__(self) -> None:
        """Check the sample, the labels being distributions over the classes."""
        super().__post_init__()
        checked_simplex("labels", self.labels, ("m", "k"))

    @property
    def claims(self) -> Claims:
        """Convex in θ, bilinear in (log softmax, T); coercive with a ridge only."""
        return Claims(
            jointly_convex=False,
            coercive_because="the ridge term grows with theta" if self.ridge > 0 else "",
        )

    @property
    def strong_convexity(self) -> float:
        """The ridge: cross-entropy flattens out as θ grows."""
        return self.ridge

    def loss(self, a: Array, b: Array) -> float:
        """−(1/m) Σ_ic b_ic log softmax(a)_ic."""
        return float(np.vdot(b, -_log_softmax(a))) / self.n_samples

    def value(self, theta: ArrayLike, T: ArrayLike) -> float:
        """Q as one cross-entropy, of mass y + T, the loss being linear in its second slot."""
        mass = self.labels + self.checked_tree(T)
        return self.loss(self.outputs(theta), mass) + self.penalty(theta)

    def grad_theta(self, theta: ArrayLike, T: ArrayLike) -> Array:
        """(1/m) Φᵀ (w p − y − T) + ridge θ, p = softmax(G), w_i the row sum of y + T."""
        mass = self.labels + self.checked_tree(T)
        expected = mass.sum(axis=1, keepdims=True) * _softmax(self.outputs(theta))
        slope = self.features.T @ (expected - mass) / self.n_samples
        return slope + self.ridge * np.asarray(theta)

    def grad_tree(self, theta: ArrayLike, T: ArrayLike) -> Array:
        """−(1/m) log softmax(G), [m, k]; the same for every T."""
        self.checked_tree(T)
        return self.targets(theta) / self.n_samples

    def hessian_theta(self, theta: ArrayLike, T: ArrayLike) -> Array:
        """(1/m) Σ_i w_i φ_i φ_iᵀ ⊗ (diag p_i − p_i p_iᵀ) + ridge I, [Pk, Pk]."""
        p = _softmax(self.outputs(theta))
        weight = (self.labels + self.checked_tree(T)).sum(axis=1, keepdims=True)
        n_features, k = self.theta_shape
        rows = self.features[:, :, None] * p[:, None, :]
        rows = rows.reshape(self.n_samples, n_features * k)
        hessian = -(rows.T @ (weight * rows))
        for c in range(k):
            own_class = self.features.T @ (weight * p[:, c : c + 1] * self.features)
            hessian[c::k, c::k] += own_class
        return hessian / self.n_samples + self.ridge * np.eye(n_features * k)

    def smoothness(self) -> Smoothness:
        """β = λ_max(Φᵀ Φ)/m + ridge for T on the simplex.

        diag p − p pᵀ has no eigenvalue above 1/2 and Q holds two cross-entropies.
        """
        return Smoothness(
            self.gram_scale + self.ridge,
            "bound: lambda_max(Phi^T Phi)/m + ridge, log-sum-exp having a Hessian <= 1/2",
        )

    def minimise_theta(self, T: ArrayLike, start: ArrayLike | None = None) -> ThetaMinimum:
        """The minimiser of Q(·, T), rows of T on the simplex, by damped Newton steps.

        Raises:
            ValueError: T not on the simplex, or a `start` of the wrong shape.
            RuntimeError: no minimum was reached, as for separable classes with ridge 0.
        """
        tree = checked_simplex("T", T, self.labels.shape)
        theta = self.checked_theta(np.zeros(self.theta_shape) if start is None else start)
        # ‖w p − y − T‖_F² ≤ 8m, so no cross-entropy gradient is longer than this.
        longest = float(np.sqrt(8 * self.gram_scale)) or 1.0
        gradient = self.grad_theta(theta, tree)
        norm, steps = float(np.linalg.norm(gradient)), 0
        while norm > CONVERGED * longest and steps < MAX_NEWTON_STEPS:
            following = self._newton_step(theta, tree, gradient)
            if following is None:
                break
            theta, steps = following, steps + 1
            gradient = self.grad_theta(theta, tree)
            norm = float(np.linalg.norm(gradient))
        if norm > ROUNDING * longest or (self.ridge == 0 and self._recedes(theta, tree, gradient)):
            raise RuntimeError(
                f"Newton's method found no minimum in {steps} steps with ridge {self.ridge}: "
                f"gradient norm {norm:.3g}, ‖θ‖ {np.linalg.norm(theta):.3g}"
            )
        return ThetaMinimum(theta, self.value(theta, tree), norm, f"damped Newton, {steps} steps")

    def _newton_step(self, theta: Array, T: Array, gradient: Array) -> Array | None:
        """The next iterate, None when neither Q nor its gradient can be made any smaller.

        Close to the minimum the decrease of Q is lost in rounding before that of the gradient;
        there the full step is accepted if it makes the gradient smaller.
        """
        direction = _newton_direction(self.hessian_theta(theta, T), gradient, self.ridge)
        slope = float(np.sum(gradient * direction))
        value = self.value(theta, T)
        if -slope <= 1e-12 * value:
            full = theta + direction
            shrunk = np.linalg.norm(self.grad_theta(full, T)) < np.linalg.norm(gradient)
            return full if shrunk else None
        length = 1.0
        for _ in range(MAX_HALVINGS):
            trial = theta + length * direction
            if self.value(trial, T) <= value + ARMIJO * length * slope:
                return trial
            length /= 2
        return None

    def _recedes(self, theta: Array, T: Array, gradient: Array) -> bool:
        """Whether Newton steps stay long while the gradient vanishes: the infimum is at infinity.

        This happens for separable classes without a ridge; each step adds about 1 to the logits.
        """
        step = _newton_direction(self.hessian_theta(theta, T), gradient, self.ridge)
        return bool(np.linalg.norm(step) > 1e-3 * (1 + np.linalg.norm(theta)))

    def targets(self, theta: ArrayLike) -> Array:
        """−log softmax(G), [m, k]: the cost of a tree that says class c at sample i."""
        return -_log_softmax(self.outputs(theta))

    def decode(self, values: ArrayLike) -> Array:
        """The values themselves, one-hot [..., k]."""
        return np.asarray(values, dtype=np.float64)

    def min_over_trees(self, theta: ArrayLike, tree_cost: float) -> float:
        """label_loss(θ) + tree_cost/m, tree_cost the summed −log softmax of the choices."""
        return self.label_loss(theta) + tree_cost / self.n_samples

    def expression(self, cp: ModuleType, theta: Any, T: Any) -> Any:
        """Q as a cvxpy expression: convex in θ [P, k], affine in T [m, k]."""
        if isinstance(theta, np.ndarray):
            costs = self.targets(theta)
            return self.label_loss(theta) + cp.sum(cp.multiply(costs, T)) / self.n_samples
        outputs = self.features @ theta
        mass = self.labels + self.checked_tree(T)
        normalisers = cp.multiply(mass.sum(axis=1), cp.log_sum_exp(outputs, axis=1))
        losses = cp.sum(normalisers) - cp.sum(cp.multiply(mass, outputs))
        return losses / self.n_samples + 0.5 * self.ridge * cp.sum_squares(theta)


def _log_softmax(logits: Array) -> Array:
    """Log p of p = softmax of every row, [m, k]; the largest logit is taken off first."""
    shifted = logits - logits.max(axis=1, keepdims=True)
    return shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))


def _softmax(logits: Array) -> Array:
    p = np.exp(logits - logits.max(axis=1, keepdims=True))
    return p / p.sum(axis=1, keepdims=True)


def _newton_direction(hessian: Array, gradient: Array, ridge: float) -> Array:
    """−H⁺ gradient; without a ridge H is singular along equal shifts of all the classes.

    With rounding a Cholesky factorisation may still succeed, and the step would be noise.
    """
    solution = None
    if ridge:
        with suppress(LinAlgError):
            solution = cho_solve(cho_factor(hessian), gradient.ravel())
    if solution is None:
        solution = np.linalg.lstsq(hessian, gradient.ravel())[0]
    return -np.asarray(solution, dtype=np.float64).reshape(gradient.shape)
