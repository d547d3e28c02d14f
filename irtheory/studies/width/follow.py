"""Train one network and its linearisation together, with the same steps, labels and trees.

At every step the exact tree is fitted to the network; then both take a gradient step on
L[G, y] + L[G, T] with that T. They differ in the kernel only: that of the network changes, that of
the linearisation stays the one at θ0.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from irtheory.problems.synthetic import Problem
from irtheory.propositions.certificates.certificates import ROUNDING
from irtheory.propositions.objectives import LinearisedObjective
from irtheory.propositions.objectives.contract import Array, squared_norm
from irtheory.propositions.solvers.dynamics import leaf_means
from irtheory.propositions.tangent import (
    KernelPlan,
    admissible,
    empirical_kernel,
    network_outputs,
    plan_kernel,
)
from irtheory.runs.files import InputError
from irtheory.studies.simulate.linearise import (
    check_budget,
    describe,
    make_network,
    matrices,
    network_inputs,
)
from irtheory.studies.simulate.resolve import ResolvedSettings
from irtheory.studies.simulate.setup import make_problem
from irtheory.trees.exact.solver import ExactTreeSolver


@dataclass(frozen=True)
class Moment:
    """Step t of both, Q and gaps as shares of Q_1; NaN if the kernel was not computed.

    Attributes:
        value, value_linear: Q of the network and of its linearisation, with the same tree.
        off_train, off_held: root mean square of f_t − f_t^lin over samples and outputs.
        violation: by how much the last step violates the descent lemma with β of θ0; NaN at 1.
        tree_changes: how often the tree has changed so far.
        drift: ‖K_t − K_0‖/‖K_0‖ (Frobenius).
        step_beta: μβ of the linearisation at θ_t.
        gap, gap_linear: Q − min_θ Q of the network on its linearisation at θ_t, and of the
            linearisation at θ0.
    """

    t: int
    value: float
    value_linear: float
    off_train: float
    off_held: float
    violation: float
    tree_changes: int
    drift: float = np.nan
    step_beta: float = np.nan
    gap: float = np.nan
    gap_linear: float = np.nan


COLUMNS = tuple(column.name for column in fields(Moment))


@dataclass(frozen=True)
class WidthRun:
    """One network of one width: all moments, and whether both end with the same best tree."""

    width: int
    seed: int
    parameters: int
    moments: tuple[Moment, ...]
    same_tree: bool

    def column(self, name: str) -> Array:
        """One field of all moments, [steps]."""
        return np.array([getattr(moment, name) for moment in self.moments], dtype=np.float64)

    @property
    def looked_at(self) -> tuple[Moment, ...]:
        """The moments at which the kernel was computed."""
        return tuple(moment for moment in self.moments if np.isfinite(moment.drift))


@dataclass(frozen=True, eq=False)
class Halves:
    """The training half and the held-out half of a problem: inputs, labels, codes."""

    x: Array
    held: Array
    labels: Array
    codes: Array


def halves(settings: ResolvedSettings) -> Halves:
    """The problem of the settings, shuffled by its seed and cut in the middle.

    Raises:
        InputError: fewer than two samples.
    """
    problem = make_problem(settings)
    if len(problem.codes) < 2:
        raise InputError("--widths: holds out half of the samples, found one sample")
    order = np.random.default_rng([settings.seed, 2]).permutation(len(problem.codes))
    train, held = order[: (len(order) + 1) // 2], order[(len(order) + 1) // 2 :]
    x = network_inputs(problem)
    return Halves(x[train], x[held], problem.one_hot[train], problem.codes[train])


def plan_study(settings: ResolvedSettings, width: int) -> KernelPlan:
    """How the kernel of that width will be computed; raises if it cannot be."""
    check_budget(settings, width)
    sample = halves(settings)
    module = admissible(make_network(settings, make_problem(settings), width), sample.x)
    memory = settings.linearised.max_memory
    return plan_kernel(module, sample.x, max_memory=memory, matrices=matrices(settings))


def notes_of(settings: ResolvedSettings, runs: Sequence[WidthRun]) -> tuple[str, ...]:
    """Sentences on the problem, the widest network and the training."""
    problem, sample = make_problem(settings), halves(settings)
    widest = max(runs, key=lambda run: run.width, default=None)
    return (
        *problem.notes,
        *([] if widest is None else [_widest(settings, problem, widest)]),
        f"{len(sample.x)} samples to train on, {len(sample.held)} held out; {settings.max_steps} "
        f"steps of μβ = {settings.step_size:g}, trees of depth ≤ {settings.depth}",
    )


def _widest(settings: ResolvedSettings, problem: Problem, run: WidthRun) -> str:
    return f"widest {describe(settings, problem, run.width, run.parameters)}"


class _Kernels:
    """The kernels K at θ0 and at θ_t, and the gaps and smoothness that follow from them."""

    def __init__(self, module: nn.Module, sample: Halves, settings: ResolvedSettings) -> None:
        self._module, self._sample = module, sample
        budget: Any = {
            "max_memory": settings.linearised.max_memory,
            "matrices": matrices(settings),
        }
        self._plan = plan_kernel(module, sample.x, **budget)
        self.first = self.now()
        held = plan_kernel(module, sample.held, sample.x, **budget)
        self.to_held = empirical_kernel(module, sample.held, sample.x, plan=held)

    def now(self) -> Array:
        """K on the training half, [mk, mk]."""
        return empirical_kernel(self._module, self._sample.x, plan=self._plan)

    def gap(self, kernel: Array, outputs: Array, T: Array) -> float:
        """Q − min_θ Q(θ, T) of a network with this kernel, at its outputs [m, k]."""
        here = LinearisedObjective(kernel, outputs, self._sample.labels)
        return here.value(np.zeros(here.theta_shape), T) - here.minimise_theta(T).value

    def beta(self, kernel: Array) -> float:
        """4 λ_max(K)/m."""
        return 4 * float(np.linalg.eigvalsh(kernel)[-1]) / len(self._sample.x)


class _Network:
    """The network itself: full-batch gradient descent on its weights."""

    def __init__(self, module: nn.Module, sample: Halves, device: str) -> None:
        self.module = module
        self.weights = [p for p in module.parameters() if p.requires_grad]
        self._x, self._y, self._held = (
            torch.as_tensor(values, device=device)
            for values in (sample.x, sample.labels, sample.held)
        )
        self._outputs = self._x.new_empty(0)

    def outputs(self) -> tuple[Array, Array]:
        """F on both halves; the graph of the training half is kept for `gradient`."""
        self._outputs = self.module(self._x)
        return self._outputs.detach().cpu().numpy(), network_outputs(self.module, self._held)

    def gradient(self, T: Array) -> list[Tensor]:
        """∇_θ Q(θ, T) at the outputs last asked for."""
        to_tree = self._outputs - torch.as_tensor(T, device=self._x.device)
        losses = (self._outputs - self._y).square().sum() + to_tree.square().sum()
        return list(torch.autograd.grad(losses / len(self._x), self.weights))

    def step(self, gradient: list[Tensor], length: float) -> None:
        """θ ← θ − length · gradient."""
        with torch.no_grad():
            for weight, slope in zip(self.weights, gradient, strict=True):
                weight.sub_(length * slope)


def follow(settings: ResolvedSettings, width: int) -> WidthRun:
    """Train a network of that width together with its linearisation.

    Args:
        settings: with `widths`; their seed draws problem and network.
        width: of every hidden layer.
    """
    sample = halves(settings)
    module = make_network(settings, make_problem(settings), width)
    network = _Network(module, sample, settings.linearised.device)
    kernels = _Kernels(module, sample, settings)
    solver = ExactTreeSolver(
        sample.codes,
        settings.depth,
        min_samples_leaf=settings.min_samples_leaf,
        threads=settings.threads,
    )
    moments, same = _train(settings, sample, network, kernels, solver)
    parameters = sum(weight.numel() for weight in network.weights)
    return WidthRun(width, settings.seed, parameters, tuple(moments), same)


def _train(
    settings: ResolvedSettings,
    sample: Halves,
    network: _Network,
    kernels: _Kernels,
    solver: ExactTreeSolver,
) -> tuple[list[Moment], bool]:
    beta, m, y = kernels.beta(kernels.first), len(sample.x), sample.labels
    mu, last = settings.step_size / beta, settings.max_steps
    eta = mu * (1 - 0.5 * beta * mu)
    f, f_held = network.outputs()
    g, g_held = f, f_held  # of the linearisation
    moments: list[Moment] = []
    tree, changes, missed, scale = solver.solve(f), 0, np.nan, 1.0
    for t in range(1, last + 1):
        T = tree.predictions
        Q = (squared_norm(f - y) + squared_norm(f - T)) / m
        Q_linear = (squared_norm(g - y) + squared_norm(g - T)) / m
        scale = Q if t == 1 else scale
        looks = _look(kernels, mu, (f, g), T, scale) if t == last or t & (t - 1) == 0 else ()
        apart = _rms(f - g), _rms(f_held - g_held)
        moments.append(
            Moment(t, Q / scale, Q_linear / scale, *apart, missed / scale, changes, *looks)
        )
        if t == last:
            break
        gradient = network.gradient(T)
        network.step(gradient, mu)
        pull = (2 * g - y - T).ravel() * (2 * mu / m)
        g = g - (kernels.first @ pull).reshape(g.shape)
        g_held = g_held - (kernels.to_held @ pull).reshape(g_held.shape)
        f, f_held = network.outputs()
        half = (squared_norm(f - y) + squared_norm(f - T)) / m
        missed = half - Q + eta * sum(float(slope.square().sum()) for slope in gradient)
        before, tree = tree, solver.solve(f)
        changes += tree.structure != before.structure
    # Compared by cost, as several trees may be equally good.
    own = squared_norm(g - leaf_means(g, tree.leaf_of))
    return moments, own <= solver.solve(g).loss + ROUNDING * m * scale


def _look(
    kernels: _Kernels, mu: float, outputs: tuple[Array, Array], T: Array, scale: float
) -> tuple[float, float, float, float]:
    """(drift, μβ_t, gap of the network, gap of the linearisation), gaps over Q_1."""
    now, first = kernels.now(), kernels.first
    drift = float(np.linalg.norm(now - first) / np.linalg.norm(first))
    gaps = kernels.gap(now, outputs[0], T), kernels.gap(first, outputs[1], T)
    return drift, mu * kernels.beta(now), gaps[0] / scale, gaps[1] / scale


def _rms(difference: Array) -> float:
    return float(np.sqrt(np.mean(difference**2)))
