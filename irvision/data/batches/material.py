"""Decodes the images of a data set and places them on the device."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from jaxtyping import Int
from rich.console import Console

from irtheory.runs.console import Pulse, print_plain, progress_bar
from irvision.data.batches.pictures import Pictures, place_pictures
from irvision.data.examples import Examples, Part
from irvision.data.pixels.cache import PixelCache, prepare
from irvision.runtime.device import Runtime
from irvision.settings.train import TrainSettings


@dataclass(frozen=True, eq=False)
class Material:
    """A data set ready for training.

    Attributes:
        examples: classes, labels and parts.
        cache: pixels of all samples.
        pictures: these pixels, placed on the device.
    """

    examples: Examples
    cache: PixelCache
    pictures: Pictures

    def rows(self, part: Part) -> Int[np.ndarray, " rows"]:
        """Indices of the samples of a part whose image could be read."""
        bad = np.array([index for index, _, _ in self.cache.bad], dtype=np.int64)
        return np.setdiff1d(self.examples.rows(part), bad)


def gather_material(
    examples: Examples,
    settings: TrainSettings,
    runtime: Runtime,
    cache_dir: Path,
    console: Console,
) -> Material:
    """Open or make the pixel cache of a data set, and place it on the device.

    Raises:
        InputError: too many unreadable images, or no disk space for the cache.
    """
    cache = _decoded(examples, settings, cache_dir, console)
    for _, name, why in cache.bad[:3]:
        print_plain(console, f"· left out: {name}: {why}")
    if cache.bad:
        print_plain(console, f"· {len(cache.bad)} of {len(examples.labels)} images left out")
    return Material(examples, cache, place_pictures(cache.pixels, examples.labels, runtime))


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
