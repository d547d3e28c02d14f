"""Which modules have a Jacobian at θ0: one output for one θ, differentiable, sample by sample."""

from __future__ import annotations

import copy

import numpy as np
import torch
from numpy.typing import ArrayLike
from torch import Tensor, nn
from torch.func import functional_call, jvp, vjp
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.modules.dropout import _DropoutNd

Parameters = dict[str, Tensor]
# Samples on which a module is tried.
TRIED = 64
# (length of a step, share of the derivative by which a difference quotient may miss it): jumps
# show in the long step, where kinks cost up to a fifth, derivatives that are made up in the short.
STEPS = ((3e-2, 0.5), (1e-6, 0.05))
# Outputs that ought to be equal may differ by this share, from the order of additions.
ROUNDING = 1e-9


def as_inputs(module: nn.Module, x: ArrayLike | Tensor) -> Tensor:
    """X [m, …] as float64 on the module's device; ValueError unless finite with m ≥ 1."""
    device = next((p.device for p in module.parameters()), torch.device("cpu"))
    tensor = torch.as_tensor(x if isinstance(x, Tensor) else np.asarray(x, dtype=np.float64))
    tensor = tensor.to(device, torch.float64)
    if tensor.ndim < 2 or len(tensor) == 0:
        raise ValueError(f"x: expected samples [m, …] with m ≥ 1, found {list(tensor.shape)}")
    if not torch.isfinite(tensor).all():
        raise ValueError("x: expected finite numbers, found others")
    return tensor


def trainable(module: nn.Module) -> Parameters:
    """θ: the parameters that require a gradient, by name, each once."""
    return {name: p.detach() for name, p in module.named_parameters() if p.requires_grad}


def evaluate(module: nn.Module, parameters: Parameters, x: Tensor) -> Tensor:
    """F(x; θ) [m, k] at other values of the parameters, which the module does not keep.

    functional_call leaves the new values in a submodule that stands in two places.
    """
    own = [(part, name, p) for part in module.modules() for name, p in part._parameters.items()]
    try:
        return functional_call(module, parameters, (x,))
    finally:
        for part, name, p in own:
            part._parameters[name] = p


def admissible(module: nn.Module, x: ArrayLike | Tensor) -> nn.Module:
    """A copy of the module in float64, once it is found to be a smooth function of θ and x_i.

    Args:
        module: x [m, …] → outputs [m, k].
        x: the samples, at most 64 of which are tried.

    Raises:
        ValueError: dropout that draws, batch norm with statistics of the batch, nothing to
            train, outputs of another shape, outputs that differ from one evaluation to the
            next or that depend on other samples, or that have no derivative.
    """
    _refuse_by_name(module)
    module = copy.deepcopy(module).double()
    x = as_inputs(module, x)[:TRIED]
    theta = trainable(module)
    if not theta:
        raise ValueError("module: expected parameters that require a gradient, found none")
    f = _checked_outputs(module, x)
    if not _close(module(x), f):
        raise ValueError("module: two evaluations at one θ differ; expected one output for one θ")
    if not _close(module(x[:1]), f[:1]):
        raise ValueError(
            "module: the outputs of a sample depend on the samples beside it; "
            "expected a function of each sample alone"
        )
    _refuse_jumps(module, theta, x)
    _refuse_steps(module, theta, x)
    return module


def _refuse_by_name(module: nn.Module) -> None:
    for name, part in module.named_modules():
        where = f"{type(part).__name__} at '{name or '.'}'"
        if isinstance(part, _DropoutNd) and part.training and part.p > 0:
            raise ValueError(
                f"module: {where} is in train mode and draws anew at every evaluation; "
                "expected module.eval()"
            )
        if isinstance(part, _BatchNorm) and (part.training or part.running_mean is None):
            raise ValueError(
                f"module: {where} normalises by the statistics of the batch, so an output "
                "depends on the other samples; expected running statistics and module.eval()"
            )


def _checked_outputs(module: nn.Module, x: Tensor) -> Tensor:
    f = module(x)
    if not isinstance(f, Tensor) or f.ndim != 2 or len(f) != len(x) or f.shape[1] == 0:
        found = list(f.shape) if isinstance(f, Tensor) else type(f).__name__
        raise ValueError(f"module: expected outputs [m, k] with m = {len(x)}, found {found}")
    if not f.requires_grad:
        raise ValueError("module: not differentiable, its outputs carry no gradient to θ")
    if not torch.isfinite(f).all():
        raise ValueError("module: expected finite outputs, found others")
    return f


def _close(a: Tensor, b: Tensor) -> bool:
    return bool((a - b).abs().max() <= ROUNDING * (1 + b.abs().max()))


def _refuse_jumps(module: nn.Module, theta: Parameters, x: Tensor) -> None:
    """Compare the derivative along a random direction with difference quotients."""
    draw = torch.Generator().manual_seed(0)
    direction = {
        name: (torch.randn(p.shape, generator=draw, dtype=p.dtype) * _size(p)).to(p.device)
        for name, p in theta.items()
    }
    with torch.no_grad():
        slope = jvp(lambda p: evaluate(module, p, x), (theta,), (direction,))[1]
        for length, allowed in STEPS:
            ends = [
                evaluate(module, {n: p + s * direction[n] for n, p in theta.items()}, x)
                for s in (length / 2, -length / 2)
            ]
            quotient = (ends[0] - ends[1]) / length
            missed = float((quotient - slope).norm() / slope.norm().clamp_min(1e-300))
            if not missed <= allowed:
                raise ValueError(
                    f"module: not differentiable, a difference quotient of step {length:g} "
                    f"misses the derivative by {missed:.2g} of its size; expected ≤ {allowed:g}"
                )


def _refuse_steps(module: nn.Module, theta: Parameters, x: Tensor) -> None:
    """Refuse parameters that move the outputs and yet have no derivative on any sample."""
    f, pull = vjp(lambda p: evaluate(module, p, x), theta)[:2]
    draw = torch.Generator().manual_seed(1)
    slopes = pull(torch.randn(f.shape, generator=draw, dtype=f.dtype).to(f.device))[0]
    for name, parameter in theta.items():
        if slopes[name].any():
            continue
        step = torch.randn(parameter.shape, generator=draw, dtype=f.dtype).to(f.device)
        with torch.no_grad():
            moved = evaluate(module, {**theta, name: parameter + _size(parameter) * step}, x)
        if not _close(moved, f):
            raise ValueError(
                f"module: not differentiable, '{name}' moves the outputs but has derivative 0 on "
                "every sample (a step function, or units that no sample reaches)"
            )


def _size(parameter: Tensor) -> float:
    """Root mean square, 1 for zeros."""
    return float(parameter.square().mean().sqrt()) or 1.0
