"""Optima of the convex subproblems by an independent solver: cvxpy, imported when first needed."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from types import ModuleType
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from irtheory.propositions.objectives.contract import Array, Objective, checked_array
from irtheory.propositions.objectives.fixed_structure import FixedStructure

# Tolerances given to Clarabel, in this order, until it reports "optimal": the accuracy that its
# interior-point method reaches in double precision depends on the problem.
CLARABEL_TOLERANCES = (1e-12, 1e-11, 1e-10, 1e-9, 1e-8)


class MissingDependency(RuntimeError):
    """A feature needs a package that cannot be imported."""


@dataclass(frozen=True, eq=False)
class CvxpyOptimum:
    """The result of the solver.

    `value` is Q recomputed at the argument, hence no less than the minimum; `solver_value` is
    the optimum as the solver states it.
    """

    value: float
    solver: str
    status: str
    argument: Array
    solver_value: float


def cvxpy_missing() -> str | None:
    """One line on what needs cvxpy and how to install it; None if it is installed."""
    if find_spec("cvxpy") is not None:
        return None
    return "the reference optima need cvxpy, which is not installed: pip install cvxpy"


def minimum_over_theta(
    objective: Objective, T: ArrayLike, solver: str = "CLARABEL"
) -> CvxpyOptimum:
    """The minimum over θ of Q(θ, T), T [m, k].

    Raises:
        MissingDependency: cvxpy cannot be imported.
        RuntimeError: the solver did not report "optimal".
        ValueError: T of the wrong shape or not finite.
    """
    tree = checked_array("T", T, (objective.n_samples, objective.n_outputs))
    return _minimum(
        objective.theta_shape,
        lambda cp, theta: objective.expression(cp, theta, tree),
        lambda theta: objective.value(theta, tree),
        solver,
    )


def minimum_over_theta_fixed(
    fixed: FixedStructure, omega: ArrayLike, solver: str = "CLARABEL"
) -> CvxpyOptimum:
    """The minimum over θ of Q(θ, ω), ω [L, k]; raises as `minimum_over_theta`."""
    leaves = checked_array("omega", omega, fixed.omega_shape)
    return _minimum(
        fixed.theta_shape,
        lambda cp, theta: fixed.expression(cp, theta, leaves),
        lambda theta: fixed.value(theta, leaves),
        solver,
    )


def minimum_over_omega_fixed(
    fixed: FixedStructure, theta: ArrayLike, solver: str = "CLARABEL"
) -> CvxpyOptimum:
    """The minimum over ω of Q(θ, ω), θ [P, k]; raises as `minimum_over_theta`."""
    weights = checked_array("theta", theta, fixed.theta_shape)
    return _minimum(
        fixed.omega_shape,
        lambda cp, omega: fixed.expression(cp, weights, omega),
        lambda omega: fixed.value(weights, omega),
        solver,
    )


def _minimum(
    shape: tuple[int, ...],
    expression: Callable[[ModuleType, Any], Any],
    value: Callable[[Array], float],
    solver: str,
) -> CvxpyOptimum:
    cp = _cvxpy()
    variable = cp.Variable(shape)
    problem = cp.Problem(cp.Minimize(expression(cp, variable)))
    status = "not run"
    for settings in _attempts(solver):
        status = _solve(cp, problem, solver, settings)
        if status == "optimal":
            argument = np.asarray(variable.value, dtype=np.float64)
            return CvxpyOptimum(value(argument), solver, status, argument, float(problem.value))
    raise RuntimeError(f"cvxpy's solver {solver} ended with status {status}, expected optimal")


def _cvxpy() -> ModuleType:
    try:
        return import_module("cvxpy")
    except ImportError as error:
        raise MissingDependency(
            cvxpy_missing() or f"the reference optima need cvxpy, which fails to import: {error}"
        ) from error


def _attempts(solver: str) -> list[dict[str, float]]:
    if solver != "CLARABEL":
        return [{}]
    names = ("tol_gap_abs", "tol_gap_rel", "tol_feas")
    return [dict.fromkeys(names, tolerance) for tolerance in CLARABEL_TOLERANCES]


def _solve(cp: ModuleType, problem: Any, solver: str, settings: dict[str, float]) -> str:
    """The status of one attempt, or a text with the error if the solver failed or is unknown."""
    with warnings.catch_warnings():
        # The warning "Solution may be inaccurate" repeats the status.
        warnings.simplefilter("ignore")
        try:
            problem.solve(solver=solver, **settings)
        except cp.error.SolverError as error:
            return f"error ({error})"
    return str(problem.status)
