"""How many samples the paper has of each data set, to be held against what is there."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from jaxtyping import UInt8

from irvision.data.examples import PARTS

# Samples to train on (validation included) and to test on.
PAPER: dict[str, tuple[int, int]] = {
    "aYahoo": (1850, 794),
    "aPascal": (2869, 2227),
    "AwA2": (26125, 11197),
    "CUB": (5993, 5794),
}


def compare_counts(name: str, parts: UInt8[np.ndarray, " m"], remark: str = "") -> str:
    """One sentence on whether the numbers of samples are those of the paper.

    Args:
        name: a key of PAPER.
        parts: of the samples.
        remark: what explains a difference, if there is one.
    """
    test = int((parts == PARTS.index("test")).sum())
    train = len(parts) - test
    here = f"{name}: {train} training samples (validation included) and {test} test samples"
    if (train, test) == PAPER[name]:
        return f"{here}, as in the paper."
    printed = " and ".join(map(str, PAPER[name]))
    return f"{here}; the paper has {printed}{f' ({remark})' if remark else ''}."


def name_empty(classes: Sequence[str], labels: np.ndarray) -> tuple[str, ...]:
    """A note that names the classes without samples, if there are any."""
    counts = np.bincount(labels, minlength=len(classes))
    empty = [name for name, count in zip(classes, counts, strict=True) if not count]
    return (f"No samples of: {', '.join(empty)}.",) if empty else ()
