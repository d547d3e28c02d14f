"""Data sets as the pipeline sees them: pixels and classes, and attributes for evaluation."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, Protocol, get_args

import numpy as np
from jaxtyping import Float, Int, UInt8

from irtheory.runs.files import InputError

Part = Literal["train", "validation", "test"]
PARTS: tuple[Part, ...] = get_args(Part)


class BadImage(ValueError):
    """An image that cannot be read: `name` identifies it, `why` gives the reason."""

    def __init__(self, name: str, why: str) -> None:
        super().__init__(f"{name}: {why}")
        self.name, self.why = name, why

    def __reduce__(self) -> tuple[type[BadImage], tuple[str, str]]:
        """Support pickling, to pass between processes."""
        return BadImage, (self.name, self.why)


class PixelSource(Protocol):
    """The images of the samples; can be pickled, to pass between processes."""

    def __len__(self) -> int:
        """Number of samples m."""
        ...

    def read(self, index: int, size: int) -> UInt8[np.ndarray, "size size 3"]:
        """The sample resized to a square of RGB pixels, whatever its shape; BadImage on errors."""
        ...

    def name(self, index: int) -> str:
        """Name of the sample for messages: its file, and its box if it is part of an image."""
        ...

    def stamp(self, index: int) -> str:
        """Text that is quick to compute and changes when the pixels may have changed."""
        ...


class PartsDraw(Protocol):
    """How parts were drawn, so that they can be drawn again once more is known of the images."""

    @property
    def groups(self) -> tuple[str, ...]:
        """The group of each sample; a group lies in one part."""
        ...

    def parts(
        self, labels: Int[np.ndarray, " m"], groups: Sequence[str] | None = None
    ) -> UInt8[np.ndarray, " m"]:
        """The part of each sample, with these groups or coarser ones."""
        ...


@dataclass(frozen=True, eq=False)
class Examples:
    """What training may know of a data set; its attributes are not included.

    Attributes:
        name: of the data set, such as "aPascal", or of the folder.
        classes: names of the k classes.
        labels: class 0 … k − 1 of each of the m samples.
        parts: the part that each sample belongs to, as an index into PARTS.
        pixels: their images.
        notes: remarks for the user, such as counts that differ from those of the paper.
        draw: how the parts were drawn; None where all of them are given.
    """

    name: str
    classes: tuple[str, ...]
    labels: Int[np.ndarray, " m"]
    parts: UInt8[np.ndarray, " m"]
    pixels: PixelSource
    notes: tuple[str, ...] = ()
    draw: PartsDraw | None = None

    def rows(self, part: Part) -> Int[np.ndarray, " rows"]:
        """Indices of the samples of a part, ascending."""
        return np.flatnonzero(self.parts == PARTS.index(part))


@dataclass(frozen=True, eq=False)
class Attributes:
    """The attribute annotation, which only evaluation may read.

    Attributes:
        names: of the n attributes.
        values: zeros and ones, NaN where an annotation is missing; rows are those of `Examples`.
        level: "sample" if each sample is annotated, "class" if each class is (equal rows).
    """

    names: tuple[str, ...]
    values: Float[np.ndarray, "m n"]
    level: Literal["sample", "class"] = "sample"


def names_below(examples: Examples) -> list[str]:
    """Names of the samples below their common folder, each with a slash in front."""
    names = [examples.pixels.name(index) for index in range(len(examples.pixels))]
    # Comparing by characters is correct: dirname then cuts the prefix at its last slash.
    start = len(os.path.dirname(os.path.commonprefix(names)))  # noqa: RUF071
    return [name[start:] for name in names]


def samples_digest(examples: Examples) -> str:
    """Digest of the samples' names below their common folder, their classes and their parts."""
    names = names_below(examples)
    total = hashlib.sha256("\0".join(examples.classes).encode("utf-8", "surrogateescape"))
    for name, label, part in zip(names, examples.labels, examples.parts, strict=True):
        line = f"{name}\0{label}\0{part}\n"
        total.update(line.encode("utf-8", "surrogateescape"))
    return total.hexdigest()[:32]


def check_samples(found: str, expected: str, where: str) -> None:
    """InputError unless two digests agree, as a random split depends on every sample."""
    if found != expected:
        raise InputError(
            f"{where}: expected the samples of the run, found others (images added, removed or "
            "renamed since, or another split); bring them back or train anew"
        )
