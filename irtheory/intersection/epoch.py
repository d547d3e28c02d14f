"""An epoch on its way: what it has collected so far, so that it can stop and go on inside."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from irtheory.intersection.network import Collected
from irtheory.intersection.processes import Peers
from irtheory.intersection.step import Stepped
from irtheory.trees.tree import Tree


@dataclass
class Progress:
    """The batches of an epoch that are done.

    Attributes:
        epoch: its number.
        steps: batches done.
        parts: codes (uint8), logits and labels of each.
        sums: of every term, each batch weighted by its size.
        seconds: spent before the epoch was interrupted, if it was.
    """

    epoch: int
    steps: int = 0
    parts: list[tuple[Tensor, Tensor, Tensor]] = field(default_factory=list)
    sums: dict[str, Tensor] = field(default_factory=dict)
    seconds: float = 0.0

    def add(self, stepped: Stepped, y: Tensor) -> None:
        """Take note of one batch."""
        self.steps += 1
        self.parts.append((stepped.codes.to(torch.uint8), stepped.logits, y))
        for name, value in stepped.terms.items():
            self.sums[name] = self.sums.get(name, 0.0) + value.double() * len(y)

    @property
    def latest(self) -> tuple[Tensor, Tensor, Tensor]:
        """Codes, logits and labels of the last batch."""
        return self.parts[-1]

    def means(self, peers: Peers, samples: int) -> dict[str, float]:
        """Mean of every term over `samples` samples, those of all processes.

        Raises:
            FloatingPointError: a mean is not finite.
        """
        totals = peers.total(torch.stack(list(self.sums.values()))) / samples
        means = dict(zip(self.sums, totals.tolist(), strict=True))
        for name, value in means.items():
            if not math.isfinite(value):
                raise FloatingPointError(
                    f"epoch {self.epoch}: the {name} loss is {value}; "
                    "a smaller learning rate may help"
                )
        return means

    def joined(self) -> Collected:
        """All that was collected, in this process."""
        return Collected.join(self.parts)

    def state_dict(self, peers: Peers) -> dict[str, Any]:
        """Everything as tensors and numbers, of all processes together."""
        codes, logits, labels = (torch.cat(column) for column in zip(*self.parts, strict=True))
        whole = peers.gather(Collected(codes, logits, labels))
        sums = {name: peers.total(value) for name, value in self.sums.items()}
        parts = [whole.codes, whole.outputs, whole.labels]
        return {"steps": self.steps, "parts": parts, "sums": sums, "seconds": self.seconds}

    @classmethod
    def of(cls, epoch: int, state: dict[str, Any], device: torch.device, first: bool) -> Progress:
        """From `state_dict`; the first process takes all of it, others an empty share."""
        length = None if first else 0
        parts = tuple(part[:length].to(device) for part in state["parts"])
        sums = {name: value.to(device) * first for name, value in state["sums"].items()}
        codes, logits, labels = parts
        return cls(epoch, state["steps"], [(codes, logits, labels)], sums, state["seconds"])


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
