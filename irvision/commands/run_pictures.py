"""The pictures that `ira evaluate` keeps in a run for its report."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
from rich.console import Console

from irtheory.runs.console import Pulse, clock, progress_bar
from irvision.data.batches.augment import central_view
from irvision.data.batches.material import Material
from irvision.data.examples import Part
from irvision.evaluation.choice import choose
from irvision.evaluation.gallery import Progress, Seen, make_gallery
from irvision.evaluation.predictions import order_of, scored_images
from irvision.evaluation.subject import Subject
from irvision.models.network import view_of
from irvision.runs.gallery import write_gallery
from irvision.runs.named_tree import name_tree
from irvision.runs.samples import distinct_names
from irvision.runs.scored_images import scored_digest
from irvision.runs.trained import Trained


def write_pictures(
    run: Path, trained: Trained, subject: Subject, material: Material, most: int, console: Console
) -> Path:
    """Choose images, and write them with maps of their codes to the gallery of a run.

    Args:
        run: folder of the run; its predictions.safetensors is that of the subject.
        trained: the run.
        subject: what was scored.
        material: its samples.
        most: largest number of pictures.
        console: for progress.
    """
    names = distinct_names(material.examples)
    images: dict[Part, list[str]] = {}
    for part in subject.parts:
        images[part] = [names[row] for row in material.rows(part).tolist()]
    scored = scored_images(subject, images)
    order = order_of(subject)
    kept, bits = subject.kept.tolist(), subject.bits
    named = name_tree(subject.tree, subject.counts(), subject.classes, kept, bits)
    view, device = view_of(trained.settings), material.pictures.runtime.device
    seen = Seen(
        np.concatenate([material.rows(part)[places] for part, places in order.items()]),
        material.pictures.pixels,
        view.size,
        lambda pictures: central_view(pictures.to(device), view),
        trained.network.represent.eval(),
    )
    unread = [(names[row], why) for row, _, why in sorted(material.cache.bad)]
    choice = choose(scored, named, most)
    with progress_bar(console) as bar:
        pulse = Pulse(console, bar, "pictures", len(choice.mapped))
        gallery = make_gallery(choice, seen, unread, _shown(pulse))
    return write_gallery(run, gallery, scored_digest(run))


def _shown(pulse: Pulse) -> Progress:
    began = time.perf_counter()

    def show(done: int, total: int) -> None:
        rate = done / max(time.perf_counter() - began, 1e-9)
        left = clock((total - done) / max(rate, 1e-9))
        pulse.show(f"{done} of {total} maps of codes, {rate:.0f}/s, {left} left", done)

    return show
