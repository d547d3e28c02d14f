"""The values of images with more than eight bits, and the one range of a whole set.

One range for all images keeps their brightness comparable: an image's own range would not, and a
fixed one would turn 10- or 12-bit data, which cameras store in 16 bits, nearly black.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO, Any, TypeVar

import numpy as np
from jaxtyping import Float, UInt8
from PIL import Image

Source = str | IO[bytes]
Number = TypeVar("Number", int, float)
# Rawmodes of colour images with 16 bits, of which Pillow keeps the upper eight.
COLOURS = ("RGB;16", "RGBA;16", "RGBX;16", "CMYK;16")
# Grey with alpha: Pillow 11 and later open it as RGBA.
GREY_ALPHA = "LA;16B"
# A PNG has its bits per channel at this place of its header.
PNG_DEPTH, HEADER = 24, 26
TIFF = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")


@dataclass(frozen=True)
class Ranges:
    """The range of values of a set's images with more than eight bits; None where it has none.

    Attributes:
        largest: value of its images with 16 bits, without their transparency.
        low, high: smallest and largest value of its images with 32 bits or floating point.
    """

    largest: int | None = None
    low: float | None = None
    high: float | None = None

    @property
    def shift(self) -> int:
        """Bits to drop of 16, so that the largest value fits into eight."""
        return 8 if self.largest is None else max(0, self.largest.bit_length() - 8)

    def beside(self, other: Ranges) -> Ranges:
        """These ranges, and those of `other` where these are not known."""
        wide = (other.low, other.high) if self.low is None else (self.low, self.high)
        return Ranges(other.largest if self.largest is None else self.largest, *wide)

    def in_place_of(self, found: Ranges) -> Ranges:
        """The ranges that were found in a set, with these where both are known."""
        both = None not in (self.largest, found.largest)
        wide = self if None not in (self.low, found.low) else found
        return Ranges(self.largest if both else found.largest, wide.low, wide.high)

    def joined(self, other: Ranges) -> Ranges:
        """The range of both sets together."""
        return Ranges(
            max(_known(self.largest, other.largest), default=None),
            min(_known(self.low, other.low), default=None),
            max(_known(self.high, other.high), default=None),
        )


def _known(*numbers: Number | None) -> list[Number]:
    return [number for number in numbers if number is not None]


# Of a set without images of more than eight bits, or one that was not measured yet.
UNKNOWN = Ranges()


def read_ranges(content: Any) -> Ranges:
    """Ranges from their JSON; ValueError or TypeError if that is something else."""
    largest, low, high = (content[name] for name in ("largest", "low", "high"))
    if largest is not None and not (type(largest) is int and 0 <= largest < 1 << 16):
        raise ValueError(f"expected a value of 16 bits, found {largest!r:.40}")
    if (low is None) != (high is None):
        raise ValueError("expected both ends of a range")
    if low is not None:
        low, high = float(low), float(high)
        if not (np.isfinite([low, high]).all() and low <= high):
            raise ValueError(f"expected a range, found {low:g} to {high:g}")
    return Ranges(largest, low, high)


def in_eight_bits(image: Image.Image, source: Source, ranges: Ranges) -> Image.Image:
    """An opened image with eight bits per channel; images that have no more are returned as are.

    Args:
        image: opened from the source, its pixels loaded or not.
        source: path, or stream of the file, which can be read again.
        ranges: of the set; where they are not known, 16 bits are taken as used in full, and
            other images have their own range.
    """
    if is_wide(image):
        return Image.fromarray(_scaled(_finite(image), ranges))
    if (values := sixteen_bits(image, source)) is None:
        return image
    eight = np.minimum(values >> ranges.shift, 255).astype(np.uint8)
    if values.ndim == 2:
        return Image.fromarray(eight)
    if values.shape[2] == 2:
        return Image.merge("LA", [Image.fromarray(eight[..., band]) for band in range(2)])
    bands = [Image.fromarray(eight[..., band]) for band in range(eight.shape[2])]
    return Image.merge(image.mode, bands)


def is_wide(image: Image.Image) -> bool:
    """Whether the image has 32 bits or floating-point numbers, which have no fixed range."""
    return image.mode in ("I", "F") and not _is_grey_sixteen(image)


def _is_grey_sixteen(image: Image.Image) -> bool:
    # Pillow 10 opens a 16-bit PNG with 32-bit pixels.
    return image.mode.startswith("I;16") or (image.mode == "I" and image.format == "PNG")


def sixteen_bits(image: Image.Image, source: Source) -> np.ndarray | None:
    """The values of an image with 16 bits per channel: [h, w] or [h, w, bands]; None for others."""
    if _is_grey_sixteen(image):
        return np.asarray(as_stored(image)).astype(np.uint16)
    raw = _rawmode(image)
    if raw == GREY_ALPHA and image.mode == "RGBA":
        # Read as four channels of eight bits: upper and lower half of grey, then of alpha.
        _read_as(image, "RGBA")
        halves = np.asarray(as_stored(image)).astype(np.uint16)
        return halves[..., ::2] << 8 | halves[..., 1::2]
    if raw is None or raw[:-1] not in COLOURS:
        return None
    swapped = raw[:-1] + ("L" if _is_big(raw[-1]) else "B")
    upper = np.asarray(as_stored(image)).astype(np.uint16)
    if not isinstance(source, str):
        source.seek(0)
    with Image.open(source) as again:
        # With the bytes of each value exchanged, Pillow keeps the lower eight bits.
        _read_as(again, swapped)
        lower = np.asarray(as_stored(again))
    return upper << 8 | lower


def _is_big(order: str) -> bool:
    return order == "B" or (order == "N" and sys.byteorder == "big")


def _rawmode(image: Image.Image) -> str | None:
    """How a decoder finds the pixels of an image that is not loaded yet; None if unknown."""
    tiles = getattr(image, "tile", None)
    if not tiles:
        return None
    args = tiles[0][3]
    raw = args[0] if isinstance(args, tuple) and args else args
    return raw if isinstance(raw, str) else None


def _read_as(image: Any, raw: str) -> None:
    """Have the tiles of an image decoded in another way."""
    changed = []
    for tile in image.tile:
        kind = type(tile)
        args = (raw, *tile[3][1:]) if isinstance(tile[3], tuple) else raw
        fields = (*tile[:3], args)
        changed.append(fields if kind is tuple else kind(*fields))
    image.tile = changed


def as_stored(image: Image.Image) -> Image.Image:
    """The loaded pixels of an opened image as they lie in the file, not turned."""
    if not hasattr(image, "tag_v2"):
        image.load()
        return image
    # Pillow would turn a TIFF by its tags once it is loaded, and fail if some of them are broken.
    image.load_end = lambda: None  # type: ignore[attr-defined]
    return image.copy()


def _finite(image: Image.Image) -> Float[np.ndarray, "height width"]:
    grey = np.asarray(as_stored(image)).astype(np.float64)
    if not np.isfinite(grey).all():
        raise ValueError("pixels that are not finite")
    return grey


def _scaled(
    grey: Float[np.ndarray, "height width"], ranges: Ranges
) -> UInt8[np.ndarray, "height width"]:
    """The values, with the range mapped linearly to that from 0 to 255."""
    low, high = ranges.low, ranges.high
    if low is None or high is None:
        low, high = float(grey.min()), float(grey.max())
    if not np.isfinite(high - low):
        # The span of the largest numbers of 64 bits is not finite, half of it is.
        grey, low, high = grey / 2, low / 2, high / 2
    span = high - low
    return ((grey.clip(low, high) - low) * (255 / span if span else 0)).round().astype(np.uint8)


def deep_files(paths: Sequence[Path]) -> list[Path]:
    """The files that may hold more than eight bits, by their first bytes, each once."""
    return [path for path in dict.fromkeys(paths) if _may_be_deep(path)]


def _may_be_deep(path: Path) -> bool:
    with suppress(OSError):
        # Opening a named pipe would block for ever.
        handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
        try:
            head = os.read(handle, HEADER)
        finally:
            os.close(handle)
        return head.startswith(TIFF) or (
            head.startswith(b"\x89PNG") and len(head) > PNG_DEPTH and head[PNG_DEPTH] == 16
        )
    return False


def measure(
    paths: Sequence[Path],
    open_file: Callable[[str], Any],
    on_progress: Callable[[int, int], None] | None = None,
) -> Ranges:
    """The range of the values in these files; files that cannot be read are passed over.

    Args:
        paths: as `deep_files` gives them.
        open_file: opens an image as a context, checked for its size.
        on_progress: called with the number of files read so far and in total.
    """

    def one(path: Path) -> Ranges:
        with suppress(Exception), open_file(str(path)) as image:
            return _range_of(image, str(path))
        return UNKNOWN

    found = UNKNOWN
    pool = ThreadPoolExecutor(min(8, os.cpu_count() or 1))
    try:
        for done, each in enumerate(pool.map(one, paths), 1):
            found = found.joined(each)
            if on_progress:
                on_progress(done, len(paths))
    finally:
        pool.shutdown(wait=True, cancel_futures=True)
    return found


def _range_of(image: Image.Image, source: str) -> Ranges:
    if is_wide(image):
        grey = _finite(image)
        return Ranges(None, float(grey.min()), float(grey.max()))
    mode = image.mode
    if (values := sixteen_bits(image, source)) is None:
        return UNKNOWN
    if values.ndim == 3 and (values.shape[2] == 2 or mode == "RGBA"):
        values = values[..., :-1]
    return Ranges(int(values.max()))


def with_ranges(pixels: Any, ranges: Ranges) -> Any:
    """The same source of pixels, decoded with these ranges; drawn images have none."""
    return replace(pixels, ranges=ranges) if hasattr(pixels, "ranges") else pixels
