from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import pytest

from irvision.data.examples import BadImage, Examples
from irvision.data.pixels.cache import PixelCache, prepare
from irvision.data.pixels.pixel_file import rows_in_block

SIZE, COUNT = 4, 200
BLOCK = rows_in_block(SIZE)


@dataclass(frozen=True)
class Interrupted:
    """Numbered images; reading one of them is interrupted, as by Ctrl-C; one is bad."""

    at: int = -1
    error: type[BaseException] = KeyboardInterrupt
    mark: str = "same"
    read_rows: list[int] = field(default_factory=list)

    def __len__(self) -> int:
        return COUNT

    def read(self, index: int, size: int) -> np.ndarray:
        if index == self.at:
            raise self.error(28, "full")
        self.read_rows.append(index)
        if index == 5:
            raise BadImage(self.name(index), "caf\udce9 does not decode")
        return np.random.default_rng(index).integers(0, 256, (size, size, 3), np.uint8)

    def name(self, index: int) -> str:
        return f"caf\udce9-{index}.jpg"

    def stamp(self, index: int) -> str:
        return self.mark


def prepared(pixels: Interrupted, folder: Path) -> tuple[PixelCache, list[str]]:
    zeros = np.zeros(COUNT, np.int64)
    said: list[str] = []
    examples = Examples("set", ("only",), zeros, zeros.astype(np.uint8), pixels)
    made = prepare(examples, SIZE, folder, processes=1, max_bad=1, on_message=said.append)
    return made, said


@pytest.fixture
def whole(tmp_path: Path) -> PixelCache:
    return prepared(Interrupted(), tmp_path / "whole")[0]


def interrupted(folder: Path, at: int) -> None:
    with pytest.raises(KeyboardInterrupt):
        prepared(Interrupted(at), folder)


def suffixes(folder: Path) -> list[str]:
    return sorted(path.suffix for path in folder.iterdir())


def check_same(found: PixelCache, whole: PixelCache) -> None:
    assert np.array_equal(found.pixels, whole.pixels) and found.bad == whole.bad
    assert found.prints.tobytes() == whole.prints.tobytes()


def test_an_interrupted_pass_goes_on_where_it_was(tmp_path: Path, whole: PixelCache) -> None:
    folder = tmp_path / "caches"
    interrupted(folder, 2 * BLOCK + 3)
    assert suffixes(folder) == [".journal", ".lock", ".partial"]
    interrupted(folder, 4 * BLOCK)
    pixels = Interrupted()
    found, said = prepared(pixels, folder)
    assert min(pixels.read_rows) == 4 * BLOCK and f"going on after {4 * BLOCK} of 200" in said[0]
    check_same(found, whole)
    assert suffixes(folder) == [".lock", ".pixels"]
    again, said = prepared(Interrupted(), folder)
    assert not again.made and not said
    check_same(again, whole)


def test_other_images_begin_anew(tmp_path: Path) -> None:
    interrupted(tmp_path, 3 * BLOCK)
    pixels = Interrupted(mark="other")
    _, said = prepared(pixels, tmp_path)
    assert len(pixels.read_rows) >= COUNT and not said


def _cut(text: str) -> str:
    return text[:-30]


def _second_line(text: str) -> str:
    lines = text.splitlines(keepends=True)
    return "".join([*lines[:2], "nonsense\n", *lines[3:]])


def _other_checksum(text: str) -> str:
    lines = text.splitlines(keepends=True)
    lines[2] = json.dumps(json.loads(lines[2]) | {"checksum": 1}) + "\n"
    return "".join(lines)


def _beyond(text: str) -> str:
    lines = text.splitlines(keepends=True)
    lines[2] = json.dumps(json.loads(lines[2]) | {"start": 10**9}) + "\n"
    return "".join(lines)


@pytest.mark.parametrize(
    "harm", [_cut, _second_line, _other_checksum, _beyond, lambda text: "", lambda text: "[[["]
)
def test_a_damaged_journal_is_believed_as_far_as_it_is_whole(
    tmp_path: Path, whole: PixelCache, harm: Callable[[str], str]
) -> None:
    folder = tmp_path / "caches"
    interrupted(folder, 3 * BLOCK)
    (journal,) = folder.glob("*.journal")
    journal.write_text(harm(journal.read_text()))
    check_same(prepared(Interrupted(), folder)[0], whole)


def test_pixels_that_are_lost_are_decoded_again(tmp_path: Path, whole: PixelCache) -> None:
    folder = tmp_path / "caches"
    interrupted(folder, 3 * BLOCK)
    (partial,) = folder.glob("*.partial")
    data = bytearray(partial.read_bytes())
    data[BLOCK * SIZE * SIZE * 3 + 7] ^= 1
    partial.write_bytes(data)
    pixels = Interrupted()
    check_same(prepared(pixels, folder)[0], whole)
    assert min(pixels.read_rows) == BLOCK


def test_a_full_disk_is_freed(tmp_path: Path) -> None:
    from irtheory.runs.files import InputError

    with pytest.raises(InputError, match="the disk is full"):
        prepared(replace(Interrupted(3 * BLOCK), error=OSError), tmp_path)
    assert suffixes(tmp_path) == [".lock"]
