"""What has changed in a data set since a run was trained on it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Bool

from irtheory.runs.files import InputError
from irvision.data.examples import Examples
from irvision.runs.names import SAMPLES
from irvision.runs.samples import FEW_BITS, ROUNDING, Samples, distinct_names, read_samples

SHOWN = 3
EARLIER = "the run is of an earlier release, which kept nothing of its images to compare"


@dataclass(frozen=True)
class Changes:
    """Names of samples that differ between a run and its data set as it is now.

    Attributes:
        added, removed: not in the run; no longer in the data set.
        moved: in another class now.
        parted: in another part now.
        changed: other pixels.
        unread: readable only then, or only now.
        rounded: pixels that differ by no more than another version of the decoder would explain.
    """

    added: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()
    moved: tuple[str, ...] = ()
    parted: tuple[str, ...] = ()
    changed: tuple[str, ...] = ()
    unread: tuple[str, ...] = ()
    rounded: tuple[str, ...] = ()

    @property
    def listed(self) -> str:
        """The counts with a few names each; empty if no picture is another one."""
        kinds = (
            ("added", self.added),
            ("removed", self.removed),
            ("of another class", self.moved),
            ("changed", self.changed),
            ("in another part", self.parted),
        )
        return "; ".join(f"{len(names)} {what} ({some(names)})" for what, names in kinds if names)


def some(names: Iterable[str]) -> str:
    """The first few of some names, in words."""
    names = list(names)
    more = len(names) - SHOWN
    return ", ".join(names[:SHOWN]) + (f" and {more} more" if more > 0 else "")


def compare(before: Samples, now: Samples) -> Changes:
    """What has changed since a list of samples was made."""
    old, here = {name: row for row, name in enumerate(before.names)}, set(now.names)
    both = [(old[name], row) for row, name in enumerate(now.names) if name in old]
    same_class = [(a, b) for a, b in both if before.classes[a] == now.classes[b]]
    other, unread, rounded = _other_pixels(before, now, same_class)
    return Changes(
        added=tuple(name for name in now.names if name not in old),
        removed=tuple(name for name in before.names if name not in here),
        moved=tuple(now.names[b] for a, b in both if before.classes[a] != now.classes[b]),
        parted=tuple(now.names[b] for a, b in same_class if before.parts[a] != now.parts[b]),
        changed=tuple(now.names[b] for b in other),
        unread=tuple(now.names[b] for b in unread),
        rounded=tuple(now.names[b] for b in rounded),
    )


def compare_names(before: Samples, examples: Examples) -> Changes:
    """What is added, removed or of another class, before any image is decoded."""
    names = distinct_names(examples)
    classes = tuple(examples.classes[label] for label in examples.labels.tolist())
    old, here = dict(zip(before.names, before.classes, strict=True)), set(names)
    return Changes(
        added=tuple(name for name in names if name not in old),
        removed=tuple(name for name in before.names if name not in here),
        moved=tuple(
            name
            for name, its_class in zip(names, classes, strict=True)
            if old.get(name, its_class) != its_class
        ),
    )


def _other_pixels(
    before: Samples, now: Samples, pairs: list[tuple[int, int]]
) -> tuple[list[int], list[int], list[int]]:
    """Rows of samples that have other pixels now, are unread, or only seem to be rounded."""
    known = set(before.digests)
    other, unread, rounded = [], [], []
    for a, b in pairs:
        was, digest = before.digests[a], now.digests[b]
        if was == digest:
            continue
        if not (was and digest):
            unread.append(b)
        # A picture that another sample had was exchanged, however alike both are.
        elif digest not in known and _alike(before, now, a, b):
            rounded.append(b)
        else:
            other.append(b)
    return other, unread, rounded


def _alike(before: Samples, now: Samples, a: int, b: int) -> bool:
    levels = np.abs(before.colours[a].astype(np.int16) - now.colours[b]).max()
    bits = int(before.luminance[a] ^ now.luminance[b]).bit_count()
    return bool(levels <= ROUNDING and bits <= FEW_BITS)


def check_contents(
    run: Path, now: Samples, pixels: str | None, where: str, way: str = "train anew"
) -> tuple[str, ...]:
    """Check that images have the pixels with which a run was trained; returns notes.

    Args:
        run: its folder.
        now: the samples as they are now, of the names and classes of the run.
        pixels: digest of the run, see `Samples.pixels`; None for a run of an earlier release.
        where: beginning of the message.
        way: what else to do than to bring the images back, for the message.

    Raises:
        InputError: images have changed.
    """
    if pixels is None:
        return (f"contents of images are not compared: {EARLIER}",)
    if pixels == now.pixels:
        return ()
    before = read_samples(run)
    if before is None or before.pixels != pixels:
        raise InputError(
            f"{where}: expected the pixels of the run, found others, and no {run / SAMPLES} of "
            "the run to tell which; bring back both or train anew"
        )
    found = compare(before, now)
    if found.changed:
        raise InputError(
            f"{where}: expected the pixels of the run, found {len(found.changed)} images with "
            f"others ({some(found.changed)}); bring them back, or {way}"
        )
    return notes_on(found)


def notes_on(found: Changes) -> tuple[str, ...]:
    """Notes on images that cannot be compared, or seem to be rounded by another decoder."""
    notes = {
        "could be read only in training or only now": found.unread,
        "are decoded slightly differently than in training, as by another version of Pillow": (
            found.rounded
        ),
    }
    return tuple(
        f"{len(names)} images {what} ({some(names)})" for what, names in notes.items() if names
    )


def unchanged(now: Samples, found: Changes) -> Bool[np.ndarray, " m"]:
    """Which samples of the data set are in the run as they are now, in whatever part."""
    lost = {*found.added, *found.moved, *found.changed, *found.unread}
    return np.array([name not in lost for name in now.names], dtype=bool)
