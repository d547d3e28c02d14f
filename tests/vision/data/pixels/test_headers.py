"""Headers of files, compared with what Pillow finds."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from PIL import Image

from irvision.data.pixels.headers import has_frames, is_picture

FORMATS = ["PNG", "JPEG", "BMP", "WEBP", "TIFF", "GIF"]
OF_FRAMES = ["PNG", "WEBP", "TIFF"]
COLOURS = ("red", "blue", "green")


def save(path: Path, form: str, frames: int, **options: object) -> Path:
    first, *more = (Image.new("RGB", (9, 7), colour) for colour in COLOURS[:frames])
    if more:
        options |= {"save_all": True, "append_images": more}
    first.save(path, form, **options)
    return path


@pytest.mark.parametrize("form", FORMATS)
def test_pictures_are_known_by_their_first_bytes(tmp_path, form):
    assert is_picture(save(tmp_path / "without-ending", form, 1))


@pytest.mark.parametrize(
    "content", [b"", b"B", b"BM is how this text begins, and it goes on", b"{}", b"\x89PN", b"RIFF"]
)
def test_other_files_are_no_pictures(tmp_path, content):
    (tmp_path / "x").write_bytes(content)
    assert not is_picture(tmp_path / "x") and not has_frames(tmp_path / "x")


def test_a_pipe_is_not_opened(tmp_path):
    os.mkfifo(tmp_path / "pipe.png")
    assert not is_picture(tmp_path / "pipe.png") and not has_frames(tmp_path / "pipe.png")


@pytest.mark.parametrize("form", FORMATS)
def test_one_frame_is_one_frame(tmp_path, form):
    path = save(tmp_path / "x", form, 1)
    with Image.open(path) as image:
        assert getattr(image, "n_frames", 1) == 1
    assert not has_frames(path)


@pytest.mark.parametrize("form", OF_FRAMES)
@pytest.mark.parametrize("frames", [2, 3])
def test_several_frames_are_found(tmp_path, form, frames):
    path = save(tmp_path / "x", form, frames)
    with Image.open(path) as image:
        assert getattr(image, "n_frames", 1) == frames
    assert has_frames(path)


@pytest.mark.parametrize("options", [{"big_tiff": True}, {"compression": "tiff_lzw"}])
def test_several_pages_of_other_tiffs_are_found(tmp_path, options):
    assert has_frames(save(tmp_path / "several", "TIFF", 2, **options))
    assert not has_frames(save(tmp_path / "one", "TIFF", 1, **options))


def test_several_pages_of_a_tiff_of_motorola_order_are_found(tmp_path):
    def directory(after: int) -> bytes:
        entry = b"".join(part.to_bytes(size, "big") for part, size in ((256, 2), (3, 2), (1, 4)))
        return (1).to_bytes(2, "big") + entry + bytes(4) + after.to_bytes(4, "big")

    for after in (0, 26):
        content = b"MM\0*" + (8).to_bytes(4, "big") + directory(after) + directory(0)
        (tmp_path / "x").write_bytes(content)
        assert has_frames(tmp_path / "x") == bool(after)


@pytest.mark.parametrize("form", OF_FRAMES)
def test_a_file_that_is_cut_short_raises_nothing(tmp_path, form):
    content = save(tmp_path / "x", form, 2).read_bytes()
    for length in range(min(len(content), 120)):
        (tmp_path / "x").write_bytes(content[:length])
        has_frames(tmp_path / "x")
        is_picture(tmp_path / "x")
