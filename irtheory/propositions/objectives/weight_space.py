"""Linearised networks in weight space, computed by products with the Jacobian.

This is slower than the function-space form as long as K fits into memory. It shares no code with
it, so that the tests compare the two.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from types import ModuleType
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from scipy.sparse.linalg import LinearOperator, eigsh, lsmr

from irtheory.propositions.objectives.contract import Array, Smoothness, ThetaMinimum, checked_array
from irtheory.propositions.objectives.squared import SquaredLoss
from irtheory.propositions.tangent.linearised import LinearisedNetwork

# Relative tolerance of the iterative solvers.
CONVERGED = 1e-14
MAX_ITERATIONS = 20_000


@dataclass(frozen=True, eq=False)
class WeightSpaceObjective(SquaredLoss):
    """Squared loss of a linearised network; θ stands for θ − θ0, [p].

    The label loss is not coercive where parameters outnumber the rank of J: its minimiser here
    is that of least norm.

    Raises:
        ValueError: labels of the wrong shape, or a negative ridge.
    """

    network: LinearisedNetwork
    labels: Array
    ridge: float = 0.0
    name: str = field(default="ntk-weights", init=False)
    features: None = field(default=None, init=False)

    def __post_init__(self) -> None:
        """Check the labels against the network's outputs."""
        self._settle(len(self.network.x))
        checked_array("labels", self.labels, self.network.initial.shape)

    @property
    def theta_shape(self) -> tuple[int]:
        """(p,)."""
        return (self.network.n_parameters,)

    @property
    def coercive_because(self) -> str:
        """J of full column rank."""
        return "J has full column rank" if self._least > 0 else ""

    @property
    def strong_convexity(self) -> float:
        """(2/m) λ_min(Jᵀ J) + ridge, 0 where parameters outnumber the rank of J."""
        return 2 * self._least / self.n_samples + self.ridge

    @cached_property
    def _least(self) -> float:
        (p,), design = self.theta_shape, self.design
        full = len(design) >= p and np.linalg.matrix_rank(design) == p
        return float(np.linalg.svd(design, compute_uv=False)[-1] ** 2) if full else 0.0

    @cached_property
    def design(self) -> Array:
        """J itself, [mk, p], a row for each product with Jᵀ."""
        rows = np.eye(self.labels.size).reshape(-1, *self.labels.shape)
        return np.stack([self.network.vjp(row) for row in rows])

    def outputs(self, theta: ArrayLike) -> Array:
        """f(x; θ0) + J θ, [m, k]."""
        return self.network.initial + self.network.jvp(self.checked_theta(theta))

    def pull(self, cotangent: Array) -> Array:
        """Jᵀ times an array [m, k], [p]."""
        return self.network.vjp(cotangent)

    @cached_property
    def _largest(self) -> float:
        """λ_max(J Jᵀ), by Lanczos."""
        gram = _Gram(_Jacobian(self.network))
        if self.labels.size == 1:
            return float(gram.matvec(np.ones(1))[0])
        accuracy: Any = CONVERGED
        start = np.random.default_rng(0).normal(size=self.labels.size)
        return float(eigsh(gram, k=1, v0=start, tol=accuracy, return_eigenvectors=False)[0])

    def smoothness(self) -> Smoothness:
        """β = 4 λ_max(J Jᵀ)/m + ridge."""
        beta = 4 * self._largest / self.n_samples + self.ridge
        return Smoothness(beta, "Lanczos: 4 lambda_max(J J^T)/m + ridge")

    def minimise_theta(self, T: ArrayLike, start: ArrayLike | None = None) -> ThetaMinimum:
        """The (ridge) fit to (y + T)/2 of least norm, by LSMR from 0; `start` plays no part.

        Raises:
            RuntimeError: LSMR did not converge.
        """
        aim = ((self.labels + self.checked_tree(T)) / 2 - self.network.initial).ravel()
        damp = float(np.sqrt(self.n_samples * self.ridge / 4))
        found = lsmr(_Jacobian(self.network), aim, damp, CONVERGED, CONVERGED, 0.0, MAX_ITERATIONS)
        theta, why, steps = found[0], found[1], found[2]
        if why == 7:
            raise RuntimeError(f"LSMR found no minimum in {steps} iterations")
        norm = float(np.linalg.norm(self.grad_theta(theta, T)))
        return ThetaMinimum(theta, self.value(theta, T), norm, f"LSMR, {steps} iterations")

    def expression(self, cp: ModuleType, theta: Any, T: Any) -> Any:
        """Q as a cvxpy expression of an explicit J, convex in θ [p] and in T [m, k]."""
        change = cp.reshape(self.design @ theta, self.labels.shape, order="C")
        return self.squares(cp, self.network.initial + change, T, theta)


class _Jacobian(LinearOperator):
    """J [mk, p] by its products."""

    def __init__(self, network: LinearisedNetwork) -> None:
        self.network = network
        super().__init__(np.dtype(np.float64), (network.initial.size, network.n_parameters))

    def _matvec(self, x: Array) -> Array:
        return self.network.jvp(x.ravel()).ravel()

    def _rmatvec(self, x: Array) -> Array:
        return self.network.vjp(x.reshape(self.network.initial.shape))


class _Gram(LinearOperator):
    """J Jᵀ [mk, mk] by products with J."""

    def __init__(self, jacobian: _Jacobian) -> None:
        self.jacobian = jacobian
        super().__init__(np.dtype(np.float64), (jacobian.shape[0],) * 2)

    def _matvec(self, x: Array) -> Array:
        return self.jacobian.matvec(self.jacobian.rmatvec(x))
