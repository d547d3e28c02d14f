"""What every model of Q(θ, ω) = L_S[G_θ, y] + L_S[G_θ, T_ω] offers (Eq. 4).

The tree enters an objective only through its outputs T = T_ω(S) on the m samples, an
array [m, k]. Losses are means over the samples and have no unit.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from types import ModuleType
from typing import Any, Literal, Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

Array = NDArray[np.float64]
LeafCost = Literal["squared_error", "linear"]


@dataclass(frozen=True)
class Smoothness:
    """A Lipschitz constant `beta` of a gradient and, in words, how it was obtained."""

    beta: float
    how: str


@dataclass(frozen=True)
class Lipschitz:
    """A bound on the norm of the gradient and, in words, how it was obtained."""

    constant: float
    how: str


@dataclass(frozen=True)
class Claims:
    """Properties that a model claims beyond those of every model (convex in θ, C²).

    `coercive_because` gives the reason why L_S[G_θ, y] grows without bound with θ; it
    is empty when the model does not claim so.
    """

    jointly_convex: bool
    coercive_because: str


@dataclass(frozen=True, eq=False)
class ThetaMinimum:
    """A minimiser of Q(·, T): θ, Q there, ‖∇_θ Q‖ there, and the method."""

    theta: Array
    value: float
    gradient_norm: float
    how: str


class Objective(Protocol):
    """One model of the intersection-regularised objective on a fixed sample S."""

    @property
    def name(self) -> str:
        """The name of the model in settings and tables."""
        ...

    @property
    def leaf_cost(self) -> LeafCost:
        """The cost under which the best tree for `targets` minimises the coupling."""
        ...

    @property
    def omega_ridge(self) -> float:
        """Weight r of a penalty (r/2)‖ω‖² on free leaf values; 0 for none."""
        ...

    @property
    def ridge(self) -> float:
        """Weight r of the penalty (r/2)‖θ‖², counted in the label loss."""
        ...

    @property
    def n_samples(self) -> int:
        """The sample size m."""
        ...

    @property
    def n_outputs(self) -> int:
        """The number k of outputs of G and T."""
        ...

    @property
    def theta_shape(self) -> tuple[int, ...]:
        """The shape of θ: (P, k), or (P,) for a model with one flat parameter vector."""
        ...

    @property
    def features(self) -> Array | None:
        """Φ [m, P] if G_θ = Φ θ, None for any other model."""
        ...

    @property
    def labels(self) -> Array:
        """The labels y [m, k]."""
        ...

    @property
    def claims(self) -> Claims:
        """The assumptions that the model claims to meet."""
        ...

    @property
    def strong_convexity(self) -> float:
        """A σ ≥ 0 such that the label loss is σ-strongly convex in θ."""
        ...

    def outputs(self, theta: ArrayLike) -> Array:
        """G_θ on the sample, [m, k]."""
        ...

    def pull(self, cotangent: Array) -> Array:
        """(∂G/∂θ)ᵀ applied to an array [m, k], in the shape of θ; G is affine in θ."""
        ...

    def label_loss(self, theta: ArrayLike) -> float:
        """L_S[G_θ, y] + (ridge/2)‖θ‖²."""
        ...

    def coupling(self, theta: ArrayLike, T: ArrayLike) -> float:
        """L_S[G_θ, T], T [m, k]."""
        ...

    def value(self, theta: ArrayLike, T: ArrayLike) -> float:
        """Q = label_loss(θ) + coupling(θ, T)."""
        ...

    def grad_theta(self, theta: ArrayLike, T: ArrayLike) -> Array:
        """∂Q/∂θ, in the shape of θ."""
        ...

    def grad_tree(self, theta: ArrayLike, T: ArrayLike) -> Array:
        """∂Q/∂T, [m, k]."""
        ...

    def hessian_theta(self, theta: ArrayLike, T: ArrayLike) -> Array:
        """The symmetric Hessian of Q(·, T) over the row-major flattening of θ."""
        ...

    def smoothness(self) -> Smoothness:
        """A β such that Q(·, T) is β-smooth for every T that a tree can give."""
        ...

    def minimise_theta(self, T: ArrayLike, start: ArrayLike | None = None) -> ThetaMinimum:
        """A global minimiser of Q(·, T); `start` warms up an iterative method.

        Raises:
            RuntimeError: an iterative method stopped before it reached the minimum.
        """
        ...

    def targets(self, theta: ArrayLike) -> Array:
        """The array [m, k'] that the tree is fitted to under `leaf_cost`."""
        ...

    def decode(self, values: ArrayLike) -> Array:
        """Tree predictions in the space of `targets` [..., k'] as tree outputs [..., k].

        Under the cost "linear" a prediction is the one-hot row of the column chosen.
        """
        ...

    def min_over_trees(self, theta: ArrayLike, tree_cost: float) -> float:
        """Q(θ, T) for the tree whose leaf costs for `targets(theta)` sum to `tree_cost`."""
        ...

    def expression(self, cp: ModuleType, theta: Any, T: Any) -> Any:
        """Q as an expression of the cvxpy module `cp`, one of θ and T being symbolic.

        θ is a cvxpy variable and T an array [m, k], or θ is an array and T an affine
        cvxpy expression [m, k].
        """
        ...


def checked_array(name: str, values: ArrayLike, shape: tuple[int | str, ...]) -> Array:
    """The values as a float64 array of the given shape; a str in `shape` names a free length.

    Raises:
        ValueError: not numeric, another shape, or an entry that is not finite.
    """
    # Fast path: one reduction checks the usual case. A sum of squares that overflows is not
    # finite, and is then examined entry by entry below.
    if (
        isinstance(values, np.ndarray)
        and values.dtype == np.float64
        and values.shape == shape
        and math.isfinite(np.vdot(values, values))
    ):
        return values
    wanted = "[" + ", ".join(str(length) for length in shape) + "]"
    try:
        array = np.asarray(values, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise ValueError(f"{name}: expected real numbers {wanted}, found {values!r:.60}") from error
    fits = array.ndim == len(shape) and all(
        isinstance(length, str) or found == length
        for found, length in zip(array.shape, shape, strict=True)
    )
    if not fits:
        raise ValueError(f"{name}: expected shape {wanted}, found {list(array.shape)}")
    if not np.isfinite(array).all():
        bad = array[~np.isfinite(array)]
        raise ValueError(f"{name}: expected finite numbers, found {bad.size} such as {bad[0]}")
    return array


def checked_simplex(name: str, values: ArrayLike, shape: tuple[int | str, ...]) -> Array:
    """An array [m, k] as `checked_array` gives it, every row a probability distribution.

    Raises:
        ValueError: as for `checked_array`, or a row with a negative entry or another sum than 1.
    """
    array = checked_array(name, values, shape)
    off = (array < 0).any(axis=1) | (np.abs(array.sum(axis=1) - 1) > 1e-9)
    if off.any():
        row = int(np.argmax(off))
        raise ValueError(
            f"{name}: expected rows on the simplex (≥ 0, sum 1), found row {row} = {array[row]}"
        )
    return array


def squared_norm(array: Array) -> float:
    """‖A‖², the sum of the squared entries."""
    return float(np.vdot(array, array))


def frozen_copy(array: Array) -> Array:
    """A read-only copy, so that no caller can change the data of an objective."""
    copy = np.array(array, dtype=np.float64, order="C")
    copy.setflags(write=False)
    return copy


def largest_gram_eigenvalue(matrix: Array) -> float:
    """λ_max(Aᵀ A) of A [rows, columns], from the smaller of the two Gram matrices."""
    rows, columns = matrix.shape
    if min(rows, columns) == 0:
        return 0.0
    gram = matrix.T @ matrix if columns <= rows else matrix @ matrix.T
    return float(max(np.linalg.eigvalsh(gram)[-1], 0.0))
