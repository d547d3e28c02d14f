from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from irtheory.runs.files import InputError
from irvision.data.examples import Examples
from irvision.data.pixels.prints import PRINT, THUMBNAIL
from irvision.runs.changes import check_contents, compare, compare_names, unchanged
from irvision.runs.samples import Samples, list_samples, read_samples, write_samples

NAMES = ("a/1.png", 'a/two, "three".png', "a/new\rline\n.png", "b/caf\udce9.png", "b/1.png")


class Named:
    def __init__(self, names: tuple[str, ...]) -> None:
        self.names = names

    def __len__(self) -> int:
        return len(self.names)

    def name(self, index: int) -> str:
        return f"/data/set/{self.names[index]}"


def examples(names: tuple[str, ...] = NAMES) -> Examples:
    labels = np.array([0 if name.startswith("a") else 1 for name in names])
    parts = np.arange(len(names)).astype(np.uint8) % 3
    return Examples("set", ("class, one", "two"), labels, parts, Named(names))


def prints(count: int, seed: int = 0) -> np.ndarray:
    drawn = np.random.default_rng(seed).integers(0, 256, count * PRINT.itemsize, np.uint8)
    return drawn.view(PRINT).copy()


def samples(bad: tuple[int, ...] = ()) -> Samples:
    return list_samples(examples(), prints(len(NAMES)), bad)


def test_what_was_written_is_read(tmp_path: Path) -> None:
    known = samples(bad=(1,))
    write_samples(tmp_path, known)
    found = read_samples(tmp_path)
    assert found is not None and found.names == NAMES and found.digests[1] == ""
    for name in ("names", "classes", "parts", "digests", "pixels"):
        assert getattr(found, name) == getattr(known, name)
    assert np.array_equal(found.colours, known.colours)
    assert np.array_equal(found.luminance, known.luminance)
    assert found.parts == ("train", "validation", "test", "train", "validation")


def test_runs_of_earlier_releases_have_none(tmp_path: Path) -> None:
    assert read_samples(tmp_path) is None


def test_a_sample_that_comes_twice_has_two_names() -> None:
    names = ("a/1.png", "a/1.png", "b/2.png", "a/1.png")
    found = list_samples(examples(names), prints(4), ())
    assert len(set(found.names)) == 4 and found.names[0] == "a/1.png"


@pytest.mark.parametrize(
    "harm",
    [
        lambda text: "",
        lambda text: text.replace("image,class", "class,image"),
        lambda text: text.replace(",train,", ",training,"),
        lambda text: text + "a/9.png,one,train\n",
        lambda text: text + text.splitlines()[1] + "\n",
        lambda text: text[:-20],
        lambda text: text.replace(text.split(",")[7][:8], "gggggggg"),
        lambda text: text + '"' + "x" * 200_000,
    ],
)
def test_other_content_is_refused(tmp_path: Path, harm) -> None:
    write_samples(tmp_path, samples())
    file = tmp_path / "samples.csv"
    text = file.read_bytes().decode("utf-8", "surrogateescape")
    file.write_bytes(harm(text).encode("utf-8", "surrogateescape"))
    with pytest.raises(InputError, match=r"samples\.csv: line \d+"):
        read_samples(tmp_path)


def test_a_file_of_any_size_is_not_read(tmp_path: Path, monkeypatch) -> None:
    write_samples(tmp_path, samples())
    monkeypatch.setattr("irvision.runs.samples.MOST_BYTES", 100)
    with pytest.raises(InputError, match="at most 100 bytes"):
        read_samples(tmp_path)


def test_names_classes_and_parts_are_compared(tmp_path: Path) -> None:
    before = samples()
    names = ("a/1.png", "b/caf\udce9.png", "b/1.png", "a/4.png")
    here = replace(examples(names), labels=np.array([0, 0, 1, 0]))
    found = compare_names(before, here)
    assert found.added == ("a/4.png",) and found.removed == NAMES[1:3]
    assert found.moved == ("b/caf\udce9.png",)
    assert "1 added (a/4.png); 2 removed" in found.listed
    again = compare(before, replace(before, parts=("test", *before.parts[1:])))
    assert again.parted == NAMES[:1] and not again.changed and not again.added


