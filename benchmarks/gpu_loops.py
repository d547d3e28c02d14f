"""What `gpu_training.py` times: epochs and their parts, a bare loop, matrices.

Nothing here makes the host wait for the device inside a loop: the clock is read where all work
is done, and parts are told apart by events that the device records as it passes them.
"""

from __future__ import annotations

import resource
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from statistics import median
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy
from torch.utils.flop_counter import FlopCounterMode

from irtheory.intersection.engine import Batches, Intersection
from irtheory.intersection.epoch import PartialEpoch
from irtheory.intersection.network import Collected, Network
from irtheory.trees.tree import Tree
from irvision.methods.contract import make_network
from irvision.models.network import compile_f
from irvision.runtime.device import Runtime, autocast
from irvision.settings.train import TrainSettings
from irvision.training.optimisers import optimisers

# Parts of an epoch: pixels to batches; passes of F and G with losses and routing; both
# optimisers; T; and what is left, that is collecting codes and summing up.
LOADER, PASSES, OPTIMISER, TREE, REST = "loader", "passes", "optimiser", "tree", "rest"
PARTS = (LOADER, PASSES, OPTIMISER, TREE, REST)
FIRST_STEPS, BLOCKS = 5, 5


def synchronise(device: torch.device) -> None:
    """Wait until a GPU has done all it was given."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def clocked(device: torch.device, call: Callable[[], Any]) -> float:
    """Seconds of a call, all its work on the device included."""
    synchronise(device)
    start = time.perf_counter()
    call()
    synchronise(device)
    return time.perf_counter() - start


def restart_peak(device: torch.device) -> None:
    """Forget the peak memory so far; a process's own cannot be forgotten."""
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)


def peak_mib(device: torch.device) -> float:
    """Peak memory in MiB: what tensors took of a GPU, or what the process took."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device) / 2**20
    # In KiB on Linux, in bytes on macOS.
    unit = 2**20 if sys.platform == "darwin" else 2**10
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit


class Marks:
    """Where parts begin, on the device's own time line; a part ends where the next begins."""

    def __init__(self, device: torch.device) -> None:
        self._device, self._at = device, []

    def begin(self, part: str) -> None:
        """A part begins here."""
        if self._device.type == "cuda":
            now: Any = torch.cuda.Event(enable_timing=True)
            now.record()
        else:
            now = time.perf_counter()
        self._at.append((part, now))

    def seconds(self) -> dict[str, float]:
        """Seconds of every part; the last mark only ends the one before. Waits for the device."""
        synchronise(self._device)
        found: dict[str, float] = dict.fromkeys(PARTS, 0.0)
        for (part, start), (_, end) in pairwise(self._at):
            on_gpu = self._device.type == "cuda"
            found[part] += start.elapsed_time(end) / 1e3 if on_gpu else end - start
        return found


@dataclass(frozen=True)
class Timed:
    """An epoch: seconds in all, and of these for T."""

    seconds: float
    tree: float


def epoch_of(engine: Intersection, train: Batches) -> None:
    """Train one more epoch."""
    next(engine.run(train, engine.epoch + 1))


def timed_epoch(engine: Intersection, train: Batches, device: torch.device) -> Timed:
    """Time one more epoch as it is, and its tree."""
    marks = Marks(device)
    with _tree_marked(engine, marks):
        seconds = clocked(device, lambda: epoch_of(engine, train))
    return Timed(seconds, marks.seconds()[TREE])


def first_steps(
    engine: Intersection, train: Batches, device: torch.device
) -> tuple[float, list[float]]:
    """Seconds of the first epoch, in which kernels are chosen or compiled, and of its first steps.

    The only epoch in which the host waits after a step, and only after the first ones.
    """
    at = [time.perf_counter()]

    def look(partial: PartialEpoch) -> None:
        if partial.steps <= FIRST_STEPS:
            synchronise(device)
            at.append(time.perf_counter())

    for _ in engine.run(train, engine.epoch + 1, on_step=look):
        synchronise(device)
    return time.perf_counter() - at[0], [end - start for start, end in pairwise(at)]


