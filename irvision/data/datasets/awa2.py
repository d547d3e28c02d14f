"""Animals with Attributes 2: 50 classes of animals, with 85 attributes each."""

from __future__ import annotations

from itertools import chain
from pathlib import Path

import numpy as np

from irtheory.runs.files import InputError
from irvision.data.datasets import annotations
from irvision.data.datasets.counts import compare_counts
from irvision.data.datasets.layout import Needed, find_root, require
from irvision.data.datasets.lines import read_numbered
from irvision.data.datasets.splits import Draw
from irvision.data.examples import Attributes, Examples
from irvision.data.pixels.image_files import Tree, read_tree
from irvision.data.pixels.photographs import Photographs
from irvision.data.pixels.unread import leftovers, name_links, name_unread
from irvision.settings.data import DataOptions

NAME = "AwA2"
FOLDERS = ("Animals_with_Attributes2", "AwA2", "awa2")
CLASSES = Needed(("classes.txt",), "numbers and names of the 50 classes")
IMAGES = Needed(("JPEGImages",), "a folder of images for each class")
ATTRIBUTE_NAMES = Needed(
    ("predicates.txt",), "numbers and names of the 85 attributes", "evaluation"
)
MATRIX = Needed(
    ("predicate-matrix-binary.txt",), "the attributes of each class, 0 or 1", "evaluation"
)
FILES = (CLASSES, IMAGES, ATTRIBUTE_NAMES, MATRIX)
SOURCE = "AwA2-data.zip comes from https://cvml.ista.ac.at/AwA2/."


def root(options: DataOptions) -> Path:
    """The data folder; InputError if it is not found."""
    return find_root(options, NAME, FOLDERS, FILES)


def load_examples(options: DataOptions) -> Examples:
    """Whole images and classes; 30% are the test part. See `registry.load_examples`."""
    folder = root(options)
    require(folder, FILES, "training", SOURCE)
    classes = _classes(folder)
    images = IMAGES.get(folder)
    trees = [_images(images, name) for name in classes]
    found = [sorted(tree.images_below(f"{tree.name}/")) for tree in trees]
    files = tuple(chain.from_iterable(found))
    labels = np.repeat(np.arange(len(classes)), [len(some) for some in found])
    draw = Draw(files, None, options)
    parts = draw.parts(labels)
    pixels = Photographs(images, files)
    folders = chain.from_iterable(tree.everything() for tree in trees)
    unread = chain.from_iterable(leftovers(one, beside_classes=False) for one in folders)
    linked = chain.from_iterable(map(name_links, trees))
    notes = (compare_counts(NAME, parts), *name_unread(unread, len(files)), *linked)
    return Examples(NAME, classes, labels, parts, pixels, notes, draw)


def load_attributes(options: DataOptions, examples: Examples) -> Attributes:
    """The attributes of each sample's class; see `registry.load_attributes`."""
    folder = root(options)
    require(folder, FILES, "evaluation", SOURCE)
    if examples.classes != (classes := _classes(folder)):
        raise InputError(f"{CLASSES.get(folder)}: its classes are not those of the examples")
    names = read_numbered(ATTRIBUTE_NAMES.get(folder), "the name of an attribute")
    matrix = annotations.read_class_attributes(MATRIX.get(folder), len(classes), len(names))
    return Attributes(names, matrix[examples.labels], "class")


def _classes(folder: Path) -> tuple[str, ...]:
    return read_numbered(CLASSES.get(folder), "the name of a class", "path")


def _images(folder: Path, name: str) -> Tree:
    """The images of a class."""
    if not (folder / name).is_dir():
        raise InputError(f"{folder / name}: expected a folder of images of this class. {SOURCE}")
    found = read_tree(folder / name)
    if not found.count():
        raise InputError(f"{folder / name}: expected images of this class, found none. {SOURCE}")
    return found
