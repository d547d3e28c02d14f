"""Two runs side by side: whether their scores can be compared, and who matches attributes better.

Loads no torch. Figures and reports both count with it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from irtheory.runs.files import InputError
from irvision.runs.attribute_table import AttributeRow
from irvision.runs.names import EVALUATION, RESULT
from irvision.runs.reader import read_left_out, read_result

# A run matches an attribute better than another if its best F1 is higher by this (Figs. 4–6).
BETTER = 0.05


@dataclass(frozen=True)
class AttributeComparison:
    """Best F1 of the attributes that are scored in both of two runs.

    Attributes:
        names: of the attributes, largest gains of the first run first.
        first, second: best F1 in either run.
        difference: first − second, without rounding error.
    """

    names: tuple[str, ...]
    first: tuple[float, ...]
    second: tuple[float, ...]
    difference: tuple[float, ...]

    @property
    def better(self) -> tuple[int, int]:
        """Number of attributes that the first run matches better, and the second."""
        ahead = sum(each >= BETTER for each in self.difference)
        return ahead, sum(each <= -BETTER for each in self.difference)


def compare_attributes(
    first: Sequence[AttributeRow], second: Sequence[AttributeRow]
) -> AttributeComparison:
    """Compare two runs by the attributes that both have a score for; there may be none."""
    ours, theirs = (
        {row.attribute: row.f1 for row in rows if row.f1 is not None} for rows in (first, second)
    )
    names = sorted(set(ours) & set(theirs), key=lambda name: (theirs[name] - ours[name], name))
    return AttributeComparison(
        tuple(names),
        tuple(ours[name] for name in names),
        tuple(theirs[name] for name in names),
        tuple(round(ours[name] - theirs[name], 12) for name in names),
    )


def why_not_compared(run: Path, other: Path) -> str | None:
    """Why scores of two runs cannot be compared; None if they are of the same images.

    A best F1 depends on the images that it is taken over, and so does an accuracy.

    Raises:
        InputError: a file of a run is damaged.
    """
    samples = [_samples(each) for each in (run, other)]
    if None not in samples and samples[0] != samples[1]:
        return (
            f"{run} and {other}: expected runs of the same data set and parts, found different "
            "ones, whose scores cannot be compared"
        )
    for each in (run, other):
        if (each / EVALUATION).is_file() and read_left_out(each):
            return (
                f"{each}: expected a score of all images, found one without those that have "
                f"changed (--only-known); bring them back and run `ira evaluate {each}`"
            )
    return None


def check_same_samples(run: Path, other: Path) -> None:
    """InputError with the reason of `why_not_compared`, if there is one."""
    if (why := why_not_compared(run, other)) is not None:
        raise InputError(why)


def _samples(run: Path) -> object:
    """Digest of the samples; None without result.json, as during training."""
    return read_result(run).get("samples") if (run / RESULT).is_file() else None
