"""Any folder of images: one folder per class, in or around folders for parts or groups.

    FOLDER/class/….jpg                                    (random parts, 70/30)
    FOLDER/train/class/….jpg, FOLDER/test/class/….jpg     (and validation/, else random)
    FOLDER/attributes.csv                                 (optional, for evaluation)
    FOLDER/groups.csv                                     (optional, for --group)

`registry` stores the path given by the user in `options.data_dir`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Int, Shaped, UInt8

from irtheory.runs.files import InputError
from irvision.data.datasets import annotations
from irvision.data.datasets.folder_classes import (
    name_alike,
    name_nested,
    settle_parts,
)
from irvision.data.datasets.folder_groups import check_groups, group_notes, read_groups
from irvision.data.datasets.folder_layout import mixed_note, odd_names_note, recognise
from irvision.data.datasets.folder_reading import (
    ATTRIBUTE_TABLE,
    ClassFolder,
    levels_of,
    read_levels,
)
from irvision.data.datasets.layout import Needed
from irvision.data.datasets.splits import Draw, check_split
from irvision.data.examples import PARTS, Attributes, Examples
from irvision.data.pixels.image_files import follow_links, read_tree
from irvision.data.pixels.photographs import Photographs, check_same
from irvision.data.pixels.unread import Unread, name_frames, name_links, name_unread
from irvision.settings.data import DataOptions, OptionError

ATTRIBUTES = Needed((ATTRIBUTE_TABLE,), "a table of attributes", "evaluation")
FILES = (ATTRIBUTES,)
SOURCE = "These are images of your own."
FEWEST_CLASSES = 2
# Classes that a note lists.
SHOWN = 10
# Folders in one another that the recognised layouts have: those of parts, and of classes.
AUTO_LEVELS = 2
# One for training and one for testing.
FEWEST_IMAGES = 2


@dataclass(frozen=True)
class Reading:
    """What a folder was read as.

    Attributes:
        found: the folders of classes, in the order of their images.
        unread: what is not read.
        notes: on how the folders were understood.
    """

    found: tuple[ClassFolder, ...]
    unread: tuple[Unread, ...]
    notes: tuple[str, ...]

    @property
    def files(self) -> tuple[str, ...]:
        """Paths of the images, relative to the data folder."""
        return tuple(image for one in self.found for image in one.images)


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
    reading = _read(folder, options)
    classes = _classes(folder, reading)
    number_of = {name: number for number, name in enumerate(classes)}
    sizes = [len(one.images) for one in reading.found]
    labels = np.repeat([number_of[one.name] for one in reading.found], sizes)
    pixels = Photographs(folder, reading.files)
    given = np.repeat([one.part or "" for one in reading.found], sizes)
    groups = pixels.files
    if options.group is not None:
        groups = read_groups(folder, pixels.files, options.group)
        check_groups(pixels.files, groups, given, options.group)
    draw = _draw(groups, options, given)
    parts = _given(given) if draw is None else draw.parts(labels)
    if options.group is not None and not (parts == PARTS.index("test")).any():
        raise OptionError(
            f"--group {options.group}: expected classes with images in several groups, found "
            "none, so that no images are left for testing"
        )
    notes = (
        *reading.notes,
        *_name_lacking(classes, labels, parts, options.validation),
        *(group_notes(groups, options.group) if options.group is not None else ()),
        *name_unread(reading.unread, len(pixels)),
        *name_frames(folder, pixels.files),
    )
    return Examples(folder.resolve().name, classes, labels, parts, pixels, notes, draw)


def load_all(options: DataOptions) -> Examples:
    """All images with their classes, whatever their parts; one image is enough.

    Raises:
        InputError: no images.
    """
    folder = root(options)
    reading = _read(folder, options)
    if not reading.files:
        raise InputError(f"{folder}: expected a folder of images for each class, found none")
    classes = tuple(sorted({one.name for one in reading.found}))
    sizes = [len(one.images) for one in reading.found]
    labels = np.repeat([classes.index(one.name) for one in reading.found], sizes)
    parts = np.full(len(labels), PARTS.index("test"), np.uint8)
    pixels = Photographs(folder, reading.files)
    unread = name_unread(reading.unread, len(pixels))
    notes = (*reading.notes, *unread, *name_frames(folder, pixels.files))
    return Examples(folder.resolve().name, classes, labels, parts, pixels, notes)


def load_attributes(
    options: DataOptions, examples: Examples, removed: Sequence[str] = ()
) -> Attributes | None:
    """The attributes of each image in attributes.csv; None if there is no such file.

    The file may still list images that were `removed`.
    """
    folder = root(options)
    file = ATTRIBUTES.find(folder)
    if file is None:
        return None
    pixels = Photographs(folder, _read(folder, options).files)
    check_same(examples, pixels)
    names, values = annotations.read_csv_attributes(file, (*pixels.files, *removed))
    return Attributes(names, values[: len(pixels)])


def _read(folder: Path, options: DataOptions) -> Reading:
    """The class folders along the layout that was asked for, or is recognised."""
    tree = read_tree(folder)
    layout = options.layout
    if layout == "auto":
        layout = recognise(follow_links(tree, folder, AUTO_LEVELS))
    levels = levels_of(layout)
    tree = follow_links(tree, folder, len(levels))
    every = list(read_levels(folder, tree, levels))
    unread = tuple(one for one in every if isinstance(one, Unread))
    found, on_parts = settle_parts(folder, [one for one in every if isinstance(one, ClassFolder)])
    found, on_names = name_alike(folder, found)
    mixed = mixed_note(tree) if layout == "class" else ()
    odd = odd_names_note(sorted({one.name for one in found}))
    way = "; pass --layout group/class if the lower folders are the classes"
    nested = name_nested(found, way if layout == "class" else "")
    if options.layout != "auto":
        mixed = nested = odd = ()
    notes = (*mixed, *odd, *on_parts, *on_names, *nested, *name_links(tree))
    return Reading(tuple(found), unread, notes)


def _classes(folder: Path, reading: Reading) -> tuple[str, ...]:
    """Class names in alphabetical order, after checking that each class has enough images."""
    counts = Counter[str]()
    for one in reading.found:
        if one.part in (None, "train"):
            counts[one.name] += len(one.images)
    if len(counts) < FEWEST_CLASSES:
        there = " ".join(("", *name_unread(reading.unread, len(reading.files))))
        raise InputError(
            f"{folder}: expected a folder of images for each of at least {FEWEST_CLASSES} "
            f"classes, found {len(counts)}.{there}"
        )
    for one in reading.found:
        if one.name not in counts:
            raise InputError(f"{folder / one.place}: expected a class that train has too")
        if one.part is None and counts[one.name] < FEWEST_IMAGES:
            raise InputError(
                f"{folder / one.place}: expected at least {FEWEST_IMAGES} images, found "
                f"{counts[one.name]}"
            )
    return tuple(sorted(counts))


def _draw(
    groups: tuple[str, ...], options: DataOptions, given: Shaped[np.ndarray, " m"]
) -> Draw | None:
    """How the parts that folders do not give are drawn; None if they give all."""
    if "" in given:
        return Draw(groups, None, options)
    if "validation" not in given:
        return Draw(groups, given == "test", options)
    check_split(options)
    if options.validation != DataOptions.validation:
        raise InputError(
            f"--validation {options.validation:g}: expected none, as {options.data_dir} has a "
            "validation folder of its own"
        )
    return None


def _given(given: Shaped[np.ndarray, " m"]) -> UInt8[np.ndarray, " m"]:
    return np.array([PARTS.index(part) for part in given], np.uint8)


def _name_lacking(
    classes: Sequence[str],
    labels: Int[np.ndarray, " m"],
    parts: UInt8[np.ndarray, " m"],
    validation: float,
) -> tuple[str, ...]:
    """Notes on the classes without test images, and on a validation part without images."""
    tested = np.bincount(labels[parts == PARTS.index("test")], minlength=len(classes))
    lacking = [name for name, count in zip(classes, tested, strict=True) if not count]
    more = f" and {len(lacking) - SHOWN} more" if len(lacking) > SHOWN else ""
    notes = [f"No test images of: {', '.join(lacking[:SHOWN])}{more}."] if lacking else []
    if validation and not (parts == PARTS.index("validation")).any():
        notes.append("No validation images: too few images, or groups that are too large.")
    return tuple(notes)
