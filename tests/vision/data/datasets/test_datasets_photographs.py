from __future__ import annotations

import io
import os
import pickle
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from irvision.data.examples import BadImage
from irvision.data.pixels.photographs import Photographs


def one(path: Path, box: tuple[int, int, int, int] | None = None) -> Photographs:
    return Photographs(path.parent, (path.name,), None if box is None else np.array([box]))


def noise(height: int, width: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)


@pytest.mark.parametrize("suffix", ["png", "bmp", "tif", "webp", "gif"])
def test_a_whole_image_at_its_own_size_is_unchanged(tmp_path, suffix):
    pixels = np.zeros((7, 7, 3), np.uint8)
    pixels[:3, 2:] = 255
    path = tmp_path / f"x.{suffix}"
    Image.fromarray(pixels).save(path, lossless=True)
    np.testing.assert_array_equal(one(path).read(0, 7), pixels)


def test_a_box_is_cut_before_the_image_is_resized(tmp_path):
    pixels = noise(20, 30)
    Image.fromarray(pixels).save(tmp_path / "x.png")
    cut = pixels[4:12, 10:18]
    np.testing.assert_array_equal(one(tmp_path / "x.png", (10, 4, 18, 12)).read(0, 8), cut)
    small = one(tmp_path / "x.png", (10, 4, 18, 12)).read(0, 4)
    expected = Image.fromarray(cut).resize((4, 4), Image.Resampling.BILINEAR)
    np.testing.assert_array_equal(small, np.asarray(expected))


def test_resizing_is_antialiased(tmp_path):
    stripes = np.zeros((64, 64, 3), np.uint8)
    stripes[:, ::2] = 255
    Image.fromarray(stripes).save(tmp_path / "x.png")
    assert np.abs(one(tmp_path / "x.png").read(0, 8)[:, 1:-1].astype(int) - 127).max() < 6


def test_a_box_slightly_outside_is_clipped_and_one_outside_is_bad(tmp_path):
    pixels = noise(10, 10)
    Image.fromarray(pixels).save(tmp_path / "x.png")
    clipped = one(tmp_path / "x.png", (-3, 5, 5, 14)).read(0, 5)
    np.testing.assert_array_equal(clipped, pixels[5:, :5])
    outside = one(tmp_path / "x.png", (10, 0, 14, 5))
    with pytest.raises(BadImage, match="the box lies outside the image of 10 × 10") as caught:
        outside.read(0, 5)
    assert caught.value.name == f"{tmp_path / 'x.png'} box 11 1 14 5"


def test_exif_turns_whole_images_but_not_boxes(tmp_path):
    pixels = noise(8, 8)
    exif = Image.Exif()
    exif[0x0112] = 6  # the camera was turned: rotate by 90° clockwise to see it upright
    Image.fromarray(pixels).save(tmp_path / "x.png", exif=exif)
    np.testing.assert_array_equal(one(tmp_path / "x.png").read(0, 8), np.rot90(pixels, -1))
    np.testing.assert_array_equal(one(tmp_path / "x.png", (0, 0, 8, 8)).read(0, 8), pixels)


def test_every_mode_becomes_rgb(tmp_path):
    grey = noise(4, 4)[..., 0]
    deep = Image.fromarray(grey.astype(np.uint16) * 257)
    half = Image.new("RGBA", (4, 4), (0, 0, 0, 51))
    clear = Image.new("P", (4, 4), 0)
    clear.putpalette([10, 20, 30])
    plain = clear.copy()
    clear.info["transparency"] = 0
    cases = {
        "grey.png": (Image.fromarray(grey), np.repeat(grey[..., None], 3, axis=2)),
        "deep.png": (deep, np.repeat(grey[..., None], 3, axis=2)),
        "half.png": (half, np.full((4, 4, 3), 204)),
        "two.png": (half.convert("LA"), np.full((4, 4, 3), 204)),
        "palette.png": (plain, np.full((4, 4, 3), (10, 20, 30))),
        "clear.png": (clear, np.full((4, 4, 3), 255)),
        "bits.png": (Image.new("1", (4, 4), 1), np.full((4, 4, 3), 255)),
        "ink.tif": (Image.new("CMYK", (4, 4), (0, 255, 255, 0)), np.full((4, 4, 3), (255, 0, 0))),
    }
    for name, (image, expected) in cases.items():
        image.save(tmp_path / name)
        np.testing.assert_array_equal(one(tmp_path / name).read(0, 4), expected, err_msg=name)


def test_cmyk_jpeg(tmp_path):
    Image.new("CMYK", (16, 16), (0, 255, 255, 0)).save(tmp_path / "x.jpg")
    np.testing.assert_allclose(
        one(tmp_path / "x.jpg").read(0, 8), np.full((8, 8, 3), (255, 0, 0)), atol=4
    )


