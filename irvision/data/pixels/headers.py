"""What the first bytes of a file say: whether it is a picture, and whether of several frames."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

# Not every system has the second and the third.
FLAGS = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
# Enough for every signature here, and for the first chunks of most PNGs.
HEAD = 512
TIFF = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
SIGNATURES = (b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"GIF8", *TIFF)
# Brands of HEIF and AVIF, behind "ftyp".
BRANDS = (b"heic", b"heix", b"hevc", b"mif1", b"msf1", b"avif", b"avis")
# Sizes of the header that follows in a BMP; "BM" alone begins many texts.
BMP_HEADERS = (12, 40, 52, 56, 64, 108, 124)
WEBP_ANIMATED = 0x02
# Chunks of a PNG that are looked at before its pixels; the one on frames is among the first.
MOST_CHUNKS = 64
TIFF_ENTRY, BIGTIFF_ENTRY = 12, 20
MOST_ENTRIES = 4096


def is_picture(path: str | Path) -> bool:
    """Whether a regular file begins like a picture of a common format, whatever its name."""
    with _opened(path) as file:
        head = b"" if file is None else os.read(file, HEAD)
    return (
        head.startswith(SIGNATURES)
        or (head[:4] == b"RIFF" and head[8:12] == b"WEBP")
        or (head[4:8] == b"ftyp" and head[8:12] in BRANDS)
        or (head[:2] == b"BM" and int.from_bytes(head[14:18], "little") in BMP_HEADERS)
    )


def has_frames(path: str | Path) -> bool:
    """Whether a PNG, WebP or TIFF holds more than one frame or page; a damaged file does not.

    Reads a few bytes and decodes nothing.
    """
    with _opened(path) as file:
        if file is None:
            return False
        head = os.read(file, HEAD)
        if head[:4] == b"RIFF" and head[8:16] == b"WEBPVP8X" and len(head) > 20:
            return bool(head[20] & WEBP_ANIMATED)
        if head.startswith(b"\x89PNG"):
            return _png_has_frames(file, head)
        return head[:4] in TIFF and _tiff_has_frames(file, head)


@contextmanager
def _opened(path: str | Path) -> Iterator[int | None]:
    """A regular file to read, or None; without waiting, as for a pipe that nobody writes to."""
    try:
        file = os.open(path, FLAGS)
    except OSError:
        yield None
        return
    try:
        yield file if stat.S_ISREG(os.fstat(file).st_mode) else None
    finally:
        os.close(file)


def _at(file: int, place: int, size: int, head: bytes) -> bytes:
    """Some bytes of a file, from the first ones that were read where they suffice."""
    if place + size <= len(head):
        return head[place : place + size]
    # A damaged file may point anywhere.
    if place >= 2**63:
        return b""
    os.lseek(file, place, os.SEEK_SET)
    return os.read(file, size)


def _png_has_frames(file: int, head: bytes) -> bool:
    """Whether an animation chunk comes before the pixels, and announces more than one frame."""
    place = 8
    for _ in range(MOST_CHUNKS):
        start = _at(file, place, 12, head)
        if len(start) < 12 or start[4:8] == b"IDAT":
            return False
        if start[4:8] == b"acTL":
            return int.from_bytes(start[8:], "big") > 1
        # Length, kind, content and checksum.
        place += 12 + int.from_bytes(start[:4], "big")
    return False


def _tiff_has_frames(file: int, head: bytes) -> bool:
    """Whether the first directory of a TIFF, old or big, is followed by another."""
    order = "little" if head[:1] == b"I" else "big"
    big = b"+" in head[:4]
    width, count, entry = (8, 8, BIGTIFF_ENTRY) if big else (4, 2, TIFF_ENTRY)
    first = int.from_bytes(head[width : 2 * width], order)
    entries = int.from_bytes(_at(file, first, count, head), order)
    if entries > MOST_ENTRIES:
        return False
    after = _at(file, first + count + entries * entry, width, head)
    return int.from_bytes(after, order) != 0
