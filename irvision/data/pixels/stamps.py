"""What a pixel cache is called, and how to tell that its images changed since."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Iterable

from irvision.data.examples import BadImage, Examples, PixelSource

# Part of every key: a new number where pixels would be decoded differently.
DECODING = 2


def cache_name(examples: Examples, size: int) -> str:
    """File name of the cache of these samples (their names, and so their boxes) at this side."""
    names = [examples.pixels.name(index) for index in range(len(examples.pixels))]
    # By characters is right here: the last slash is looked for in what they share.
    folder = os.path.dirname(os.path.commonprefix(names))  # noqa: RUF071
    # However a user writes the folder, it is the same; and two that are written alike are not.
    place = os.path.realpath(folder) if os.path.isdir(folder) else folder
    inside = (name[len(folder) :] for name in names)
    key = _digest((str(DECODING), examples.name, str(size), place, *inside))
    readable = re.sub(r"[^A-Za-z0-9_-]+", "-", examples.name)[:40].strip("-") or "images"
    return f"{readable}-{size}px-{key[:16]}.pixels"


def stamps_digest(pixels: PixelSource) -> str:
    """One digest of the stamps of all samples; an image that is missing counts as such."""
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
        # With its length, so that no two lists of words run together to the same bytes.
        total.update(len(coded).to_bytes(8, "little") + coded)
    return total.hexdigest()
