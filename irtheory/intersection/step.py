"""Lines 7 to 9 of Algorithm 1: one batch, a step of G, then one of F."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler

from irtheory.intersection.losses import label_loss, route_loss, sparsity_loss, tree_loss
from irtheory.intersection.network import Network
from irtheory.intersection.weights import Weights
from irtheory.trees.routing import Routing

TERMS = ("label", "tree", "sparsity", "route")


def weighted_sum(weights: Weights, terms: dict[str, Any]) -> Any:
    """Σ λ · term over the terms with λ ≠ 0; terms with λ = 0 are only recorded.

    They are left out rather than multiplied by 0, so that no backward pass runs through them and
    a term that is not finite does not turn the sum into NaN.
    """
    by_name = {name: getattr(weights, name) for name in terms}
    return sum(by_name[name] * value for name, value in terms.items() if by_name[name])


@dataclass(frozen=True)
class StepResult:
    """Result of one batch: F_q(x), logits G(F_q(x)), and the unweighted mean of every term."""

    codes: Float[Tensor, "m d"]
    logits: Float[Tensor, "m k"]
    terms: dict[str, Tensor]


@dataclass(frozen=True)
class Descent:
    """The two optimiser steps of a batch: first G, then F.

    Attributes:
        network: G∘q∘F.
        weights: λ of every term.
        optimise_f, optimise_g: optimisers over the parameters of F and of G.
        schedulers: schedulers of the learning rates, stepped after every batch.
        precision: returns the context of every forward pass.
        chunks: parts in which a batch passes through F, for devices without memory for all of
            it. The step of G comes first and needs all codes, so F runs once more, without
            gradients. Batch statistics are those of a chunk, and running statistics are updated
            twice by each chunk.
        label_smoothing: share of the uniform distribution in the labels of L[G, y].
        class_weights: weight of the samples of each class in all terms but R[F]; None is 1.
    """

    network: Network
    weights: Weights
    optimise_f: Optimizer
    optimise_g: Optimizer
    schedulers: Sequence[LRScheduler] = ()
    precision: Callable[[], AbstractContextManager[Any]] = nullcontext
    chunks: int = 1
    label_smoothing: float = 0.0
    class_weights: Float[Tensor, " k"] | None = None

    def step(self, x: Tensor, y: Tensor, routing: Routing | None) -> StepResult:
        """Both steps for one batch; `routing` is T, None before the first tree."""
        take_steps = self._step_whole_batch if self.chunks == 1 else self._step_in_chunks
        result = take_steps(x, y, routing)
        for scheduler in self.schedulers:
            scheduler.step()
        return result

    def _step_whole_batch(self, x: Tensor, y: Tensor, routing: Routing | None) -> StepResult:
        # The step of G does not change F, so one forward pass of F serves both steps. G runs
        # again for the step of F, which has to see the updated G.
        with self.precision():
            codes = self.network.codes(x)
        routed = self._routed(routing, codes)
        # Detached: the backward pass of G's loss must not free the graph of F, used again below.
        self._step_g(codes.detach(), y, routed)
        self.optimise_f.zero_grad()
        result = self._backward_f(codes, y, routed, 1.0)
        self.optimise_f.step()
        return result

    def _step_in_chunks(self, x: Tensor, y: Tensor, routing: Routing | None) -> StepResult:
        chunks = split_batch(x, y, self.chunks)
        with torch.no_grad(), self.precision():
            codes = torch.cat([self.network.codes(chunk) for chunk, _ in chunks])
        self._step_g(codes, y, self._routed(routing, codes))
        self.optimise_f.zero_grad()
        results, shares = [], [len(chunk) / len(x) for chunk, _ in chunks]
        # Gradients add up over chunks; weighted by size, they are those of the mean over the batch.
        for (chunk, labels), share in zip(chunks, shares, strict=True):
            with self.precision():
                codes = self.network.codes(chunk)
            results.append(self._backward_f(codes, labels, self._routed(routing, codes), share))
        self.optimise_f.step()
        terms = {
            name: torch.stack(
                [s * r.terms[name] for s, r in zip(shares, results, strict=True)]
            ).sum()
            for name in results[0].terms
        }
        return StepResult(
            torch.cat([r.codes for r in results]), torch.cat([r.logits for r in results]), terms
        )

    def _routed(self, routing: Routing | None, codes: Tensor) -> Tensor | None:
        """T(q) [m, k], with gradients to the codes if λ4 ≠ 0; None before the first tree."""
        if routing is None:
            return None
        if self.weights.route and codes.requires_grad:
            return routing.forward(codes)
        return routing.predict(codes.detach())

    def _step_g(self, codes: Tensor, y: Tensor, routed: Tensor | None) -> None:
        with self.precision():
            logits = self.network.logits(codes)
        self.optimise_g.zero_grad()
        weighted_sum(self.weights, self._terms(logits, y, routed)).backward()
        self.optimise_g.step()

    def _backward_f(
        self, codes: Tensor, y: Tensor, routed: Tensor | None, share: float
    ) -> StepResult:
        """Gradients of F for all terms, times `share`.

        They pass through G into its parameters too; `_step_g` clears those before its next step.
        """
        with self.precision():
            logits = self.network.logits(codes)
        terms = self._terms(logits, y, routed) | {"sparsity": sparsity_loss(codes)}
        if routed is not None:
            terms["route"] = route_loss(routed, y, self._of_samples(y))
        total = weighted_sum(self.weights, terms)
        (total if share == 1 else share * total).backward()
        recorded = {name: value.detach() for name, value in terms.items()}
        return StepResult(codes.detach(), logits.detach(), recorded)

    def _terms(self, logits: Tensor, y: Tensor, routed: Tensor | None) -> dict[str, Tensor]:
        """L[G, y], and L[G, T] once there is a tree: `routed` holds its distributions [m, k].

        L[G, T] treats T as a constant (Eq. 5); only `route_loss` sends gradients through its tests.
        """
        weights = self._of_samples(y)
        terms = {"label": label_loss(logits, y, self.label_smoothing, weights)}
        if routed is not None:
            terms["tree"] = tree_loss(logits, routed.detach(), weights)
        return terms

    def _of_samples(self, y: Tensor) -> Tensor | None:
        return None if self.class_weights is None else self.class_weights[y]


def split_batch(x: Tensor, y: Tensor, chunks: int) -> list[tuple[Tensor, Tensor]]:
    """A batch in `chunks` parts, or fewer: batch norm needs at least two samples in each."""
    count = max(min(chunks, len(x) // 2), 1)
    return list(zip(x.tensor_split(count), y.tensor_split(count), strict=True))
