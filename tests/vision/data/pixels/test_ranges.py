from __future__ import annotations

import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from irvision.data.pixels.photographs import Photographs, measured
from irvision.data.pixels.ranges import Ranges, read_ranges, with_ranges

SIDE = 6


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def deep_png(values: np.ndarray) -> bytes:
    """A PNG with 16 bits per channel: grey, grey and alpha, RGB or RGBA by its last axis."""
    height, width, bands = values.shape
    kind = {1: 0, 2: 4, 3: 2, 4: 6}[bands]
    head = struct.pack(">IIBBBBB", width, height, 16, kind, 0, 0, 0)
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in values)
    parts = chunk(b"IHDR", head), chunk(b"IDAT", zlib.compress(rows)), chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


def deep_tiff(values: np.ndarray, order: str, extra: bool = False) -> bytes:
    """An uncompressed TIFF of 16-bit RGB (or RGBA with `extra`), little- or big-endian."""
    height, width, bands = values.shape
    data = values.astype(f"{order}u2").tobytes()
    entries = [
        (256, 3, 1, width), (257, 3, 1, height), (258, 3, bands, 8 + len(data)), (259, 3, 1, 1),
        (262, 3, 1, 2), (273, 4, 1, 8), (277, 3, 1, bands), (278, 3, 1, height),
        (279, 4, 1, len(data)), *([(338, 3, 1, 2)] if extra else []),
    ]  # fmt: skip
    bits = struct.pack(f"{order}{bands}H", *[16] * bands)
    directory = struct.pack(f"{order}H", len(entries))
    for tag, kind, count, value in entries:
        short = kind == 3 and count == 1
        cell = struct.pack(f"{order}HH", value, 0) if short else struct.pack(f"{order}I", value)
        directory += struct.pack(f"{order}HHI", tag, kind, count) + cell
    magic = b"II" if order == "<" else b"MM"
    place = 8 + len(data) + len(bits)
    header = magic + struct.pack(f"{order}HI", 42, place)
    return header + data + bits + directory + bytes(4)


def noise(bits: int, bands: int, seed: int = 0) -> np.ndarray:
    drawn = np.random.default_rng(seed).integers(0, 1 << bits, (SIDE, SIDE, bands))
    drawn[0, 0] = (1 << bits) - 1
    return drawn.astype(np.uint16)


def a_set(folder: Path, files: dict[str, bytes]) -> Photographs:
    for name, content in files.items():
        (folder / name).write_bytes(content)
    pixels = Photographs(folder, tuple(files))
    return with_ranges(pixels, measured(pixels))


@pytest.mark.parametrize("bits", [8, 9, 10, 12, 14, 16])
def test_one_shift_for_the_whole_set_from_its_largest_value(tmp_path, bits):
    bright, dark = noise(bits, 1), noise(bits, 1, seed=1) // 8
    pixels = a_set(tmp_path, {"bright.png": deep_png(bright), "dark.png": deep_png(dark)})
    assert pixels.ranges == Ranges((1 << bits) - 1)
    for row, values in enumerate((bright, dark)):
        found = pixels.read(row, SIDE)
        np.testing.assert_array_equal(found[..., 0], values[..., 0] >> (bits - 8))
        assert (found[..., :1] == found).all()


@pytest.mark.parametrize("name", ["png", "<tif", ">tif"])
@pytest.mark.parametrize("bits", [10, 16])
def test_colours_keep_the_bits_that_are_used(tmp_path, name, bits):
    values = noise(bits, 3)
    content = deep_png(values) if name == "png" else deep_tiff(values, name[0])
    pixels = a_set(tmp_path, {f"x.{name[-3:]}": content})
    assert pixels.ranges == Ranges((1 << bits) - 1)
    np.testing.assert_array_equal(pixels.read(0, SIDE), values >> (bits - 8))


