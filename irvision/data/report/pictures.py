"""What the pixels of a data set say about it: pictures that show nothing, or occur twice."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations, islice

import numpy as np
from jaxtyping import Bool, Int

from irvision.data.examples import Examples
from irvision.data.pixels.alike import equal_groups, near_pairs
from irvision.data.pixels.photographs import Photographs
from irvision.data.pixels.prints import Prints, flat_rows
from irvision.data.pixels.ranges import UNKNOWN, Ranges

# Pairs that are listed of each kind; all are counted.
MOST_LISTED = 1000
Rows = Int[np.ndarray, "pairs 2"]


@dataclass(frozen=True)
class Pairs:
    """Pairs of pictures: how many, and the names of the first of them."""

    count: int = 0
    listed: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class Pictures:
    """What the pixels of a data set say about it.

    Attributes:
        samples: number of samples that could be read.
        flat: names of those that are nearly constant after decoding.
        ranges: of the values of images with more than eight bits.
        equal_parts, equal_classes: pairs of equal pictures in two parts, and in two classes.
        near_parts, near_classes: the same of pictures that are not equal but look alike.
        compared: whether the set was small enough to look for pictures that look alike.
    """

    samples: int
    flat: tuple[str, ...] = ()
    ranges: Ranges = UNKNOWN
    equal_parts: Pairs = Pairs()
    equal_classes: Pairs = Pairs()
    near_parts: Pairs = Pairs()
    near_classes: Pairs = Pairs()
    compared: bool = True


def look_at(examples: Examples, prints: Prints, bad: Sequence[int], ranges: Ranges) -> Pictures:
    """Look for pictures that show nothing or occur twice.

    Args:
        examples: the samples, with the parts that training uses.
        prints: of the decoded samples.
        bad: samples that could not be read.
        ranges: with which they were decoded.
    """
    name, flat = examples.pixels.name, flat_rows(prints, bad)
    usable = ~flat
    usable[list(bad)] = False
    groups = equal_groups(prints, usable)
    near = near_pairs(prints, usable)
    found = near if near is None else near[~_same_file(examples, near)]
    apart = np.zeros((0, 2), np.int64) if found is None else found
    return Pictures(
        samples=len(flat) - len(bad),
        flat=tuple(name(row) for row in np.flatnonzero(flat).tolist()),
        ranges=ranges,
        equal_parts=_equal(examples, groups, examples.parts),
        equal_classes=_equal(examples, groups, examples.labels),
        near_parts=_near(examples, apart, examples.parts),
        near_classes=_near(examples, apart, examples.labels),
        compared=near is not None,
    )


def _same_file(examples: Examples, pairs: Rows) -> Bool[np.ndarray, " pairs"]:
    """Whether both are objects of one photograph, which naturally overlap."""
    pixels = examples.pixels
    if not isinstance(pixels, Photographs) or pixels.boxes is None:
        return np.zeros(len(pairs), dtype=bool)
    _, numbers = np.unique(np.array(pixels.files), return_inverse=True)
    return numbers[pairs[:, 0]] == numbers[pairs[:, 1]]


def _equal(
    examples: Examples, groups: Sequence[Int[np.ndarray, " n"]], kinds: Int[np.ndarray, " m"]
) -> Pairs:
    """Pairs inside the groups whose kinds, such as parts, differ."""
    count, listed = 0, []
    for rows in groups:
        of = kinds[rows]
        same = sum(n * (n - 1) // 2 for n in np.unique(of, return_counts=True)[1].tolist())
        here = len(rows) * (len(rows) - 1) // 2 - same
        if here and (room := MOST_LISTED - len(listed)) > 0:
            differing = (
                pair for pair in combinations(rows.tolist(), 2) if kinds[pair[0]] != kinds[pair[1]]
            )
            listed += islice(differing, room)
        count += here
    return Pairs(count, _named(examples, listed))


def _near(examples: Examples, pairs: Rows, kinds: Int[np.ndarray, " m"]) -> Pairs:
    differing = pairs[kinds[pairs[:, 0]] != kinds[pairs[:, 1]]]
    return Pairs(len(differing), _named(examples, differing[:MOST_LISTED].tolist()))


def _named(examples: Examples, pairs: Sequence[Sequence[int]]) -> tuple[tuple[str, str], ...]:
    name = examples.pixels.name
    return tuple((name(first), name(second)) for first, second in pairs)


def sentences(found: Pictures) -> list[str]:
    """What was found, one line each; empty if there is nothing to say."""
    kinds = (
        ("equal pictures in two parts", found.equal_parts, "what is tested was trained on"),
        ("equal pictures in two classes", found.equal_classes, "no classifier can tell them apart"),
        ("pictures that look alike in two parts", found.near_parts, "nearly equal"),
        ("pictures that look alike in two classes", found.near_classes, "nearly equal"),
    )
    lines = _flat_lines(found)
    for what, pairs, why in kinds:
        if pairs.count:
            first, second = pairs.listed[0]
            count = "1 pair" if pairs.count == 1 else f"{pairs.count} pairs"
            lines.append(f"{what}: {count} ({why}), such as {first} and {second}")
    if not found.compared:
        lines.append(f"{found.samples} samples are too many to look for pictures that look alike")
    return lines


def _flat_lines(found: Pictures) -> list[str]:
    if not (count := len(found.flat)):
        return []
    of = f"{count} of {found.samples} images"
    lines = [f"nearly constant after decoding: {of}, such as {found.flat[0]}"]
    if 2 * count > found.samples:
        lines.append(f"most images show nothing, do not train on them: {_why_flat(found.ranges)}")
    return lines


def _why_flat(ranges: Ranges) -> str:
    if ranges.largest is not None:
        return (
            f"their largest value of 16 bits is {ranges.largest}, which became white; a few "
            "pixels far above all others would explain it"
        )
    if ranges.low is not None:
        return (
            f"their values reach from {ranges.low:g} to {ranges.high:g}, which became black and "
            "white; a few pixels far from all others would explain it"
        )
    return "are they masks with small numbers in the place of colours, or damaged?"
