"""Every file below a folder of images is read, is litter, or is named."""

from __future__ import annotations

import io
import random
import re
from itertools import product
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from irtheory.runs.files import InputError
from irvision.data.examples import Examples
from irvision.data.registry import load_examples
from irvision.settings.data import DataOptions


def picture(form: str = "PNG") -> bytes:
    packed = io.BytesIO()
    Image.new("RGB", (6, 4), "red").save(packed, form)
    return packed.getvalue()


def put(root: Path, *files: str, content: bytes | None = None) -> None:
    for file in files:
        (root / file).parent.mkdir(parents=True, exist_ok=True)
        (root / file).write_bytes(picture() if content is None else content)


@pytest.fixture
def pair(tmp_path: Path) -> Path:
    """Two classes of six images."""
    root = tmp_path / "pair"
    put(root, *(f"{name}/{i}.png" for name in ("a", "b") for i in range(6)))
    return root


def load(root: Path) -> Examples:
    return load_examples(str(root), DataOptions())


def unread(examples: Examples) -> tuple[int, int, dict[str, int]]:
    """Files that are not read, all files, and how many for which reason."""
    (note,) = (note for note in examples.notes if note.startswith("Not read"))
    count, total = map(int, re.findall(r"(\d+) of (\d+) files", note)[0])
    reasons = re.findall(r"[;,] ([^():]*): (\d+) \(such as ", note)
    return count, total, {why: int(number) for why, number in reasons}


def test_litter_goes_without_a_word(pair):
    put(pair, "@eaDir/a/0.png", "a/@eaDir/0.png/SYNOPHOTO_THUMB_M.jpg", "__MACOSX/a/._0.png")
    put(pair, "#recycle/c/0.png", "$RECYCLE.BIN/0.png", "System Volume Information/x")
    put(pair, ".thumbnails/0.png", "a/.ipynb_checkpoints/0-checkpoint.png", "lost+found/0.png")
    put(pair, "a/Thumbs.db", "b/desktop.ini", ".DS_Store", "b/._0.png", "b/.DS_Store", content=b"x")
    put(pair, "README.md", "LICENSE", "labels.csv", "attributes.csv", "notes.txt", content=b"x")
    examples = load(pair)
    assert (examples.classes, len(examples.labels), examples.notes) == (("a", "b"), 12, ())


def test_every_file_is_read_or_named_and_the_counts_add_up(pair):
    put(pair, "a/x.PNG", "b/deep/er/y.jpeg")
    put(pair, "stray.png", "stray2.jpg")
    put(pair, "a/photo", "a/photo.jpg.1", "b/photo.dat", "b/photo.JPG_large")
    put(pair, "a/film.mp4", "b/x.gif", "b/y.HEIC", content=b"x")
    put(pair, "a/notes.txt", "b/x.xyz", "b/nothing", content=b"")
    put(pair, "a/0_mask.png", "b/masks/0.png", "b/masks/1.png")
    examples = load(pair)
    count, total, reasons = unread(examples)
    on_disk = [path for path in pair.rglob("*") if path.is_file()]
    assert total == len(on_disk) == count + len(examples.labels)
    assert len(examples.labels) == 14 and count == sum(reasons.values())
    assert reasons == {
        "pictures outside the class folders": 2,
        "pictures to be renamed, as they do not end in .jpg, .png or the like": 4,
        "pictures or films of other formats": 3,
        "files that are no pictures": 3,
        "masks, labels or small copies of other pictures": 3,
    }


def test_pictures_beside_the_folders_of_parts_and_classes_are_named(tmp_path):
    for part in ("train", "test"):
        put(tmp_path, *(f"{part}/{name}/{i}.png" for name in "ab" for i in range(3)))
    put(tmp_path, "x.png", "train/y.png", "test/z.png", "test/test.csv")
    examples = load(tmp_path)
    assert len(examples.labels) == 12
    assert unread(examples) == (
        3,
        15,
        {"pictures outside the part folders": 1, "pictures outside the class folders": 2},
    )


FOLDERS = ("train", "test", "val", "a", "b", "images", "masks", "labels", "1", "pred", "@eaDir")
FILES = ("1.png", "2.png", "3.jpg", "1_mask.png", "n.zip", "x.gif", "noext", "Thumbs.db", ".h.png")


def strew(root: Path, seed: int) -> None:
    """A folder of up to three levels, most of it regular, with files of every kind."""
    chance = random.Random(seed)
    levels = [chance.sample(FOLDERS, chance.randint(1, 4)) for _ in range(chance.choice((1, 2, 3)))]
    for words in product(*levels):
        odd = chance.sample(FILES, chance.randint(0, 5)) if chance.random() < 0.3 else []
        put(root, *(f"{'/'.join(words)}/{name}" for name in odd or FILES[:2]), content=b"")
    put(root, chance.choice(FILES), content=b"")


