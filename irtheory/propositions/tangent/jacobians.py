"""The kernel of any module, from explicit Jacobians of blocks of samples."""

from __future__ import annotations

import warnings

import torch
from torch import Tensor, nn
from torch.func import jacrev, vmap

from irtheory.propositions.tangent.admission import evaluate, trainable


def bytes_a_sample(module: nn.Module, x: Tensor, outputs: int) -> int:
    """Bytes for one sample: J twice while it is computed, and the buffers of k backward passes."""
    one = x[:1]
    # The difference between two samples and one is the share of a sample; the rest is the weights'.
    saved = _saved(module, torch.cat([one, one])) - _saved(module, one)
    parameters = sum(p.numel() for p in trainable(module).values())
    return 8 * (2 * outputs * parameters + 2 * (outputs + 1) * saved)


def _saved(module: nn.Module, x: Tensor) -> int:
    """Count of the numbers that autograd keeps of a forward pass."""
    saved = 0

    def count(tensor: Tensor) -> Tensor:
        nonlocal saved
        saved += tensor.numel()
        return tensor

    with torch.enable_grad(), torch.autograd.graph.saved_tensors_hooks(count, lambda t: t):
        module(x)
    return saved


def jacobians(module: nn.Module, x: Tensor) -> list[Tensor]:
    """df/dp for every parameter p, [b, k, size of p], for samples x [b, …].

    For modules that torch.func cannot batch (recurrent ones, branches on values) the outputs are
    differentiated one by one.
    """

    def output(parameters: dict[str, Tensor], sample: Tensor) -> Tensor:
        return evaluate(module, parameters, sample[None])[0]

    try:
        with warnings.catch_warnings():
            # Operations without a batching rule run in a loop, which is slower but correct.
            warnings.filterwarnings("ignore", "There is a performance drop")
            rows = vmap(jacrev(output), in_dims=(None, 0))(trainable(module), x)
    except RuntimeError as error:
        if "allocate" in str(error) or isinstance(error, torch.OutOfMemoryError):
            raise
        return _one_by_one(module, x)
    return [J.detach().flatten(2) for J in rows.values()]


def _one_by_one(module: nn.Module, x: Tensor) -> list[Tensor]:
    weights = [p for p in module.parameters() if p.requires_grad]
    found: list[list[list[Tensor]]] = [[] for _ in weights]
    for sample in x:
        f = module(sample[None])[0]
        rows = [
            torch.autograd.grad(
                c, weights, retain_graph=True, allow_unused=True, materialize_grads=True
            )
            for c in f
        ]
        for place, slopes in zip(found, zip(*rows, strict=True), strict=True):
            place.append([slope.flatten() for slope in slopes])
    return [torch.stack([torch.stack(rows) for rows in place]) for place in found]


def contract(rows: list[Tensor], columns: list[Tensor]) -> Tensor:
    """J Jᵀ of two blocks of samples, [b k, b' k], summed over the parameters."""
    total = None
    for a, b in zip(rows, columns, strict=True):
        left, right = a.flatten(0, 1), b.flatten(0, 1)
        total = left @ right.T if total is None else total.addmm_(left, right.T)
    assert total is not None
    return total
