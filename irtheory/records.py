"""What Algorithm 1 leaves behind: codes and outputs of a set, and the record of an epoch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int, UInt8
from torch import Tensor

from irtheory.trees.routing import Routing
from irtheory.trees.tree import Tree


@dataclass(frozen=True)
class Epoch:
    """The record of one epoch; accuracies are shares of samples, in [0, 1].

    Attributes:
        epoch: 1, 2, …
        losses: mean of every named term, unweighted, as it entered the steps of F; NaN for a
            term that is not in force (the tree terms in the first epoch).
        total: weighted sum of the terms.
        accuracy_g, accuracy_t: of G during the epoch and of the tree grown after it, on train.
        agreement: share of train samples on which G and that tree name the same class.
        validation_g, validation_t, validation_agreement: in eval mode; None without a
            validation set.
        leaves, depth, codes_used: size of the tree, and how many codes it tests.
        density: share of codes that are not 0.
        constant: share of codes that never changed during the epoch.
        samples, seconds: how many, and how long the epoch took, validation included.
    """

    epoch: int
    losses: dict[str, float]
    total: float
    accuracy_g: float
    accuracy_t: float
    agreement: float
    validation_g: float | None
    validation_t: float | None
    validation_agreement: float | None
    leaves: int
    depth: int
    codes_used: int
    density: float
    constant: float
    samples: int
    seconds: float


@dataclass(frozen=True, eq=False)
class Collected:
    """What the network says of a set of samples, on the network's device.

    Attributes:
        codes: F_q(x), uint8 [m, d].
        outputs: G(F_q(x)) as probabilities, float32 [m, k].
        labels: y, int64 [m].
    """

    codes: UInt8[Tensor, "m d"]
    outputs: Float[Tensor, "m k"]
    labels: Int[Tensor, " m"]

    @classmethod
    def join(cls, parts: Sequence[tuple[Tensor, Tensor, Tensor]]) -> Collected:
        """From batches of float codes, logits and labels."""
        if not parts:
            raise ValueError("batches: expected at least one, found none")
        codes, logits, labels = zip(*parts, strict=True)
        outputs = torch.cat(logits).detach().float().softmax(dim=1)
        return cls(torch.cat(codes).detach().to(torch.uint8), outputs, torch.cat(labels))

    def accuracies(self, tree: Tree) -> tuple[float, float, float]:
        """Accuracy of G, of T, and the share of samples on which both name the same class."""
        routing = Routing.of(tree, self.codes.device)
        by_g, by_t = self.outputs.argmax(dim=1), routing.predict(self.codes).argmax(dim=1)
        shares = torch.stack([by_g == self.labels, by_t == self.labels, by_g == by_t])
        g, t, both = shares.float().mean(dim=1).tolist()
        return g, t, both

    def constant_share(self) -> float:
        """Share of codes that are the same for every sample."""
        return (self.codes == self.codes[:1]).all(dim=0).float().mean().item()


def epoch_record(
    epoch: int,
    losses: dict[str, float],
    total: float,
    seen: Collected,
    held: Collected | None,
    tree: Tree,
    seconds: float,
) -> Epoch:
    """Sum up an epoch: what it collected, the validation set if there is one, its tree."""
    return Epoch(
        epoch,
        losses,
        total,
        *seen.accuracies(tree),
        *(held.accuracies(tree) if held else (None, None, None)),
        leaves=tree.n_leaves,
        depth=tree.depth,
        codes_used=len(tree.used_features),
        density=(seen.codes > 0).float().mean().item(),
        constant=seen.constant_share(),
        samples=len(seen.labels),
        seconds=seconds,
    )