def test_no_file_of_folders_drawn_at_random_is_lost(tmp_path):
    read = 0
    for seed in range(60):
        root = tmp_path / str(seed)
        strew(root, seed)
        for layout in ("auto", "class", "part/class", "group/class"):
            try:
                examples = load_examples(str(root), DataOptions(layout=layout))
            except InputError as error:
                assert "\n" not in str(error)
                continue
            read += 1
            every = [
                path for path in root.rglob("*") if path.is_file() and "@eaDir" not in path.parts
            ]
            every = [path for path in every if path.name not in ("Thumbs.db", ".h.png")]
            names = {examples.pixels.name(row) for row in range(len(examples.labels))}
            named = any(note.startswith("Not read") for note in examples.notes)
            count, total, reasons = unread(examples) if named else (0, len(names), {})
            assert total == len(every) == len(names) + count and count == sum(reasons.values())
    assert read > 20


@pytest.mark.parametrize(
    "masks", ["masks", "Mask", "labels", "ground_truth", "GT", "SEG", "thumbs", "mask_images"]
)
def test_masks_beside_images_in_a_class_are_no_images(tmp_path, masks):
    for name in "ab":
        put(tmp_path, *(f"{name}/images/{i}.png" for i in range(4)))
        put(tmp_path, *(f"{name}/{masks}/m{i}.png" for i in range(4)))
    examples = load(tmp_path)
    assert all("/images/" in examples.pixels.name(row) for row in range(8))
    assert unread(examples)[:2] == (8, 16)


def test_masks_named_after_their_images_are_no_images(tmp_path):
    put(tmp_path, "a/1.png", "a/1_mask.png", "a/1_mask_1.png", "a/2.png", "a/Mask-2.PNG")
    put(tmp_path, "b/x (1).png", "b/x (1)-seg.png", "b/2.png", "b/lone_mask.png")
    examples = load(tmp_path)
    names = {Path(examples.pixels.name(row)).name for row in range(len(examples.labels))}
    assert names == {"1.png", "2.png", "x (1).png", "lone_mask.png"}
    assert unread(examples)[:2] == (4, 9)


def test_a_class_may_consist_of_labels(tmp_path):
    put(tmp_path, *(f"{name}/labels/{i}.png" for name in "ab" for i in range(3)))
    assert len(load(tmp_path).labels) == 6


def test_annotations_without_pictures_beside_the_classes_are_no_class(pair):
    put(pair, "annotations/a/0.xml", "annotations/b/0.xml", "labels/0.txt", content=b"<x/>")
    examples = load(pair)
    assert examples.classes == ("a", "b")
    assert unread(examples) == (3, 15, {"files that are no pictures": 3})


def test_tables_with_nearly_the_right_name_or_place_are_named(tmp_path):
    for part in ("train", "test"):
        put(tmp_path, *(f"{part}/{name}/{i}.png" for name in "ab" for i in range(3)))
    put(tmp_path, "Attributes.csv", "group.csv", "train/attributes.csv", content=b"")
    put(tmp_path, "attributes.csv", "groups.csv", "train.csv", content=b"")
    why = "tables that are not attributes.csv or groups.csv in the folder given"
    assert unread(load(tmp_path)) == (3, 15, {why: 3})


def test_a_class_of_other_files_says_which(pair):
    put(pair, "c/1.gif", "c/2", content=b"GIF89a")
    with pytest.raises(InputError, match=r"c: expected images .*: 2 of 2 files; .*c/1\.g"):
        load(pair)


def test_images_with_several_frames_are_named(pair):
    frames = [Image.new("RGB", (6, 4), colour) for colour in ("red", "blue")]
    for name in ("a/film.webp", "b/film.png", "b/pages.tiff"):
        frames[0].save(pair / name, save_all=True, append_images=frames[1:])
    examples = load(pair)
    assert len(examples.labels) == 15
    assert examples.notes == (
        "Of 3 images with several frames or pages the first alone is read, such as "
        f"{pair}/a/film.webp.",
    )


def test_links_are_named(pair, tmp_path):
    put(tmp_path / "far", "c/0.png", "c/1.png", "d/0.png")
    (pair / "c").symlink_to(tmp_path / "far/c")
    (pair / "a/linked.png").symlink_to(tmp_path / "far/d/0.png")
    (pair / "a/deep").symlink_to(tmp_path / "far/d")
    (pair / "again").symlink_to(pair / "a")
    (pair / "loop").symlink_to(tmp_path)
    examples = load(pair)
    assert np.bincount(examples.labels).tolist() == [7, 6, 2]
    assert examples.notes == (
        f"Read through links: 2, such as {pair}/c.",
        f"Linked folders that are not followed: 3, such as {pair}/again.",
    )


def test_linked_class_folders_of_parts_are_read(tmp_path):
    put(tmp_path / "far", *(f"{name}/{i}.png" for name in "ab" for i in range(3)))
    for part, name in (("train", "a"), ("train", "b"), ("test", "a")):
        (tmp_path / "set" / part).mkdir(parents=True, exist_ok=True)
        (tmp_path / "set" / part / name).symlink_to(tmp_path / "far" / name)
    examples = load(tmp_path / "set")
    assert [len(examples.rows(part)) for part in ("train", "test")] == [4, 3]
    assert any("Read through links: 3" in note for note in examples.notes)


def test_folders_that_are_too_deep_are_refused(pair):
    (pair / "a" / "/".join(["x"] * 70)).mkdir(parents=True)
    with pytest.raises(InputError, match="at most 64 folders in one another"):
        load(pair)
