from __future__ import annotations

import os
import shutil
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest

from irtheory.runs.files import InputError
from irvision.data.examples import BadImage, Examples
from irvision.data.pixels import cache_folder, decode
from irvision.data.pixels.cache import PixelCache, prepare
from irvision.data.pixels.pixel_file import rows_in_block
from irvision.data.report.listing import list_datasets

SIZE = 5


@dataclass(frozen=True)
class Numbered:
    """Row i is full of pixels that depend on i and on the shade; some are bad."""

    count: int
    shade: int = 0
    bad: tuple[int, ...] = ()
    prefix: str = "image"

    def __len__(self) -> int:
        return self.count

    def read(self, index: int, size: int) -> np.ndarray:
        if index in self.bad:
            raise BadImage(self.name(index), "it does not decode")
        return np.random.default_rng((index, self.shade, size)).integers(
            0, 256, (size, size, 3), np.uint8
        )

    def name(self, index: int) -> str:
        return f"{self.prefix}-{index}.jpg"

    def stamp(self, index: int) -> str:
        return f"{index} {self.shade} {index in self.bad}"


def examples(pixels: Numbered, name: str = "numbers") -> Examples:
    nothing = np.zeros(len(pixels), np.int64)
    return Examples(name, ("only",), nothing, nothing.astype(np.uint8), pixels)


def expected(pixels: Numbered, size: int = SIZE) -> np.ndarray:
    rows = np.zeros((len(pixels), size, size, 3), np.uint8)
    for index in set(range(len(pixels))) - set(pixels.bad):
        rows[index] = pixels.read(index, size)
    return rows


def prepared(pixels: Numbered, folder: Path, **more) -> tuple[PixelCache, list[str]]:
    said: list[str] = []
    return prepare(examples(pixels), SIZE, folder, on_message=said.append, **more), said


def files(folder: Path) -> set[str]:
    return {path.suffix for path in folder.iterdir()}


@pytest.mark.parametrize("processes", [1, 2, None])
def test_every_row_is_the_image_decoded_once(tmp_path: Path, processes: int | None) -> None:
    pixels = Numbered(150)
    assert rows_in_block(SIZE) < 150
    counts = []
    made, _ = prepared(
        pixels, tmp_path, processes=processes, on_progress=lambda *pair: counts.append(pair)
    )
    assert np.array_equal(made.pixels, expected(pixels))
    assert made.made and not made.bad and not made.pixels.flags.writeable
    assert counts[-1] == (150, 150) and counts == sorted(counts) and len(counts) == 5
    found, said = prepared(pixels, tmp_path)
    assert not found.made and not said and found.path == made.path
    assert np.array_equal(found.pixels, made.pixels)
    assert files(tmp_path) == {".pixels", ".lock"}


