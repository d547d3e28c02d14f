"""The trained model as one module of plain tensor operations: pixels → codes, G and T."""

from __future__ import annotations

import torch
from jaxtyping import Float, Int, UInt8
from torch import Tensor, nn

from irtheory.intersection.quantize import UniformQuantizer
from irtheory.runs.files import InputError
from irtheory.trees.routing import Routing
from irtheory.trees.tree import Tree
from irvision.models.network import view_of
from irvision.runs.trained import Trained


class Graph(nn.Module):
    """F, q, G and T with the normalisation of pixels before them, all with fixed weights.

    Args:
        trained: the run.

    Raises:
        InputError: codes of the run depend on the batch, or its q is not uniform.
    """

    mean: Tensor
    sd: Tensor

    def __init__(self, trained: Trained) -> None:
        super().__init__()
        view = view_of(trained.settings)
        self.represent, self.classify = trained.network.represent, trained.network.classify
        self.quantize = _fixed(trained.network.quantize)
        self.tree = _FixedTree(trained.tree)
        self.register_buffer("mean", 255 * torch.tensor(view.mean))
        self.register_buffer("sd", 255 * torch.tensor(view.sd))
        self.register_buffer("kept", torch.from_numpy(trained.kept))
        self.kept: Tensor

    def forward(
        self, pixels: UInt8[Tensor, "b c c 3"]
    ) -> tuple[UInt8[Tensor, "b d"], Float[Tensor, "b k"], Int[Tensor, " b"], Float[Tensor, "b k"]]:
        """Codes, probabilities of G, class of T, and the values of its leaf."""
        images = ((pixels.float() - self.mean) / self.sd).permute(0, 3, 1, 2)
        codes = self.quantize(self.represent(images))
        probabilities = self.classify(codes).softmax(dim=1)
        values = self.tree(codes.index_select(1, self.kept))
        return codes.to(torch.uint8), probabilities, values.argmax(dim=1), values


class _Fixed(nn.Module):
    """round(clamp(z̃ + x/s, 0, 2^r − 1)) with fixed z̃ and s."""

    zero_point: Tensor
    scale: Tensor

    def __init__(self, zero_point: Tensor, scale: Tensor, top: int) -> None:
        super().__init__()
        self.top = float(top)
        self.register_buffer("zero_point", zero_point.detach().clone())
        self.register_buffer("scale", scale.detach().clone())

    def forward(self, x: Tensor) -> Tensor:
        return (self.zero_point + x / self.scale).clamp(0.0, self.top).round()


class _FixedTree(nn.Module):
    """T: at every level each sample goes to a child of its node; leaves stay where they are."""

    feature: Tensor
    threshold: Tensor
    left: Tensor
    right: Tensor
    value: Tensor

    def __init__(self, tree: Tree) -> None:
        super().__init__()
        routing = Routing.of(tree)
        for name in ("feature", "threshold", "left", "right", "value"):
            self.register_buffer(name, getattr(routing, name))
        self.depth = routing.depth

    def forward(self, codes: Tensor) -> Tensor:
        node = torch.zeros_like(codes[:, 0], dtype=torch.int64)
        for _ in range(self.depth):
            tested = codes.gather(1, self.feature[node][:, None])[:, 0]
            node = torch.where(tested > self.threshold[node], self.right[node], self.left[node])
        return self.value[node]


def _fixed(quantize: nn.Module) -> _Fixed:
    if not isinstance(quantize, UniformQuantizer):
        raise InputError(f"export: expected a uniform quantiser, found {type(quantize).__name__}")
    try:
        zero_point, scale = quantize.affine()
    except ValueError as error:
        raise InputError(f"export: codes of this run depend on the batch ({error})") from None
    return _Fixed(zero_point, scale, quantize.levels - 1)
