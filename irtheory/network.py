"""G∘q∘F as one module, and what it says of a set of samples."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from irtheory.records import Collected


class Network(nn.Module):
    """G∘q∘F.

    Args:
        represent: F, any module that maps a batch to non-negative features [m, d].
        quantize: q, a `UniformQuantizer`.
        classify: G, any module that maps codes [m, d] to logits [m, k].
    """

    def __init__(self, represent: nn.Module, quantize: nn.Module, classify: nn.Module) -> None:
        super().__init__()
        self.represent, self.quantize, self.classify = represent, quantize, classify

    def codes(self, x: Tensor) -> Float[Tensor, "m d"]:
        """F_q(x) as floats, with straight-through gradients."""
        return self.quantize(self.represent(x).float())

    def forward(self, x: Tensor) -> Float[Tensor, "m k"]:
        """Logits of G∘F_q."""
        return self.logits(self.codes(x))

    def logits(self, codes: Tensor) -> Float[Tensor, "m k"]:
        """Logits of G in single precision, which the losses need under any autocast."""
        return self.classify(codes).float()


def collect(
    network: Network,
    batches: Iterable[tuple[Tensor, Tensor]],
    precision: Callable[[], AbstractContextManager[Any]] = nullcontext,
) -> Collected:
    """Codes and outputs of a set in eval mode, without gradients; modes are then restored."""
    training = [module for module in network.modules() if module.training]
    network.eval()
    parts = []
    with torch.inference_mode(), precision():
        for x, y in batches:
            codes = network.codes(x)
            parts.append((codes, network.logits(codes), y))
    for module in training:
        module.training = True
    return Collected.join(parts)