def parts_of_epoch(engine: Intersection, train: Batches, device: torch.device) -> dict[str, float]:
    """Seconds of every part of one more epoch."""
    marks, f, g = Marks(device), engine.optimise_f, engine.optimise_g
    hooks = [o.register_step_pre_hook(lambda *_: marks.begin(OPTIMISER)) for o in (f, g)]
    # G steps first, then F passes back; after F's step the batch is noted.
    hooks.append(g.register_step_post_hook(lambda *_: marks.begin(PASSES)))
    hooks.append(f.register_step_post_hook(lambda *_: marks.begin(REST)))
    try:
        with _tree_marked(engine, marks):
            epoch_of(engine, partial(_marked, train, marks))
    finally:
        for hook in hooks:
            hook.remove()
    marks.begin(REST)
    return marks.seconds()


def _marked(train: Batches, marks: Marks, epoch: int) -> Iterator[tuple[Tensor, Tensor]]:
    marks.begin(LOADER)
    for batch in train(epoch):
        marks.begin(PASSES)
        yield batch
        marks.begin(LOADER)
    marks.begin(REST)


@contextmanager
def _tree_marked(engine: Intersection, marks: Marks) -> Iterator[None]:
    grow = engine.fit_tree

    def watched(seen: Collected, previous: Tree | None) -> Tree:
        marks.begin(TREE)
        tree = grow(seen, previous)
        marks.begin(REST)
        return tree

    engine.fit_tree = watched
    try:
        yield
    finally:
        engine.fit_tree = grow


@dataclass(frozen=True)
class Bare:
    """The bare loop: images a second, and operations of one image, forward and backward."""

    images_per_second: float
    flops_per_image: float


def bare_loop(
    settings: TrainSettings,
    classes: int,
    batch: tuple[Tensor, Tensor],
    runtime: Runtime,
    blocks: tuple[int, int],
) -> Bare:
    """Train the same network with the same optimisers on one batch that is there already.

    A step is a pass of G∘q∘F, the backward pass of the plain classification loss, and both
    optimisers: no loader, no tree, no second pass of G, nothing collected.

    Args:
        settings: of the network and the optimisers.
        classes: k.
        batch: images [b, 3, c, c] and labels [b] on the device.
        runtime: of the run.
        blocks: how many times to time how many steps; as many go before as warm-up.
    """
    torch.manual_seed(settings.seed)
    network = make_network(settings, classes, "none").to(runtime.device)
    made = optimisers(network, settings)
    with FlopCounterMode(display=False) as counter:
        _pass(network, batch, runtime)
    if settings.compile:
        compile_f(network)

    def steps() -> None:
        for _ in range(blocks[1]):
            for optimiser in made:
                optimiser.zero_grad()
            _pass(network, batch, runtime)
            for optimiser in made:
                optimiser.step()

    steps()
    seconds = median(clocked(runtime.device, steps) for _ in range(blocks[0])) / blocks[1]
    images = len(batch[1])
    return Bare(images / seconds, counter.get_total_flops() / images)


def _pass(network: Network, batch: tuple[Tensor, Tensor], runtime: Runtime) -> None:
    images, labels = batch
    with autocast(runtime)():
        logits = network(images)
    cross_entropy(logits, labels).backward()


def matrix_rate(runtime: Runtime, size: int, products: int) -> float:
    """Operations a second in products of two square matrices, in the precision of the run."""
    dtype = torch.bfloat16 if runtime.precision == "bf16" else torch.float32
    # Not zeros: with those a GPU draws less power and runs faster than it ever does at work.
    a, b = torch.randn(2, size, size, device=runtime.device).to(dtype)
    out = torch.empty_like(a)

    def multiply() -> None:
        for _ in range(products):
            torch.mm(a, b, out=out)

    multiply()
    seconds = median(clocked(runtime.device, multiply) for _ in range(BLOCKS))
    return 2 * size**3 * products / seconds
