from __future__ import annotations

import json
import zlib
from pathlib import Path

import numpy as np
import pytest

from irvision.data.pixels.pixel_file import (
    TAIL,
    Contents,
    Damaged,
    read_contents,
    read_prints,
    write_contents,
)
from irvision.data.pixels.prints import PRINT
from irvision.data.pixels.ranges import Ranges
from irvision.data.report.listing import list_datasets

SIZE, COUNT = 2, 40
PRINTS = np.random.default_rng(0).integers(0, 256, COUNT * PRINT.itemsize, np.uint8).view(PRINT)
KNOWN = Contents(
    "set",
    SIZE,
    COUNT,
    "stamps",
    32,
    (1, 2),
    ((3, "a.jpg", "cut"),),
    Ranges(1023),
    zlib.crc32(PRINTS.tobytes()),
)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "set.pixels"
    path.write_bytes(bytes(COUNT * SIZE * SIZE * 3))
    write_contents(path, KNOWN, PRINTS)
    return path


def test_what_was_written_is_read(file: Path) -> None:
    assert read_contents(file) == KNOWN
    assert read_prints(file, KNOWN).tobytes() == PRINTS.tobytes()


def test_changed_prints_are_damage(file: Path) -> None:
    data = bytearray(file.read_bytes())
    data[COUNT * SIZE * SIZE * 3 + 5] ^= 1
    file.write_bytes(data)
    with pytest.raises(Damaged, match="prints"):
        read_prints(file, read_contents(file))


def described(file: Path, change: dict | None) -> None:
    """Give a file another description with a checksum that is right."""
    data = file.read_bytes()
    size, _, magic = TAIL.unpack(data[-TAIL.size :])
    start = len(data) - TAIL.size - size
    known = json.loads(data[start : -TAIL.size])
    text = json.dumps(None if change is None else known | change).encode()
    file.write_bytes(data[:start] + text + TAIL.pack(len(text), zlib.crc32(text), magic))


@pytest.mark.parametrize(
    "change",
    [
        None,
        {"of a later release": 1},
        {"count": "40"},
        {"count": 0},
        {"size": None},
        {"block": 0},
        {"block": 32.0},
        {"checksums": [1]},
        {"checksums": None},
        {"bad": [[1, "x"]]},
        {"dataset": 5},
        {"stamps": None},
        {"prints": None},
        {"ranges": None},
        {"ranges": {"largest": -1, "low": None, "high": None}},
    ],
)
def test_a_description_of_another_form_is_damage(file: Path, change: dict | None) -> None:
    described(file, {})
    assert read_contents(file) == KNOWN
    described(file, change)
    with pytest.raises(Damaged):
        read_contents(file)
    assert all(not listed.cached for listed in list_datasets(file.parent, file.parent))
