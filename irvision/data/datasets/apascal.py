"""aPascal: objects of 20 classes in images of VOC2008, with 64 attributes each."""

from __future__ import annotations

from itertools import chain
from pathlib import Path

import numpy as np

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

NAME = "aPascal"
FOLDERS = ("aPascal", "apascal", "aPascal-aYahoo", "aPascal_aYahoo", "aPY")
ANNOTATIONS = tuple(
    Needed(
        (f"attribute_data/apascal_{part}.txt", f"apascal_{part}.txt"),
        f"the annotated objects of the official {part} part",
    )
    for part in ("train", "test")
)
IMAGES = ("JPEGImages", "VOC2008/JPEGImages", "VOCdevkit/VOC2008/JPEGImages", "images")
FILES = (*ANNOTATIONS, CLASS_NAMES, Needed(IMAGES, "the images of VOC2008"), ATTRIBUTE_NAMES)
SOURCE = (
    "The annotations (attribute_data) come from https://vision.cs.uiuc.edu/attributes/, the "
    "images (JPEGImages) from VOC2008, http://host.robots.ox.ac.uk/pascal/VOC/voc2008/."
)
REMARK = (
    "2227 is the number of images of the official test part; the official files list 6340 and "
    "6355 objects in 2113 and 2227 images"
)


def root(options: DataOptions) -> Path:
    """The data folder; InputError if it is not found."""
    return find_root(options, NAME, FOLDERS, FILES)


def load_examples(options: DataOptions) -> Examples:
    """Objects, classes and the official parts; see `registry.load_examples`."""
    folder = root(options)
    require(folder, FILES, "training", SOURCE)
    classes = _classes(folder)
    objects = _objects(folder, options)
    images = list(chain.from_iterable(some.images for some in objects))
    labels = np.concatenate([some.labels for some in objects])
    test = np.repeat([False, True], [len(some.images) for some in objects])
    draw = Draw(tuple(images), test, options)
    parts = draw.parts(labels)
    pixels = photographs_of(find_images(folder, IMAGES, images, SOURCE), objects)
    notes = (
        compare_counts(NAME, parts, REMARK, options.unit),
        *name_empty(classes, labels),
        *name_repeated(objects),
    )
    return Examples(NAME, classes, labels, parts, pixels, notes, draw)


def load_attributes(options: DataOptions, examples: Examples) -> Attributes:
    """The 64 attributes of each object; see `registry.load_attributes`."""
    folder = root(options)
    require(folder, FILES, "evaluation", SOURCE)
    return attributes_of(folder, _objects(folder, options), examples)


def _classes(folder: Path) -> tuple[str, ...]:
    return read_names(CLASS_NAMES.get(folder))[:N_APASCAL]


def _objects(folder: Path, options: DataOptions) -> list[Objects]:
    classes = _classes(folder)
    return [read_objects(file.get(folder), classes, options.unit) for file in ANNOTATIONS]
