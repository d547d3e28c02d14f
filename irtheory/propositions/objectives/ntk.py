"""Linearised networks in function space, computed from the kernel K alone (setting "ntk").

G_θ(x) = f(x; θ0) + J(x)(θ − θ0). Gradient descent never leaves θ0 + the row
space of J, so θ is written there in an orthonormal basis: with K = J Jᵀ = U diag(λ) Uᵀ,
θ − θ0 = V a and G = f(x; θ0) + U diag(√λ) a. In these coordinates a, one for
each eigenvalue that is not rounding, the label loss is coercive; steps, distances and norms are
those of θ itself.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from types import ModuleType
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from irtheory.propositions.objectives.contract import (
    Array,
    Smoothness,
    ThetaMinimum,
    checked_array,
    frozen_copy,
)
from irtheory.propositions.objectives.squared import SquaredLoss

# K is symmetric, and its eigenvalues not negative, up to this share of the largest.
SYMMETRY = 1e-9


@dataclass(frozen=True, eq=False)
class LinearisedObjective(SquaredLoss):
    """Squared loss of a linearised network; θ stands for a, one flat vector [rank].

    Attributes:
        kernel: K [mk, mk], rows by (sample, output).
        initial: f(x; θ0), [m, k].
        labels: y, [m, k].
        ridge: weight r of (r/2)‖θ − θ0‖².
        parameters: p, for the report; None if unknown.

    Raises:
        ValueError: wrong shapes, entries that are not finite, or a kernel that is not
            symmetric and positive semidefinite up to rounding, or is zero.
    """

    kernel: Array
    initial: Array
    labels: Array
    ridge: float = 0.0
    parameters: int | None = None
    name: str = field(default="ntk", init=False)
    features: None = field(default=None, init=False)

    def __post_init__(self) -> None:
        """Check the sample and the kernel, and freeze copies."""
        initial = checked_array("initial", self.initial, ("m", "k"))
        self._settle(len(initial))
        checked_array("labels", self.labels, initial.shape)
        kernel = checked_array("kernel", self.kernel, (initial.size, initial.size))
        skew = float(np.abs(kernel - kernel.T).max()) / max(float(np.abs(kernel).max()), 1e-300)
        if skew > SYMMETRY:
            raise ValueError(f"kernel: expected a symmetric matrix, found one off by {skew:.2g}")
        object.__setattr__(self, "initial", frozen_copy(initial))
        object.__setattr__(self, "kernel", frozen_copy(kernel))
        if self._spectrum[0][-1] <= 0:
            raise ValueError("kernel: expected an eigenvalue above 0, found a kernel of zeros")
        if self._spectrum[0][0] < -SYMMETRY * self._spectrum[0][-1]:
            raise ValueError(
                "kernel: expected no negative eigenvalue, found "
                f"{self._spectrum[0][0]:.3g} beside {self._spectrum[0][-1]:.3g}"
            )

    @cached_property
    def _spectrum(self) -> tuple[Array, Array]:
        """All eigenvalues of K, ascending, and its eigenvectors."""
        return np.linalg.eigh(self.kernel)

    @property
    def cutoff(self) -> float:
        """Eigenvalues up to mk eps λ_max are rounding."""
        return len(self.kernel) * float(np.finfo(np.float64).eps) * float(self._spectrum[0][-1])

    @cached_property
    def eigenvalues(self) -> Array:
        """Eigenvalues λ of K above the cutoff, ascending, [rank]."""
        return self._spectrum[0][self._spectrum[0] > self.cutoff]

    @property
    def rank(self) -> int:
        """The numerical rank of J."""
        return len(self.eigenvalues)

    @cached_property
    def vectors(self) -> Array:
        """Their eigenvectors U, [mk, rank]."""
        return np.ascontiguousarray(self._spectrum[1][:, -self.rank :])

    @cached_property
    def singular(self) -> Array:
        """Singular values s = √λ of J, [rank]."""
        return np.sqrt(self.eigenvalues)

    @property
    def theta_shape(self) -> tuple[int]:
        """(rank,)."""
        return (self.rank,)

    @property
    def coercive_because(self) -> str:
        """Why the label loss is coercive: the coordinates span the row space of J."""
        among = "" if self.parameters is None else f" for {self.parameters:,} parameters"
        return (
            f"θ is taken in the row space of J, of rank {self.rank} (K has {len(self.kernel)} "
            f"eigenvalues, so many above {self.cutoff / self.eigenvalues[-1]:.1e} λ_max; smaller "
            f"ones are rounding and count as 0){among}"
        )

    @property
    def strong_convexity(self) -> float:
        """(2/m) λ_rank + ridge."""
        return 2 * float(self.eigenvalues[0]) / self.n_samples + self.ridge

    @cached_property
    def design(self) -> Array:
        """U diag(s), [mk, rank]."""
        return self.vectors * self.singular

    @cached_property
    def _outputs(self) -> Recent:
        return Recent(lambda theta: self.initial + (self.design @ theta).reshape(self.labels.shape))

    def outputs(self, theta: ArrayLike) -> Array:
        """G_θ on the sample, [m, k], read-only."""
        return self._outputs(self.checked_theta(theta))

    @property
    def gram(self) -> Array:
        """diag(λ), [rank, rank]."""
        return np.diag(self.eigenvalues)

    def pull(self, cotangent: Array) -> Array:
        """diag(s) Uᵀ times an array [m, k], [rank]."""
        return self.singular * (cotangent.ravel() @ self.vectors)

    @cached_property
    def _aim(self) -> Recent:
        """Uᵀ ((y + T)/2 − f(x; θ0)) for tree outputs T, [rank]."""
        return Recent(lambda tree: ((self.labels + tree) / 2 - self.initial).ravel() @ self.vectors)

    def grad_theta(self, theta: ArrayLike, T: ArrayLike) -> Array:
        """(4/m) s (s a − Uᵀ ((y + T)/2 − f0)) + ridge a, [rank]."""
        a, aim = self.checked_theta(theta), self._aim(self.checked_tree(T))
        return self.singular * (self.singular * a - aim) * (4 / self.n_samples) + self.ridge * a

    def hessian_theta(self, theta: ArrayLike, T: ArrayLike) -> Array:
        """diag((4/m) λ + ridge); the same for every θ and T."""
        self.checked_theta(theta)
        self.checked_tree(T)
        return np.diag(self.eigenvalues * (4 / self.n_samples) + self.ridge)

    def smoothness(self) -> Smoothness:
        """β = 4 λ_max(K)/m + ridge, the largest eigenvalue of the Hessian."""
        beta = 4 * float(self.eigenvalues[-1]) / self.n_samples + self.ridge
        return Smoothness(beta, "exact: 4 lambda_max(K)/m + ridge")

    def minimise_theta(self, T: ArrayLike, start: ArrayLike | None = None) -> ThetaMinimum:
        """The (ridge) fit to (y + T)/2, s aim/(λ + m ridge/4); `start` plays no part."""
        aim = self._aim(self.checked_tree(T))
        a = self.singular * aim / (self.eigenvalues + self.n_samples * self.ridge / 4)
        norm = float(np.linalg.norm(self.grad_theta(a, T)))
        return ThetaMinimum(a, self.value(a, T), norm, "closed form in the eigenvectors of K")

    def expression(self, cp: ModuleType, theta: Any, T: Any) -> Any:
        """Q as a cvxpy expression, convex in θ [rank] and in T [m, k]."""
        change = cp.reshape(self.design @ theta, self.labels.shape, order="C")
        return self.squares(cp, self.initial + change, T, theta)


class Recent:
    """A function of one array that caches its last results, as solvers ask for them again."""

    def __init__(self, compute: Callable[[Array], Array], size: int = 3) -> None:
        self._compute, self._size = compute, size
        self._kept: list[tuple[Array, Array]] = []

    def __call__(self, argument: Array) -> Array:
        """The result, read-only."""
        for known, result in self._kept:
            if np.array_equal(known, argument):
                return result
        result = self._compute(argument)
        result.setflags(write=False)
        self._kept = [(argument.copy(), result), *self._kept[: self._size - 1]]
        return result
