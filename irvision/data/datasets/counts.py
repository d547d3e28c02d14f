"""Numbers of samples in the paper and in the published files, to compare with those found."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from jaxtyping import UInt8

from irvision.data.examples import PARTS
from irvision.settings.data import Unit

# Training samples (validation included) and test samples.
PAPER: dict[str, tuple[int, int]] = {
    "aYahoo": (1850, 794),
    "aPascal": (2869, 2227),
    "AwA2": (26125, 11197),
    "CUB": (5993, 5794),
}
# Counts of the published files; of objects where images hold several.
OFFICIAL: dict[str, dict[str, int]] = {
    "aYahoo": {"samples": 2644, "classes": 12, "attributes": 64},
    "aPascal": {
        "training samples": 6340,
        "test samples": 6355,
        "classes": 20,
        "attributes": 64,
    },
    "AwA2": {"samples": 37322, "classes": 50, "attributes": 85},
    "CUB": {
        "samples": 11788,
        "classes": 200,
        "attributes": 312,
        "lines of attributes": 11788 * 312,
    },
}
# Counts with one sample per image.
OFFICIAL_IMAGES: dict[str, dict[str, int]] = {
    "aYahoo": {"samples": 2237},
    "aPascal": {"training samples": 2113, "test samples": 2227},
}


def fewer_than_official(name: str, unit: Unit, found: dict[str, int]) -> tuple[str, ...]:
    """The counts that are below those of the published files, as "3 samples (found 2)"."""
    official = OFFICIAL.get(name, {}) | (OFFICIAL_IMAGES.get(name, {}) if unit == "image" else {})
    return tuple(
        f"{count} {what} (found {found[what]})"
        for what, count in official.items()
        if found.get(what, count) < count
    )


def compare_counts(
    name: str, parts: UInt8[np.ndarray, " m"], remark: str = "", unit: Unit = "object"
) -> str:
    """A sentence that compares the numbers of samples with those of the paper.

    Args:
        name: a key of PAPER.
        parts: of the samples.
        remark: explains a difference, if there is one.
        unit: what a sample is, if the data set has objects.
    """
    test = int((parts == PARTS.index("test")).sum())
    train = len(parts) - test
    by = " by image (its largest object)" if unit == "image" else ""
    here = f"{name}{by}: {train} training samples (validation included) and {test} test samples"
    if (train, test) == PAPER[name]:
        return f"{here}, as in the paper."
    printed = " and ".join(map(str, PAPER[name]))
    return f"{here}; the paper has {printed}{f' ({remark})' if remark else ''}."


def name_empty(classes: Sequence[str], labels: np.ndarray) -> tuple[str, ...]:
    """A note that names the classes without samples; empty if there are none."""
    counts = np.bincount(labels, minlength=len(classes))
    empty = [name for name, count in zip(classes, counts, strict=True) if not count]
    return (f"No samples of: {', '.join(empty)}.",) if empty else ()
