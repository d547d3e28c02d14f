"""G∘q∘F as one module, and its codes and outputs for a set of samples."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from typing import Any

import torch
from jaxtyping import Float, Int, UInt8
from torch import Tensor, nn

from irtheory.intersection.quantize import UniformQuantizer
from irtheory.trees.routing import Routing
from irtheory.trees.tree import Tree

# Levels farther out than this are kept as this, which single bytes of codes are far below.
LARGEST_LEVEL = 1e4


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

    def levels(self, x: Tensor) -> Float[Tensor, "m d"]:
        """F(x) in units of codes, before it is clamped and rounded; in eval mode alone.

        A test code > t is passed where the level is above ⌊t⌋ + ½; the difference is its margin.
        """
        return self.quantize.unrounded(self.represent(x).float())  # type: ignore[operator]

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
    levels: bool = False,
) -> Collected:
    """Codes and outputs of a set in eval mode, without gradients.

    Modules that were in train mode return to it, and only they: frozen parts stay in eval mode.

    Args:
        network: G∘q∘F.
        batches: of (x, y).
        precision: context of the pass, such as autocast.
        levels: also keep the features before they are rounded, if q is a `UniformQuantizer`.

    Raises:
        FloatingPointError: features or outputs that are not finite.
    """
    training = [module for module in network.modules() if module.training]
    network.eval()
    parts, before = [], []
    q = network.quantize
    with torch.inference_mode(), precision():
        for x, y in batches:
            features = network.represent(x).float()
            codes = q(features)
            parts.append((codes, network.logits(codes), y))
            if levels and isinstance(q, UniformQuantizer):
                before.append(q.unrounded(features).clamp(-LARGEST_LEVEL, LARGEST_LEVEL).half())
    for module in training:
        module.training = True
    seen = Collected.join(parts)
    if before:
        seen = replace(seen, levels=torch.cat(before))
    if not bool(seen.outputs.isfinite().all()):
        raise FloatingPointError("outputs of G: expected finite numbers, found others")
    return seen


@dataclass(frozen=True, eq=False)
class Collected:
    """Codes and outputs of the network for a set of samples, on the network's device.

    Attributes:
        codes: F_q(x), uint8 [m, d].
        outputs: G(F_q(x)) as probabilities, float32 [m, k].
        labels: y, int64 [m].
        levels: see `Network.levels`, float16 [m, d]; None where they were not asked for.
    """

    codes: UInt8[Tensor, "m d"]
    outputs: Float[Tensor, "m k"]
    labels: Int[Tensor, " m"]
    levels: Float[Tensor, "m d"] | None = None

    @classmethod
    def join(cls, parts: Sequence[tuple[Tensor, Tensor, Tensor]]) -> Collected:
        """Join batches of codes, logits and labels; logits become probabilities."""
        if not parts:
            raise ValueError("batches: expected at least one, found none")
        codes, logits, labels = zip(*parts, strict=True)
        outputs = torch.cat(logits).detach().float().softmax(dim=1)
        return cls(torch.cat(codes).detach().to(torch.uint8), outputs, torch.cat(labels))

    def accuracies(self, tree: Tree) -> tuple[float, float, float]:
        """Accuracy of G, of T, and the share of samples for which both predict the same class."""
        routing = Routing.of(tree, self.codes.device)
        by_g, by_t = self.outputs.argmax(dim=1), routing.predict(self.codes).argmax(dim=1)
        shares = torch.stack([by_g == self.labels, by_t == self.labels, by_g == by_t])
        g, t, both = shares.float().mean(dim=1).tolist()
        return g, t, both

    def constant_share(self) -> float:
        """Share of codes that have the same value for every sample."""
        return (self.codes == self.codes[:1]).all(dim=0).float().mean().item()
