"""aYahoo: objects of 12 classes in images from the web, with 64 attributes each."""

from __future__ import annotations

from pathlib import Path

from irvision.data.datasets.counts import compare_counts, name_empty
from irvision.data.datasets.farhadi import (
    ATTRIBUTE_NAMES,
    CLASS_NAMES,
    N_APASCAL,
    Objects,
    attributes_of,
    name_repeated,
    photographs_of,
    read_objects,
)
from irvision.data.datasets.layout import Needed, find_images, find_root, require
from irvision.data.datasets.lines import read_names
from irvision.data.datasets.splits import Draw
from irvision.data.examples import Attributes, Examples
from irvision.settings.data import DataOptions

NAME = "aYahoo"
FOLDERS = ("aYahoo", "ayahoo", "aPascal-aYahoo", "aPascal_aYahoo", "aPY")
ANNOTATIONS = Needed(("attribute_data/ayahoo_test.txt", "ayahoo_test.txt"), "the annotated objects")
IMAGES = ("ayahoo_test_images", "ayahoo_images", "images", "JPEGImages")
# The images may be in the data folder itself; then the first of them is there.
PLACES = Needed((*IMAGES, "donkey_1.jpg"), "the images of aYahoo")
FILES = (ANNOTATIONS, CLASS_NAMES, PLACES, ATTRIBUTE_NAMES)
SOURCE = (
    "Annotations (attribute_data) and images (ayahoo_test_images) come from "
    "https://vision.cs.uiuc.edu/attributes/."
)


def root(options: DataOptions) -> Path:
    """The data folder; InputError if it is not found."""
    return find_root(options, NAME, FOLDERS, FILES)


def load_examples(options: DataOptions) -> Examples:
    """Objects and classes; 30% are the test part. See `registry.load_examples`."""
    folder = root(options)
    require(folder, FILES, "training", SOURCE)
    classes, objects = _classes(folder), _objects(folder, options)
    draw = Draw(objects.images, None, options)
    parts = draw.parts(objects.labels)
    pixels = photographs_of(find_images(folder, (*IMAGES, "."), objects.images, SOURCE), [objects])
    notes = (
        compare_counts(NAME, parts, unit=options.unit),
        *name_empty(classes, objects.labels),
        *name_repeated([objects]),
    )
    return Examples(NAME, classes, objects.labels, parts, pixels, notes, draw)


def load_attributes(options: DataOptions, examples: Examples) -> Attributes:
    """The 64 attributes of each object; see `registry.load_attributes`."""
    folder = root(options)
    require(folder, FILES, "evaluation", SOURCE)
    return attributes_of(folder, [_objects(folder, options)], examples)


def _classes(folder: Path) -> tuple[str, ...]:
    names = read_names(CLASS_NAMES.get(folder))
    # The official file lists the classes of aPascal first.
    return names[N_APASCAL:] if len(names) > N_APASCAL else names


def _objects(folder: Path, options: DataOptions) -> Objects:
    return read_objects(ANNOTATIONS.get(folder), _classes(folder), options.unit)
