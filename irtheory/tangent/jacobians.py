"""The kernel of any module, from explicit Jacobians of blocks of samples."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.func import jacrev, vmap

from irtheory.tangent.admission import evaluate, trainable


def bytes_a_sample(module: nn.Module, x: Tensor, outputs: int) -> int:
    """Memory that `jacobians` takes for one sample: J, and activations for k backward passes."""
    size = 0

    def count(_part: nn.Module, _inputs: tuple, result: object) -> None:
        nonlocal size
        size += result.numel() if isinstance(result, Tensor) else 0

    leaves = [part for part in module.modules() if not list(part.children())]
    hooks = [part.register_forward_hook(count) for part in leaves]
    with torch.no_grad():
        module(x[:1])
    for hook in hooks:
        hook.remove()
    parameters = sum(p.numel() for p in trainable(module).values())
    return 8 * outputs * (parameters + 2 * size) + 16 * size


def jacobians(module: nn.Module, x: Tensor) -> list[Tensor]:
    """df/dp for every parameter p, [b, k, size of p], for samples x [b, …]."""

    def output(parameters: dict[str, Tensor], sample: Tensor) -> Tensor:
        return evaluate(module, parameters, sample[None])[0]

    rows = vmap(jacrev(output), in_dims=(None, 0))(trainable(module), x)
    return [J.detach().flatten(2) for J in rows.values()]


def contract(rows: list[Tensor], columns: list[Tensor]) -> Tensor:
    """J Jᵀ of two blocks of samples, [b k, b' k], summed over the parameters."""
    total = None
    for a, b in zip(rows, columns, strict=True):
        left, right = a.flatten(0, 1), b.flatten(0, 1)
        total = left @ right.T if total is None else total.addmm_(left, right.T)
    assert total is not None
    return total
