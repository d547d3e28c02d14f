"""The assumptions of Propositions 1 and 2, each checked on the run at hand."""

from __future__ import annotations

import numpy as np

from irtheory.propositions.certificates.certificates import Check, at_least, at_most
from irtheory.propositions.certificates.saddles import CriticalPoint, joint_gradient, split
from irtheory.propositions.objectives.contract import Array, Objective
from irtheory.propositions.objectives.fixed_structure import FixedStructure
from irtheory.propositions.solvers.trajectory import Trajectory

SEGMENTS = 32
# Relative slack of a bound against a measured number: rounding of an eigenvalue.
SLACK = 1e-9


def step_size_check(step_size: float, beta: float, how: str) -> Check:
    """μβ < 1."""
    product = step_size * beta
    return Check(
        "step size: mu*beta < 1",
        bool(product < 1),
        product,
        1.0,
        f"μ = {step_size:.6g}, β = {beta:.6g} ({how}); holds if < 1",
    )


def _points(trajectory: Trajectory, seed: int, n: int = 6) -> list[tuple[Array, Array]]:
    """(θ, T) of kept states, followed by random θ of the same size."""
    rng = np.random.default_rng(seed)
    states = list(trajectory.kept.values())
    chosen = [states[i] for i in np.linspace(0, len(states) - 1, min(n, len(states))).astype(int)]
    spread = 1 + max(float(np.abs(state.theta).max()) for state in chosen)
    random = [(spread * rng.normal(size=state.theta.shape), state.tree_outputs) for state in chosen]
    return [(state.theta, state.tree_outputs) for state in chosen] + random


def _segment_excess(objective: Objective, T: Array, spread: float, seed: int) -> float:
    """Largest Q(midpoint) − mean of the ends over random segments in θ; ≤ 0 if convex."""
    rng = np.random.default_rng(seed)
    worst = -np.inf
    for _ in range(SEGMENTS):
        a, b = spread * rng.normal(size=(2, *objective.theta_shape))
        ends = (objective.value(a, T) + objective.value(b, T)) / 2
        worst = max(worst, (objective.value((a + b) / 2, T) - ends) / max(ends, 1.0))
    return worst


def proposition1(
    objective: Objective, trajectory: Trajectory, tolerance: float, seed: int = 0
) -> list[Check]:
    """Convexity, smoothness, coercivity, bounded minimisers, step size, global ω-step."""
    beta = objective.smoothness()
    points = _points(trajectory, seed)
    spectra = [np.linalg.eigvalsh(objective.hessian_theta(theta, T)) for theta, T in points]
    low = min(float(s[0]) for s in spectra)
    high = max(float(s[-1]) for s in spectra)
    excess = _segment_excess(objective, points[0][1], 1.0, seed)
    return [
        at_least(
            "convex in theta",
            min(low / beta.beta, -excess),
            -SLACK,
            f"smallest Hessian eigenvalue {low:.3g} at {len(points)} points (/ β) and "
            f"midpoint excess {excess:.3g} on {SEGMENTS} random segments; holds if ≥ −rounding",
        ),
        at_most(
            "beta-smooth in theta",
            high / beta.beta,
            1 + SLACK,
            f"largest Hessian eigenvalue {high:.6g} at {len(points)} points / "
            f"β = {beta.beta:.6g} ({beta.how}); holds if ≤ 1",
        ),
        coercivity(objective),
        bounded_minimisers(objective, trajectory),
        step_size_check(trajectory.step_size, beta.beta, beta.how),
        global_omega_step(trajectory, tolerance),
    ]


def coercivity(objective: Objective) -> Check:
    """L_S[G_θ, y] → ∞ as ‖θ‖ → ∞, by strong convexity."""
    sigma = objective.strong_convexity
    reason = objective.claims.coercive_because or "nothing makes the label loss grow"
    return Check(
        "label loss coercive",
        sigma > 0,
        sigma,
        0.0,
        f"strong convexity modulus of L[G, y]: {reason}; holds if > 0",
    )


