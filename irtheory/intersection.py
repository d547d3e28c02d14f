"""Algorithm 1 for any torch F and G: the one training engine of the project."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from copy import deepcopy
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler

from irtheory.losses import Weights, label_loss, route_loss, sparsity_loss, tree_loss
from irtheory.records import Collected, Epoch, epoch_record
from irtheory.trees.routing import Routing
from irtheory.trees.tree import Tree

Batches = Callable[[int], Iterable[tuple[Tensor, Tensor]]]
FitTree = Callable[[Collected, Tree | None], Tree]
TERMS = ("label", "tree", "sparsity", "route")


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


def _refuse_non_finite(means: dict[str, float], epoch: int) -> None:
    for name, value in means.items():
        if not math.isfinite(value):
            raise FloatingPointError(
                f"epoch {epoch}: the {name} loss is {value}; a smaller learning rate may help"
            )


class Intersection:
    """A run of Algorithm 1, epoch by epoch.

    Args:
        network: G∘q∘F; a part of it in eval mode, such as a frozen backbone, stays so.
        weights: λ of every term.
        fit_tree: A of the paper: grows T from what an epoch collected (and the tree of the
            epoch before, if it cares), such as a `irtheory.growers.Grower`.
        optimise_f, optimise_g: optimisers over the parameters of F and of G.
        schedulers: of the learning rates, stepped after every batch.
        precision: makes the context of every forward pass, such as an autocast to bfloat16;
            losses are in single precision. (float16 would need its gradients scaled.)
        drops: stop at so many epochs whose validation accuracy of G fell, and go back to the
            epoch before the last of them (the paper's rule is 2); None never stops.

    Attributes:
        tree: T of the last epoch, None before the first.
        epoch: epochs done.
        stopped: whether the rule has ended the run; network and tree are then those of epoch
            `epoch` − 1.
    """

    def __init__(
        self,
        network: Network,
        weights: Weights,
        fit_tree: FitTree,
        optimise_f: Optimizer,
        optimise_g: Optimizer,
        *,
        schedulers: Sequence[LRScheduler] = (),
        precision: Callable[[], AbstractContextManager[Any]] = nullcontext,
        drops: int | None = None,
    ) -> None:
        if drops is not None and drops < 1:
            raise ValueError(f"drops: expected a whole number ≥ 1, found {drops}")
        self.network, self.weights, self.fit_tree = network, weights, fit_tree
        self.optimise_f, self.optimise_g = optimise_f, optimise_g
        self.schedulers, self.precision, self.drops = tuple(schedulers), precision, drops
        self.tree: Tree | None = None
        self.epoch, self.stopped = 0, False
        self._fallen, self._last = 0, -1.0
        self._routing: Routing | None = None

    def run(
        self, batches: Batches, epochs: int, validation: Batches | None = None
    ) -> Iterator[Epoch]:
        """Train until `epochs` epochs are done in all, or the rule stops; yield each record.

        Args:
            batches: makes the batches (x, y) of an epoch, given its number 1, 2, …; to resume
                bit for bit they must depend on nothing else.
            epochs: number of the last epoch.
            validation: the same for the validation set.

        Raises:
            FloatingPointError: a loss is not finite.
            ValueError: no batches; a stopping rule without a validation set.
        """
        if self.drops is not None and validation is None:
            raise ValueError("validation: the stopping rule needs a validation set, found none")
        while self.epoch < epochs and not self.stopped:
            before = self._snapshot() if self.drops is not None else None
            record = self._one_epoch(batches, validation)
            if before is not None:
                self._heed(record, before)
            yield record

    def plant(self, tree: Tree) -> None:
        """Make `tree` the T of the next epoch."""
        self.tree, self._routing = tree, Routing.of(tree, self._device)

    @property
    def _device(self) -> torch.device:
        return next(self.network.parameters()).device

    def _one_epoch(self, batches: Batches, validation: Batches | None) -> Epoch:
        start = time.perf_counter()
        if not self.network.training:
            self.network.train()
        parts, sums = [], {}
        for x, y in batches(self.epoch + 1):
            codes, logits, terms = self._step(x, y)
            parts.append((codes.to(torch.uint8), logits, y))
            for name, value in terms.items():
                sums[name] = sums.get(name, 0.0) + value.detach().double() * len(y)
        seen = Collected.join(parts)
        means = {name: float(value) / len(seen.labels) for name, value in sums.items()}
        _refuse_non_finite(means, self.epoch + 1)
        self.plant(self.fit_tree(seen, self.tree))
        self.epoch += 1
        held = None
        if validation is not None:
            held = collect(self.network, validation(self.epoch), self.precision)
        return self._record(means, seen, held, start)

    def _step(self, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor, dict[str, Tensor]]:
        """Lines 7 to 9 for one batch: a step of G, then one of F, then (F_q(x), G(F_q(x)))."""
        with self.precision():
            # F stands still while G moves, so one forward pass of it serves both steps; G
            # runs for each of them, with its own dropout if it has any.
            codes = self.network.codes(x)
            logits = self.network.logits(codes.detach())
        self._descend(self.optimise_g, self._terms(codes.detach(), logits, y))
        with self.precision():
            logits = self.network.logits(codes)
        terms = self._terms(codes, logits, y) | self._terms_of_f(codes, y)
        self._descend(self.optimise_f, terms)
        for scheduler in self.schedulers:
            scheduler.step()
        return codes.detach(), logits.detach(), terms

    def _terms(self, codes: Tensor, logits: Tensor, y: Tensor) -> dict[str, Tensor]:
        terms = {"label": label_loss(logits, y)}
        if self._routing is not None:
            terms["tree"] = tree_loss(logits, self._routing.predict(codes))
        return terms

    def _terms_of_f(self, codes: Tensor, y: Tensor) -> dict[str, Tensor]:
        terms = {"sparsity": sparsity_loss(codes)}
        if self._routing is not None:
            route = self._routing.forward if self.weights.route else self._routing.predict
            terms["route"] = route_loss(route(codes), y)
        return terms

    def _descend(self, optimiser: Optimizer, terms: dict[str, Tensor]) -> None:
        optimiser.zero_grad()
        self._total(terms).backward()
        optimiser.step()

    def _total(self, terms: dict[str, Any]) -> Any:
        """Σ λ · term over the terms that weigh anything; the others are only recorded."""
        weights = {name: getattr(self.weights, name) for name in terms}
        return sum(weights[name] * value for name, value in terms.items() if weights[name])

    def _record(
        self, sums: dict[str, float], seen: Collected, held: Collected | None, start: float
    ) -> Epoch:
        losses = {name: sums.get(name, math.nan) for name in TERMS}
        total = self._total({name: value for name, value in losses.items() if name in sums})
        assert self.tree is not None
        seconds = time.perf_counter() - start
        return epoch_record(self.epoch, losses, total, seen, held, self.tree, seconds)

    def _heed(self, record: Epoch, before: dict[str, Any]) -> None:
        """The paper's rule: count epochs whose validation accuracy fell; at the last, go back."""
        accuracy = record.validation_g
        assert accuracy is not None
        self._fallen += accuracy < self._last
        self._last = accuracy
        if self._fallen == self.drops:
            self.stopped = True
            self.network.load_state_dict(before["network"])
            self._replant(before["tree"])

    def _snapshot(self) -> dict[str, Any]:
        weights = {name: t.detach().clone() for name, t in self.network.state_dict().items()}
        return {"network": weights, "tree": self.tree.to_json() if self.tree else None}

    def _replant(self, text: str | None) -> None:
        if text is None:
            self.tree = self._routing = None
        else:
            self.plant(Tree.from_json(text))

    def state_dict(self) -> dict[str, Any]:
        """All that the next epoch depends on: tensors, numbers and strings alone."""
        device = self._device
        return {
            **self._snapshot(),
            # Copies: torch hands out the moments that the next step will change.
            "optimise_f": deepcopy(self.optimise_f.state_dict()),
            "optimise_g": deepcopy(self.optimise_g.state_dict()),
            "schedulers": [deepcopy(scheduler.state_dict()) for scheduler in self.schedulers],
            "epoch": self.epoch,
            "stopped": self.stopped,
            "fallen": self._fallen,
            "last": self._last,
            "random": torch.get_rng_state(),
            "random_cuda": torch.cuda.get_rng_state(device) if device.type == "cuda" else None,
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue where `state_dict` was taken; the random state of torch is set too."""
        self.network.load_state_dict(state["network"])
        self._replant(state["tree"])
        self.optimise_f.load_state_dict(deepcopy(state["optimise_f"]))
        self.optimise_g.load_state_dict(deepcopy(state["optimise_g"]))
        for scheduler, saved in zip(self.schedulers, state["schedulers"], strict=True):
            scheduler.load_state_dict(saved)
        self.epoch, self.stopped = state["epoch"], state["stopped"]
        self._fallen, self._last = state["fallen"], state["last"]
        torch.set_rng_state(state["random"].cpu())
        if self._device.type == "cuda" and state["random_cuda"] is not None:
            torch.cuda.set_rng_state(state["random_cuda"].cpu(), self._device)
