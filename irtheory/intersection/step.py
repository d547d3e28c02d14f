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


def weigh(weights: Weights, terms: dict[str, Any]) -> Any:
    """Σ λ · term over the terms that weigh anything; the others are only recorded."""
    by_name = {name: getattr(weights, name) for name in terms}
    return sum(by_name[name] * value for name, value in terms.items() if by_name[name])


@dataclass(frozen=True)
class Stepped:
    """A batch after its step: F_q(x), G(F_q(x)) as logits, and the unweighted mean terms."""

    codes: Float[Tensor, "m d"]
    logits: Float[Tensor, "m k"]
    terms: dict[str, Tensor]


@dataclass(frozen=True)
class Descent:
    """How a batch moves G, then F.

    Attributes:
        network: G∘q∘F.
        weights: λ of every term.
        optimise_f, optimise_g: optimisers over the parameters of F and of G.
        schedulers: of the learning rates, stepped after every batch.
        precision: makes the context of every forward pass.
        chunks: parts in which a batch passes through F, for devices too small for all of it.
            F then passes once more, without gradients, for the step of G, which comes first;
            batch statistics are those of a chunk and take note of each chunk twice.
    """

    network: Network
    weights: Weights
    optimise_f: Optimizer
    optimise_g: Optimizer
    schedulers: Sequence[LRScheduler] = ()
    precision: Callable[[], AbstractContextManager[Any]] = nullcontext
    chunks: int = 1

    def step(self, x: Tensor, y: Tensor, routing: Routing | None) -> Stepped:
        """Both steps for one batch; `routing` is T, None before there is one."""
        stepped = self._whole(x, y, routing) if self.chunks == 1 else self._parts(x, y, routing)
        for scheduler in self.schedulers:
            scheduler.step()
        return stepped

    def _whole(self, x: Tensor, y: Tensor, routing: Routing | None) -> Stepped:
        # F stands still while G moves, so one forward pass of it serves both steps; G runs
        # for each of them, with its own dropout if it has any.
        with self.precision():
            codes = self.network.codes(x)
        routed = self._routed(routing, codes)
        self._step_g(codes.detach(), y, routed)
        self.optimise_f.zero_grad()
        stepped = self._backward_f(codes, y, routed, 1.0)
        self.optimise_f.step()
        return stepped

    def _parts(self, x: Tensor, y: Tensor, routing: Routing | None) -> Stepped:
        pieces = in_pieces(x, y, self.chunks)
        with torch.no_grad(), self.precision():
            codes = torch.cat([self.network.codes(piece) for piece, _ in pieces])
        self._step_g(codes, y, self._routed(routing, codes))
        self.optimise_f.zero_grad()
        done, shares = [], [len(piece) / len(x) for piece, _ in pieces]
        for (piece, labels), share in zip(pieces, shares, strict=True):
            with self.precision():
                codes = self.network.codes(piece)
            done.append(self._backward_f(codes, labels, self._routed(routing, codes), share))
        self.optimise_f.step()
        terms = {
            name: torch.stack([s * d.terms[name] for s, d in zip(shares, done, strict=True)]).sum()
            for name in done[0].terms
        }
        return Stepped(
            torch.cat([d.codes for d in done]), torch.cat([d.logits for d in done]), terms
        )

    def _routed(self, routing: Routing | None, codes: Tensor) -> Tensor | None:
        """T(q) [m, k], with gradients if a term wants them; None before there is a T."""
        if routing is None:
            return None
        if self.weights.route and codes.requires_grad:
            return routing.forward(codes)
        return routing.predict(codes.detach())

    def _step_g(self, codes: Tensor, y: Tensor, routed: Tensor | None) -> None:
        with self.precision():
            logits = self.network.logits(codes)
        self.optimise_g.zero_grad()
        weigh(self.weights, _terms(logits, y, routed)).backward()
        self.optimise_g.step()

    def _backward_f(self, codes: Tensor, y: Tensor, routed: Tensor | None, share: float) -> Stepped:
        with self.precision():
            logits = self.network.logits(codes)
        terms = _terms(logits, y, routed) | {"sparsity": sparsity_loss(codes)}
        if routed is not None:
            terms["route"] = route_loss(routed, y)
        total = weigh(self.weights, terms)
        (total if share == 1 else share * total).backward()
        kept = {name: value.detach() for name, value in terms.items()}
        return Stepped(codes.detach(), logits.detach(), kept)


def in_pieces(x: Tensor, y: Tensor, chunks: int) -> list[tuple[Tensor, Tensor]]:
    """A batch in so many parts, but never one of a single sample, which has no statistics."""
    count = max(min(chunks, len(x) // 2), 1)
    return list(zip(x.tensor_split(count), y.tensor_split(count), strict=True))


def _terms(logits: Tensor, y: Tensor, routed: Tensor | None) -> dict[str, Tensor]:
    """L[G, y], and L[G, T] where there is a T: `routed` holds its distributions [m, k]."""
    terms = {"label": label_loss(logits, y)}
    if routed is not None:
        terms["tree"] = tree_loss(logits, routed.detach())
    return terms
