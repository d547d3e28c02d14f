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
from irtheory.intersection.epoch import Epoch, PartialEpoch, epoch_record
from irtheory.intersection.network import Collected, Network, collect
from irtheory.intersection.processes import (
    Processes,
    SingleProcess,
    gather,
    random_states,
    set_random_states,
)
from irtheory.intersection.step import TERMS, Descent, weighted_sum
from irtheory.intersection.weights import Weights
from irtheory.trees.routing import Routing
from irtheory.trees.tree import Tree

Batches = Callable[[int], Iterable[tuple[Tensor, Tensor]]]
FitTree = Callable[[Collected, Tree | None], Tree]


class Intersection:
    """A run of Algorithm 1, epoch by epoch.

    Args:
        network: G∘q∘F. `run` sets it to train mode unless it is already; a part that was put in
            eval mode, such as a frozen backbone, then stays in eval mode.
        weights: λ of every term.
        fit_tree: A of the paper: grows T from the samples of an epoch and the tree of the epoch
            before, such as a `irtheory.intersection.growers.Grower`.
        optimise_f, optimise_g: optimisers over the parameters of F and of G.
        schedulers: schedulers of the learning rates, stepped after every batch.
        precision: returns the context of every forward pass, such as autocast to bfloat16;
            losses are in single precision. (float16 would need loss scaling.)
        drops: stop at the epoch with this many decreases of the validation accuracy of G, and
            restore network and tree of the epoch before (the paper's rule is 2); None never stops.
        chunks: parts in which a batch passes through F, see `irtheory.intersection.step.Descent`.
        label_smoothing: share of the uniform distribution in the labels of L[G, y].
        class_weights: weight of the samples of each class in all losses but R[F]; None is 1.
        before_step: called with every batch, before the steps of Algorithm 1.
        processes: the processes that train together; one by default.

    Attributes:
        tree: T of the last epoch, None before the first.
        epoch: number of completed epochs.
        stopped: whether the stopping rule has ended the run; network and tree are then those of
            epoch `epoch` − 1.
        partial_epoch: the epoch in which `run` was interrupted, None otherwise.
        validation_outputs: codes and outputs of the validation set after the last epoch, None
            without a validation set.
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
        label_smoothing: float = 0.0,
        class_weights: Tensor | None = None,
        before_step: Callable[[Tensor, Tensor], None] | None = None,
        processes: Processes | None = None,
    ) -> None:
        for name, found in (("drops", drops), ("chunks", chunks)):
            if found is not None:
                check_whole(name, found, 1)
        self.network, self.weights, self.fit_tree = network, weights, fit_tree
        self.optimise_f, self.optimise_g = optimise_f, optimise_g
        self.schedulers, self.precision, self.drops = tuple(schedulers), precision, drops
        self.before_step, self.processes = before_step, processes or SingleProcess()
        self.tree: Tree | None = None
        self.epoch, self.stopped = 0, False
        self.partial_epoch: PartialEpoch | None = None
        self.validation_outputs: Collected | None = None
        # For the stopping rule: decreases so far, the last accuracy, and network and tree as they
        # were when the epoch began. −1 lies below every accuracy, so epoch 1 is no decrease.
        self._decreases, self._last_accuracy = 0, -1.0
        self._epoch_start: dict[str, Any] | None = None
        self._routing: Routing | None = None
        self._descent = Descent(
            network,
            weights,
            optimise_f,
            optimise_g,
            self.schedulers,
            precision,
            chunks,
            label_smoothing,
            class_weights,
        )

    def run(
        self,
        batches: Batches,
        epochs: int,
        validation: Batches | None = None,
        *,
        on_step: Callable[[PartialEpoch], None] | None = None,
        interrupted: Callable[[], bool] = bool,
    ) -> Iterator[Epoch]:
        """Train until `epochs` epochs are done in all, or the rule stops; yield each record.

        Args:
            batches: returns the batches (x, y) of an epoch, given its number 1, 2, …; resuming is
                exact only if they depend on nothing else.
            epochs: number of the last epoch.
            validation: the same for the validation set.
            on_step: called after every batch.
            interrupted: called after every batch; if it returns True, `run` ends with the state
                of the epoch in `partial_epoch`, and the next `run` continues from there.

        Raises:
            FloatingPointError: features or a loss are not finite.
            ValueError: no batches; a stopping rule without a validation set.
        """
        if self.drops is not None and validation is None:
            raise ValueError("validation: the stopping rule needs a validation set, found none")
        while self.epoch < epochs and not self.stopped:
            # A resumed epoch keeps the snapshot from its beginning, which the checkpoint holds.
            if self.drops is not None and self.partial_epoch is None:
                self._epoch_start = self._snapshot()
            start = time.perf_counter()
            current = self._train(batches, on_step, interrupted)
            if self.partial_epoch is not None:
                current.seconds += time.perf_counter() - start
                return
            record = self._finish_epoch(current, validation, start)
            if self.drops is not None:
                self._apply_stopping_rule(record)
            yield record

    def set_tree(self, tree: Tree) -> None:
        """Make `tree` the T of the next epoch."""
        self.tree, self._routing = tree, Routing.of(tree, self._device)

    @property
    def _device(self) -> torch.device:
        return next(self.network.parameters()).device

    def _train(
        self,
        batches: Batches,
        on_step: Callable[[PartialEpoch], None] | None,
        interrupted: Callable[[], bool],
    ) -> PartialEpoch:
        """Train on the remaining batches of an epoch; sets `partial_epoch` if interrupted."""
        # Network.train() would also switch parts that the caller put in eval mode.
        if not self.network.training:
            self.network.train()
        current, self.partial_epoch = self.partial_epoch or PartialEpoch(self.epoch + 1), None
        # Batches depend on the number of the epoch alone, so those already done are skipped.
        for x, y in islice(batches(self.epoch + 1), current.steps, None):
            if self.before_step is not None:
                self.before_step(x, y)
            try:
                current.add(self._descent.step(x, y, self._routing), y)
            except FloatingPointError as error:
                # Features break after a step on a loss that was not finite: that is the cause.
                why = current.broken_loss() or error
                raise FloatingPointError(f"epoch {current.epoch}: {why}") from error
            if on_step is not None:
                on_step(current)
            # A signal may reach one process only; all of them have to stop at the same batch.
            if self.processes.any_process(interrupted()):
                self.partial_epoch = current
                break
        return current

    def _finish_epoch(
        self, current: PartialEpoch, validation: Batches | None, start: float
    ) -> Epoch:
        """Grow T on the codes and outputs of the epoch, and measure G and T."""
        seen = gather(self.processes, current.collected())
        means = current.means(self.processes, len(seen.labels))
        self.set_tree(self.processes.compute_on_rank0(lambda: self.fit_tree(seen, self.tree)))
        self.epoch += 1
        self.validation_outputs = None
        if validation is not None:
            own = collect(self.network, validation(self.epoch), self.precision)
            self.validation_outputs = gather(self.processes, own)
        losses = {name: means.get(name, math.nan) for name in TERMS}
        assert self.tree is not None
        seconds = current.seconds + time.perf_counter() - start
        total = weighted_sum(self.weights, means)
        return epoch_record(
            self.epoch, losses, total, seen, self.validation_outputs, self.tree, seconds
        )

    def _apply_stopping_rule(self, record: Epoch) -> None:
        """Stop at decrease number `drops` of the validation accuracy of G, one epoch back.

        Each accuracy is compared with that of the epoch before, not with the best so far.
        """
        accuracy, epoch_start = record.validation_g, self._epoch_start
        assert accuracy is not None and epoch_start is not None
        self._decreases += accuracy < self._last_accuracy
        self._last_accuracy = accuracy
        if self._decreases == self.drops:
            self.stopped = True
            self.network.load_state_dict(epoch_start["network"])
            self._restore_tree(epoch_start["tree"])

    def _snapshot(self) -> dict[str, Any]:
        weights = {name: t.detach().clone() for name, t in self.network.state_dict().items()}
        return {"network": weights, "tree": self.tree.to_json() if self.tree else None}

    def _restore_tree(self, text: str | None) -> None:
        if text is None:
            self.tree = self._routing = None
        else:
            self.set_tree(Tree.from_json(text))

    def state_dict(self) -> dict[str, Any]:
        """Everything that the next step depends on, as tensors, numbers and strings.

        A collective operation: every process has to call it. The state of process 0 is complete;
        the random states, the samples and the sums in it are those of all processes.
        """
        partial = self.partial_epoch
        return {
            **self._snapshot(),
            # Copies: torch returns references to the moments, which the next step overwrites.
            "optimise_f": deepcopy(self.optimise_f.state_dict()),
            "optimise_g": deepcopy(self.optimise_g.state_dict()),
            "schedulers": [deepcopy(scheduler.state_dict()) for scheduler in self.schedulers],
            "epoch": self.epoch,
            "stopped": self.stopped,
            "fallen": self._decreases,
            "last": self._last_accuracy,
            "progress": None if partial is None else partial.state_dict(self.processes),
            "before": None if partial is None else self._epoch_start,
            "random": random_states(self.processes, self._device),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue where `state_dict` was taken; restores torch's random state too.

        The random state is restored last, so that nothing before the next step draws from it:
        dropout masks then are those of an uninterrupted run.
        """
        self.network.load_state_dict(state["network"])
        self._restore_tree(state["tree"])
        self.optimise_f.load_state_dict(deepcopy(state["optimise_f"]))
        self.optimise_g.load_state_dict(deepcopy(state["optimise_g"]))
        for scheduler, saved in zip(self.schedulers, state["schedulers"], strict=True):
            scheduler.load_state_dict(saved)
        self.epoch, self.stopped = state["epoch"], state["stopped"]
        self._decreases, self._last_accuracy = state["fallen"], state["last"]
        self._epoch_start = state["before"]
        self.partial_epoch = None
        if state["progress"] is not None:
            self.partial_epoch = PartialEpoch.from_state_dict(
                self.epoch + 1, state["progress"], self._device, self.processes.rank
            )
        set_random_states(state["random"], self.processes, self._device)