def test_no_more_processes_than_cores(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr("joblib.cpu_count", lambda: 1)
    monkeypatch.setattr(decode, "_blocks_of_processes", None)
    assert prepared(Numbered(150), tmp_path, processes=64)[0].made


def test_other_settings_and_other_samples_have_caches_of_their_own(tmp_path: Path) -> None:
    base = Numbered(4)
    variants = [
        prepare(examples(base), SIZE, tmp_path),
        prepare(examples(base), SIZE + 1, tmp_path),
        prepare(examples(base, "other"), SIZE, tmp_path),
        prepare(examples(Numbered(5)), SIZE, tmp_path),
        prepare(examples(replace(base, prefix="image box 1 2 3 4")), SIZE, tmp_path),
        prepare(examples(base, "../../a folder/of mine"), SIZE, tmp_path),
    ]
    paths = {cache.path for cache in variants}
    assert len(paths) == len(variants)
    assert all(path.parent == tmp_path for path in paths)
    assert all(path.is_file() for path in paths)


def test_a_folder_has_one_cache_however_it_is_written(tmp_path: Path, monkeypatch) -> None:
    caches = set()
    for folder in (tmp_path / "one", tmp_path / "two"):
        (folder / "data").mkdir(parents=True)
        monkeypatch.chdir(folder)
        for written in ("data", "./data", "../" + folder.name + "/data", folder / "data"):
            pixels = Numbered(3, prefix=f"{written}/image")
            caches.add(prepare(examples(pixels), SIZE, tmp_path / "caches").path)
    assert len(caches) == 2


def test_images_that_changed_are_decoded_again(tmp_path: Path) -> None:
    first, _ = prepared(Numbered(6), tmp_path)
    old = np.array(first.pixels)
    second, said = prepared(Numbered(6, shade=1), tmp_path)
    assert second.made and second.path == first.path
    assert len(said) == 1 and "changed" in said[0]
    assert np.array_equal(second.pixels, expected(Numbered(6, shade=1)))
    # What had the old one open still sees the old one.
    assert np.array_equal(first.pixels, old)


def _cut(data: bytearray) -> bytearray:
    return data[: len(data) // 2]


def _cut_last(data: bytearray) -> bytearray:
    return data[:-1]


def _flip_pixel(data: bytearray) -> bytearray:
    data[3] ^= 1
    return data


def _flip_late_pixel(data: bytearray) -> bytearray:
    data[100 * SIZE * SIZE * 3] ^= 128
    return data


def _flip_description(data: bytearray) -> bytearray:
    data[-40] ^= 1
    return data


def _longer(data: bytearray) -> bytearray:
    return data[:10] + data


def _empty(data: bytearray) -> bytearray:
    return data[:0]


@pytest.mark.parametrize(
    "harm",
    [_cut, _cut_last, _flip_pixel, _flip_late_pixel, _flip_description, _longer, _empty],
)
def test_a_damaged_cache_is_noticed_and_made_again(tmp_path: Path, harm) -> None:
    pixels = Numbered(130)
    path = prepared(pixels, tmp_path)[0].path
    path.write_bytes(harm(bytearray(path.read_bytes())))
    again, said = prepared(pixels, tmp_path)
    assert again.made and len(said) == 1 and "damaged" in said[0] and path.name in said[0]
    assert np.array_equal(again.pixels, expected(pixels))
    assert not prepared(pixels, tmp_path)[0].made


def test_of_a_large_cache_some_blocks_are_checked(tmp_path: Path) -> None:
    pixels = Numbered(200)
    path = prepared(pixels, tmp_path)[0].path
    data = bytearray(path.read_bytes())
    data[70 * SIZE * SIZE * 3] ^= 1
    path.write_bytes(data)
    block = rows_in_block(SIZE) * SIZE * SIZE * 3
    # The limit lets it read two of seven blocks: the first and the last.
    assert not prepared(pixels, tmp_path, checked=2 * block)[0].made
    assert prepared(pixels, tmp_path)[0].made


@dataclass(frozen=True)
class SameStamps(Numbered):
    """A source whose stamps, like those of files, do not show whether an image can be read."""

    def stamp(self, index: int) -> str:
        return "same"


def test_images_that_can_be_read_by_now_are(tmp_path: Path) -> None:
    pixels = SameStamps(40, bad=(3, 17))
    prepared(pixels, tmp_path, max_bad=1)
    assert not prepared(pixels, tmp_path, max_bad=1)[0].made
    mended = replace(pixels, bad=(3,))
    again, said = prepared(mended, tmp_path, max_bad=1)
    assert again.made and len(said) == 1 and "image-17.jpg can be read by now" in said[0]
    assert np.array_equal(again.pixels, expected(mended))


def test_a_cache_of_another_size_under_this_name_is_damage(tmp_path: Path) -> None:
    pixels = Numbered(3)
    path = prepared(pixels, tmp_path)[0].path
    shutil.copy(prepare(examples(pixels), SIZE + 1, tmp_path).path, path)
    again, said = prepared(pixels, tmp_path)
    assert again.made and "other pixels" in said[0]


def test_a_pipe_in_place_of_a_cache_is_replaced(tmp_path: Path) -> None:
    pixels = Numbered(3)
    path = prepared(pixels, tmp_path)[0].path
    path.unlink()
    os.mkfifo(path)
    assert list_datasets(tmp_path, tmp_path)
    again, said = prepared(pixels, tmp_path)
    assert again.made and path.is_file() and "not a regular file" in said[0]


def test_bad_images_are_zero_and_counted(tmp_path: Path) -> None:
    pixels = Numbered(40, bad=(3, 17, 20, 31))
    with pytest.raises(InputError) as refusal:
        prepared(pixels, tmp_path)
    line = str(refusal.value)
    assert "4 of 40" in line and "--max-bad" in line and "\n" not in line
    assert "image-3.jpg: it does not decode" in line and "image-31" not in line
    # The work is kept, so that the same command with the option set is quick.
    kept, _ = prepared(pixels, tmp_path, max_bad=0.1)
    assert not kept.made
    assert [(i, n) for i, n, _ in kept.bad] == [(i, f"image-{i}.jpg") for i in pixels.bad]
    assert not kept.pixels[list(pixels.bad)].any()
    assert np.array_equal(kept.pixels, expected(pixels))
    with pytest.raises(InputError):
        prepared(pixels, tmp_path, max_bad=0.09)


@pytest.mark.parametrize(
    ("more", "named"),
    [({"processes": 0}, "--processes"), ({"max_bad": 1.5}, "--max-bad")],
)
def test_settings_out_of_range(tmp_path: Path, more: dict, named: str) -> None:
    with pytest.raises(InputError, match=named):
        prepared(Numbered(3), tmp_path, **more)
    with pytest.raises(InputError, match="--size"):
        prepare(examples(Numbered(3)), 0, tmp_path)
    with pytest.raises(InputError, match="found none"):
        prepared(Numbered(0), tmp_path)
    assert not list(tmp_path.iterdir())


def test_a_folder_that_cannot_be_used(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match=r"--cache-dir .*file"):
        prepared(Numbered(3), tmp_path / "file" / "caches")


def test_a_disk_too_small_is_told_before(tmp_path: Path, monkeypatch) -> None:
    usage = shutil.disk_usage(tmp_path)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage._replace(free=100))
    with pytest.raises(InputError, match=r"needs .* GiB in .*, found 0\.00 GiB free"):
        prepared(Numbered(3), tmp_path)
    assert files(tmp_path) == {".lock"}


def test_a_disk_that_fills_up_leaves_nothing_half_done(tmp_path: Path, monkeypatch) -> None:
    def full(*_: object) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "pwrite", full)
    with pytest.raises(InputError, match="the disk is full"):
        prepared(Numbered(3), tmp_path)
    assert files(tmp_path) == {".lock"}


def test_where_caches_go(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("IRA_CACHE", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", "relative/is/ignored")
    assert cache_folder.cache_folder() == tmp_path / ".cache/ira/pixels"
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    assert cache_folder.cache_folder() == tmp_path / "xdg/ira/pixels"
    monkeypatch.setenv("IRA_CACHE", "~/mine")
    assert cache_folder.cache_folder() == tmp_path / "mine/pixels"
    assert prepare(examples(Numbered(2)), SIZE).path.parent == tmp_path / "mine/pixels"
