"""Shuffled patches, and PMG's progressive steps on them (Du et al. 2020)."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.optim import Optimizer

from irtheory.intersection.losses import label_loss
from irtheory.intersection.step import split_batch
from irvision.settings.train import GRIDS


def jigsaw(
    images: Float[Tensor, "b c h w"], n: int, order: Int[Tensor, " patches"]
) -> Float[Tensor, "b c h w"]:
    """Permute the n × n patches of every image, with one permutation for all images.

    Patches have ⌊h/n⌋ × ⌊w/n⌋ pixels; rows and columns that remain at the lower and right edge
    keep their place. The result has the channels_last memory format.

    Args:
        images: on any device.
        n: patches a side.
        order: index of the patch that moves to each place, row by row; on the CPU, as by `cycle`.

    Raises:
        ValueError: n < 1, or more patches than pixels.
    """
    b, channels, height, width = images.shape
    if not 1 <= n <= min(height, width):
        raise ValueError(f"n: expected 1 … {min(height, width)} patches a side, found {n}")
    patches = order.to(images.device, non_blocking=True)
    pixels = _sources(patches.view(n, n), height, width)
    # With channels last a pixel is contiguous in memory, so one index_select copies the images.
    flat = images.permute(0, 2, 3, 1).reshape(b, height * width, channels)
    return flat.index_select(1, pixels).view(b, height, width, channels).permute(0, 3, 1, 2)


def cycle(count: int, generator: torch.Generator | None = None) -> Int[Tensor, " count"]:
    """A random cyclic permutation, uniform among all of them: for count > 1 no element stays.

    (PMG swaps the first patch with every other one in random order, which gives the same
    permutations.)

    Args:
        count: number of elements.
        generator: on the CPU. The default is torch's global one, whose state checkpoints hold, so
            that a resumed run draws the same permutations.
    """
    order = torch.randperm(count, generator=generator)
    cycle = torch.empty_like(order)
    cycle[order] = order.roll(1)
    return cycle


def _sources(patches: Int[Tensor, "n n"], height: int, width: int) -> Int[Tensor, " pixels"]:
    """Index h·width + w of the pixel that moves to each place, row by row."""
    n, device = len(patches), patches.device
    tall, wide = height // n, width // n
    pixels = torch.arange(height * width, device=device).view(height, width)
    inside = pixels[: n * tall, : n * wide]
    # The upper left pixel of every patch, and the offsets of the other pixels from it.
    corners = pixels[: n * tall : tall, : n * wide : wide].flatten()[patches]
    steps = pixels[:tall, :wide]
    inside.view(n, tall, n, wide).copy_(corners[:, None, :, None] + steps[None, :, None, :])
    return pixels.flatten()


def progressive_steps(
    represent: Callable[[Tensor, int], Tensor],
    optimiser: Optimizer,
    precision: Callable[[], AbstractContextManager[Any]] = nullcontext,
    chunks: int = 1,
    broadcast: Callable[[Tensor], Tensor] = lambda order: order,
    class_weights: Tensor | None = None,
) -> Callable[[Tensor, Tensor], None]:
    """PMG's steps before the one on intact images: one for each stage's classifier, shallow first.

    Args:
        represent: images [b, 3, h, w] and a stage 0, 1 or 2 → logits [b, k] of its classifier,
            such as an `irvision.models.features.PmgFeatures` with stage heads. With several
            processes it has to average gradients, and to accept that a step does not use all
            parameters.
        optimiser: over the parameters of F. Those that a step does not use do not change.
        precision: returns the context of every forward pass.
        chunks: parts in which a batch passes through F, see `irtheory.intersection.step.Descent`.
        broadcast: returns the permutation that process 0 drew, so that all processes use it.
        class_weights: weight of the samples of each class in the loss [k]; None is 1.

    Returns:
        A function of a batch (images, labels) that takes the three steps.
    """

    def steps(images: Tensor, labels: Tensor) -> None:
        pieces = split_batch(images, labels, chunks)
        for stage, n in enumerate(GRIDS):
            order = broadcast(cycle(n * n))
            optimiser.zero_grad()
            for piece, named in pieces:
                with precision():
                    logits = represent(jigsaw(piece, n, order), stage)
                weights = None if class_weights is None else class_weights[named]
                loss = label_loss(logits.float(), named, weights=weights)
                (loss * (len(piece) / len(images))).backward()
            optimiser.step()

    return steps
