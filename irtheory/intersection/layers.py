"""Networks for arrays: F as a perceptron, G as the paper's two layers or as a soft tree."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from irtheory.intersection.choices import Activation, HeadKind


def representation(
    width: int,
    hidden: Sequence[int],
    dim: int,
    activation: Activation = "relu",
    dropout: float = 0.0,
) -> nn.Sequential:
    """F: x [m, width] → features [m, dim] that are not negative.

    Args:
        width: columns of x.
        hidden: widths of the hidden ReLU layers; none makes F linear before its activation.
        dim: d.
        activation: of the last layer, before q.
        dropout: dropout rate of the inputs of every layer.

    Raises:
        ValueError: unknown activation.
    """
    last = {"relu": nn.ReLU, "sigmoid": nn.Sigmoid}.get(activation)
    if last is None:
        raise ValueError(f"activation: expected 'relu' or 'sigmoid', found {activation!r}")
    drop: list[nn.Module] = [nn.Dropout(dropout)] if dropout else []
    layers: list[nn.Module] = []
    for size in hidden:
        layers += [*drop, nn.Linear(width, size), nn.ReLU()]
        width = size
    return nn.Sequential(*layers, *drop, nn.Linear(width, dim), last())


class Head(nn.Sequential):
    """G: codes [m, d] → logits [m, k]; codes are scaled to [0, 1] first.

    Args:
        dim, classes: d and k.
        levels: 2^r, number of values of a code.
        hidden: width of the hidden layer (the paper's G has two layers); 0 makes G linear, so
            that every code adds to the logit of each class independently.
    """

    def __init__(self, dim: int, classes: int, levels: int, hidden: int = 512) -> None:
        layers: list[nn.Module] = [nn.Linear(dim, classes)]
        if hidden:
            layers = [nn.Linear(dim, hidden), nn.ReLU(), nn.Linear(hidden, classes)]
        super().__init__(Scale(1.0 / (levels - 1)), *layers)


class SummedHead(nn.Module):
    """G: the sum of the logits of a linear and of a two-layer head.

    In the linear part each code adds to the logit of a class independently; the two-layer part
    adds the effect of combinations of codes.
    """

    def __init__(self, dim: int, classes: int, levels: int, hidden: int = 512) -> None:
        super().__init__()
        self.linear = Head(dim, classes, levels, 0)
        self.deep = Head(dim, classes, levels, hidden)

    def forward(self, codes: Tensor) -> Tensor:
        """Logits [m, k] of codes [m, d]."""
        return self.linear(codes) + self.deep(codes)


def make_head(
    kind: HeadKind, dim: int, classes: int, levels: int, hidden: int, depth: int
) -> nn.Module:
    """G of a kind; `hidden` is the width of its hidden layer, `depth` the depth of a soft tree."""
    if kind == "soft-tree":
        return SoftTreeHead(dim, classes, levels, depth)
    if kind == "summed":
        return SummedHead(dim, classes, levels, hidden)
    return Head(dim, classes, levels, hidden if kind == "two-layer" else 0)


class Scale(nn.Module):
    """x ↦ factor · x."""

    def __init__(self, factor: float) -> None:
        super().__init__()
        self.factor = factor

    def forward(self, x: Tensor) -> Tensor:
        """The scaled tensor."""
        return x * self.factor


class Standardise(nn.Module):
    """x ↦ (x − mean)/sd with fixed mean and sd > 0, which are saved in the state dict.

    For features that a network gave; columns of a user's table need `ColumnScale`.
    """

    mean: Tensor
    sd: Tensor

    def __init__(self, mean: Tensor, sd: Tensor) -> None:
        super().__init__()
        self.register_buffer("mean", mean)
        self.register_buffer("sd", sd)

    @classmethod
    def of(cls, x: Float[Tensor, "m p"]) -> Standardise:
        """Standardise by the mean and sd of every column; constant columns are only centred."""
        sd = x.std(dim=0, correction=0)
        # The sd of a constant column is rounding error relative to its values, not exactly 0.
        flat = sd <= 1e-12 * x.abs().amax(dim=0)
        return cls(x.mean(dim=0), torch.where(flat, torch.ones_like(sd), sd))

    def forward(self, x: Tensor) -> Tensor:
        """The standardised tensor, in single precision."""
        return ((x - self.mean) / self.sd).float()


class SoftTreeHead(nn.Module):
    """G as a soft decision tree (Frosst and Hinton, 2017): log of the mixture of its leaves.

    Node n sends a sample right with probability σ(w_n·q + b_n); the output is
    log Σ_leaf P(leaf) softmax(v_leaf). It is normalised, so its softmax is the mixture itself.
    """

    def __init__(self, dim: int, classes: int, levels: int, depth: int) -> None:
        super().__init__()
        self.depth = depth
        self.scale = Scale(1.0 / (levels - 1))
        self.gates = nn.Linear(dim, 2**depth - 1)
        self.leaves = nn.Parameter(0.01 * torch.randn(2**depth, classes))

    def forward(self, codes: Float[Tensor, "m d"]) -> Float[Tensor, "m k"]:
        """Log-probabilities of the classes."""
        gates = self.gates(self.scale(codes))
        # log P(node), level by level; sums of logarithms do not underflow in deep trees.
        reach = codes.new_zeros(len(codes), 1)
        for level in range(self.depth):
            gate = gates[:, 2**level - 1 : 2 ** (level + 1) - 1]
            sides = torch.stack([functional.logsigmoid(-gate), functional.logsigmoid(gate)], dim=2)
            reach = (reach[:, :, None] + sides).flatten(1)
        leaves = torch.log_softmax(self.leaves, dim=1)
        return torch.logsumexp(reach[:, :, None] + leaves, dim=1)
