"""A partly completed epoch, which can be interrupted and resumed, and the record of a whole one."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from irtheory.intersection.network import Collected
from irtheory.intersection.processes import Processes, gather
from irtheory.intersection.step import StepResult
from irtheory.trees.tree import Tree


@dataclass
class PartialEpoch:
    """State of a partly completed epoch: what this process collected from its batches so far.

    Attributes:
        epoch: number of the epoch, from 1.
        steps: batches completed.
        parts: codes (uint8), logits and labels of every completed batch.
        sums: sum of every loss term over samples: each batch mean times the batch size.
        seconds: time spent before an interruption, 0 without one.
    """

    epoch: int
    steps: int = 0
    parts: list[tuple[Tensor, Tensor, Tensor]] = field(default_factory=list)
    sums: dict[str, Tensor] = field(default_factory=dict)
    seconds: float = 0.0

    def add(self, result: StepResult, y: Tensor) -> None:
        """Add the result of one batch with labels y."""
        self.steps += 1
        self.parts.append((result.codes.to(torch.uint8), result.logits, y))
        for name, value in result.terms.items():
            # Sums stay on the device: reading a number would make the host wait at every step.
            self.sums[name] = self.sums.get(name, 0.0) + value.double() * len(y)

    @property
    def last_batch(self) -> tuple[Tensor, Tensor, Tensor]:
        """Codes, logits and labels of the last batch."""
        return self.parts[-1]

    def broken_loss(self) -> str | None:
        """The first loss of the batches so far that is not finite, in words; None if all are."""
        for name, value in self.sums.items():
            if not math.isfinite(value.item()):
                return f"the {name} loss is {value.item()}"
        return None

    def means(self, processes: Processes, samples: int) -> dict[str, float]:
        """Mean of every term over `samples`, the number of samples in all processes.

        Raises:
            FloatingPointError: a mean is not finite.
        """
        totals = processes.all_reduce_sum(torch.stack(list(self.sums.values()))) / samples
        means = dict(zip(self.sums, totals.tolist(), strict=True))
        for name, value in means.items():
            if not math.isfinite(value):
                raise FloatingPointError(f"epoch {self.epoch}: the {name} loss is {value}")
        return means

    def collected(self) -> Collected:
        """Codes, outputs and labels of all batches of this process."""
        return Collected.join(self.parts)

    def state_dict(self, processes: Processes) -> dict[str, Any]:
        """The state of all processes together, as tensors and numbers."""
        codes, logits, labels = (torch.cat(column) for column in zip(*self.parts, strict=True))
        whole = gather(processes, Collected(codes, logits, labels))
        sums = {name: processes.all_reduce_sum(value) for name, value in self.sums.items()}
        parts = [whole.codes, whole.outputs, whole.labels]
        return {"steps": self.steps, "parts": parts, "sums": sums, "seconds": self.seconds}

    @classmethod
    def from_state_dict(
        cls, epoch: int, state: dict[str, Any], device: torch.device, rank: int
    ) -> PartialEpoch:
        """Restore what `state_dict` returned.

        Process 0 takes all samples and sums, the others take none: gathering and summing over
        processes at the end of the epoch then counts each of them once, however many processes
        resume the run.
        """
        first = rank == 0
        length = None if first else 0
        codes, logits, labels = (part[:length].to(device) for part in state["parts"])
        sums = {name: value.to(device) * first for name, value in state["sums"].items()}
        return cls(epoch, state["steps"], [(codes, logits, labels)], sums, state["seconds"])


@dataclass(frozen=True)
class Epoch:
    """The record of one completed epoch; accuracies are shares of samples, in [0, 1].

    Attributes:
        epoch: number of the epoch, 1, 2, …
        losses: mean of every named term, unweighted, as it entered the steps of F; NaN for a
            term that is not used (the tree terms in the first epoch).
        total: weighted sum of the terms.
        accuracy_g, accuracy_t: training accuracy of G, measured during the epoch, and of the tree
            grown after it.
        agreement: share of training samples for which G and that tree predict the same class.
        validation_g, validation_t, validation_agreement: the same on the validation set, with the
            network in eval mode; None without a validation set.
        leaves, depth, codes_used: size of the tree, and number of codes that it tests.
        density: share of codes that are not 0.
        constant: share of codes that had one value throughout the epoch.
        samples: number of training samples.
        seconds: duration of the epoch, validation included.
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
    validation: Collected | None,
    tree: Tree,
    seconds: float,
) -> Epoch:
    """Summarise an epoch from the training samples, the validation set if any, and the tree."""
    return Epoch(
        epoch,
        losses,
        total,
        *seen.accuracies(tree),
        *(validation.accuracies(tree) if validation else (None, None, None)),
        leaves=tree.n_leaves,
        depth=tree.depth,
        codes_used=len(tree.used_features),
        density=(seen.codes > 0).float().mean().item(),
        constant=seen.constant_share(),
        samples=len(seen.labels),
        seconds=seconds,
    )
