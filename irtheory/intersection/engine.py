"""Algorithm 1 for any torch F and G: the one training engine of the project."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from copy import deepcopy
from itertools import islice
from typing import Any

import torch
from torch import Tensor
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler

from irtheory.checks import check_whole
from irtheory.intersection.epoch import Epoch, Progress, epoch_record
from irtheory.intersection.network import Collected, Network, collect
from irtheory.intersection.processes import Alone, Peers, random_states, set_random_states
from irtheory.intersection.step import TERMS, Descent, weigh
from irtheory.intersection.weights import Weights
from irtheory.trees.routing import Routing
from irtheory.trees.tree import Tree

Batches = Callable[[int], Iterable[tuple[Tensor, Tensor]]]
FitTree = Callable[[Collected, Tree | None], Tree]


class Intersection:
    """A run of Algorithm 1, epoch by epoch.

    Args:
        network: G∘q∘F; a part of it in eval mode, such as a frozen backbone, stays so.
        weights: λ of every term.
        fit_tree: A of the paper: grows T from what an epoch collected (and the tree of the
            epoch before, if it cares), such as a `irtheory.intersection.growers.Grower`.
        optimise_f, optimise_g: optimisers over the parameters of F and of G.
        schedulers: of the learning rates, stepped after every batch.
        precision: makes the context of every forward pass, such as an autocast to bfloat16;
            losses are in single precision. (float16 would need its gradients scaled.)
        drops: stop at so many epochs whose validation accuracy of G fell, and go back to the
            epoch before the last of them (the paper's rule is 2); None never stops.
        chunks: parts in which a batch passes through F, see `irtheory.intersection.step.Descent`.
        prelude: steps of a method's own with every batch, before those of Algorithm 1.
        peers: the processes that train together.

    Attributes:
        tree: T of the last epoch, None before the first.
        epoch: epochs done.
        stopped: whether the rule has ended the run; network and tree are then those of epoch
            `epoch` − 1.
        progress: the epoch in which `run` was interrupted, None elsewhere.
        held: what the network said of the validation set after the last epoch, None without one.
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
        chunks: int = 1,
        prelude: Callable[[Tensor, Tensor], None] | None = None,
        peers: Peers | None = None,
    ) -> None:
        for name, found in (("drops", drops), ("chunks", chunks)):
            if found is not None:
                check_whole(name, found, 1)
        self.network, self.weights, self.fit_tree = network, weights, fit_tree
        self.optimise_f, self.optimise_g = optimise_f, optimise_g
        self.schedulers, self.precision, self.drops = tuple(schedulers), precision, drops
        self.prelude, self.peers = prelude, peers or Alone()
        self.tree: Tree | None = None
        self.epoch, self.stopped = 0, False
        self.progress: Progress | None = None
        self.held: Collected | None = None
        self._fallen, self._last = 0, -1.0
        self._before: dict[str, Any] | None = None
        self._routing: Routing | None = None
        self._descent = Descent(
            network, weights, optimise_f, optimise_g, self.schedulers, precision, chunks
        )

    def run(
        self,
        batches: Batches,
        epochs: int,
        validation: Batches | None = None,
        *,
        on_step: Callable[[Progress], None] | None = None,
        interrupted: Callable[[], bool] = bool,
    ) -> Iterator[Epoch]:
        """Train until `epochs` epochs are done in all, or the rule stops; yield each record.

        Args:
            batches: makes the batches (x, y) of an epoch, given its number 1, 2, …; to resume
                bit for bit they must depend on nothing else.
            epochs: number of the last epoch.
            validation: the same for the validation set.
            on_step: called after every batch.
            interrupted: asked after every batch; if it says so, `progress` holds the epoch as
                far as it came, and the next `run` goes on from there.

        Raises:
            FloatingPointError: a loss is not finite.
            ValueError: no batches; a stopping rule without a validation set.
        """
        if self.drops is not None and validation is None:
            raise ValueError("validation: the stopping rule needs a validation set, found none")
        while self.epoch < epochs and not self.stopped:
            if self.drops is not None and self.progress is None:
                self._before = self._snapshot()
            start = time.perf_counter()
            progress = self._train(batches, on_step, interrupted)
            if self.progress is not None:
                progress.seconds += time.perf_counter() - start
                return
            record = self._finish(progress, validation, start)
            if self.drops is not None:
                self._heed(record)
            yield record

    def plant(self, tree: Tree) -> None:
        """Make `tree` the T of the next epoch."""
        self.tree, self._routing = tree, Routing.of(tree, self._device)

    @property
    def _device(self) -> torch.device:
        return next(self.network.parameters()).device

    def _train(
        self,
        batches: Batches,
        on_step: Callable[[Progress], None] | None,
        interrupted: Callable[[], bool],
    ) -> Progress:
        """The steps of an epoch, or the rest of them; `self.progress` is set if cut short."""
        if not self.network.training:
            self.network.train()
        progress, self.progress = self.progress or Progress(self.epoch + 1), None
        for x, y in islice(batches(self.epoch + 1), progress.steps, None):
            if self.prelude is not None:
                self.prelude(x, y)
            progress.add(self._descent.step(x, y, self._routing), y)
            if on_step is not None:
                on_step(progress)
            if self.peers.anyone(interrupted()):
                self.progress = progress
                break
        return progress

    def _finish(self, progress: Progress, validation: Batches | None, start: float) -> Epoch:
        seen = self.peers.gather(progress.joined())
        means = progress.means(self.peers, len(seen.labels))
        self.plant(self.peers.tree(lambda: self.fit_tree(seen, self.tree)))
        self.epoch += 1
        self.held = None
        if validation is not None:
            mine = collect(self.network, validation(self.epoch), self.precision)
            self.held = self.peers.gather(mine)
        losses = {name: means.get(name, math.nan) for name in TERMS}
        assert self.tree is not None
        seconds = progress.seconds + time.perf_counter() - start
        total = weigh(self.weights, means)
        return epoch_record(self.epoch, losses, total, seen, self.held, self.tree, seconds)

    def _heed(self, record: Epoch) -> None:
        """The paper's rule: count epochs whose validation accuracy fell; at the last, go back."""
        accuracy, before = record.validation_g, self._before
        assert accuracy is not None and before is not None
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
        """All that the next step depends on: tensors, numbers and strings alone.

        Every process has to call it; what the first one gets is whole.
        """
        device, progress = self._device, self.progress
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
            "progress": None if progress is None else progress.state_dict(self.peers),
            "before": None if progress is None else self._before,
            "random": random_states(self.peers, device),
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
        self._fallen, self._last, self._before = state["fallen"], state["last"], state["before"]
        self.progress = None
        if state["progress"] is not None:
            first = self.peers.rank == 0
            self.progress = Progress.of(self.epoch + 1, state["progress"], self._device, first)
        set_random_states(state["random"], self.peers, self._device)