def bounded_minimisers(objective: Objective, trajectory: Trajectory) -> Check:
    """‖θ*‖ ≤ √(2 Q(0, T)/σ) for every T that the level set {Q ≤ Q_1} allows.

    A tree of the linear cost has Q(0, T) the same for every T. With squared error,
    ‖G − y‖² ≤ m Q_1 and T is a projection of G, so ‖T‖ ≤ ‖y‖ + √(m Q_1).
    """
    sigma, m, labels = objective.strong_convexity, objective.n_samples, objective.labels
    zero = np.zeros(objective.theta_shape)
    if objective.leaf_cost == "linear":
        at_zero = objective.value(zero, next(iter(trajectory.kept.values())).tree_outputs)
    else:
        outputs = np.linalg.norm(labels) + np.sqrt(m * trajectory.scale)
        at_zero = largest_at_zero(objective, float(outputs))
    bound = float(np.sqrt(2 * at_zero / sigma)) if sigma > 0 else np.inf
    states = trajectory.kept.values()
    largest = max(_minimiser_norm(objective, state.tree_outputs) for state in states)
    return Check(
        "minimisers over theta bounded",
        largest <= bound < np.inf,
        largest,
        bound,
        "largest ‖argmin_θ Q(·, ω_t)‖ at kept steps; bound √(2 Q(0, T)/σ) over all ω on the "
        "level set; holds if ≤ bound < ∞",
    )


def largest_at_zero(objective: Objective, tree: float) -> float:
    """A bound on Q(0, T) with squared loss for every T with ‖T‖ ≤ `tree`."""
    zero = np.zeros(objective.theta_shape)
    start = float(np.linalg.norm(objective.outputs(zero)))
    return objective.label_loss(zero) + (start + tree) ** 2 / objective.n_samples


def _minimiser_norm(objective: Objective, T: Array) -> float:
    """‖argmin_θ Q(·, T)‖; infinite where no minimum exists."""
    try:
        return float(np.linalg.norm(objective.minimise_theta(T).theta))
    except RuntimeError:
        return np.inf


def global_omega_step(trajectory: Trajectory, tolerance: float) -> Check:
    """ω_t is a global minimiser at the θ its tree was fitted to (θ_{t−1} in jacobi order)."""
    return at_most(
        "omega-step is a global minimiser",
        # Where Q has grown beyond Q_1 (a step too long), rounding has grown with it.
        float(np.max(trajectory["tree_gap"] / np.maximum(trajectory["value"], trajectory.scale))),
        tolerance,
        "largest Q(θ, ω_t) − proven lower bound over all trees, at the θ of the ω-step, "
        "/ max(Q_1, Q); holds if ≤ tolerance",
    )


def proposition2(
    fixed: FixedStructure,
    trajectory: Trajectory,
    beta: float,
    beta_how: str,
    critical: list[CriticalPoint],
    seed: int = 0,
) -> list[Check]:
    """Twice differentiable, element-wise convex, Lipschitz, β-smooth, strict saddles, step size."""
    rng = np.random.default_rng(seed)
    states = list(trajectory.kept.values())
    path = [
        np.concatenate([s.theta.ravel(), s.omega.ravel()]) for s in states if s.omega is not None
    ]
    random = [rng.normal(size=path[0].shape) for _ in range(6)]
    lipschitz = fixed.lipschitz(*split(fixed, path[0]))
    curvature = float(np.nanmax(trajectory["curvature"]))
    return [
        _twice_differentiable(fixed, random),
        _element_wise_convex(fixed, path + random),
        at_most(
            "Lipschitz on the level set",
            float(np.max(trajectory["gradient_norm"])) / lipschitz.constant,
            1 + SLACK,
            f"largest ‖∇Q‖ on the path / L = {lipschitz.constant:.6g} ({lipschitz.how}); ≤ 1",
        ),
        at_most(
            "beta-smooth on the level set",
            curvature / beta,
            1 + SLACK,
            f"largest Hessian eigenvalue {curvature:.6g} on the path / β = {beta:.6g} "
            f"({beta_how}); holds if ≤ 1",
        ),
        bounded_blocks(fixed, trajectory),
        strict_saddles(critical, fixed.objective.claims.jointly_convex),
        step_size_check(trajectory.step_size, beta, beta_how),
    ]


def _twice_differentiable(fixed: FixedStructure, points: list[Array]) -> Check:
    """Hessian times a direction against a central difference of the gradient."""
    worst, h = 0.0, 1e-5
    for point in points:
        step = np.ones_like(point) / np.sqrt(len(point))
        slope = joint_gradient(fixed, point + h * step) - joint_gradient(fixed, point - h * step)
        exact = fixed.hessian(*split(fixed, point)) @ step
        worst = max(worst, float(np.linalg.norm(slope / (2 * h) - exact) / np.linalg.norm(exact)))
    return at_most(
        "twice continuously differentiable",
        worst,
        1e-6,
        "a polynomial by construction; largest relative error of Hessian against differences "
        f"of the gradient at {len(points)} random points; holds if ≤ tolerance",
    )


