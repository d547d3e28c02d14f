from __future__ import annotations

import io
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from irvision.data.examples import BadImage
from irvision.data.pixels.photographs import Photographs

SIDE = 16


def picture() -> np.ndarray:
    y, x = np.mgrid[:SIDE, :SIDE] * 15
    return np.stack([x, y, (x + y) // 2], axis=-1).astype(np.uint8)


def upright() -> np.ndarray:
    """What orientation 6 shows."""
    return np.rot90(picture(), -1)


def exif(*entries: tuple[int, int, int, bytes]) -> bytes:
    """EXIF data of entries: tag, type, count and four bytes."""
    body = struct.pack("<H", len(entries))
    for tag, kind, count, cell in entries:
        body += struct.pack("<HHI", tag, kind, count) + cell
    return b"Exif\0\0II*\0" + struct.pack("<I", 8) + body + bytes(4)


TURNED = (0x0112, 3, 1, struct.pack("<HH", 6, 0))
FAR = struct.pack("<I", 1 << 30)
HARMLESS = {
    "alone": exif(TURNED),
    "an orientation as a long number": exif((0x0112, 4, 1, struct.pack("<I", 6))),
    "a maker that is a number": exif((0x010F, 11, 1, b"\0\0\x80\x3f"), TURNED),
    "a date that is a fraction far away": exif((0x0132, 5, 1, FAR), TURNED),
    "a resolution of text": exif((0x011A, 2, 4, b"abc\0"), TURNED),
    "a directory far away": exif((0x8769, 4, 1, FAR), TURNED),
    "a directory of text": exif((0x8769, 2, 4, b"abc\0"), TURNED),
}
HOPELESS = {
    "cut": exif(TURNED)[:16],
    "empty": b"Exif\0\0",
    "nonsense": b"Exif\0\0" + bytes(range(60)),
    "an orientation of text": exif((0x0112, 2, 4, b"six\0")),
    "an orientation out of range": exif((0x0112, 3, 1, struct.pack("<HH", 99, 0))),
}


def read(path: Path, content: bytes) -> np.ndarray:
    path.write_bytes(content)
    return Photographs(path.parent, (path.name,)).read(0, SIDE)


def saved(kind: str, **more) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(picture()).save(stream, kind, **more)
    return stream.getvalue()


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png_with(*chunks: bytes) -> bytes:
    """A PNG with chunks after its header."""
    plain = saved("PNG")
    return plain[:33] + b"".join(chunks) + plain[33:]


def jpeg_with(*segments: tuple[int, bytes]) -> bytes:
    """A JPEG with segments after its start."""
    plain = saved("JPEG", quality=100, subsampling=0)
    more = (struct.pack(">BBH", 0xFF, kind, len(data) + 2) + data for kind, data in segments)
    return plain[:2] + b"".join(more) + plain[2:]


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
@pytest.mark.parametrize("block", HARMLESS.values(), ids=HARMLESS)
def test_the_orientation_counts_whatever_the_other_fields_are(tmp_path, kind, block):
    more = {"JPEG": {"quality": 100, "subsampling": 0}, "WEBP": {"lossless": True}}.get(kind, {})
    found = read(tmp_path / f"x.{kind.lower()}", saved(kind, exif=block, **more))
    assert np.abs(found.astype(int) - upright()).max() <= 3


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
@pytest.mark.parametrize("block", HOPELESS.values(), ids=HOPELESS)
def test_a_picture_with_broken_metadata_is_taken_as_stored(tmp_path, kind, block):
    more = {"JPEG": {"quality": 100, "subsampling": 0}, "WEBP": {"lossless": True}}.get(kind, {})
    found = read(tmp_path / f"x.{kind.lower()}", saved(kind, exif=block, **more))
    assert np.abs(found.astype(int) - picture()).max() <= 3


def test_text_in_a_png_may_be_as_large_as_it_likes(tmp_path):
    huge = zlib.compress(bytes(3 << 20))
    for number, block in enumerate(
        (
            chunk(b"zTXt", b"Comment\0\0" + huge),
            chunk(b"iTXt", b"XML:com.adobe.xmp\0\1\0\0\0" + huge),
            chunk(b"iCCP", b"profile\0\0" + huge),
            b"".join(chunk(b"tEXt", b"k\0" + bytes(1 << 20)) for _ in range(70)),
        )
    ):
        turned = chunk(b"eXIf", exif(TURNED)[6:])
        found = read(tmp_path / f"{number}.png", png_with(block, turned))
        np.testing.assert_array_equal(found, upright())


@pytest.mark.parametrize(
    "segment",
    [
        (0xE2, b"MPF\0" + bytes(range(40))),
        (0xE2, b"MPF\0II*\0" + struct.pack("<IH", 8, 9000)),
        (0xE2, b"ICC_PROFILE\0"),
        (0xE0, b"JFIF"),
        (0xED, b"Photoshop 3.0\x008BIM"),
        (0xE1, b"http://ns.adobe.com/xap/1.0/\0<x tiff:Orientation='seven'"),
    ],
)
def test_segments_of_a_jpeg_may_be_broken(tmp_path, segment):
    found = read(tmp_path / "x.jpg", jpeg_with(segment))
    assert np.abs(found.astype(int) - picture()).max() <= 3


@pytest.mark.parametrize("compression", [None, "tiff_lzw"])
@pytest.mark.parametrize("broken", [False, True])
def test_a_tiff_is_turned_by_its_tag_alone(tmp_path, compression, broken):
    tags = {0x0112: 6} | ({0x8769: 1 << 30} if broken else {})
    content = saved("TIFF", compression=compression, tiffinfo=tags)
    np.testing.assert_array_equal(read(tmp_path / "x.tif", content), upright())
    # A box refers to the pixels as stored.
    boxed = Photographs(tmp_path, ("x.tif",), np.array([[0, 0, SIDE, SIDE]]))
    np.testing.assert_array_equal(boxed.read(0, SIDE), picture())


def test_a_file_without_pixels_stays_bad(tmp_path):
    for name, content in (
        ("cut.jpg", jpeg_with((0xE2, b"MPF\0" + bytes(range(40))))[:-300]),
        ("cut.png", png_with(chunk(b"zTXt", b"Comment\0\0" + zlib.compress(bytes(3 << 20))))[:-60]),
    ):
        with pytest.raises(BadImage):
            read(tmp_path / name, content)
