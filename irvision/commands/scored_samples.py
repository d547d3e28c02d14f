"""The samples that `ira evaluate` scores: those of the run, or another labelled folder."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Int
from rich.console import Console

from irtheory.runs.console import print_plain
from irtheory.runs.files import InputError
from irvision.commands.run_samples import name_wide, samples_of
from irvision.data.batches.material import Material, gather_material
from irvision.data.examples import (
    PARTS,
    Attributes,
    Examples,
    check_samples,
    names_below,
    samples_digest,
)
from irvision.data.pixels.photographs import Photographs
from irvision.data.pixels.prints import digests, flat_rows
from irvision.data.pixels.ranges import deep_files, with_ranges
from irvision.data.registry import load_all, load_attributes, load_examples
from irvision.runs.changes import (
    Changes,
    check_contents,
    compare,
    compare_names,
    notes_on,
    some,
    unchanged,
)
from irvision.runs.names import SAMPLES
from irvision.runs.samples import Samples, read_samples
from irvision.runs.trained import Trained
from irvision.runtime.device import Runtime
from irvision.settings.data import DataOptions, Layout
from irvision.settings.requests import EvaluateRequest
from irvision.settings.train import TrainSettings

# The part of a sample that is not scored: none of PARTS.
NO_PART = len(PARTS)


@dataclass(frozen=True, eq=False)
class Scored:
    """The samples to score.

    Attributes:
        material: decoded; its labels are those of the run's classes.
        attributes: reads their attributes; rows are those of the material.
        folder: of another labelled set; None for the run's own samples.
        left_out: number of samples of the run that are not scored, as they have changed.
    """

    material: Material
    attributes: Callable[[], Attributes | None]
    folder: Path | None = None
    left_out: int = 0


def own_samples(
    request: EvaluateRequest,
    trained: Trained,
    settings: TrainSettings,
    runtime: Runtime,
    cache_dir: Path,
    console: Console,
) -> Scored:
    """The samples of the run.

    Args:
        request: of `ira evaluate`.
        trained: the run.
        settings: of the run, with the data set where it is now.
        runtime: to place them on.
        cache_dir: folder of caches.
        console: for progress and notes.

    Raises:
        InputError: samples were added or removed or have changed, unless --only-known is given;
            then, if none of the test part is left.
    """
    if request.layout != "auto":
        raise InputError("--layout: concerns the folder of --test; expected --test beside it")
    run, dataset = request.folder, settings.dataset
    before = read_samples(run)
    examples = load_examples(dataset, settings.data)
    if before is None and request.only_known:
        raise InputError(
            f"--only-known: expected {run / SAMPLES}, the list of the run's samples, found none "
            "(runs of earlier releases have none)"
        )
    if before is not None and not request.only_known:
        # Before images are decoded, which takes longer.
        _refuse(compare_names(before, examples), dataset, run)
    if before is None and trained.pixels is None:
        check_samples(samples_digest(examples), trained.samples, dataset)
    material = gather_material(examples, settings, runtime, cache_dir, console, trained.ranges)
    if trained.pixels is None:
        name_wide(material, console)
    if before is not None and request.only_known:
        found = compare(before, samples_of(material))
        material = _known(material, before, found, trained, console)
        removed = _below_folder(examples, found.removed)
        read = partial(load_attributes, dataset, settings.data, examples, removed)
        left_out = len(before.names) - sum(len(material.rows(part)) for part in PARTS)
        return Scored(material, read, left_out=left_out)
    # Contents first: equal pictures decide on the parts that are drawn.
    way = "pass --only-known to score the others, or train anew"
    for note in check_contents(run, samples_of(material), trained.pixels, dataset, way):
        print_plain(console, f"· {note}")
    material = _as_trained(material, before, trained, dataset, run, console)
    read = partial(load_attributes, dataset, settings.data, examples)
    return Scored(material, read)


def _below_folder(examples: Examples, names: Sequence[str]) -> tuple[str, ...]:
    """Names of samples.csv, which begin below the common folder, as paths below the data folder."""
    pixels = examples.pixels
    if not isinstance(pixels, Photographs):
        return tuple(names)
    first, below = pixels.files[0], names_below(examples)[0].removeprefix("/")
    common = first.removesuffix(below) if first.endswith(below) else ""
    return tuple(common + name for name in names)


def _refuse(found: Changes, dataset: str, run: Path) -> None:
    """InputError if samples have changed; the message names them and the way on."""
    if found.listed:
        raise InputError(
            f"{dataset}: expected the samples of the run, found others: {found.listed}; bring "
            f"them back as {run / SAMPLES} lists them, pass --only-known to score those that are "
            "as they were, or train anew"
        )


def _as_trained(
    material: Material,
    before: Samples | None,
    trained: Trained,
    dataset: str,
    run: Path,
    console: Console,
) -> Material:
    """The material with the parts of the run; InputError if they are others."""
    found = samples_digest(material.examples)
    if found == trained.samples:
        return material
    if material.listed is not None and samples_digest(material.listed) == trained.samples:
        print_plain(
            console, "· the run divided equal pictures among its parts, as earlier releases did"
        )
        return material.as_listed()
    if before is not None:
        _refuse(compare(before, samples_of(material)), dataset, run)
    check_samples(found, trained.samples, dataset)
    return material


def _known(
    material: Material, before: Samples, found: Changes, trained: Trained, console: Console
) -> Material:
    """The samples that the run knows and that have not changed, in the parts that they had."""
    now = samples_of(material)
    kept = unchanged(now, found)
    part_of = dict(zip(before.names, before.parts, strict=True))
    parts = [
        PARTS.index(part_of[name]) if known else NO_PART  # type: ignore[arg-type]
        for name, known in zip(now.names, kept.tolist(), strict=True)
    ]
    left = replace(found, parted=())
    if left.listed:
        print_plain(console, f"· only known samples are scored, without: {left.listed}")
    for note in notes_on(found):
        print_plain(console, f"· {note}")
    return _with(material, trained.classes, np.array(parts, np.uint8))


def _with(material: Material, classes: tuple[str, ...], parts: np.ndarray) -> Material:
    """The material with other parts, and with labels as numbers of these classes."""
    examples = material.examples
    labels = _numbers(examples.classes, classes)[examples.labels]
    pictures = material.pictures
    on_device = torch.from_numpy(labels).to(pictures.labels.device)
    return replace(
        material,
        examples=replace(examples, classes=classes, labels=labels, parts=parts, draw=None),
        pictures=replace(pictures, labels=on_device),
        listed=None,
    )


def _numbers(names: tuple[str, ...], classes: tuple[str, ...]) -> Int[np.ndarray, " names"]:
    """The number of each name among the classes; 0 for names that are not among them."""
    number_of = {_composed(name): number for number, name in enumerate(classes)}
    return np.array([number_of.get(_composed(name), 0) for name in names], np.int64)


def _composed(name: str) -> str:
    """One spelling of letters with accents, which file systems store in two ways."""
    return unicodedata.normalize("NFC", name)


def other_samples(
    request: EvaluateRequest,
    trained: Trained,
    runtime: Runtime,
    cache_dir: Path,
    console: Console,
) -> Scored:
    """The samples of another labelled folder; all are scored, whatever its parts.

    Raises:
        InputError: no folder of images, or a class that the run does not know.
    """
    folder = request.test
    assert folder is not None
    if request.only_known or request.data_dir is not None:
        beside = "--only-known" if request.only_known else "--data-dir"
        raise InputError(f"{beside}: concerns the samples of the run; expected none with --test")
    if not folder.is_dir():
        raise InputError(f"--test {folder}: expected a folder of images, found none")
    options = _as_classes(folder, trained, request.layout)
    listed = load_all(options)
    _check_classes(listed, trained, folder)
    examples = listed
    pixels = listed.pixels
    assert isinstance(pixels, Photographs)
    if deep_files([pixels.path(row) for row in range(len(pixels))]):
        examples = replace(listed, pixels=with_ranges(pixels, trained.ranges))
    for note in listed.notes:
        print_plain(console, f"· {note}")
    material = gather_material(examples, trained.settings, runtime, cache_dir, console)
    _name_trained_on(material, read_samples(request.folder), console)
    parts = np.full(len(pixels), PARTS.index("test"), np.uint8)
    material = _with(material, trained.classes, parts)
    read = partial(load_attributes, _as_folder(folder), options, listed)
    return Scored(material, read, folder)


def _as_classes(folder: Path, trained: Trained, layout: Layout) -> DataOptions:
    """How to read a folder: its own folders are classes if the run knows them all by name."""
    if layout != "auto":
        return DataOptions(data_dir=folder, layout=layout)
    known = set(map(_composed, trained.classes))
    names = [path.name for path in folder.iterdir() if path.is_dir() and path.name[0] != "."]
    if names and all(_composed(name) in known for name in names):
        return DataOptions(data_dir=folder, layout="class")
    return DataOptions(data_dir=folder)


def _as_folder(folder: Path) -> str:
    """The folder as a path that is not the name of a known data set."""
    return str(folder.resolve())


def _check_classes(examples: Examples, trained: Trained, folder: Path) -> None:
    known = set(map(_composed, trained.classes))
    unknown = [name for name in examples.classes if _composed(name) not in known]
    if unknown:
        raise InputError(
            f"--test {folder}: expected the classes of the run ({', '.join(trained.classes)}), "
            f"found {', '.join(unknown)} too"
        )


def _name_trained_on(material: Material, before: Samples | None, console: Console) -> None:
    """Say which of the images the run was trained on."""
    if before is None:
        print_plain(console, "· the run has no list of its samples: it may have seen these images")
        return
    trained_on = {
        digest for digest, part in zip(before.digests, before.parts, strict=True) if part == "train"
    }
    prints = material.cache.prints
    flat = flat_rows(prints, material.bad)
    flat[material.bad] = True
    names = [
        material.examples.pixels.name(row)
        for row, digest in enumerate(digests(prints))
        if digest in trained_on and not flat[row]
    ]
    if names:
        print_plain(
            console, f"· {len(names)} of these images are training images of the run: {some(names)}"
        )
