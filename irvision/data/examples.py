"""What a data set is to the pipeline: pixels and classes to train, attributes to evaluate."""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass
from typing import Literal, Protocol, get_args

import numpy as np
from jaxtyping import Float, Int, UInt8

from irtheory.runs.files import InputError

Part = Literal["train", "validation", "test"]
PARTS: tuple[Part, ...] = get_args(Part)


class BadImage(ValueError):
    """An image that cannot be had: `name` says which, `why` what is wrong with it."""

    def __init__(self, name: str, why: str) -> None:
        super().__init__(f"{name}: {why}")
        self.name, self.why = name, why

    def __reduce__(self) -> tuple[type[BadImage], tuple[str, str]]:
        """Crosses from one process to another."""
        return BadImage, (self.name, self.why)


class PixelSource(Protocol):
    """Where the pixels of the samples are; crosses from one process to another."""

    def __len__(self) -> int:
        """Number of samples m."""
        ...

    def read(self, index: int, size: int) -> UInt8[np.ndarray, "size size 3"]:
        """The sample as a square of RGB pixels, aspect ratio ignored; BadImage if it has none."""
        ...

    def name(self, index: int) -> str:
        """What to call the sample in a message: its file, and its box if it is part of one."""
        ...

    def stamp(self, index: int) -> str:
        """Something quick to have that changes when the pixels may have changed."""
        ...


@dataclass(frozen=True, eq=False)
class Examples:
    """What training may know of a data set. Attributes are not in it.

    Attributes:
        name: of the data set, such as "aPascal", or the folder's.
        classes: names of the k classes.
        labels: class 0 … k − 1 of each of the m samples.
        parts: the part each belongs to, as an index into PARTS.
        pixels: their images.
        notes: what a user should know, such as counts that differ from the paper's.
    """

    name: str
    classes: tuple[str, ...]
    labels: Int[np.ndarray, " m"]
    parts: UInt8[np.ndarray, " m"]
    pixels: PixelSource
    notes: tuple[str, ...] = ()

    def rows(self, part: Part) -> Int[np.ndarray, " rows"]:
        """Indices of the samples of a part, ascending."""
        return np.flatnonzero(self.parts == PARTS.index(part))


@dataclass(frozen=True, eq=False)
class Attributes:
    """The annotation that only evaluation opens.

    Attributes:
        names: of the n attributes.
        values: zeros and ones, NaN where an annotation is missing; rows are those of `Examples`.
        level: whether each "sample" is annotated, or each "class" (rows of a class are equal).
    """

    names: tuple[str, ...]
    values: Float[np.ndarray, "m n"]
    level: Literal["sample", "class"] = "sample"


def samples_digest(examples: Examples) -> str:
    """Changes with the samples' names below their common folder, their classes and their parts."""
    names = [examples.pixels.name(index) for index in range(len(examples.pixels))]
    # By characters is right here: the last slash is looked for in what they share.
    start = len(os.path.dirname(os.path.commonprefix(names)))  # noqa: RUF071
    total = hashlib.sha256("\0".join(examples.classes).encode("utf-8", "surrogateescape"))
    for name, label, part in zip(names, examples.labels, examples.parts, strict=True):
        line = f"{name[start:]}\0{label}\0{part}\n"
        total.update(line.encode("utf-8", "surrogateescape"))
    return total.hexdigest()[:32]


def check_samples(found: str, expected: str, where: str) -> None:
    """InputError unless two digests agree; a split by seed depends on every sample there is."""
    if found != expected:
        raise InputError(
            f"{where}: expected the samples of the run, found others (images added, removed or "
            "renamed since, or another split); bring them back or train anew"
        )
