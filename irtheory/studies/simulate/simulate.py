"""Run a proposition on a problem whose optima are known, and certify the run."""

from __future__ import annotations

from collections.abc import Callable

from irtheory.propositions.objectives import AgreementObjective, SquaredLoss
from irtheory.propositions.solvers import Step
from irtheory.runs.files import InputError
from irtheory.studies.simulate.proposition1 import run_alternating
from irtheory.studies.simulate.proposition2 import run_bcgd
from irtheory.studies.simulate.resolve import ResolvedSettings, resolve
from irtheory.studies.simulate.result import Result
from irtheory.studies.simulate.settings import SimulateSettings
from irtheory.studies.simulate.setup import Prepared, prepare

__all__ = ["Result", "SimulateSettings", "run_prepared", "simulate"]


def simulate(
    settings: SimulateSettings,
    observe: Callable[[Step], None] | None = None,
    observe_escape: Callable[[Step], None] | None = None,
) -> Result:
    """Run one proposition on one problem.

    Args:
        settings: what to run; options that are None get their defaults.
        observe: called with every step of the run as soon as it exists.
        observe_escape: called with every step of the run that leaves a saddle (Proposition 2).

    Raises:
        InputError, ValueError: settings or data that cannot be used.
        MissingDependency: cvxpy is asked for and not installed.
    """
    resolved = resolve(settings)
    return run_prepared(resolved, prepare(resolved), observe, observe_escape)


def run_prepared(
    settings: ResolvedSettings,
    prepared: Prepared,
    observe: Callable[[Step], None] | None = None,
    observe_escape: Callable[[Step], None] | None = None,
) -> Result:
    """`simulate` with the problem and the objective that `prepare` made for these settings."""
    problem, objective, notes = prepared
    if settings.algorithm == "alternating":
        return run_alternating(settings, problem, objective, notes, observe)
    if not isinstance(objective, SquaredLoss | AgreementObjective):
        raise InputError(f"--algorithm bcgd: cannot run on the setting {settings.setting}")
    return run_bcgd(settings, problem, objective, notes, observe, observe_escape)
