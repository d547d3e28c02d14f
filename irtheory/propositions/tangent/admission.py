"""Check that a module has a Jacobian at θ0: deterministic, differentiable, sample by sample."""

from __future__ import annotations

import copy
import math

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor, nn
from torch.func import functional_call
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.modules.dropout import _DropoutNd

Array = NDArray[np.float64]
Parameters = dict[str, Tensor]
# Number of samples on which a module is tried.
TRIED = 32
# Outputs that should be equal may differ by this share, as sums are taken in another order.
ROUNDING = 1e-9
# A jump is searched for on so many paths, which have these lengths (in units of the size of the
# parameters) and are halved so many times.
PATHS, REACHES, HALVINGS = 3, (1.0, 0.1, 0.01), 40
# As shares of the size of the outputs: a change that no continuous path makes within 2^-40 of its
# length, and one that only a pole makes.
JUMP, POLE = 1e-5, 1e3
# Difference quotients with this step may differ from derivatives by this share: a kink (relu) makes
# a small difference. This many random directions are tried.
STEP, ALLOWED, DIRECTIONS = 1e-6, 0.05, 8


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
    """F(x; θ) [m, k] at other values of the parameters; the module keeps its own.

    They are restored by hand: functional_call leaves the new values in a submodule that the
    module contains twice.
    """
    own = [(part, name, p) for part in module.modules() for name, p in part._parameters.items()]
    try:
        return functional_call(module, parameters, (x,))
    finally:
        for part, name, p in own:
            part._parameters[name] = p


def admissible(module: nn.Module, x: ArrayLike | Tensor) -> nn.Module:
    """A copy of the module in float64, after checking that it is a smooth function of θ.

    Args:
        module: x [m, …] → outputs [m, k].
        x: the samples; the first 32 are used for the checks.

    Raises:
        ValueError: active dropout, batch norm with statistics of the batch, no trainable
            parameters, outputs of another shape, or outputs that differ from one evaluation
            to the next, depend on other samples or have no derivative.
    """
    _refuse_by_name(module)
    x = as_inputs(module, x)[:TRIED].detach()
    try:
        module = copy.deepcopy(module).double()
        if not trainable(module):
            raise ValueError("module: expected parameters that require a gradient, found none")
        f = _checked_outputs(module, x)
        _refuse_company(module, x, f)
        _refuse_jumps(module, x)
        _refuse_false_derivatives(module, x)
    except (RuntimeError, NotImplementedError, TypeError, IndexError) as error:
        why = (str(error).splitlines() or [type(error).__name__])[0]
        raise ValueError(f"module: cannot be run on samples {list(x.shape)}: {why}") from error
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
    return f.detach()


def _refuse_company(module: nn.Module, x: Tensor, f: Tensor) -> None:
    """Refuse outputs that change from one evaluation to the next, or with the other samples."""
    with torch.no_grad():
        if not _close(module(x), f):
            raise ValueError("module: two evaluations at one θ differ; expected one output a θ")
        alone, turned = module(x[:1]), module(x.flip(0)).flip(0)
    if not _close(alone, f[:1]) or not _close(turned, f):
        raise ValueError(
            "module: the outputs of a sample depend on the samples beside it; "
            "expected a function of each sample alone"
        )


def _close(a: Tensor, b: Tensor) -> bool:
    return bool((a - b).abs().max() <= ROUNDING * (1 + b.abs().max()))


def _direction(theta: Parameters, draw: torch.Generator) -> Parameters:
    """A random direction in which every parameter moves by its own size (zeros by 1)."""
    return {
        name: (float(p.square().mean().sqrt()) or 1.0)
        * torch.randn(p.shape, generator=draw, dtype=p.dtype).to(p.device)
        for name, p in theta.items()
    }


def _moved(module: nn.Module, theta: Parameters, way: Parameters, length: float, x: Tensor):
    with torch.no_grad():
        return evaluate(module, {name: p + length * way[name] for name, p in theta.items()}, x)


def _refuse_jumps(module: nn.Module, x: Tensor) -> None:
    """Search for a jump along paths in θ; a jump that smooth changes dwarf can be missed."""
    theta, draw = trainable(module), torch.Generator().manual_seed(0)
    for _ in range(PATHS):
        way = _direction(theta, draw)
        for reach in REACHES:
            left, whole = _largest_piece(module, theta, way, reach, x)
            if math.isfinite(left) and left <= POLE * whole:
                break  # otherwise the path meets a pole: try a shorter one
        else:
            raise ValueError("module: its outputs grow without bound close to θ0")
        if left > JUMP * whole:
            raise ValueError(
                f"module: not differentiable, its outputs jump by {left:.2g} along a path in θ "
                "on which they ought to change by nearly nothing"
            )


def _largest_piece(
    module: nn.Module, theta: Parameters, way: Parameters, reach: float, x: Tensor
) -> tuple[float, float]:
    """The change over the last of `HALVINGS` halves of a path; the size of outputs and change.

    Of the two halves the one that changes more is kept each time. A continuous change then shrinks
    to almost nothing, a jump does not.
    """
    left, right = 0.0, reach
    at_left, at_right = (_moved(module, theta, way, s, x) for s in (left, right))
    change = float((at_right - at_left).norm())
    whole = change + float(at_left.norm())
    for _ in range(HALVINGS):
        middle = (left + right) / 2
        at_middle = _moved(module, theta, way, middle, x)
        first, second = float((at_middle - at_left).norm()), float((at_right - at_middle).norm())
        if first >= second:
            right, at_right, change = middle, at_middle, first
        else:
            left, at_left, change = middle, at_middle, second
    return change, whole


def _refuse_false_derivatives(module: nn.Module, x: Tensor) -> None:
    """Compare derivatives of random sums of the outputs with difference quotients."""
    theta = trainable(module)
    draw = torch.Generator().manual_seed(1)
    slopes, quotients = [], []
    for _ in range(DIRECTIONS):
        way = _direction(theta, draw)
        f = module(x)
        weights = torch.randn(f.shape, generator=draw, dtype=f.dtype).to(f.device)
        parameters = dict(module.named_parameters())
        wanted = [parameters[name] for name in theta]
        gradient = torch.autograd.grad(
            (weights * f).sum(), wanted, allow_unused=True, materialize_grads=True
        )
        pairs = zip(gradient, theta, strict=True)
        slopes.append(sum(float((slope * way[name]).sum()) for slope, name in pairs))
        ends = [_moved(module, theta, way, s, x) for s in (STEP / 2, -STEP / 2)]
        quotients.append(float((weights * (ends[0] - ends[1])).sum()) / STEP)
    size = math.hypot(*slopes)
    missed = math.dist(quotients, slopes) / max(size, math.hypot(*quotients), 1e-300)
    if not missed <= ALLOWED and max(size, math.hypot(*quotients)) > STEP:
        raise ValueError(
            f"module: not differentiable, difference quotients miss its derivative by "
            f"{missed:.2g} of its size; expected ≤ {ALLOWED:g}"
        )
