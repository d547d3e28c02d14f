"""Decodes the images of a data set and places them on the device."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
from jaxtyping import Int
from rich.console import Console

from irtheory.runs.console import Pulse, print_plain, progress_bar
from irvision.data.batches.pictures import Pictures, place_pictures
from irvision.data.examples import Examples, Part
from irvision.data.pixels.cache import PixelCache, prepare
from irvision.data.pixels.ranges import Ranges, with_ranges
from irvision.data.together import keep_together
from irvision.runtime.device import Runtime
from irvision.settings.train import TrainSettings


@dataclass(frozen=True, eq=False)
class Material:
    """A data set ready for training.

    Attributes:
        examples: classes, labels and parts; where parts are drawn, equal pictures share one.
        cache: pixels of all samples.
        pictures: these pixels, placed on the device.
        listed: the samples with parts as they were drawn before the pictures were seen; None if
            these are the same.
    """

    examples: Examples
    cache: PixelCache
    pictures: Pictures
    listed: Examples | None = None

    @property
    def bad(self) -> list[int]:
        """Samples whose image could not be read, ascending."""
        return sorted(index for index, _, _ in self.cache.bad)

    def rows(self, part: Part) -> Int[np.ndarray, " rows"]:
        """Indices of the samples of a part whose image could be read."""
        return np.setdiff1d(self.examples.rows(part), np.array(self.bad, dtype=np.int64))

    def as_listed(self) -> Material:
        """The same with equal pictures in whatever parts, as earlier releases drew them."""
        return self if self.listed is None else replace(self, examples=self.listed, listed=None)


def gather_material(
    examples: Examples,
    settings: TrainSettings,
    runtime: Runtime,
    cache_dir: Path,
    console: Console,
    ranges: Ranges | None = None,
) -> Material:
    """Open or make the pixel cache of a data set, and place it on the device.

    Args:
        examples: the data set.
        settings: of the run.
        runtime: of the run.
        cache_dir: folder of caches.
        console: for progress and notes.
        ranges: of the values of images with more than eight bits, as in an earlier run; None for
            those of this data set.

    Raises:
        InputError: too many unreadable images, or no disk space for the cache.
    """
    cache = _decoded(examples, settings, cache_dir, console)
    if ranges is not None and (pinned := ranges.in_place_of(cache.ranges)) != cache.ranges:
        print_plain(console, "· decoding the images with the range of values of the run")
        examples = replace(examples, pixels=with_ranges(examples.pixels, pinned))
        cache = _decoded(examples, settings, cache_dir, console)
    for _, name, why in cache.bad[:3]:
        print_plain(console, f"· left out: {name}: {why}")
    if cache.bad:
        print_plain(console, f"· {len(cache.bad)} of {len(examples.labels)} images left out")
    pictures = place_pictures(cache.pixels, examples.labels, runtime)
    together = keep_together(examples, cache.prints, [index for index, *_ in cache.bad])
    listed = None if together is examples else examples
    return Material(together, cache, pictures, listed)


def _decoded(
    examples: Examples, settings: TrainSettings, cache_dir: Path, console: Console
) -> PixelCache:
    with progress_bar(console) as bar:
        pulse = Pulse(console, bar, "images", len(examples.labels))

        def show(done: int, total: int) -> None:
            pulse.show(f"{done} of {total} images decoded", done)

        return prepare(
            examples,
            settings.resize,
            cache_dir / "pixels",
            max_bad=settings.max_bad,
            on_progress=show,
            on_message=partial(print_plain, console),
        )
