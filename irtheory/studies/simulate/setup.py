"""From settings to a problem, its objective and a starting point."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np

from irtheory.problems.synthetic import Problem, key_problem, xor_problem
from irtheory.problems.tables import table_problem
from irtheory.propositions.certificates.enumeration import check_size
from irtheory.propositions.objectives import (
    AgreementObjective,
    LinearisedObjective,
    LinearObjective,
    LogisticObjective,
)
from irtheory.propositions.objectives.contract import Array, Objective
from irtheory.runs.files import InputError
from irtheory.runs.folder import default_folder, refuse_used
from irtheory.studies.simulate.resolve import Digits, ExclusiveOr, ResolvedSettings, Table
from irtheory.studies.simulate.settings import SimulateRequest

Announce = Callable[[str], None]
Prepared = tuple[Problem, Objective, list[str]]


def make_problem(settings: ResolvedSettings) -> Problem:
    """The table of --data, or the setting's synthetic problem."""
    kind = settings.problem
    if isinstance(kind, Table):
        return table_problem(Path(kind.data), kind.label, kind.bins, kind.options)
    if isinstance(kind, Digits):
        from irtheory.problems.digits import digits_problem  # loads scikit-learn

        return digits_problem(kind.samples, kind.classes, settings.seed)
    if isinstance(kind, ExclusiveOr):
        return xor_problem(kind.samples, kind.attributes, settings.seed)
    key_depth = min(3, kind.attributes)
    return key_problem(**vars(kind), depth=key_depth, seed=settings.seed)


def reduced(features: Array) -> tuple[Array, str | None]:
    """Φ in coordinates of its row space if its columns are linearly dependent, and a note.

    Gradient descent from 0 never leaves the row space, so the run stays the same, but θ becomes
    unique and Q coercive.
    """
    _, singular, rows = np.linalg.svd(features, full_matrices=False)
    rank = int((singular > singular[0] * max(features.shape) * np.finfo(float).eps).sum())
    if rank == features.shape[1]:
        return features, None
    note = f"features: {features.shape[1]} columns of rank {rank}, reduced to row-space coordinates"
    return features @ rows[:rank].T, note


def make_objective(
    settings: ResolvedSettings, problem: Problem, announce: Announce | None = None
) -> tuple[Objective, list[str]]:
    """Q of the setting on the problem, and notes on changes of the features."""
    if settings.network is not None:
        from irtheory.studies.simulate.linearise import linearised

        return linearised(settings, problem, announce)
    ridge, features, notes = settings.ridge, problem.features, []
    if ridge == 0:
        features, note = reduced(features)
        notes += [note] if note else []
    if settings.setting == "convex":
        return LinearObjective(features, problem.one_hot, ridge), notes
    if settings.setting == "logistic":
        return LogisticObjective(features, problem.one_hot, ridge), notes
    if ridge == 0 and settings.algorithm == "bcgd":
        raise InputError(
            "--ridge 0: over free leaf values the agreement objective need not attain its "
            "infimum (Q = 1 + 1/t² along G = 1/t, T = t); expected a ridge above 0"
        )
    return AgreementObjective(features, problem.signs, ridge), notes


def prepare(settings: ResolvedSettings, announce: Announce | None = None) -> Prepared:
    """Make problem and objective, before anything is run or written.

    Args:
        settings: what to run.
        announce: called with a line before anything that takes long or much memory.

    Raises:
        InputError, ValueError: settings or data that cannot be used.
    """
    if settings.network is not None:
        from irtheory.studies.simulate.linearise import check_budget

        check_budget(settings, settings.network.width)
    problem = make_problem(settings)
    objective, notes = make_objective(settings, problem, announce)
    if settings.joint:
        check_size(objective, problem.codes, settings.depth)
    return problem, objective, notes


def starting_point(objective: Objective, seed: int) -> Array:
    """θ_1: the initialisation of a linearised network, else normal entries of variance 1/P."""
    if isinstance(objective, LinearisedObjective):
        return np.zeros(objective.theta_shape)
    rng = np.random.default_rng([seed, 1])
    return rng.normal(size=objective.theta_shape) / np.sqrt(objective.theta_shape[0])


def run_folder(settings: ResolvedSettings, request: SimulateRequest) -> Path:
    """The folder to write to: --out, or a new one named after the setting and the time.

    Raises:
        InputError: the folder is in use; checked here, before anything that takes long.
    """
    folder = request.out or default_folder("simulate", settings.setting)
    refuse_used(folder, "simulate", request.overwrite)
    return folder


def processes(settings: ResolvedSettings, runs: int) -> int:
    """Number of processes for independent runs: --threads or all cores; one on an accelerator."""
    if runs == 1 or (settings.network is not None and settings.network.device != "cpu"):
        return 1
    from joblib import effective_n_jobs

    # joblib reads -1 as all cores.
    return min(effective_n_jobs(-1 if settings.threads is None else settings.threads), runs)


def shared(settings: ResolvedSettings, runs: int) -> ResolvedSettings:
    """The same settings with --max-memory divided by the number of processes."""
    if settings.network is None:
        return settings
    share = settings.network.max_memory / processes(settings, runs)
    return replace(settings, network=replace(settings.network, max_memory=share))
