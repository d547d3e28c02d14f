"""Gradient descent on θ in closed form, as long as the tests of the tree do not change.

With squared loss T is the leaf means of G, T = P G, so between two changes of the tree's tests
θ_{t+1} = θ_t − μ(M θ_t + c) with constant M and c. In the eigenvectors of M every coordinate
moves independently: z_t = z* + (1 − μλ)^t (z_0 − z*).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from irtheory.propositions.objectives.contract import Array
from irtheory.propositions.objectives.squared import SquaredLoss


@dataclass(frozen=True, eq=False)
class Settling:
    """∇_θ Q(θ, T) = M θ + c, T = P G_θ for one assignment of samples to leaves.

    M = (2/m) Dᵀ(2 − P)D + ridge, [q, q], is symmetric and at least (2/m)DᵀD + ridge; D = dG/dθ.
    It acts on θ written as q rows, c is [q, columns].
    """

    matrix: Array
    offset: Array

    @cached_property
    def spectrum(self) -> tuple[Array, Array]:
        """Eigenvalues λ of M, ascending (those within rounding are 0), and its eigenvectors."""
        values, vectors = np.linalg.eigh(self.matrix)
        rounding = len(values) * np.finfo(np.float64).eps * values[-1]
        return np.where(values > rounding, values, 0.0), vectors

    @cached_property
    def limit(self) -> Array:
        """The θ of least norm at which the gradient vanishes: the joint minimum over (θ, ω)."""
        values, vectors = self.spectrum
        inverse = np.divide(1.0, values, out=np.zeros_like(values), where=values > 0)
        return -(vectors * inverse) @ (vectors.T @ self.offset)


def _leaf_basis(leaf_of: NDArray[np.int64]) -> Array:
    """A [m, L] with orthonormal columns, so that P = A Aᵀ takes leaf means."""
    _, leaf, size = np.unique(leaf_of, return_inverse=True, return_counts=True)
    return np.eye(len(size))[leaf] / np.sqrt(size)


def leaf_means(values: Array, leaf_of: NDArray[np.int64]) -> Array:
    """P times values [m, k]: every sample gets the mean of its leaf."""
    A = _leaf_basis(leaf_of)
    return A @ (A.T @ values)


def settling(objective: SquaredLoss, leaf_of: NDArray[np.int64]) -> Settling:
    """The dynamics for samples in leaves `leaf_of` [m] (any whole numbers, one per leaf).

    Raises:
        ValueError: `leaf_of` has another length than the sample.
    """
    m, shape = objective.n_samples, objective.theta_shape
    if np.shape(leaf_of) != (m,):
        raise ValueError(f"leaf_of: expected {m} samples, found {list(np.shape(leaf_of))}")
    M = objective.settling_matrix(_leaf_basis(leaf_of)) * (2 / m)
    at_zero = objective.outputs(np.zeros(shape))
    residual = 2 * at_zero - leaf_means(at_zero, leaf_of) - objective.labels
    offset = objective.pull(residual * (2 / m)).reshape(len(M), -1)
    return Settling((M + M.T) / 2 + objective.ridge * np.eye(len(M)), offset)


@dataclass(frozen=True, eq=False)
class Segment:
    """The steps from θ_0 = `theta` with step size μ, as long as the tree's tests do not change."""

    dynamics: Settling
    theta: Array
    step_size: float

    @cached_property
    def _start(self) -> Array:
        """z_0 − z* in the eigenvectors of M; where λ = 0 it never changes."""
        start = self.theta.reshape(self.dynamics.offset.shape)
        return self.dynamics.spectrum[1].T @ (start - self.dynamics.limit)

    def at(self, steps: int) -> Array:
        """θ after this many steps, in the shape of `theta`."""
        values, vectors = self.dynamics.spectrum
        left = (1 - self.step_size * values[:, None]) ** float(steps) * self._start
        return (self.dynamics.limit + vectors @ left).reshape(self.theta.shape)
