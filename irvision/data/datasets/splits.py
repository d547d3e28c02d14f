"""Training, validation and test parts: seeded, stratified by class, never dividing an image.

The share of a class is rounded to the nearest number of samples, halves up, but is at least one
sample if the class has two or more. Images that hold several samples are never divided, so the
shares of their classes are as close as whole images allow. Every class keeps at least one
training sample. The result depends on names, classes and the seed, but not on the order of the
files nor on the machine.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from math import floor

import numpy as np
from jaxtyping import Bool, Int, UInt8

from irtheory.runs.files import InputError
from irvision.data.examples import PARTS
from irvision.settings.data import DataOptions

TEST_SHARE = 0.3
# Each draw has its own random stream, so that the two are independent.
TEST_STREAM, VALIDATION_STREAM = 0, 1
# Groups of --group may be larger than a part: one may then make up this share of a class.
MOST_TEST, MOST_VALIDATION = 1.0, 1 / 3
TRAIN, VALIDATION, TEST = range(len(PARTS))


@dataclass(frozen=True, eq=False)
class Draw:
    """A draw of the parts, which can be repeated with coarser groups, such as equal pictures.

    Attributes:
        groups: of each sample; a group stays together.
        test: whether each sample is in the given test part; None where 30% are drawn.
        options: with the seed and the share of the validation part.
    """

    groups: tuple[str, ...]
    test: Bool[np.ndarray, " m"] | None
    options: DataOptions

    def parts(
        self, labels: Int[np.ndarray, " m"], groups: Sequence[str] | None = None
    ) -> UInt8[np.ndarray, " m"]:
        """The part of each sample, as `make_parts` gives it.

        Args:
            labels: classes of the m samples.
            groups: coarser than `self.groups`; None for those. A coarser group that reaches into
                the given test part stays there as given, and the rest of it stays together.

        Raises:
            InputError: an option out of range, or a given test part that divides a group.
        """
        if groups is None:
            return make_parts(labels, self.groups, self.options, self.test)
        check_split(self.options)
        return _drawn(labels, groups, self.options, self.test)


def make_parts(
    labels: Int[np.ndarray, " m"],
    groups: Sequence[str],
    options: DataOptions,
    test: Bool[np.ndarray, " m"] | None = None,
) -> UInt8[np.ndarray, " m"]:
    """The part of each sample, as an index into PARTS.

    Args:
        labels: classes of the m samples.
        groups: name of the image of each sample; samples of one image stay together.
        options: with the seed and the share of the validation part.
        test: whether each sample is in the official test part; None to draw 30%.

    Raises:
        InputError: an option out of range, or an official split that divides an image.
    """
    check_split(options)
    parts = _drawn(labels, groups, options, test)
    check_disjoint(parts, groups)
    return parts


def _drawn(
    labels: Int[np.ndarray, " m"],
    groups: Sequence[str],
    options: DataOptions,
    test: Bool[np.ndarray, " m"] | None,
) -> UInt8[np.ndarray, " m"]:
    """The parts, where a given test part may divide a group."""
    named = options.group is not None
    if test is None:
        test = draw_share(
            labels, groups, TEST_SHARE, options.split_seed, TEST_STREAM, MOST_TEST * named
        )
    parts = np.where(test, TEST, TRAIN).astype(np.uint8)
    rest = np.flatnonzero(~test)
    held = draw_share(
        labels[rest],
        [groups[row] for row in rest.tolist()],
        options.validation,
        options.split_seed,
        VALIDATION_STREAM,
        MOST_VALIDATION * named,
    )
    parts[rest[held]] = VALIDATION
    return parts


def check_split(options: DataOptions) -> None:
    """InputError if the share or the seed is out of range."""
    if not 0 <= options.validation < 1:
        raise InputError(f"validation: expected a share in [0, 1), found {options.validation}")
    if options.split_seed < 0:
        raise InputError(f"split_seed: expected a number ≥ 0, found {options.split_seed}")


def check_disjoint(parts: UInt8[np.ndarray, " m"], groups: Sequence[str]) -> None:
    """InputError if an image has samples in two parts."""
    part_of: dict[str, int] = {}
    for group, part in zip(groups, parts.tolist(), strict=True):
        if part_of.setdefault(group, part) != part:
            both = f"{PARTS[part_of[group]]} and {PARTS[part]}"
            raise InputError(f"{group}: expected an image in one part, found it in {both}")


def draw_share(
    labels: Int[np.ndarray, " m"],
    groups: Sequence[str],
    share: float,
    seed: int,
    stream: int,
    most: float = 0.0,
) -> Bool[np.ndarray, " m"]:
    """Choose whole groups that make up a share of each class.

    Classes are handled from the rarest to the most frequent, and a group belongs to its rarest
    class: for a frequent class, other groups can still make up the share. Where all groups of a
    class are too large, the smallest is chosen if it makes up at most the share `most` of it.
    """
    members: dict[str, list[int]] = defaultdict(list)
    for row, group in enumerate(groups):
        members[group].append(row)
    order = _shuffled(sorted(members), seed, stream)
    held = {group: Counter(labels[members[group]].tolist()) for group in order}
    totals = Counter(labels.tolist())
    in_turn: dict[int, list[str]] = defaultdict(list)
    for group in order:
        in_turn[min(held[group], key=lambda c: (totals[c], c))].append(group)
    chosen = np.zeros(len(labels), dtype=bool)
    taken: Counter[int] = Counter()

    def take(group: str) -> None:
        """Choose a group, unless that leaves nothing of a class."""
        if all(taken[c] + n < totals[c] for c, n in held[group].items()):
            taken.update(held[group])
            chosen[members[group]] = True

    for label in sorted(totals, key=lambda c: (totals[c], c)):
        goal = share_of(totals[label], share)
        for group in in_turn[label]:
            if 2 * (goal - taken[label]) >= held[group][label]:
                take(group)
        if goal and not taken[label] and in_turn[label]:
            smallest = min(in_turn[label], key=lambda group: held[group][label])
            if held[smallest][label] <= most * totals[label]:
                take(smallest)
    return chosen


def share_of(count: int, share: float) -> int:
    """Number of samples to choose from a class of `count` samples."""
    fewest = 1 if share > 0 and count > 1 else 0
    return max(fewest, floor(share * count + 0.5))


def _shuffled(names: list[str], seed: int, stream: int) -> list[str]:
    # Raw output of PCG64, which NumPy keeps stable across releases, unlike `permutation`.
    bits = np.random.PCG64(np.random.SeedSequence([seed, stream])).random_raw(len(names))
    return [names[i] for i in np.argsort(bits, kind="stable")]
