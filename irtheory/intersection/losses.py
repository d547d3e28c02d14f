"""The terms of Algorithm 1's objective, one function each."""

from __future__ import annotations

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn import functional

# Share of the uniform distribution mixed into T(q): a leaf may give a class probability 0.
ROUTE_SMOOTHING = 0.01


Samples = Float[Tensor, " m"] | None


def label_loss(
    logits: Float[Tensor, "m k"],
    y: Int[Tensor, " m"],
    smoothing: float = 0.0,
    weights: Samples = None,
) -> Float[Tensor, ""]:
    """L[G, y] = −mean w Σ_i v_i log u_i, u = softmax of the logits.

    v is the one-hot label, mixed with a share `smoothing` of the uniform distribution; w are
    weights of the samples, 1 by default.
    """
    if weights is None:
        return functional.cross_entropy(logits, y, label_smoothing=smoothing)
    each = functional.cross_entropy(logits, y, reduction="none", label_smoothing=smoothing)
    return (weights * each).mean()


def tree_loss(
    logits: Float[Tensor, "m k"], leaf: Float[Tensor, "m k"], weights: Samples = None
) -> Float[Tensor, ""]:
    """L[G, T] = −mean w Σ_i v_i log u_i, v the distribution of T's leaf (Eq. 5)."""
    return _mean(-(leaf * torch.log_softmax(logits, dim=1)).sum(dim=1), weights)


def sparsity_loss(codes: Float[Tensor, "m d"]) -> Float[Tensor, ""]:
    """R[F] = mean ‖F_q(x)‖₁ (Eq. 6, divided by the size of the batch).

    Codes are not negative, so the norm is their sum. Unlike the gradient of |q|, that of the sum is
    1 at q = 0 as well.
    """
    return codes.sum(dim=1).mean()


def route_loss(
    routed: Float[Tensor, "m k"], y: Int[Tensor, " m"], weights: Samples = None
) -> Float[Tensor, ""]:
    """L[T, y] = −mean w log T(q)_y, with T(q) smoothed so that the logarithm stays finite."""
    chosen = routed.gather(1, y[:, None])[:, 0]
    uniform = 1.0 / routed.shape[1]
    each = -torch.log((1 - ROUTE_SMOOTHING) * chosen + ROUTE_SMOOTHING * uniform)
    return _mean(each, weights)


def _mean(each: Float[Tensor, " m"], weights: Samples) -> Float[Tensor, ""]:
    return each.mean() if weights is None else (weights * each).mean()
