"""Annotated objects of aPascal and aYahoo: images, classes and boxes, without attributes.

A line is `image class xmin ymin xmax ymax a1 … a64`; edges count from 1 and are included. Only
the first six fields are read here.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

import numpy as np
from jaxtyping import Int

from irtheory.runs.files import InputError
from irvision.data.datasets import annotations
from irvision.data.datasets.layout import Needed
from irvision.data.datasets.lines import bad_line, is_inside, is_number, numbered_lines, read_names
from irvision.data.examples import Attributes, Examples
from irvision.data.pixels.photographs import Photographs, check_same
from irvision.settings.data import Unit

CLASS_NAMES = Needed(("attribute_data/class_names.txt", "class_names.txt"), "names of classes")
ATTRIBUTE_NAMES = Needed(
    ("attribute_data/attribute_names.txt", "attribute_names.txt"),
    "names of the 64 attributes",
    "evaluation",
)
# The file of names lists the classes of aPascal first, then those of aYahoo.
N_APASCAL = 20
FIELDS = 6


@dataclass(frozen=True, eq=False)
class Objects:
    """The objects of one annotation file.

    Attributes:
        file: with the annotations.
        images: file name of the image of each object.
        labels: class of each object.
        boxes: as in `Photographs`.
        lines: number of the line of each object, from 1.
    """

    file: Path
    images: tuple[str, ...]
    labels: Int[np.ndarray, " m"]
    boxes: Int[np.ndarray, "m 4"]
    lines: Int[np.ndarray, " m"]


def read_objects(file: Path, classes: Sequence[str], unit: Unit) -> Objects:
    """The objects of a file in its order; only the largest of each image if `unit` is "image".

    Raises:
        InputError: a malformed line, or an unknown unit.
    """
    number_of = {name: number for number, name in enumerate(classes)}
    images, labels, boxes, lines = [], [], [], []
    for number, line in numbered_lines(file):
        # The seventh piece, with the attributes, is dropped.
        fields = line.split(maxsplit=FIELDS)[:FIELDS]
        boxes.append(_box(file, number, fields, number_of))
        images.append(fields[0])
        labels.append(number_of[fields[1]])
        lines.append(number)
    if not lines:
        raise InputError(f"{file}: expected annotated objects, found an empty file")
    rows = _rows(images, np.array(boxes), unit)
    return Objects(
        file,
        tuple(images[row] for row in rows),
        np.array(labels)[rows],
        np.array(boxes)[rows],
        np.array(lines)[rows],
    )


def photographs_of(folder: Path, objects: Sequence[Objects]) -> Photographs:
    """The pixels of the objects of several files."""
    images = tuple(chain.from_iterable(some.images for some in objects))
    return Photographs(folder, images, np.concatenate([some.boxes for some in objects]))


def name_repeated(objects: Sequence[Objects]) -> tuple[str, ...]:
    """A note on objects that are listed twice, with the same image, class and box; or nothing."""
    repeated = []
    for some in objects:
        known: set[tuple] = set()
        rows = zip(some.images, some.labels.tolist(), map(tuple, some.boxes.tolist()), strict=True)
        for number, row in zip(some.lines.tolist(), rows, strict=True):
            if row in known:
                repeated.append(f"{some.file}:{number}")
            known.add(row)
    return (f"Objects listed twice: {len(repeated)}, such as {repeated[0]}.",) if repeated else ()


def attributes_of(root: Path, objects: Sequence[Objects], examples: Examples) -> Attributes:
    """Attributes of the objects, which must be in the order of the examples.

    Raises:
        InputError: the files are malformed or have changed.
    """
    names = read_names(ATTRIBUTE_NAMES.get(root))
    if isinstance(examples.pixels, Photographs):
        check_same(examples, photographs_of(examples.pixels.folder, objects))
    values = [
        annotations.read_object_attributes(some.file, some.lines, len(names)) for some in objects
    ]
    return Attributes(names, np.concatenate(values))


def _box(
    file: Path, number: int, fields: Sequence[str], classes: dict[str, int]
) -> tuple[int, int, int, int]:
    """The box of a line, with edges from 0, right and lower excluded."""
    edges = fields[2:]
    if len(edges) != 4 or fields[1] not in classes or not is_inside(fields[0]):
        expected = f"an image, one of {len(classes)} classes and a box"
        raise bad_line(file, number, expected, " ".join(fields))
    if not all(is_number(edge, signed=True) for edge in edges):
        raise bad_line(file, number, "four whole numbers as a box", " ".join(edges))
    left, upper, right, lower = map(int, edges)
    if right < left or lower < upper:
        raise bad_line(file, number, "a box xmin ymin xmax ymax", " ".join(edges))
    return left - 1, upper - 1, right, lower


def _rows(images: Sequence[str], boxes: Int[np.ndarray, "m 4"], unit: Unit) -> list[int]:
    """All rows, or the row of the largest box of each image (the first of equal boxes)."""
    if unit not in ("object", "image"):
        raise InputError(f"--unit: expected object or image, found {unit!r}")
    if unit == "object":
        return list(range(len(images)))
    areas = np.prod(boxes[:, 2:] - boxes[:, :2], axis=1).tolist()
    best: dict[str, int] = {}
    for row, image in enumerate(images):
        if image not in best or areas[row] > areas[best[image]]:
            best[image] = row
    return sorted(best.values())
