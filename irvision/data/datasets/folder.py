"""Any folder of images: one folder per class, optionally inside folders for the parts.

    FOLDER/class/….jpg                                    (random parts, 70/30)
    FOLDER/train/class/….jpg, FOLDER/test/class/….jpg     (and validation/, else random)
    FOLDER/attributes.csv                                 (optional, for evaluation)

`registry` stores the path given by the user in `options.data_dir`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import numpy as np
from jaxtyping import Shaped, UInt8

from irtheory.runs.files import InputError
from irvision.data.datasets import annotations
from irvision.data.datasets.layout import Needed
from irvision.data.datasets.splits import Draw, check_split
from irvision.data.examples import PARTS, Attributes, Examples, Part
from irvision.data.pixels.image_files import (
    SUFFIXES,
    Listing,
    list_folders,
    list_images,
    name_passed,
)
from irvision.data.pixels.photographs import Photographs, check_same
from irvision.settings.data import DataOptions

ATTRIBUTES = Needed(("attributes.csv",), "a table of attributes", "evaluation")
FILES = (ATTRIBUTES,)
SOURCE = "These are images of your own."
# Names of folders for parts, in any letter case.
PART_OF: dict[str, Part] = {
    "train": "train",
    "val": "validation",
    "valid": "validation",
    "validation": "validation",
    "test": "test",
}
FEWEST_CLASSES = 2
# One for training and one for testing.
FEWEST_IMAGES = 2


@dataclass(frozen=True)
class ClassFolder:
    """Images of a class in a part (None: in all parts); `place` is relative to the data folder."""

    part: Part | None
    name: str
    place: str
    listing: Listing


def root(options: DataOptions) -> Path:
    """The folder; InputError if there is none."""
    if options.data_dir is None or not options.data_dir.is_dir():
        raise InputError(f"{options.data_dir}: expected a folder of images")
    return options.data_dir


def load_examples(options: DataOptions) -> Examples:
    """Whole images, classes and parts; see `registry.load_examples`.

    Raises:
        InputError: no images, fewer than two classes, or too few images of a class.
    """
    folder = root(options)
    tops = list_folders(folder)
    listed = _listed(folder, _part_folders(folder, tops))
    classes = _classes(folder, listed)
    number_of = {name: number for number, name in enumerate(classes)}
    sizes = [len(one.listing.images) for one in listed]
    labels = np.repeat([number_of[one.name] for one in listed], sizes)
    pixels = _photographs(folder, listed)
    given = np.repeat([one.part or "" for one in listed], sizes)
    draw = _draw(pixels.files, options, given)
    parts = _given(given) if draw is None else draw.parts(labels)
    notes = (*_name_mixed(tops), *name_passed(one.listing for one in listed))
    return Examples(folder.resolve().name, classes, labels, parts, pixels, notes, draw)


def load_all(options: DataOptions) -> Examples:
    """All images with their classes, whatever their parts; one image is enough.

    Raises:
        InputError: no images.
    """
    folder = root(options)
    tops = list_folders(folder)
    listed = _listed(folder, _part_folders(folder, tops))
    if not listed:
        raise InputError(f"{folder}: expected a folder of images for each class, found none")
    classes = tuple(sorted({one.name for one in listed}))
    sizes = [len(one.listing.images) for one in listed]
    labels = np.repeat([classes.index(one.name) for one in listed], sizes)
    parts = np.full(len(labels), PARTS.index("test"), np.uint8)
    notes = (*_name_mixed(tops), *name_passed(one.listing for one in listed))
    return Examples(
        folder.resolve().name, classes, labels, parts, _photographs(folder, listed), notes
    )


def load_attributes(options: DataOptions, examples: Examples) -> Attributes | None:
    """The attributes of each image in attributes.csv; None if there is no such file."""
    folder = root(options)
    file = ATTRIBUTES.find(folder)
    if file is None:
        return None
    pixels = _photographs(folder, _listed(folder, _part_folders(folder, list_folders(folder))))
    check_same(examples, pixels)
    return Attributes(*annotations.read_csv_attributes(file, pixels.files))


def _part_folders(folder: Path, tops: Sequence[str]) -> dict[str, Part]:
    """The folders of parts, if all folders are; among other classes, `train` is a class too."""
    parts: dict[str, Part] = {
        top: PART_OF[top.casefold()] for top in tops if top.casefold() in PART_OF
    }
    if len(parts) < len(tops):
        return {}
    names: dict[Part, str] = {}
    for top, part in parts.items():
        if (other := names.setdefault(part, top)) != top:
            raise InputError(f"{folder}: expected one {part} folder, found {other} and {top}")
    for needed in ("train", "test"):
        if parts and needed not in names:
            raise InputError(f"{folder / needed}: expected a folder beside {tops[0]}, found none")
    return parts


def _name_mixed(tops: Sequence[str]) -> tuple[str, ...]:
    """A note on folders that are named like parts but read as classes; or nothing."""
    called = [top for top in tops if top.casefold() in PART_OF]
    if len(called) in (0, len(tops)):
        return ()
    other = next(top for top in tops if top not in called)
    return (f"Read as classes: {', '.join(called)}, as {other} beside them is no part.",)


def _listed(folder: Path, parts: dict[str, Part]) -> list[ClassFolder]:
    """The class folders of all parts."""
    found = []
    for top, part in parts.items() or [(".", None)]:
        names = list_folders(folder / top)
        if part and not names:
            raise InputError(f"{folder / top}: expected a folder of images for each class")
        for name in names:
            listing = list_images(folder / top / name)
            if not listing.images:
                kinds = ", ".join(suffix[1:] for suffix in SUFFIXES)
                raise InputError(f"{folder / top / name}: expected images ({kinds}), found none")
            found.append(ClassFolder(part, name, PurePosixPath(top, name).as_posix(), listing))
    return found


def _photographs(folder: Path, listed: Sequence[ClassFolder]) -> Photographs:
    return Photographs(
        folder, tuple(file for one in listed for file in one.listing.below(one.place))
    )


def _classes(folder: Path, listed: Sequence[ClassFolder]) -> tuple[str, ...]:
    """Class names in alphabetical order, after checking that each class has enough images."""
    counts = Counter[str]()
    for one in listed:
        if one.part in (None, "train"):
            counts[one.name] += len(one.listing.images)
    if len(counts) < FEWEST_CLASSES:
        raise InputError(
            f"{folder}: expected a folder of images for each of at least {FEWEST_CLASSES} "
            f"classes, found {len(counts)}"
        )
    for one in listed:
        if one.name not in counts:
            raise InputError(f"{folder / one.place}: expected a class that train has too")
        if one.part is None and counts[one.name] < FEWEST_IMAGES:
            raise InputError(
                f"{folder / one.place}: expected at least {FEWEST_IMAGES} images, found "
                f"{counts[one.name]}"
            )
    return tuple(sorted(counts))


def _draw(
    files: tuple[str, ...], options: DataOptions, given: Shaped[np.ndarray, " m"]
) -> Draw | None:
    """How the parts that folders do not give are drawn; None if they give all."""
    if "" in given:
        return Draw(files, None, options)
    if "validation" not in given:
        return Draw(files, given == "test", options)
    check_split(options)
    if options.validation != DataOptions.validation:
        raise InputError(
            f"--validation {options.validation:g}: expected none, as {options.data_dir} has a "
            "validation folder of its own"
        )
    return None


def _given(given: Shaped[np.ndarray, " m"]) -> UInt8[np.ndarray, " m"]:
    return np.array([PARTS.index(part) for part in given], np.uint8)
