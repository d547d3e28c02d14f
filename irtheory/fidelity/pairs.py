"""Both directions of Eq. 3, with one matrix product fᵀg for each block of features and draw."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from irtheory.fidelity.inputs import Annotation, count_dtype
from irtheory.fidelity.pair_f1 import Counts, PairF1

# Below this size torch runs an elementwise operation on one core, in cache and without the cost
# of starting others; a GPU takes the whole block at once.
SERIAL_ELEMENTS = 32_000
# A reweighting or permutation of the rows of an m × k matrix.
Draw = Callable[[Tensor], Tensor]


@dataclass(frozen=True)
class Halves:
    """d_D(f‖g) and d_D(g‖f), the two directions of Eq. 3."""

    attributes_by_features: float
    features_by_attributes: float

    @property
    def score(self) -> float:
        """d_D(f; g), the harmonic mean; 0 where both halves are 0."""
        a, b = self.attributes_by_features, self.features_by_attributes
        return 2 * a * b / (a + b) if a + b > 0 else 0.0


@dataclass(frozen=True)
class Matches:
    """Best feature of each attribute: r̂, index of the feature, and whether complemented."""

    value: Tensor
    feature: Tensor
    complemented: Tensor


def closed_under_complement(features: Tensor) -> bool:
    """Whether the columns are (u¹ ‖ 1 − u¹), as the binarisation of codes gives them."""
    half, odd = divmod(features.shape[1], 2)
    first, second = features[:, :half], features[:, half:]
    return odd == 0 and all(
        bool((a ^ b).amin() == 1) for a, b in zip(first.split(256), second.split(256), strict=True)
    )


class FeatureBlocks:
    """m × D uint8 features against m × n attributes, one block of columns at a time.

    Where the second half of the columns complements the first, only the first is read: r̂(f, ·)
    is the same for u and 1 − u, and the counts of 1 − u follow from those of u.

    Args:
        annotation: the attributes.
        features: m × D zeros and ones, uint8.
        columns: columns in a block, which are converted to floats together.
    """

    def __init__(self, annotation: Annotation, features: Tensor, columns: int) -> None:
        self.annotation = annotation
        self.total = features.shape[1]
        self.paired = closed_under_complement(features)
        self.features = features[:, : self.total // 2] if self.paired else features
        self.columns = min(columns, self.features.shape[1])
        self.dtype = count_dtype(len(features))
        n, device = annotation.positive.shape[1], features.device
        self._floats = torch.empty(len(features) * self.columns, dtype=self.dtype, device=device)
        self._both = torch.empty(n * self.columns, dtype=self.dtype, device=device)
        narrow = max(1, SERIAL_ELEMENTS // n) if device.type == "cpu" else self.columns
        self._f1 = PairF1(n, min(narrow, self.columns), device)

    def __iter__(self) -> Iterator[tuple[int, Tensor]]:
        """(index of the first column, m × b columns) of each block; valid until the next."""
        for start in range(0, self.features.shape[1], self.columns):
            block = self.features[:, start : start + self.columns]
            floats = self._floats[: block.numel()].view(block.shape)
            yield start, floats.copy_(block)

    def pair_f1(self, block: Tensor, draw: Draw) -> Iterator[tuple[int, PairF1, Tensor]]:
        """F1 of all pairs with one block under one draw, a few columns at a time.

        Yields:
            Index of the first column within the block, the F1s, and the annotated rows N.
        """
        positive = draw(self.annotation.positive).to(self.dtype)
        annotated = draw(self.annotation.annotated).to(self.dtype)
        both = self._both[: positive.shape[1] * block.shape[1]].view(-1, block.shape[1])
        torch.mm(positive.T, block, out=both)
        attribute, rows = positive.sum(0).double()[:, None], annotated.sum(0).double()[:, None]
        feature = annotated.T @ block
        for start in range(0, block.shape[1], self._f1.columns):
            part = slice(start, start + self._f1.columns)
            counts = Counts(both[:, part].double(), attribute, feature[:, part].double(), rows)
            self._f1.load(counts)
            yield start, self._f1, rows

    def sum_over_features(self, f1: PairF1) -> Tensor:
        """Sum of max_i r̂(g_j, f_i) over the loaded columns, and their complements if given."""
        total = f1.of_features().amax(0).sum()
        return total + f1.of_complements().amax(0).sum() if self.paired else total


def best_matches(blocks: FeatureBlocks) -> tuple[Matches, Tensor]:
    """argmax_j r̂(f_i, g_j), and the sum over j of max_i r̂(g_j, f_i).

    Ties go to the lowest index, then to the feature as it stands.
    """
    found: list[Matches] = []
    by_feature = torch.zeros((), dtype=torch.float64, device=blocks.features.device)
    for start, block in blocks:
        for offset, f1, _ in blocks.pair_f1(block, lambda a: a):
            value, feature = f1.of_attributes().max(1)
            at = feature[:, None]
            complemented = (f1.flipped.gather(1, at) > f1.same.gather(1, at)).flatten()
            found.append(Matches(value, feature + (start + offset), complemented))
            by_feature += blocks.sum_over_features(f1)
    value, which = torch.stack([match.value for match in found]).max(0, keepdim=True)
    feature = torch.stack([match.feature for match in found]).gather(0, which)
    complemented = torch.stack([match.complemented for match in found]).gather(0, which)
    return Matches(value[0], feature[0], complemented[0]), by_feature


def halves(blocks: FeatureBlocks, draws: Sequence[Draw]) -> list[Halves]:
    """Both halves of Eq. 3 for each draw.

    Each block becomes floats once for all draws. The mean over attributes leaves out those
    without an annotated row in the draw.
    """
    shape = (len(draws), blocks.annotation.positive.shape[1])
    by_attribute = torch.zeros(shape, dtype=torch.float64, device=blocks.features.device)
    by_feature = torch.zeros_like(by_attribute[:, 0])
    annotated = torch.zeros_like(by_attribute)
    for _, block in blocks:
        for i, draw in enumerate(draws):
            for _, f1, rows in blocks.pair_f1(block, draw):
                by_attribute[i] = torch.maximum(by_attribute[i], f1.of_attributes().amax(1))
                by_feature[i] += blocks.sum_over_features(f1)
                annotated[i] = (rows > 0).flatten()
    first = (by_attribute * annotated).sum(1) / annotated.sum(1)
    second = by_feature / blocks.total
    return [Halves(a, b) for a, b in zip(first.tolist(), second.tolist(), strict=True)]