def changed(before: Samples, row: int, levels: int = 0, bits: int = 0) -> Samples:
    """The samples with other pixels in a row, whose print changes by so much."""
    digests, luminance = list(before.digests), before.luminance.copy()
    colours = before.colours.astype(np.int16)
    digests[row] = "ab" * 16
    colours[row, 5] += levels if colours[row, 5] < 128 else -levels
    luminance[row] ^= np.uint64((1 << bits) - 1)
    small = colours.astype(np.uint8)
    return replace(before, digests=tuple(digests), colours=small, luminance=luminance)


def exchanged(before: Samples) -> Samples:
    """The first two pictures exchanged; they look the same."""
    alike = before.colours.copy()
    alike[1] = alike[0]
    luminance = before.luminance.copy()
    luminance[1] = luminance[0]
    digests = (before.digests[1], before.digests[0], *before.digests[2:])
    return replace(before, digests=digests, colours=alike, luminance=luminance)


def test_rounding_is_told_from_another_picture(tmp_path: Path) -> None:
    before = samples(bad=(4,))
    assert before.colours.shape[1] == 3 * THUMBNAIL**2
    for now, row in ((changed(before, 2, 3), 2), (changed(before, 0, 0, 8), 0)):
        found = compare(before, now)
        assert found.rounded == (NAMES[row],) and not found.changed and not found.listed
    for now, rows in (
        (changed(before, 2, 4), [2]),
        (changed(before, 2, 0, 9), [2]),
        (exchanged(before), [0, 1]),
    ):
        found = compare(before, now)
        assert found.changed == tuple(NAMES[row] for row in rows) and not found.rounded
        assert np.flatnonzero(~unchanged(now, found)).tolist() == rows


def test_images_that_cannot_be_read_are_no_other_pictures(tmp_path: Path) -> None:
    before = samples(bad=(4,))
    write_samples(tmp_path, before)
    lost = replace(before, digests=("", *before.digests[1:]))
    for now, name in ((changed(before, 4), NAMES[4]), (lost, NAMES[0])):
        found = compare(before, now)
        assert found.unread == (name,) and not found.changed and not found.listed
        assert now.names[int(np.flatnonzero(~unchanged(now, found))[0])] == name
        (note,) = check_contents(tmp_path, now, before.pixels, "here")
        assert "1 images could be read only in training or only now" in note


def test_contents_are_compared_with_those_of_the_run(tmp_path: Path) -> None:
    before = samples()
    write_samples(tmp_path, before)
    assert check_contents(tmp_path, before, before.pixels, "here") == ()
    (note,) = check_contents(tmp_path, before, None, "here")
    assert "earlier release" in note
    (note,) = check_contents(tmp_path, changed(before, 1, 2), before.pixels, "here")
    assert "1 images are decoded slightly differently" in note
    with pytest.raises(InputError, match=r"here: .* found 2 images .*a/1\.png.* or train anew"):
        check_contents(tmp_path, exchanged(before), before.pixels, "here")
    (tmp_path / "samples.csv").unlink()
    with pytest.raises(InputError, match=r"no .*samples\.csv"):
        check_contents(tmp_path, exchanged(before), before.pixels, "here")


def test_thirty_thousand_samples_take_little_time(tmp_path: Path) -> None:
    import time

    names = tuple(f"a/{number}.png" for number in range(30_000))
    start = time.process_time()
    known = list_samples(examples(names), prints(len(names)), ())
    write_samples(tmp_path, known)
    found = read_samples(tmp_path)
    assert found is not None and not compare(found, known).listed
    assert time.process_time() - start < 5
