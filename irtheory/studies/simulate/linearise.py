"""From settings to a network, and from the network to its linearisation."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numpy as np
from torch import nn

from irtheory.problems.synthetic import Problem
from irtheory.propositions.objectives import LinearisedObjective
from irtheory.propositions.objectives.contract import Array
from irtheory.propositions.tangent import (
    admissible,
    cnn,
    empirical_kernel,
    mlp,
    network_outputs,
    plan_kernel,
)
from irtheory.propositions.tangent.kernel import GIB
from irtheory.propositions.tangent.networks import KERNEL
from irtheory.runs.devices import check_device
from irtheory.runs.files import InputError
from irtheory.studies.simulate.resolve import Digits, KeyLabels, ResolvedSettings

# Measured numbers of matrices of the size of K that are held at a time, without those of cvxpy: K,
# its eigenvectors, their workspace and D; for leaps and block descent also a Hessian and its
# eigenvectors; in a study of widths three kernels and the spectra of two.
MATRICES, WITH_HESSIAN, STUDYING = 6, 10, 20
# Seconds between two lines of progress on a kernel.
TELL_EVERY = 5.0
# Copies of the weights while a network is checked.
COPIES = 4

Announce = Callable[[str], None]


def matrices(settings: ResolvedSettings) -> int:
    """Number of matrices of the size of K that a run of these settings holds at a time."""
    if settings.widths:
        return STUDYING
    return WITH_HESSIAN if settings.jump or settings.algorithm == "bcgd" else MATRICES


def check_budget(settings: ResolvedSettings, width: int) -> None:
    """Refuse sizes that do not fit into --max-memory, before anything is allocated.

    Raises:
        InputError: the message names the option and the GiB that it needs.
    """
    network, (samples, fan_in, classes) = settings.linearised, _known_sizes(settings)
    between = KERNEL**2 if network.network == "cnn" else 1
    weights = width * (fan_in + classes) * between
    weights += (network.layers - 1) * width**2 * between
    outputs = samples * classes // (2 if settings.widths else 1)
    for options, size in (
        (f"--samples {samples} --classes {classes}", outputs**2 * matrices(settings)),
        (f"a network of width {width}", COPIES * weights),
    ):
        if 8 * size > network.max_memory * GIB:
            raise InputError(
                f"--max-memory: {options} need about {8 * size / GIB:.3g} GiB, found "
                f"{network.max_memory:g} for each process; expected more, or smaller sizes"
            )


def _known_sizes(settings: ResolvedSettings) -> tuple[int, int, int]:
    """Samples, inputs and classes of a problem, as far as they are known before it is made.

    The least that is possible stands for what is not known: (0, 1, 1) for a table.
    """
    problem = settings.problem
    if isinstance(problem, KeyLabels):
        return problem.samples, problem.attributes, problem.classes
    if isinstance(problem, Digits):
        return problem.samples, 1, problem.classes
    return 0, 1, 1


def network_inputs(problem: Problem) -> Array:
    """Inputs of the network, [m, …]: images, or the codes scaled to [−1, 1]."""
    return problem.features[:, 1:] if problem.inputs is None else problem.inputs


def make_network(settings: ResolvedSettings, problem: Problem, width: int) -> nn.Module:
    """The network of the settings with layers of that width, drawn from their seed.

    Raises:
        InputError: the device is not available, or the images are too small for the layers.
    """
    network, x, outputs = settings.linearised, network_inputs(problem), len(problem.class_names)
    hidden = [width] * network.layers
    # The widths of one seed are drawn independently.
    seed = int(np.random.SeedSequence([settings.seed, width]).generate_state(1)[0])
    how: Any = {"activation": network.activation, "parametrisation": network.parametrisation}
    try:
        check_device(network.device)
        if network.network == "cnn":
            module = cnn(x.shape[1:], hidden, outputs, seed=seed, **how)
        else:
            module = mlp(x.shape[1], hidden, outputs, seed=seed, **how)
    except ValueError as error:
        raise InputError(f"--{error}".replace("--channels", "--layers")) from error
    return module.to(network.device)


def describe(settings: ResolvedSettings, problem: Problem, width: int, parameters: int) -> str:
    """One sentence on the network."""
    network = settings.linearised
    first = "×".join(map(str, network_inputs(problem).shape[1:]))
    layers = " → ".join([first, *[str(width)] * network.layers, str(len(problem.class_names))])
    kind = {"mlp": "perceptron", "cnn": "convolutions"}[network.network]
    return (
        f"network: {kind} {layers}, {network.activation}, {network.parametrisation} "
        f"parametrisation, {parameters:,} parameters"
    )


def linearised(
    settings: ResolvedSettings, problem: Problem, announce: Announce | None = None
) -> tuple[LinearisedObjective, list[str]]:
    """Q of the network linearised at its initialisation, and notes on how it was made.

    `announce` is called with the plan of the kernel before it is computed.

    Raises:
        InputError, ValueError: as `make_network`; the kernel does not fit into --max-memory.
    """
    network, x = settings.linearised, network_inputs(problem)
    module = admissible(make_network(settings, problem, network.width), x)
    plan = plan_kernel(module, x, max_memory=network.max_memory, matrices=matrices(settings))
    if announce:
        announce(str(plan))
    kernel = empirical_kernel(module, x, plan=plan, progress=_told(announce))
    objective = LinearisedObjective(
        kernel,
        network_outputs(module, x),
        problem.one_hot,
        settings.ridge,
        parameters=plan.parameters,
    )
    notes = [describe(settings, problem, network.width, plan.parameters), _coordinates(objective)]
    return objective, notes


def _told(announce: Announce | None) -> Callable[[int, int], None] | None:
    """A callback that announces every few seconds how many blocks of the kernel are done."""
    if announce is None:
        return None
    last = time.monotonic()

    def tell(done: int, blocks: int) -> None:
        nonlocal last
        if time.monotonic() - last >= TELL_EVERY:
            last = time.monotonic()
            announce(f"kernel: {done} of {blocks} blocks")

    return tell


def _coordinates(objective: LinearisedObjective) -> str:
    values = objective.eigenvalues
    return (
        f"coordinates: row space of J at θ_1 = θ0, numerical rank {objective.rank} of "
        f"{len(objective.kernel)}, eigenvalues of K from {values[0]:.4g} to {values[-1]:.4g} "
        f"(condition {values[-1] / values[0]:.4g})"
    )