def test_a_large_jpeg_read_at_a_fraction_is_nearly_the_same(tmp_path):
    y, x = np.mgrid[:900, :1200] / 100
    waves = np.stack([np.sin(x), np.cos(y), np.sin(x + y)], axis=-1)
    image = Image.fromarray((127 + 120 * waves).astype(np.uint8))
    image.save(tmp_path / "x.jpg", quality=95)
    with Image.open(tmp_path / "x.jpg") as full:
        expected = np.asarray(full.resize((64, 64), Image.Resampling.BILINEAR), dtype=int)
    assert np.abs(one(tmp_path / "x.jpg").read(0, 64) - expected).max() <= 4


def png_of_size(width: int, height: int) -> bytes:
    """A PNG whose header claims that size, and that has too few pixels."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        checksum = zlib.crc32(kind + data)
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", checksum)

    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    pixels = chunk(b"IDAT", zlib.compress(bytes(5)))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + pixels + chunk(b"IEND", b"")


def test_files_that_are_no_images_are_bad(tmp_path):
    whole = io.BytesIO()
    Image.fromarray(noise(64, 64)).save(whole, "JPEG")
    (tmp_path / "folder.jpg").mkdir()
    broken = {
        "cut.jpg": (whole.getvalue()[:1500], "truncated"),
        "short.png": (png_of_size(10, 10), "truncated"),
        "empty.jpg": (b"", "not an image"),
        "text.jpg": (b"hello", "not an image"),
        "script.jpg": (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", "not an image"),
        "large.png": (png_of_size(12000, 12000), "12000 × 12000 pixels are more than"),
        "huge.png": (png_of_size(60000, 60000), "bomb"),
    }
    for name, (content, why) in broken.items():
        (tmp_path / name).write_bytes(content)
        for photographs in (one(tmp_path / name), one(tmp_path / name, (0, 0, 4, 4))):
            with pytest.raises(BadImage, match=why) as caught:
                photographs.read(0, 8)
            assert 0 < len(caught.value.why) <= 100
    for name in ("absent.jpg", "folder.jpg"):
        with pytest.raises(BadImage, match=r"No such file|not a regular file"):
            one(tmp_path / name).read(0, 8)
    with pytest.raises(BadImage, match="No such file"):
        one(tmp_path / "absent.jpg").stamp(0)


@pytest.mark.parametrize("box", [None, (0, 0, 4, 4)])
def test_a_named_pipe_is_no_image_to_wait_for(tmp_path, box):
    os.mkfifo(tmp_path / "x.jpg")
    for use in (lambda pixels: pixels.read(0, 8), lambda pixels: pixels.stamp(0)):
        with pytest.raises(BadImage, match="not a regular file"):
            use(one(tmp_path / "x.jpg", box))


@pytest.mark.parametrize("dtype", [np.int32, np.float32])
def test_grey_without_a_known_range_has_its_own(tmp_path, dtype):
    values = np.array([[-3, 0], [1, 7]], dtype)
    Image.fromarray(values).save(tmp_path / "x.tif")
    expected = ((values + 3) * 25.5).round().astype(np.uint8)
    np.testing.assert_array_equal(one(tmp_path / "x.tif").read(0, 2)[..., 0], expected)
    Image.fromarray(np.full((2, 2), 9, dtype)).save(tmp_path / "x.tif")
    assert not one(tmp_path / "x.tif").read(0, 2).any()


def test_grey_that_is_not_finite_is_bad(tmp_path):
    Image.fromarray(np.array([[0, np.nan]], np.float32)).save(tmp_path / "x.tif")
    with pytest.raises(BadImage, match="not finite"):
        one(tmp_path / "x.tif").read(0, 2)


def test_a_file_that_changes_has_another_stamp_and_is_read_again(tmp_path):
    path = tmp_path / "x.bmp"
    photographs = one(path, (0, 0, 4, 4))
    Image.new("RGB", (4, 4), "red").save(path)
    os.utime(path, ns=(1, 1))
    first = photographs.stamp(0)
    assert photographs.read(0, 4)[0, 0].tolist() == [255, 0, 0]
    Image.new("RGB", (4, 4), "blue").save(path)
    os.utime(path, ns=(2, 2))
    assert photographs.stamp(0) != first
    assert photographs.read(0, 4)[0, 0].tolist() == [0, 0, 255]


def test_crosses_to_another_process_and_reads_the_real_images(shared_data):
    folder = shared_data / "apascal-384/JPEGImages"
    if not folder.is_dir():
        pytest.skip(f"no {folder}")
    names = tuple(sorted(path.name for path in folder.iterdir())[:5])
    photographs = pickle.loads(pickle.dumps(Photographs(folder, names)))
    assert len(photographs) == 5
    for row, name in enumerate(names):
        with Image.open(folder / name) as image:
            expected = image.convert("RGB").resize((200, 200), Image.Resampling.BILINEAR)
        np.testing.assert_array_equal(photographs.read(row, 200), np.asarray(expected))
