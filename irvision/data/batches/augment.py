"""From cached pictures to network input: crop, mirroring and normalisation."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import torch
from jaxtyping import Bool, Float, Int, UInt8
from torch import Tensor
from torch.nn import functional

from irtheory.runs.files import InputError

Channels = tuple[float, float, float]
# Random stream of this module, among those of the same seed.
VIEWS = 1


@dataclass(frozen=True)
class View:
    """How S × S pixels become network input.

    Attributes:
        size: side c of the crop, in pixels.
        padding: p, width of the black border that is added before a random crop, in pixels.
        flip: probability that a training picture is mirrored left to right.
        mean, sd: mean and standard deviation of red, green and blue, for pixels in [0, 1].
    """

    size: int
    padding: int = 0
    flip: float = 0.5
    mean: Channels = (0.485, 0.456, 0.406)
    sd: Channels = (0.229, 0.224, 0.225)

    def __post_init__(self) -> None:
        """Check the ranges."""
        if self.size < 1 or self.padding < 0:
            raise InputError(
                f"crop: expected a side ≥ 1 and a padding ≥ 0, found {self.size}, {self.padding}"
            )
        if not 0 <= self.flip <= 1:
            raise InputError(f"flip: expected a probability, found {self.flip!r}")
        if not all(0 < sd < float("inf") for sd in self.sd):
            raise InputError(f"sd: expected three numbers > 0, found {self.sd}")

    def check(self, side: int) -> None:
        """InputError unless the crop fits into pictures of `side` × `side` pixels."""
        if self.size > side:
            raise InputError(f"crop: expected at most the cached side {side}, found {self.size}")


@dataclass(frozen=True, eq=False)
class Draws:
    """Random draws for crops: the corner in the padded picture, and whether to mirror."""

    top: Int[Tensor, " b"]
    left: Int[Tensor, " b"]
    flip: Bool[Tensor, " b"]

    def __getitem__(self, which: Tensor | slice) -> Draws:
        """The draws of some of the pictures."""
        return Draws(self.top[which], self.left[which], self.flip[which])

    def to(self, device: torch.device) -> Draws:
        """The same draws on another device."""
        return Draws(*(t.to(device, non_blocking=True) for t in (self.top, self.left, self.flip)))


def generator(seed: int, *numbers: int) -> torch.Generator:
    """A generator on the CPU, seeded by these numbers (≥ 0) alone."""
    words = np.random.SeedSequence([seed, *numbers]).generate_state(2, np.uint32)
    return torch.Generator().manual_seed(int(words[0]) << 32 | int(words[1]))


def draw(view: View, side: int, count: int, seed: int, epoch: int) -> Draws:
    """The draws of an epoch, one for each position in its order, whichever process handles it.

    Args:
        view: how to crop.
        side: S of the cached pictures, in pixels.
        count: number of samples in the epoch.
        seed: of the run.
        epoch: number of the epoch: 1, 2, …
    """
    chance = generator(seed, VIEWS, epoch)
    corners = torch.randint(
        0, side + 2 * view.padding - view.size + 1, (2, count), generator=chance
    )
    return Draws(corners[0], corners[1], torch.rand(count, generator=chance) < view.flip)


def training_view(
    images: UInt8[Tensor, "b S S 3"], view: View, draws: Draws, dtype: torch.dtype = torch.float32
) -> Float[Tensor, "b 3 c c"]:
    """Random crops, on the device of the images and draws; in channels_last format."""
    if view.padding:
        images = functional.pad(images, (0, 0, *(view.padding,) * 4))
    b, side = images.shape[:2]
    steps = torch.arange(view.size, device=images.device)
    rows = draws.top[:, None] + steps
    columns = draws.left[:, None] + torch.where(draws.flip[:, None], steps.flip(0), steps)
    rows = rows + side * torch.arange(b, device=images.device)[:, None]
    # One flat index for the whole batch is four times faster than three broadcast indices.
    places = (rows[:, :, None] * side + columns[:, None, :]).flatten()
    pixels = images.reshape(-1, 3).index_select(0, places)
    return _normalise(pixels.view(b, view.size, view.size, 3), view, dtype)


def central_view(
    images: UInt8[Tensor, "b S S 3"], view: View, dtype: torch.dtype = torch.float32
) -> Float[Tensor, "b 3 c c"]:
    """The central crop of each picture, without padding or mirroring; channels_last format."""
    edge = (images.shape[1] - view.size) // 2
    inside = slice(edge, edge + view.size)
    return _normalise(images[:, inside, inside].contiguous(), view, dtype)


def _normalise(pixels: UInt8[Tensor, "b c c 3"], view: View, dtype: torch.dtype) -> Tensor:
    b, size = pixels.shape[:2]
    scale, shift = _scale_and_shift(view, pixels.device)
    # Whole rows of pixels: an inner loop over three channels is four times slower.
    rows = pixels.view(b, size, size * 3)
    if dtype == torch.float32:
        values = rows.float().mul_(scale).add_(shift)
    else:
        # In one pass: on a GPU, three passes cost as much as some layers of the network.
        values = torch.empty(rows.shape, dtype=dtype, device=rows.device)
        torch.addcmul(shift, rows, scale, out=values)
    return values.view(b, size, size, 3).permute(0, 3, 1, 2)


@lru_cache
def _scale_and_shift(view: View, device: torch.device) -> Tensor:
    """Cached on the device: copying it for every batch would make the host wait for the GPU."""
    mean, sd = torch.tensor((view.mean, view.sd))
    return torch.stack([1 / (255 * sd), -mean / sd]).repeat(1, view.size).to(device)
