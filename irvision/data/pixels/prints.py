"""Fingerprints of decoded samples: whether two are equal or alike, and whether they show anything.

The print of a photograph is taken at one side whatever the side of the cache, so that two samples
are equal in training at any size if `ira data check` finds them equal.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import numpy as np
from jaxtyping import Bool, Shaped, UInt8
from PIL import Image

from irvision.data.examples import PixelSource
from irvision.data.pixels.photographs import Photographs

SIDE = 64
THUMBNAIL, GREY = 4, 16
# Columns and rows of the grey image whose neighbours are compared.
COMPARED = 9, 8
PRINT = np.dtype(
    [
        ("digest", "u1", (16,)),  # of the pixels
        ("thumbnail", "u1", (THUMBNAIL, THUMBNAIL, 3)),  # mean colours
        ("grey", "u1", (GREY, GREY)),  # mean luminance
        ("hash", "<u8"),  # where luminance rises from left to right, on an 8 × 8 grid
        ("spread", "<f4"),  # standard deviation of the colour that varies most
    ]
)
Prints = Shaped[np.ndarray, " m"]
# Below this standard deviation, of 255, an image is nearly constant.
FLAT = 2.0
# Share of the darkest and of the brightest pixels that may be anything.
OUTLYING = 0.005


def print_of(
    pixels: PixelSource, index: int, row: UInt8[np.ndarray, "S S 3"]
) -> Shaped[np.ndarray, ""]:
    """The print of a sample, an array of type PRINT without dimensions.

    Args:
        pixels: source of the sample; BadImage if it cannot be read again.
        index: of the sample.
        row: its pixels at the side of the cache; drawn images are not drawn a second time.
    """
    again = isinstance(pixels, Photographs) and row.shape[0] != SIDE
    return _print(pixels.read(index, SIDE) if again else row)


def _print(row: UInt8[np.ndarray, "S S 3"]) -> Shaped[np.ndarray, ""]:
    image = Image.fromarray(row)
    grey = image.convert("L")
    means = Image.Resampling.BOX
    made = np.zeros((), PRINT)
    made["digest"] = list(hashlib.blake2b(row.tobytes(), digest_size=16).digest())
    made["thumbnail"] = np.asarray(image.resize((THUMBNAIL, THUMBNAIL), means))
    made["grey"] = np.asarray(grey.resize((GREY, GREY), means))
    steps = np.asarray(grey.resize(COMPARED, means), dtype=np.int16)
    made["hash"] = np.packbits(steps[:, 1:] > steps[:, :-1]).view("<u8")[0]
    made["spread"] = _spread(image)
    return made


def _spread(image: Image.Image) -> float:
    """Standard deviation of the channel that varies most, but for a few outlying pixels.

    A hot pixel, or one that stands for no data, must not hide that all others are alike.
    """
    counts = np.array(image.histogram(), dtype=np.float64).reshape(3, 256)
    share = counts / counts.sum(1, keepdims=True)
    reached = share.cumsum(1)
    low, high = ((reached <= at).sum(1, keepdims=True) for at in (OUTLYING, 1 - OUTLYING))
    levels = np.clip(np.arange(256), low, high)
    mean = (share * levels).sum(1, keepdims=True)
    return float(np.sqrt((share * (levels - mean) ** 2).sum(1)).max())


def flat_rows(prints: Prints, bad: Sequence[int]) -> Bool[np.ndarray, " m"]:
    """Which samples are nearly constant; those that could not be read are not."""
    flat = prints["spread"] < FLAT
    flat[list(bad)] = False
    return flat


def digests(prints: Prints) -> list[str]:
    """The digest of every sample's pixels, in hexadecimal."""
    text = np.ascontiguousarray(prints["digest"]).tobytes().hex()
    step = 2 * prints["digest"].shape[1]
    return [text[start : start + step] for start in range(0, len(text), step)]
