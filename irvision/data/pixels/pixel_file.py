"""The file of a pixel cache: rows of pixels first, then what they are and their checksums.

    m · S · S · 3 bytes of RGB | JSON | its length (8 bytes) | its CRC-32 (4 bytes) | MAGIC

The pixels come first so that they can be mapped into memory, and what they are comes last, so
that a file that was not finished is known by its end. Checksums tell damage, not malice.
"""

from __future__ import annotations

import json
import os
import stat
import struct
import zlib
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from jaxtyping import UInt8

MAGIC = b"ira-px-1"
TAIL = struct.Struct("<QI8s")
# A block is what one checksum covers and one process decodes at a time.
BLOCK_BYTES, BLOCK_ROWS = 4 << 20, 32
# Checked when a cache is opened; of a larger one, blocks spread evenly over it.
CHECKED_BYTES = 2 << 30


class Damaged(ValueError):
    """A cache file whose bytes are not those that were written; the message says what is wrong."""


@dataclass(frozen=True)
class Contents:
    """What the pixels of a cache are.

    Attributes:
        dataset: its name.
        size: side S, in pixels.
        count: samples m.
        stamps: digest of the stamps of all samples when they were decoded.
        block: rows in a block.
        checksums: CRC-32 of each block.
        bad: index, name and reason of each image that could not be had; its row is zero.
    """

    dataset: str
    size: int
    count: int
    stamps: str
    block: int
    checksums: tuple[int, ...]
    bad: tuple[tuple[int, str, str], ...]


def rows_in_block(size: int) -> int:
    """Rows of S × S pixels that make a block."""
    return max(1, min(BLOCK_ROWS, BLOCK_BYTES // row_bytes(size)))


def row_bytes(size: int) -> int:
    """Bytes of a picture of this side."""
    return size * size * 3


def write_contents(path: Path, contents: Contents) -> None:
    """Write what comes after the pixels, and see that all of the file is on disk."""
    text = json.dumps(asdict(contents)).encode()
    with path.open("r+b") as stream:
        stream.seek(contents.count * row_bytes(contents.size))
        stream.write(text + TAIL.pack(len(text), zlib.crc32(text), MAGIC))
        stream.truncate()
        stream.flush()
        os.fsync(stream.fileno())


def read_contents(path: Path) -> Contents:
    """What a cache file holds, without its pixels.

    Raises:
        Damaged: it is not a file, or its end or its length is not that of a finished cache.
        OSError: it cannot be read.
    """
    status = path.stat()
    if not stat.S_ISREG(status.st_mode):
        raise Damaged("it is not a regular file")
    length = status.st_size
    with path.open("rb") as stream:
        stream.seek(max(0, length - TAIL.size))
        tail = stream.read()
        if len(tail) < TAIL.size:
            raise Damaged("it is too short")
        size, checksum, magic = TAIL.unpack(tail)
        if magic != MAGIC or size > length - TAIL.size:
            raise Damaged("its end is missing")
        stream.seek(length - TAIL.size - size)
        text = stream.read(size)
    if zlib.crc32(text) != checksum:
        raise Damaged("its description does not match its checksum")
    contents = _described(text)
    expected = contents.count * row_bytes(contents.size) + size + TAIL.size
    if length != expected:
        raise Damaged(f"it has {length} bytes instead of {expected}")
    return contents


def _described(text: bytes) -> Contents:
    """What a description says; Damaged if another release wrote it, or no release."""
    try:
        found = json.loads(text)
        found["checksums"] = tuple(map(int, found["checksums"]))
        found["bad"] = tuple((int(index), str(name), str(why)) for index, name, why in found["bad"])
        contents = Contents(**found)
        numbers = contents.size, contents.count, contents.block, *contents.checksums
        words = contents.dataset, contents.stamps
        blocks = -(-contents.count // contents.block)
        sound = min(contents.size, contents.count, contents.block) > 0
    except (ValueError, TypeError, KeyError, ArithmeticError, RecursionError) as error:
        raise Damaged("its description is of another form") from error
    typed = all(type(n) is int for n in numbers) and all(isinstance(word, str) for word in words)
    if not (sound and typed and len(contents.checksums) == blocks):
        raise Damaged("its description is of another form")
    return contents


def map_pixels(path: Path, contents: Contents) -> UInt8[np.memmap, "m S S 3"]:
    """The pixels of a cache file, mapped into memory, read-only."""
    shape = (contents.count, contents.size, contents.size, 3)
    return np.memmap(path, np.uint8, "r", shape=shape)


def check_pixels(
    pixels: UInt8[np.ndarray, "m S S 3"], contents: Contents, limit: float = CHECKED_BYTES
) -> None:
    """Compare blocks with their checksums.

    Args:
        pixels: of the cache.
        contents: its description.
        limit: bytes to read at most; of a larger cache, blocks spread evenly over it.

    Raises:
        Damaged: a block differs.
    """
    blocks = len(contents.checksums)
    wanted = blocks if pixels.nbytes <= limit else int(limit // (pixels.nbytes / blocks))
    for number in np.linspace(0, blocks - 1, max(1, wanted)).round().astype(int):
        start = number * contents.block
        block = pixels[start : start + contents.block]
        if zlib.crc32(block.data) != contents.checksums[number]:
            raise Damaged(f"the pixels from row {start} on do not match their checksum")
