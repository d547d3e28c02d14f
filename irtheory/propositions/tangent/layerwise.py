"""The kernel of a perceptron, computed layer by layer without the Jacobian.

Let layer l be z = s_w W a + s_b b, with inputs a(x) and B_c(x) = df_c/dz. The rows of J that
belong to W are outer products of the two, so that (Novak et al., 2022, structured derivatives)

    K[(x, c), (x', c')] = Σ_l (s_w² a(x)·a(x') + s_b²) · B_c(x)·B_c'(x').
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeGuard

import torch
from torch import Tensor, nn

from irtheory.propositions.tangent.networks import Affine

# Activations that act on every number by itself.
ELEMENTWISE = (
    nn.ReLU, nn.Tanh, nn.GELU, nn.Sigmoid, nn.SiLU, nn.Softplus, nn.ELU, nn.LeakyReLU, nn.Identity,
)  # fmt: skip


@dataclass(frozen=True, eq=False)
class Layer:
    """The part of one affine layer in K, for a block of b samples.

    Attributes:
        inputs: a, [b, fan-in].
        slopes: B, [b, k, fan-out].
        weight: s_w², or 0 if W is not trained.
        bias: s_b², or 0 if b is not trained.
    """

    inputs: Tensor
    slopes: Tensor
    weight: float
    bias: float


def is_perceptron(module: nn.Module, x: Tensor) -> TypeGuard[nn.Sequential]:
    """Whether the module is a plain chain of affine layers and elementwise activations.

    Layers that share parameters or carry hooks are left to the general path.
    """
    if type(module) is not nn.Sequential or len(module) == 0:
        return False
    affine = [part for part in module if _is_affine(part)]
    weights = [p for part in affine for p in part.parameters()]
    plain = all(type(part) in ELEMENTWISE or _is_affine(part) for part in module)
    hooked = any(
        part._forward_hooks or part._forward_pre_hooks or "forward" in vars(part)
        for part in module.modules()
    )
    flat = x.ndim == 2 or type(module[0]) is Affine
    return plain and flat and not hooked and len(set(map(id, weights))) == len(weights)


def _is_affine(part: nn.Module) -> TypeGuard[Affine | nn.Linear]:
    if type(part) is Affine:
        return part.weight.ndim == 2
    return type(part) is nn.Linear


def bytes_a_sample(module: nn.Sequential, outputs: int) -> int:
    """Bytes that `layers` needs for one sample: inputs and slopes of all layers, and copies."""
    weights = [p for p in module.parameters() if p.ndim == 2]
    return 8 * sum(2 * w.shape[1] + 2 * (1 + outputs) * w.shape[0] for w in weights)


def layers(module: nn.Sequential, x: Tensor) -> list[Layer]:
    """The layers' inputs and slopes for samples x [b, …], last layer first."""
    inputs: list[Tensor] = []
    derivatives: list[Tensor] = []
    h = x
    for part in module:
        inputs.append(h.flatten(1))
        if _is_affine(part):
            with torch.no_grad():
                h = part(h)
            derivatives.append(h.new_empty(0))
        else:
            h, derivative = _activate(part, h)
            derivatives.append(derivative)
    slopes = torch.eye(h.shape[1], dtype=h.dtype, device=h.device).expand(len(h), -1, -1)
    found = []
    for part, before, derivative in reversed(list(zip(module, inputs, derivatives, strict=True))):
        if not _is_affine(part):
            slopes = slopes * derivative[:, None, :]
            continue
        found.append(_layer(part, before, slopes))
        if part is not module[0]:
            slopes = slopes @ (_scales(part)[0] * part.weight.detach())
    return found


def _activate(part: nn.Module, z: Tensor) -> tuple[Tensor, Tensor]:
    with torch.enable_grad():
        z = z.detach().requires_grad_()
        h = part(z.clone())  # a clone, as the activation may work in place
        (derivative,) = torch.autograd.grad(h.sum(), z)
    return h.detach(), derivative


def _scales(part: Affine | nn.Linear) -> tuple[float, float]:
    """(s_w, s_b)."""
    return (part.weight_scale, part.bias_scale) if isinstance(part, Affine) else (1.0, 1.0)


def _layer(part: Affine | nn.Linear, inputs: Tensor, slopes: Tensor) -> Layer:
    weight, bias = _scales(part)
    has_bias = part.bias is not None and part.bias.requires_grad
    return Layer(
        inputs, slopes, weight**2 if part.weight.requires_grad else 0.0, bias**2 * has_bias
    )


def contract(rows: list[Layer], columns: list[Layer]) -> Tensor:
    """The block [b k, b' k] of K that two blocks of samples span."""
    total = None
    for a, b in zip(rows, columns, strict=True):
        inputs = a.weight * (a.inputs @ b.inputs.T) + a.bias
        (m, k, _), n = a.slopes.shape, len(b.slopes)
        slopes = a.slopes.reshape(m * k, -1) @ b.slopes.reshape(n * k, -1).T
        term = slopes.view(m, k, n, k).mul_(inputs[:, None, :, None])
        total = term if total is None else total.add_(term)
    assert total is not None
    return total.reshape(total.shape[0] * total.shape[1], -1)
