"""The file name of a pixel cache, and the digest that shows whether its images changed."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Iterable

from irvision.data.examples import BadImage, Examples, PixelSource
from irvision.data.pixels.ranges import UNKNOWN

# Part of every cache name; to be raised when decoding would give other pixels.
DECODING = 3


def cache_name(examples: Examples, size: int) -> str:
    """File name of the cache of these samples (with their boxes) at this image size.

    Ranges that were given, such as those of another set, are part of it; measured ones are not, as
    they follow from the images.
    """
    names = [examples.pixels.name(index) for index in range(len(examples.pixels))]
    # Comparing by characters is correct: dirname then cuts the prefix at its last slash.
    folder = os.path.dirname(os.path.commonprefix(names))  # noqa: RUF071
    # Different spellings of a folder must agree; equal relative paths may be different folders.
    place = os.path.realpath(folder) if os.path.isdir(folder) else folder
    inside = (name[len(folder) :] for name in names)
    ranges = getattr(examples.pixels, "ranges", UNKNOWN)
    given = () if ranges == UNKNOWN else (repr(ranges),)
    key = _digest((str(DECODING), examples.name, str(size), *given, place, *inside))
    readable = re.sub(r"[^A-Za-z0-9_-]+", "-", examples.name)[:40].strip("-") or "images"
    return f"{readable}-{size}px-{key[:16]}.pixels"


def stamps_digest(pixels: PixelSource) -> str:
    """Digest of the stamps of all samples; a missing image has the stamp "missing"."""
    return _digest(_stamp(pixels, index) for index in range(len(pixels)))


def _stamp(pixels: PixelSource, index: int) -> str:
    try:
        return pixels.stamp(index)
    except (BadImage, OSError):
        return "missing"


def _digest(words: Iterable[str]) -> str:
    total = hashlib.blake2b(digest_size=16)
    for word in words:
        coded = word.encode("utf-8", "surrogateescape")
        # With the length, so that different lists of words never give the same bytes.
        total.update(len(coded).to_bytes(8, "little") + coded)
    return total.hexdigest()
