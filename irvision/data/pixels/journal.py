"""Which blocks of a cache are decoded already, so that an interrupted pass goes on where it was.

A journal lies beside the partial cache: a line that says of which images it is, then a line for
each block. A line that was cut short, and all after it, are ignored, and the pixels of each block
are compared with their checksum before it is believed.
"""

from __future__ import annotations

import base64
import json
import zlib
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np

from irvision.data.pixels.pixel_file import row_bytes, rows_in_block
from irvision.data.pixels.prints import PRINT, Prints
from irvision.data.pixels.ranges import Ranges

JOURNAL = ".journal"
Bad = tuple[int, str, str]
# First row, checksum, bad images, prints.
Block = tuple[int, int, list[Bad], Prints]


@dataclass(frozen=True)
class Pass:
    """What identifies the work: the images and how they are decoded."""

    stamps: str
    count: int
    size: int
    ranges: Ranges
    print_bytes: int = PRINT.itemsize

    @property
    def line(self) -> str:
        """The first line of the journal."""
        return json.dumps(asdict(self))


def journal_of(partial: Path) -> Path:
    """The journal of a partial cache."""
    return partial.with_suffix(JOURNAL)


def read_journal(partial: Path, work: Pass) -> dict[int, Block]:
    """The blocks that are in a partial cache, by their first row; empty for other work."""
    blocks: dict[int, Block] = {}
    # Whatever a damaged journal makes the reader raise, the rest of the work is done again.
    with (
        suppress(OSError, ValueError, TypeError, KeyError, RecursionError),
        journal_of(partial).open(encoding="utf-8") as lines,
        partial.open("rb") as pixels,
    ):
        if next(lines, "").rstrip("\n") != work.line:
            return {}
        for line in lines:
            block = _block(line, work, pixels)
            if block is None:
                break
            blocks[block[0]] = block
    return blocks


def _block(line: str, work: Pass, pixels: IO[bytes]) -> Block | None:
    """The block of a line; None if it or its pixels are not whole."""
    if not line.endswith("\n"):
        return None
    content: dict[str, Any] = json.loads(line)
    start, checksum = int(content["start"]), int(content["checksum"])
    step = rows_in_block(work.size)
    rows = min(step, work.count - start)
    if start % step or rows < 1:
        return None
    prints = np.frombuffer(base64.b64decode(content["prints"], validate=True), PRINT)
    bad = [(int(index), str(name), str(why)) for index, name, why in content["bad"]]
    pixels.seek(start * row_bytes(work.size))
    data = pixels.read(rows * row_bytes(work.size))
    whole = len(data) == rows * row_bytes(work.size) and zlib.crc32(data) == checksum
    return (start, checksum, bad, prints) if whole and len(prints) == rows else None


class Journal:
    """The journal of a partial cache that is being written; a file once there is a block.

    Attributes:
        known: blocks that an earlier process wrote, by their first row.
        empty: whether there is no block yet.
    """

    def __init__(self, partial: Path, work: Pass) -> None:
        self.known: Mapping[int, Block] = read_journal(partial, work)
        self.empty = True
        self._file, self._work = journal_of(partial), work
        self._stream: IO[str] | None = None
        # Written anew: what followed a line that was cut short is gone then.
        self._file.unlink(missing_ok=True)
        for block in self.known.values():
            self.add(block)

    def add(self, block: Block) -> None:
        """Note a block whose pixels are written."""
        if self._stream is None:
            self._stream = self._file.open("w", encoding="utf-8", buffering=1)
            self._stream.write(self._work.line + "\n")
        self.empty = False
        start, checksum, bad, prints = block
        packed = base64.b64encode(prints.tobytes()).decode()
        content = {"start": start, "checksum": checksum, "bad": bad, "prints": packed}
        self._stream.write(json.dumps(content, ensure_ascii=True) + "\n")

    def close(self) -> None:
        """Close the file."""
        if self._stream is not None:
            self._stream.close()
