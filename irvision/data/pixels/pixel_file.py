"""The file of a pixel cache: rows of pixels, then their prints, description and checksums.

    m · S · S · 3 bytes of RGB | m prints | JSON | its length (8 bytes) | its CRC-32 (4) | MAGIC

The pixels come first so that they can be mapped into memory. The description comes last, so that
an unfinished file can be recognised by its end. Checksums detect damage, not manipulation.
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

from irvision.data.pixels.prints import PRINT, Prints
from irvision.data.pixels.ranges import Ranges, read_ranges

MAGIC = b"ira-px-2"
TAIL = struct.Struct("<QI8s")
# Size of a block, which has one checksum and is decoded by one process.
BLOCK_BYTES, BLOCK_ROWS = 4 << 20, 32
# Bytes that are verified when a cache is opened; of a larger one, evenly spread blocks.
CHECKED_BYTES = 2 << 30


class Damaged(ValueError):
    """A cache file whose bytes are not those that were written; the message says why."""


@dataclass(frozen=True)
class Contents:
    """Description of the pixels of a cache.

    Attributes:
        dataset: name of the data set.
        size: side S of the images, in pixels.
        count: number of samples m.
        stamps: digest of the stamps of all samples when they were decoded.
        block: number of rows in a block.
        checksums: CRC-32 of each block.
        bad: index, name and reason of each image that could not be read; its row is zero.
        ranges: of the values of images with more than eight bits, with which they were decoded.
        prints: CRC-32 of the prints.
    """

    dataset: str
    size: int
    count: int
    stamps: str
    block: int
    checksums: tuple[int, ...]
    bad: tuple[tuple[int, str, str], ...]
    ranges: Ranges
    prints: int


def rows_in_block(size: int) -> int:
    """Number of images of S × S pixels in a block."""
    return max(1, min(BLOCK_ROWS, BLOCK_BYTES // row_bytes(size)))


def row_bytes(size: int) -> int:
    """Bytes of an image of S × S pixels."""
    return size * size * 3


def write_contents(path: Path, contents: Contents, prints: Prints) -> None:
    """Write prints and description after the pixels, and flush the whole file to disk."""
    text = json.dumps(asdict(contents)).encode()
    with path.open("r+b") as stream:
        stream.seek(contents.count * row_bytes(contents.size))
        stream.write(prints.tobytes())
        stream.write(text + TAIL.pack(len(text), zlib.crc32(text), MAGIC))
        stream.truncate()
        stream.flush()
        os.fsync(stream.fileno())


def read_contents(path: Path) -> Contents:
    """Read the description in a cache file.

    Raises:
        Damaged: not a regular file, or its end or length is not that of a finished cache.
        OSError: the file cannot be read.
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
    before = contents.count * (row_bytes(contents.size) + PRINT.itemsize)
    expected = before + size + TAIL.size
    if length != expected:
        raise Damaged(f"it has {length} bytes instead of {expected}")
    return contents


def _described(text: bytes) -> Contents:
    """Parse a description; Damaged if it does not have the form that this release writes."""
    try:
        found = json.loads(text)
        found["checksums"] = tuple(map(int, found["checksums"]))
        found["bad"] = tuple((int(index), str(name), str(why)) for index, name, why in found["bad"])
        found["ranges"] = read_ranges(found["ranges"])
        contents = Contents(**found)
        sizes = contents.size, contents.count, contents.block
        numbers = *sizes, contents.prints, *contents.checksums
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


def read_prints(path: Path, contents: Contents) -> Prints:
    """The prints of all samples; Damaged if they do not match their checksum."""
    with path.open("rb") as stream:
        stream.seek(contents.count * row_bytes(contents.size))
        data = stream.read(contents.count * PRINT.itemsize)
    if zlib.crc32(data) != contents.prints:
        raise Damaged("its prints do not match their checksum")
    return np.frombuffer(data, PRINT)


def check_pixels(
    pixels: UInt8[np.ndarray, "m S S 3"], contents: Contents, limit: float = CHECKED_BYTES
) -> None:
    """Compare blocks with their checksums.

    Args:
        pixels: of the cache.
        contents: description of the cache.
        limit: bytes to read at most; of a larger cache, evenly spread blocks are read.

    Raises:
        Damaged: a block does not match its checksum.
    """
    blocks = len(contents.checksums)
    wanted = blocks if pixels.nbytes <= limit else int(limit // (pixels.nbytes / blocks))
    for number in np.linspace(0, blocks - 1, max(1, wanted)).round().astype(int):
        start = number * contents.block
        block = pixels[start : start + contents.block]
        if zlib.crc32(block.data) != contents.checksums[number]:
            raise Damaged(f"the pixels from row {start} on do not match their checksum")
