"""CUB-200-2011: images of 200 species of birds, with 312 attributes each.

Images are used whole, as in the paper; the boxes and part locations are not read.
"""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

import numpy as np

from irtheory.runs.files import InputError
from irvision.data.datasets import annotations
from irvision.data.datasets.counts import compare_counts, name_empty
from irvision.data.datasets.layout import Needed, find_images, find_root, require
from irvision.data.datasets.lines import numbered_lines, read_entries, read_numbered
from irvision.data.datasets.splits import Draw
from irvision.data.examples import Attributes, Examples
from irvision.data.pixels.photographs import Photographs, check_same
from irvision.settings.data import DataOptions

NAME = "CUB"
FOLDERS = ("CUB_200_2011", "CUB-200-2011", "CUB", "cub")
LISTING = Needed(("images.txt",), "numbers and files of the images")
LABELS = Needed(("image_class_labels.txt",), "the class of each image")
SPLIT = Needed(("train_test_split.txt",), "the official split")
CLASSES = Needed(("classes.txt",), "numbers and names of the classes")
IMAGES = Needed(("images",), "a folder of images for each class")
# In the official archive it is beside the data folder.
ATTRIBUTE_NAMES = Needed(
    ("attributes/attributes.txt", "attributes.txt", "../attributes.txt"),
    "numbers and names of the 312 attributes",
    "evaluation",
)
ATTRIBUTE_LABELS = Needed(
    ("attributes/image_attribute_labels.txt",), "the attributes of each image", "evaluation"
)
FILES = (LISTING, LABELS, SPLIT, CLASSES, IMAGES, ATTRIBUTE_NAMES, ATTRIBUTE_LABELS)
SOURCE = (
    "CUB_200_2011.tgz comes from https://www.vision.caltech.edu/datasets/cub_200_2011/ "
    "(https://data.caltech.edu/records/65de6-vp158)."
)


def root(options: DataOptions) -> Path:
    """The data folder; InputError if it is not found."""
    return find_root(options, NAME, FOLDERS, FILES)


def load_examples(options: DataOptions) -> Examples:
    """Whole images, classes and the official parts; see `registry.load_examples`."""
    folder = root(options)
    require(folder, FILES, "training", SOURCE)
    entries = read_entries(CLASSES.get(folder), "the name of a class", "name")
    classes = tuple(entries.values())
    files = _files(folder)
    number_of = {str(number): place for place, number in enumerate(entries)}
    labels = _column(LABELS.get(folder), files, number_of, "the number of a class")
    train = _column(SPLIT.get(folder), files, {"0": 0, "1": 1}, "0 (test) or 1 (train)")
    names = tuple(files.values())
    draw = Draw(names, train == 0, options)
    parts = draw.parts(labels)
    pixels = Photographs(find_images(folder, IMAGES.paths, names, SOURCE), names)
    notes = (
        compare_counts(NAME, parts, "the official split has 5994 and 5794"),
        *name_empty(classes, labels),
    )
    return Examples(NAME, classes, labels, parts, pixels, notes, draw)


def load_attributes(options: DataOptions, examples: Examples) -> Attributes:
    """The attributes of each image, NaN where not visible; see `registry.load_attributes`."""
    folder = root(options)
    require(folder, FILES, "evaluation", SOURCE)
    names = read_numbered(ATTRIBUTE_NAMES.get(folder), "the name of an attribute")
    files = _files(folder)
    check_same(examples, Photographs(IMAGES.get(folder), tuple(files.values())))
    file = ATTRIBUTE_LABELS.get(folder)
    values = annotations.read_image_attributes(file, list(files), len(names))
    return Attributes(names, values)


def attribute_lines(options: DataOptions) -> int:
    """Number of lines in the attribute file; complete, it has one per image and attribute."""
    return sum(1 for _ in numbered_lines(ATTRIBUTE_LABELS.get(root(options))))


def _files(folder: Path) -> dict[int, str]:
    """Files of the images by image number."""
    return read_entries(LISTING.get(folder), "the file of an image", "path")


def _column(file: Path, images: Collection[int], values: dict[str, int], what: str) -> np.ndarray:
    """The entry of each image in a file, translated by `values`."""
    entries = read_entries(file, what)
    for image in images:
        if entries.get(image) not in values:
            raise InputError(
                f"{file}: expected {what} for image {image}, found {entries.get(image)}"
            )
    return np.array([values[entries[image]] for image in images])