def _element_wise_convex(fixed: FixedStructure, points: list[Array]) -> Check:
    size = int(np.prod(fixed.theta_shape))
    worst, scale = np.inf, 0.0
    for point in points:
        hessian = fixed.hessian(*split(fixed, point))
        for block in (hessian[:size, :size], hessian[size:, size:]):
            spectrum = np.linalg.eigvalsh(block)
            worst = min(worst, float(spectrum[0]))
            scale = max(scale, float(np.abs(spectrum).max()))
    return at_least(
        "convex in theta and in omega",
        worst / scale,
        -SLACK,
        f"smallest eigenvalue of the two diagonal Hessian blocks at {len(points)} points, / "
        "largest; holds if ≥ −rounding",
    )


def _block_bounds(fixed: FixedStructure, first: float) -> tuple[float, float, str]:
    """Bounds on ‖argmin_θ Q(·, ω)‖ and ‖argmin_ω Q(θ, ·)‖, and where they hold.

    Squared loss: on {Q ≤ Q_1}, ‖G‖ ≤ ‖y‖ + √(m Q_1); leaf means of G are no longer than G,
    and ω = T there gives the bound on θ as in `bounded_minimisers`. Agreement, r the ridge:
    (r/2)‖θ*‖² ≤ Q(0, ω) − (r/2)‖ω‖² = 2 for every ω, and a leaf's minimiser Σg/(Σg² + mr/2)
    is at most √n/(2√(mr/2)) for every θ, so ‖ω*‖ ≤ 1/√(2r).
    """
    objective = fixed.objective
    if objective.omega_ridge > 0:
        ridge = objective.omega_ridge
        return 2 / np.sqrt(ridge), 1 / np.sqrt(2 * ridge), "for every ω and θ"
    m, sigma = objective.n_samples, objective.strong_convexity
    outputs = float(np.linalg.norm(objective.labels) + np.sqrt(m * first))
    at_zero = largest_at_zero(objective, outputs)
    in_theta = float(np.sqrt(2 * at_zero / sigma)) if sigma > 0 else np.inf
    return in_theta, outputs, "on the level set of the start"


def bounded_blocks(fixed: FixedStructure, trajectory: Trajectory) -> Check:
    """Both argmin sets are bounded: minimisers at kept steps against `_block_bounds`."""
    in_theta, in_omega, where = _block_bounds(fixed, trajectory.scale)
    worst = 0.0
    for state in trajectory.kept.values():
        omega = np.zeros(fixed.omega_shape) if state.omega is None else state.omega
        theta = np.linalg.norm(fixed.minimise_theta(omega).theta) / in_theta
        leaves = np.linalg.norm(fixed.minimise_omega(state.theta).omega) / in_omega
        worst = max(worst, float(theta), float(leaves))
    return Check(
        "minimisers over theta and over omega bounded",
        worst <= 1 + SLACK and np.isfinite(in_theta),
        worst,
        1.0,
        f"largest ‖argmin‖ at kept steps / its bound (θ: {in_theta:.4g}, ω: {in_omega:.4g}, "
        f"{where}); holds if ≤ 1 and the bounds are finite",
    )


def strict_saddles(critical: list[CriticalPoint], jointly_convex: bool) -> Check:
    """Critical points were found, none is degenerate, and saddles have negative curvature."""
    # Where Q is jointly convex a critical point is a minimum, however flat.
    kinds = ["minimum" if jointly_convex else point.kind for point in critical]
    saddles = [point.smallest for point in critical if point.kind == "strict saddle"]
    steepest = f", most negative eigenvalue {min(saddles):.6g}" if saddles else ""
    proof = "; Q is jointly convex, so it has none but minima" if jointly_convex else ""
    degenerate = kinds.count("degenerate")
    return Check(
        "saddles are strict",
        bool(kinds) and degenerate == 0,
        float(degenerate),
        0.0,
        f"degenerate among {len(kinds)} critical points found ({kinds.count('minimum')} minima, "
        f"{len(saddles)} strict saddles{steepest}{proof}); holds if 0 of at least 1",
    )
