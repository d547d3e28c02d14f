"""The samples that a run is trained on: decoded, kept together, and remarked on."""

from __future__ import annotations

from pathlib import Path

from rich.console import Console

from irtheory.runs.console import print_plain
from irvision.data.batches.material import Material, gather_material
from irvision.data.examples import Examples
from irvision.data.report.mirrored import mirrored_classes
from irvision.data.report.pictures import look_at, sentences
from irvision.runs.changes import some
from irvision.runs.names import SAMPLES
from irvision.runs.samples import Samples, list_samples
from irvision.runs.trained import OF_EARLIER_RELEASES
from irvision.runtime.device import Runtime
from irvision.settings.train import TrainSettings


def training_material(
    examples: Examples,
    settings: TrainSettings,
    runtime: Runtime,
    cache_dir: Path,
    console: Console,
    resumed: Path | None,
) -> Material:
    """Decode the samples of a run, and say what is odd about them.

    Args:
        examples: the data set as listed.
        settings: of the run.
        runtime: of the run.
        cache_dir: folder of caches.
        console: for progress and notes.
        resumed: folder of the run if it began earlier.

    Raises:
        InputError: see `gather_material`.
    """
    # Runs of earlier releases have no list of their samples, and divided equal pictures.
    earlier = resumed is not None and not (resumed / SAMPLES).is_file()
    ranges = OF_EARLIER_RELEASES if earlier else None
    material = gather_material(examples, settings, runtime, cache_dir, console, ranges)
    if earlier:
        material = material.as_listed()
        name_wide(material, console)
    if not console.quiet:
        for sentence in remarks(material, settings.flip):
            print_plain(console, f"· {sentence}")
    return material


def name_wide(material: Material, console: Console) -> None:
    """Say that a run of an earlier release saw images of 32 bits otherwise, if there are any."""
    if material.cache.ranges.low is not None:
        print_plain(
            console,
            "· the run mapped each image of 32 bits or floating point from its own range, as "
            "earlier releases did; now they have one range, and its scores may differ",
        )


def remarks(material: Material, flip: float) -> list[str]:
    """What the pixels say, such as pictures that occur twice, in sentences.

    Args:
        material: the decoded samples.
        flip: probability of a mirrored crop.
    """
    examples, cache, bad = material.examples, material.cache, material.bad
    lines = sentences(look_at(examples, cache.prints, bad, cache.ranges))
    if material.listed is not None:
        moved = (material.listed.parts != examples.parts).nonzero()[0].tolist()
        names = some(examples.pixels.name(row) for row in moved)
        lines.append(
            "equal pictures stay in one part; the parts were drawn with that, which puts "
            f"{len(moved)} samples elsewhere ({names})"
        )
    if flip:
        rows = material.rows("train")
        for one, other in mirrored_classes(examples, cache.prints, rows):
            lines.append(
                f"{one} and {other} look like mirror images of each other, and --flip {flip:g} "
                "mirrors images: pass --flip 0 if left and right matter"
            )
    return lines


def samples_of(material: Material) -> Samples:
    """The list of the samples of a run."""
    return list_samples(material.examples, material.cache.prints, material.bad)
