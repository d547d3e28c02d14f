"""Batches of an epoch from cached pixels, on the device of the run."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from jaxtyping import Int
from torch import Tensor

from irtheory.intersection.balance import balanced_draw
from irtheory.intersection.engine import Batches
from irtheory.runs.files import InputError
from irvision.data.batches.augment import View, central_view, draw, generator, training_view
from irvision.data.batches.pictures import Pictures
from irvision.runtime.device import Runtime

# Random stream of the order of an epoch, among those of the same seed.
ORDER = 2
# Batch normalisation needs at least two samples.
FEWEST = 2


def training_batches(
    pictures: Pictures,
    rows: Int[np.ndarray, " n"],
    view: View,
    batch_size: int,
    seed: int,
    balanced: bool = False,
) -> Batches:
    """Training batches as a function of the epoch number: random order, random views.

    Each of `world` processes gets every world-th sample of every batch, the same number each.
    Therefore up to world − 1 samples of the last batch may be left out, as is a last batch of one
    sample; which samples these are differs between epochs.

    Args:
        pictures: of the data set.
        rows: the samples to train on.
        view: crop, flip and normalisation.
        batch_size: samples per batch, in all processes together.
        seed: of order, crops and flips.
        balanced: draw all classes equally often, instead of every sample once; an epoch has as
            many samples as without.

    Raises:
        InputError: the crop does not fit, or the batches cannot be divided among the processes.
    """
    runtime, side = pictures.runtime, pictures.side
    view.check(side)
    bounds = batch_bounds(len(rows), batch_size, runtime.world)
    known, dtype = torch.from_numpy(np.array(rows, np.int64)), _dtype(runtime)
    classes = pictures.labels.cpu()[known] if balanced else None

    def batches(epoch: int) -> Iterator[tuple[Tensor, Tensor]]:
        order = known[epoch_order(len(known), classes, generator(seed, ORDER, epoch))]
        draws = draw(view, side, len(known), seed, epoch).to(runtime.device)
        shares = [slice(start + runtime.rank, end, runtime.world) for start, end in bounds]
        read = pictures.read(order[share] for share in shares)
        for share, (images, labels) in zip(shares, read, strict=True):
            yield training_view(images, view, draws[share], dtype), labels

    return batches


def epoch_order(
    samples: int, labels: Int[Tensor, " m"] | None, drawn: torch.Generator
) -> Int[Tensor, " m"]:
    """Positions of an epoch's samples: each once, or with labels all classes equally often."""
    if labels is None:
        return torch.randperm(samples, generator=drawn)
    return balanced_draw(labels, drawn)


def evaluation_batches(
    pictures: Pictures, rows: Int[np.ndarray, " n"], view: View, batch_size: int
) -> Batches:
    """Batches of the samples in order and in the central view, the same in every epoch.

    Each process gets a contiguous part of the samples, so that the results of all processes,
    concatenated by rank, are in the order of `rows`. Sizes of the parts differ by at most one.

    Raises:
        InputError: the crop does not fit, or there are fewer samples than processes.
    """
    runtime = pictures.runtime
    view.check(pictures.side)
    if len(rows) < runtime.world:
        raise InputError(
            f"evaluation: expected at least {runtime.world} samples, one for each process, "
            f"found {len(rows)}"
        )
    mine = np.array_split(np.array(rows, np.int64), runtime.world)[runtime.rank]
    shares, dtype = torch.from_numpy(mine).split(batch_size), _dtype(runtime)

    def batches(epoch: int) -> Iterator[tuple[Tensor, Tensor]]:
        for images, labels in pictures.read(shares):
            yield central_view(images, view, dtype), labels

    return batches


def batch_bounds(samples: int, batch_size: int, world: int) -> list[tuple[int, int]]:
    """Start and end of each batch in the order of an epoch, for all processes together.

    Raises:
        InputError: the batches cannot be divided among the processes.
    """
    fewest = max(FEWEST, world)
    if batch_size < fewest or batch_size % world:
        of = f"a multiple of {world}, the number of processes," if world > 1 else "a number"
        raise InputError(f"--batch-size: expected {of} ≥ {fewest}, found {batch_size}")
    if samples < fewest:
        raise InputError(f"training: expected at least {fewest} samples, found {samples}")
    usable = samples - samples % world
    bounds = [(at, min(at + batch_size, usable)) for at in range(0, usable, batch_size)]
    return [(start, end) for start, end in bounds if end - start >= FEWEST]


def _dtype(runtime: Runtime) -> torch.dtype:
    """Type of the network input: the one that autocast would convert it to."""
    return torch.bfloat16 if runtime.precision == "bf16" else torch.float32
