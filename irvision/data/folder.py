"""Any folder of images: a folder for each class, perhaps below folders for the parts.

    FOLDER/class/….jpg                                    (parts are drawn, 70/30)
    FOLDER/train/class/….jpg, FOLDER/test/class/….jpg     (and val/ or validation/, else drawn)
    FOLDER/attributes.csv                                 (optional, for evaluation)

The folder is `options.data_dir`; `registry` puts the path that the user gives there.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path, PurePosixPath

import numpy as np
from jaxtyping import Int, UInt8

from irtheory.runs import InputError
from irvision.data import annotations
from irvision.data.examples import PARTS, Attributes, DataOptions, Examples, Part
from irvision.data.image_files import SUFFIXES, list_folders, list_images
from irvision.data.layout import Needed
from irvision.data.photographs import Photographs, check_same
from irvision.data.splits import make_parts

ATTRIBUTES = Needed(("attributes.csv",), "a table of attributes", "evaluation")
FILES = (ATTRIBUTES,)
SOURCE = "These are images of your own."
PART_OF: dict[str, Part] = {
    "train": "train",
    "val": "validation",
    "validation": "validation",
    "test": "test",
}
FEWEST_CLASSES = 2
# One to train on and one to test on.
FEWEST_IMAGES = 2


def root(options: DataOptions) -> Path:
    """The folder; InputError where there is none."""
    if options.data_dir is None or not options.data_dir.is_dir():
        raise InputError(f"{options.data_dir}: expected a folder of images")
    return options.data_dir


def load_examples(options: DataOptions) -> Examples:
    """Whole images, classes and parts; see `registry.load_examples`.

    Raises:
        InputError: no images, fewer than two classes, or too few images of a class.
    """
    folder = root(options)
    tops = _part_folders(folder)
    listed = _listed(folder, tops)
    classes = _classes(folder, listed)
    number_of = {name: number for number, name in enumerate(classes)}
    labels = np.array([number_of[name] for _, name, _ in listed])
    given = (
        np.array([PARTS.index(PART_OF[top]) for top, _, _ in listed], np.uint8) if tops else None
    )
    pixels = _photographs(folder, listed)
    parts = _parts(labels, pixels.files, options, given)
    return Examples(folder.resolve().name, classes, labels, parts, pixels)


def load_attributes(options: DataOptions, examples: Examples) -> Attributes | None:
    """What attributes.csv says of each image; None where there is no such file."""
    folder = root(options)
    file = ATTRIBUTES.find(folder)
    if file is None:
        return None
    pixels = _photographs(folder, _listed(folder, _part_folders(folder)))
    check_same(examples, pixels)
    return Attributes(*annotations.read_csv_attributes(file, pixels.files))


def _part_folders(folder: Path) -> list[str]:
    """Folders that are parts, if all are; a class may be called train beside other classes."""
    tops = list_folders(folder)
    if not tops or not set(tops) <= set(PART_OF):
        return []
    if len({PART_OF[top] for top in tops}) < len(tops):
        raise InputError(f"{folder}: expected one validation folder, found val and validation")
    for needed in ("train", "test"):
        if needed not in tops:
            raise InputError(f"{folder / needed}: expected a folder beside {tops[0]}, found none")
    return tops


def _listed(folder: Path, tops: Sequence[str]) -> list[tuple[str, str, str]]:
    """Folder of the part (or "."), class, and file below it, of each image."""
    found = []
    for top in tops or ["."]:
        for name in list_folders(folder / top):
            files = list_images(folder / top / name)
            if not files:
                kinds = ", ".join(suffix[1:] for suffix in SUFFIXES)
                raise InputError(f"{folder / top / name}: expected images ({kinds}), found none")
            found += [(top, name, file) for file in files]
        if tops and (not found or found[-1][0] != top):
            raise InputError(f"{folder / top}: expected a folder of images for each class")
    return found


def _photographs(folder: Path, listed: Sequence[tuple[str, str, str]]) -> Photographs:
    return Photographs(folder, tuple(PurePosixPath(*places).as_posix() for places in listed))


def _classes(folder: Path, listed: Sequence[tuple[str, str, str]]) -> tuple[str, ...]:
    """Names in order of the alphabet, once every class has enough images where it needs them."""
    tops = {top for top, _, _ in listed}
    counts = Counter(name for top, name, _ in listed if top in (".", "train"))
    if len(counts) < FEWEST_CLASSES:
        raise InputError(
            f"{folder}: expected a folder of images for each of at least {FEWEST_CLASSES} "
            f"classes, found {len(counts)}"
        )
    for top, name, _ in listed:
        if name not in counts:
            raise InputError(f"{folder / top / name}: expected a class that train has too")
    fewest = 1 if "train" in tops else FEWEST_IMAGES
    for name, count in counts.items():
        if count < fewest:
            raise InputError(f"{folder / name}: expected at least {fewest} images, found {count}")
    return tuple(sorted(counts))


def _parts(
    labels: Int[np.ndarray, " m"],
    files: Sequence[str],
    options: DataOptions,
    given: UInt8[np.ndarray, " m"] | None,
) -> UInt8[np.ndarray, " m"]:
    """Those of the folders; what these do not say is drawn."""
    if given is None:
        return make_parts(labels, files, options)
    if (given == PARTS.index("validation")).any():
        return given
    return make_parts(labels, files, options, test=given == PARTS.index("test"))