def test_compressed_colours_of_a_tiff(tmp_path):
    # Pillow itself writes no such file: grey compressed ones stand for the decoder.
    values = noise(12, 1)[..., 0]
    Image.fromarray(values).save(tmp_path / "x.tif", compression="tiff_lzw")
    pixels = Photographs(tmp_path, ("x.tif",))
    pixels = with_ranges(pixels, measured(pixels))
    np.testing.assert_array_equal(pixels.read(0, SIDE)[..., 0], values >> 4)


@pytest.mark.parametrize("bands", [2, 4])
@pytest.mark.parametrize("opaque", [4095, 65535])
def test_transparency_is_no_brightness(tmp_path, bands, opaque):
    values = noise(12, bands)
    values[..., -1] = opaque
    pixels = a_set(tmp_path, {"x.png": deep_png(values)})
    assert pixels.ranges == Ranges(4095)
    expected = np.broadcast_to(values[..., :-1] >> 4, (SIDE, SIDE, 3))
    np.testing.assert_array_equal(pixels.read(0, SIDE), expected)


@pytest.mark.parametrize("dtype", [np.int32, np.float32])
def test_wide_values_have_one_linear_range(tmp_path, dtype):
    small = np.linspace(0, 100, SIDE * SIDE).reshape(SIDE, SIDE).astype(dtype)
    for name, values in (("small.tif", small), ("large.tif", small * 4 - 200)):
        Image.fromarray(values).save(tmp_path / name)
    (tmp_path / "broken.tif").write_bytes(b"II*\0 no more")
    Image.fromarray(np.full((2, 2), np.nan, np.float32)).save(tmp_path / "nan.tif")
    pixels = Photographs(tmp_path, ("small.tif", "large.tif", "broken.tif", "nan.tif"))
    pixels = with_ranges(pixels, measured(pixels))
    assert pixels.ranges == Ranges(None, -200, 200)
    for row, values in enumerate((small, small * 4 - 200)):
        expected = (values.astype(float) + 200) / 400 * 255
        assert np.abs(pixels.read(row, SIDE)[..., 0] - expected).max() <= 0.5 + 1e-3


def test_a_known_range_is_kept_and_brighter_values_are_white(tmp_path):
    values = noise(12, 1)
    (tmp_path / "x.png").write_bytes(deep_png(values))
    pixels = Photographs(tmp_path, ("x.png",), ranges=Ranges(255))
    assert measured(pixels) == Ranges(255)
    np.testing.assert_array_equal(pixels.read(0, SIDE)[..., 0], np.minimum(values[..., 0], 255))


def test_sets_without_such_images_are_not_read(tmp_path, monkeypatch):
    Image.new("RGB", (4, 4)).save(tmp_path / "x.png")
    Image.new("RGB", (4, 4)).save(tmp_path / "x.jpg")
    monkeypatch.setattr("irvision.data.pixels.photographs.measure", None)
    assert measured(Photographs(tmp_path, ("x.png", "x.jpg", "absent.png"))) == Ranges()


@pytest.mark.parametrize("change", [{"largest": 1 << 16}, {"low": 3.0}, {"low": 2.0, "high": 1.0},
                                    {"low": "x", "high": 1.0}, {"largest": True}])  # fmt: skip
def test_a_range_is_checked_where_it_is_read(change):
    sound = {"largest": 1023, "low": None, "high": None}
    assert read_ranges(sound) == Ranges(1023)
    with pytest.raises((ValueError, TypeError)):
        read_ranges(sound | change)


def test_ranges_of_a_run_replace_those_that_a_set_has():
    run, wide = Ranges(65535), Ranges(None, 0.0, 1.0)
    assert run.in_place_of(Ranges()) == Ranges()
    assert run.in_place_of(Ranges(1023, 2.0, 3.0)) == Ranges(65535, 2.0, 3.0)
    assert wide.in_place_of(Ranges(1023, 2.0, 3.0)) == Ranges(1023, 0.0, 1.0)
    assert Ranges().in_place_of(Ranges(255)) == Ranges(255)
    assert run.beside(wide) == Ranges(65535, 0.0, 1.0)
    assert Ranges(3, 1.0, 2.0).joined(Ranges(5, 0.0, 1.5)) == Ranges(5, 0.0, 2.0)
