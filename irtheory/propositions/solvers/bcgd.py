"""Proposition 2: block coordinate gradient descent on θ and the leaf values ω.

θ_{t+1} = θ_t − μ ∇_θ Q(θ_t, ω_t), then ω_{t+1} = ω_t − μ ∇_ω Q(θ_{t+1}, ω_t); the tree's
structure is fixed, so that ω is a vector of leaf values.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from irtheory.propositions.objectives.contract import Array
from irtheory.propositions.objectives.fixed_structure import FixedStructure
from irtheory.propositions.solvers.trajectory import State, Step, representable


def smallest_eigenvalue(fixed: FixedStructure, theta: Array, omega: Array) -> float:
    """Smallest eigenvalue of the joint Hessian at (θ, ω)."""
    return float(np.linalg.eigvalsh(fixed.hessian(theta, omega))[0])


def bcgd(
    fixed: FixedStructure,
    theta: Array,
    omega: Array,
    step_size: float,
    beta: float,
    *,
    watch: float,
    structure: tuple[int, ...] = (),
) -> Iterator[tuple[Step, State]]:
    """Yield the steps of Proposition 2 from (θ_1, ω_1); the caller decides when to stop.

    Args:
        fixed: Q over θ and leaf values [L, k].
        theta: starting point θ_1, in the objective's shape.
        omega: starting leaf values ω_1, [L, k].
        step_size: μ; the proposition asks for μ < 1/β.
        beta: smoothness constant, for the descent lemma.
        watch: the Hessian is computed when both gaps are below this value, because an
            equilibrium that is not a local minimum (a saddle) must not count as converged.
        structure: identity of the tree, recorded in the states.

    The iterator ends by itself when a block grows so large that its squares overflow.
    """
    eta = step_size * (1 - 0.5 * beta * step_size)
    half = violation = np.nan
    t = 1
    while True:
        value = fixed.value(theta, omega)
        g_theta, g_omega = fixed.grad_theta(theta, omega), fixed.grad_omega(theta, omega)
        best_theta, best_omega = fixed.minimise_theta(omega), fixed.minimise_omega(theta)
        gaps = value - best_theta.value, value - best_omega.value
        curvature, is_minimum = np.nan, True
        if t & (t - 1) == 0 or max(gaps) < watch:
            spectrum = np.linalg.eigvalsh(fixed.hessian(theta, omega))
            curvature = float(spectrum[-1])
            is_minimum = bool(spectrum[0] >= -1e-9 * max(curvature, 1.0))
        squared = float(np.vdot(g_theta, g_theta))
        norm = (squared + float(np.vdot(g_omega, g_omega))) ** 0.5
        distance = float(np.linalg.norm(theta - best_theta.theta))
        yield (
            Step(
                t, value, half, norm, best_theta.value, best_omega.value, *gaps, distance,
                violation, 0, curvature=curvature,
            ),
            State(theta, fixed.tree_outputs(omega), structure, None, omega, is_minimum),
        )  # fmt: skip
        theta = theta - step_size * g_theta
        if not representable(theta):
            return
        half = fixed.value(theta, omega)
        g_omega = fixed.grad_omega(theta, omega)
        first = half - value + eta * squared
        omega = omega - step_size * g_omega
        if not representable(omega):
            return
        second = fixed.value(theta, omega) - half + eta * float(np.vdot(g_omega, g_omega))
        violation = max(first, second)
        t += 1
