"""Squares of coloured noise in the place of a data set."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

import numpy as np
from jaxtyping import UInt8

from irvision.data.batches.material import Material
from irvision.data.batches.pictures import RESIDENT, place_pictures
from irvision.data.examples import BadImage, Examples
from irvision.data.pixels.cache import PixelCache
from irvision.data.pixels.prints import PRINT
from irvision.data.pixels.ranges import Ranges
from irvision.runtime.device import Runtime

# As aYahoo has.
CLASSES = 12


class Squares:
    """Drawn pixels [m, S, S, 3] as a `PixelSource`."""

    def __init__(self, pixels: UInt8[np.ndarray, "m S S 3"]) -> None:
        self.pixels = pixels

    def __len__(self) -> int:
        """Number of samples."""
        return len(self.pixels)

    def read(self, index: int, size: int) -> UInt8[np.ndarray, "size size 3"]:
        """A square; there is only one size."""
        if size != self.pixels.shape[1]:
            raise BadImage(self.name(index), f"is not {size} pixels wide")
        return self.pixels[index]

    def name(self, index: int) -> str:
        """What to call it."""
        return f"square {index}"

    def stamp(self, index: int) -> str:
        """Squares do not change."""
        return str(index)


def drawn(images: int, side: int, runtime: Runtime, on_host: bool) -> Material:
    """Noise in a colour of each class, so that there is something to learn; placed."""
    rng = np.random.default_rng(0)
    labels = rng.integers(0, CLASSES, images)
    tints = rng.integers(0, 128, (CLASSES, 3), dtype=np.uint8)
    pixels = rng.integers(0, 128, (images, side, side, 3), dtype=np.uint8)
    pixels += tints[labels][:, None, None, :]
    names = tuple(f"class {number}" for number in range(CLASSES))
    parts = np.zeros(images, np.uint8)
    examples = Examples("synthetic", names, labels, parts, Squares(pixels))
    # In memory in the place of a file mapped into it.
    cache = PixelCache(
        cast(Any, pixels), (), np.zeros(len(pixels), PRINT), Ranges(), Path("synthetic"), True
    )
    pictures = place_pictures(pixels, labels, runtime, 0.0 if on_host else RESIDENT)
    return Material(examples, cache, pictures)
