"""Critical points of Q over (θ, ω): minima, strict saddles, and Q around a saddle."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from irtheory.propositions.objectives.contract import Array
from irtheory.propositions.objectives.fixed_structure import FixedStructure
from irtheory.propositions.objectives.squared import SquaredLoss
from irtheory.propositions.solvers.trajectory import Trajectory

Kind = Literal["minimum", "strict saddle", "degenerate"]
# Eigenvalues within this share of the largest count as zero.
FLAT = 1e-7


@dataclass(frozen=True, eq=False)
class CriticalPoint:
    """A point where ∇Q vanishes.

    Attributes:
        theta, omega: the point, in the objective's shape and [L, k].
        value: Q there.
        gradient_norm: ‖∇Q‖ there, zero up to rounding.
        smallest, largest: extreme eigenvalues of the joint Hessian.
        unstable: orthonormal eigenvectors of the negative eigenvalues, r columns.
    """

    theta: Array
    omega: Array
    value: float
    gradient_norm: float
    smallest: float
    largest: float
    unstable: Array

    @property
    def kind(self) -> Kind:
        """Minimum, strict saddle (a direction of negative curvature) or undecided."""
        flat = FLAT * max(abs(self.largest), abs(self.smallest))
        if self.smallest < -flat:
            return "strict saddle"
        return "minimum" if self.smallest > flat else "degenerate"


def split(fixed: FixedStructure, point: Array) -> tuple[Array, Array]:
    """(θ, ω) of a flat vector, θ first."""
    size = int(np.prod(fixed.theta_shape))
    return point[:size].reshape(fixed.theta_shape), point[size:].reshape(fixed.omega_shape)


def joint_gradient(fixed: FixedStructure, point: Array) -> Array:
    """∇Q at a flat vector (θ, ω)."""
    theta, omega = split(fixed, point)
    return np.concatenate(
        [fixed.grad_theta(theta, omega).ravel(), fixed.grad_omega(theta, omega).ravel()]
    )


def describe(fixed: FixedStructure, point: Array) -> CriticalPoint:
    """The numbers of a (nearly) critical point given as a flat vector."""
    theta, omega = split(fixed, point)
    spectrum, vectors = np.linalg.eigh(fixed.hessian(theta, omega))
    norm = float(np.linalg.norm(joint_gradient(fixed, point)))
    value = fixed.value(theta, omega)
    smallest, largest = float(spectrum[0]), float(spectrum[-1])
    unstable = vectors[:, spectrum < -FLAT * max(largest, -smallest)]
    return CriticalPoint(theta, omega, value, norm, smallest, largest, unstable)


def critical_points(fixed: FixedStructure, starts: int = 24, seed: int = 0) -> list[CriticalPoint]:
    """Critical points found from the origin and from random starts, lowest Q first.

    Levenberg–Marquardt on ∇Q with the exact Hessian, from points of norm about 0.1, 1 and 3
    in turn; points closer than 1e-5 count once. The list need not be complete. Squared loss is
    quadratic in (θ, ω) together: its minimum (of least norm) is the only critical point listed.
    """
    size = int(np.prod(fixed.theta_shape)) + int(np.prod(fixed.omega_shape))
    if isinstance(fixed.objective, SquaredLoss):
        return [_quadratic_minimum(fixed, np.zeros(size))]
    rng = np.random.default_rng(seed)
    found: list[CriticalPoint] = []
    for i in range(starts):
        spread = (0.0, 0.1, 1.0, 3.0)[i % 4] if i else 0.0
        point = _polish(fixed, spread * rng.normal(size=size) / np.sqrt(size))
        if point is None or any(_close(point, other) for other in found):
            continue
        found.append(point)
    return sorted(found, key=lambda critical: critical.value)


def _quadratic_minimum(fixed: FixedStructure, origin: Array) -> CriticalPoint:
    hessian = fixed.hessian(*split(fixed, origin))
    minimum = np.linalg.lstsq(hessian, -joint_gradient(fixed, origin))[0]
    return describe(fixed, np.asarray(minimum, dtype=np.float64))


def _polish(fixed: FixedStructure, start: Array) -> CriticalPoint | None:
    if not joint_gradient(fixed, start).any():
        return describe(fixed, start)
    from scipy.optimize import root  # slow to import, and needed for saddles alone

    with np.errstate(over="ignore", invalid="ignore"):
        found = root(
            lambda x: joint_gradient(fixed, x),
            start,
            jac=lambda x: fixed.hessian(*split(fixed, x)),
            method="lm",
            tol=1e-14,
        )
    point = describe(fixed, found.x)
    return point if point.gradient_norm < 1e-8 * max(1.0, point.largest) else None


def _close(a: CriticalPoint, b: CriticalPoint) -> bool:
    return bool(
        np.allclose(a.theta, b.theta, rtol=0, atol=1e-5)
        and np.allclose(a.omega, b.omega, rtol=0, atol=1e-5)
    )


def first_saddle(points: list[CriticalPoint]) -> CriticalPoint | None:
    """The strict saddle of most negative curvature; of equal ones that of highest Q; else None."""
    saddles = [point for point in points if point.kind == "strict saddle"]
    # Eigenvalues that are equal in exact arithmetic differ by rounding.
    return min(saddles, key=lambda point: (round(point.smallest, 9), -point.value), default=None)


@dataclass(frozen=True, eq=False)
class Surface:
    """Q on a plane through a saddle, and a path projected onto it.

    Attributes:
        across, along: coordinates of the grid, [n] each: `along` the direction, among those
            of negative curvature, in which the path leaves; `across` the rest of the way to
            its end.
        values: Q on the grid, [n (along), n (across)].
        path: (across, along) of the path's kept states, [steps, 2].
    """

    across: Array
    along: Array
    values: Array
    path: Array


def surface(
    fixed: FixedStructure, saddle: CriticalPoint, trajectory: Trajectory, n: int = 41
) -> Surface:
    """Evaluate Q on the plane of two directions: out of the saddle, and towards the path's end.

    The direction out of the saddle is the path's displacement after a hundredth of its length,
    projected onto the span of the eigenvectors of negative eigenvalues. A single eigenvector will
    not do: the smallest eigenvalue may be a multiple one.
    """
    origin = np.concatenate([saddle.theta.ravel(), saddle.omega.ravel()])
    points = np.array(
        [
            np.concatenate([state.theta.ravel(), state.omega.ravel()]) - origin
            for _, state in sorted(trajectory.kept.items())
            if state.omega is not None
        ]
    )
    lengths = np.linalg.norm(points, axis=1)
    early = points[int(np.argmax(lengths >= 0.01 * lengths[-1]))]
    down = saddle.unstable @ (saddle.unstable.T @ early)
    down /= max(float(np.linalg.norm(down)), 1e-300)
    rest = points[-1] - (points[-1] @ down) * down
    side = rest / max(float(np.linalg.norm(rest)), 1e-300)
    path = points @ np.stack([side, down], axis=1)
    reach = 1.25 * np.abs(path).max(axis=0)
    reach = np.maximum(reach, 0.2 * reach.max())
    across, along = (np.linspace(-r, r, n) for r in reach)
    values = [
        [fixed.value(*split(fixed, origin + a * side + b * down)) for a in across] for b in along
    ]
    return Surface(across, along, np.array(values), path)
