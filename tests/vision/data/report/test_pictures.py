from __future__ import annotations

import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from irvision.data.report.check import check_dataset
from irvision.data.report.pictures import Pictures, sentences
from irvision.settings.data import DataOptions

SIDE = 32


def draw(path: Path, seed: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    soft = np.random.default_rng(seed).integers(0, 256, (6, 6, 3), np.uint8)
    Image.fromarray(soft).resize((SIDE, SIDE), Image.Resampling.BICUBIC).save(path)


def a_set(root: Path, parts: tuple[str, ...] = ("train", "test")) -> Path:
    """Two classes of different pictures, five in each part."""
    places = [root / part / kind for part in parts for kind in ("ant", "bee")]
    for number, place in enumerate(places):
        for image in range(5):
            draw(place / f"{image}.png", 5 * number + image)
    return root


def found_in(root: Path) -> Pictures:
    found = check_dataset(str(root), DataOptions(), processes=1)
    assert found.whole and found.pictures is not None
    return found.pictures


def test_a_set_of_different_pictures_has_nothing_to_say(tmp_path: Path) -> None:
    found = found_in(a_set(tmp_path))
    assert not sentences(found) and found.samples == 20


def test_the_same_picture_in_two_parts_and_in_two_classes_is_named(tmp_path: Path) -> None:
    root = a_set(tmp_path)
    # The same pixels in another file; the same picture compressed; the same in the other class.
    Image.open(root / "train/ant/0.png").save(root / "test/ant/x.bmp")
    Image.open(root / "train/bee/1.png").save(root / "test/bee/y.jpg", quality=80)
    Image.open(root / "train/ant/2.png").save(root / "train/bee/z.png")
    found = found_in(root)
    counts = [
        each.count
        for each in (found.equal_parts, found.equal_classes, found.near_parts, found.near_classes)
    ]
    assert counts == [1, 1, 1, 0]
    names = [
        tuple(name[len(str(root)) + 1 :] for name in pair)
        for pair in (
            *found.equal_parts.listed,
            *found.equal_classes.listed,
            *found.near_parts.listed,
        )
    ]
    assert [set(pair) for pair in names] == [
        {"train/ant/0.png", "test/ant/x.bmp"},
        {"train/ant/2.png", "train/bee/z.png"},
        {"train/bee/1.png", "test/bee/y.jpg"},
    ]
    lines = sentences(found)
    assert len(lines) == 3 and "equal pictures in two parts: 1 pair" in lines[0]


def test_every_pair_of_a_group_is_counted(tmp_path: Path) -> None:
    root = a_set(tmp_path)
    for part, kind, copies in (("train", "ant", 2), ("test", "ant", 3), ("test", "bee", 1)):
        for copy in range(copies):
            draw(root / part / kind / f"copy {copy}.png", 99)
    found = found_in(root)
    # Six copies: two in train by four in test; five ants by one bee.
    assert found.equal_parts.count == 8 and found.equal_classes.count == 5
    assert len(found.equal_parts.listed) == 8


def test_drawn_parts_are_those_that_training_uses(tmp_path: Path) -> None:
    for kind in ("ant", "bee"):
        for image in range(12):
            draw(tmp_path / kind / f"{image}.png", image if kind == "ant" else 50 + image)
            draw(tmp_path / kind / f"{image} again.png", image if kind == "ant" else 50 + image)
    found = found_in(tmp_path)
    assert not found.equal_parts.count and not found.near_parts.count


def png16(values: np.ndarray) -> bytes:
    height, width = values.shape

    def chunk(kind: bytes, data: bytes) -> bytes:
        checksum = struct.pack(">I", zlib.crc32(kind + data))
        return struct.pack(">I", len(data)) + kind + data + checksum

    head = struct.pack(">IIBBBBB", width, height, 16, 0, 0, 0, 0)
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in values)
    end = chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(rows)) + end


@pytest.mark.parametrize("outlier", [False, True])
def test_images_that_show_nothing_are_named(tmp_path: Path, outlier: bool) -> None:
    rng = np.random.default_rng(0)
    for kind in ("ant", "bee"):
        (tmp_path / kind).mkdir()
        for image in range(6):
            values = rng.integers(0, 1024, (SIDE, SIDE))
            (tmp_path / kind / f"{image}.png").write_bytes(png16(values))
    if outlier:
        values[:] = 300
        values[0, 0] = 65535
        (tmp_path / "ant/0.png").write_bytes(png16(values))
    found = found_in(tmp_path)
    lines = sentences(found)
    if outlier:
        # The single white pixel hides neither its own image nor the others.
        assert len(found.flat) == 12 and "12 of 12 images" in lines[0]
        assert "most images show nothing" in lines[1] and "65535" in lines[1]
    else:
        assert not found.flat and not lines and found.ranges.largest in range(1000, 1024)


def test_a_few_blank_pages_are_named_but_are_no_equal_pictures(tmp_path: Path) -> None:
    root = a_set(tmp_path)
    for place in ("train/ant", "test/ant", "test/bee"):
        Image.new("RGB", (SIDE, SIDE), "white").save(root / place / "blank.png")
    found = found_in(root)
    assert len(found.flat) == 3 and len(sentences(found)) == 1
