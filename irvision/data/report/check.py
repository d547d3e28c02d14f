"""Checks that a data set is complete: its files, images, boxes and counts."""

from __future__ import annotations

import errno
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

import numpy as np
from PIL import Image

from irtheory.runs.files import InputError
from irvision.data.datasets.counts import OFFICIAL, PAPER, fewer_than_official
from irvision.data.datasets.layout import Needed, missing
from irvision.data.datasets.lines import readable
from irvision.data.examples import PARTS, Examples
from irvision.data.pixels.cache import ranged
from irvision.data.pixels.decode import Decoded, Progress, check_processes, decode
from irvision.data.pixels.photographs import FORMATS, Photographs
from irvision.data.pixels.prints import SIDE
from irvision.data.pixels.ranges import UNKNOWN
from irvision.data.registry import FOLDER, load_attributes, load_examples, resolve
from irvision.data.report.pictures import Pictures, look_at
from irvision.data.together import keep_together
from irvision.settings.data import DataOptions, OptionError


@dataclass(frozen=True)
class Findings:
    """What `check_dataset` found.

    Attributes:
        dataset: its name.
        root: its folder; None for a drawn data set, or if none of its files is found.
        source: where its files come from.
        missing: files that are missing: path, content, and the use that needs it.
        broken: other reasons why the set cannot be read, one line each.
        samples: number of samples m; 0 if they could not be listed.
        classes: number of samples of each class.
        parts: number of samples of each part.
        paper: training (with validation) and test samples, classes and attributes in the paper.
        images: number of distinct image files.
        absent: image files that are listed but missing.
        undecodable: images that exist but cannot be read, with the reason.
        clipped: boxes that reach beyond their image; they are cut to it.
        attributes: number of attributes; None if there are none, or they could not be read.
        unknown: share of attribute values that are missing.
        fewer: counts below those of the published files, as when only a part was downloaded.
        notes: of the loader.
        pictures: what the pixels say, such as pictures that occur twice; None if none were read.
    """

    dataset: str
    root: str | None = None
    source: str = ""
    missing: tuple[tuple[str, str, str], ...] = ()
    broken: tuple[str, ...] = ()
    samples: int = 0
    classes: dict[str, int] | None = None
    parts: dict[str, int] | None = None
    paper: dict[str, int] | None = None
    images: int = 0
    absent: tuple[str, ...] = ()
    undecodable: tuple[str, ...] = ()
    clipped: tuple[str, ...] = ()
    attributes: int | None = None
    unknown: float = 0.0
    fewer: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    pictures: Pictures | None = None

    @property
    def whole(self) -> bool:
        """Whether nothing is missing and every file can be read."""
        return not (self.missing or self.broken or self.absent or self.undecodable)


def check_dataset(
    dataset: str,
    options: DataOptions,
    processes: int | None = None,
    on_progress: Progress | None = None,
) -> Findings:
    """Check every file that a data set needs, and decode every image.

    Args:
        dataset: a name of `registry.DATASETS`, or the path of a folder.
        options: which samples.
        processes: number of decoding processes; None for one per core.
        on_progress: called with the number of samples decoded so far and in total.

    Raises:
        InputError: no such data set or folder, or an impossible number of processes.
    """
    check_processes(processes)
    module, options = resolve(dataset, options)
    name = getattr(module, "NAME", dataset)
    if not hasattr(module, "FILES"):
        drawn = load_examples(dataset, options)
        return Findings(name, **_counts(drawn, name), **_attributes(dataset, options, drawn))
    if options.data_dir is None or not options.data_dir.is_dir():
        raise InputError(f"--data-dir {options.data_dir}: expected a folder, found none")
    try:
        with readable():
            root, lacking = _files(module, options)
    except InputError as error:
        return Findings(name, source=module.SOURCE, broken=(str(error),))
    found: dict = {"root": str(root) if root else None, "source": module.SOURCE, "missing": lacking}
    if any(use == "training" for *_, use in lacking):
        return Findings(name, **found)
    try:
        examples = load_examples(dataset, options)
    except OptionError:
        # Not the files are wrong.
        raise
    except InputError as error:
        return Findings(name, **found, broken=(str(error),))
    pixels = ranged(examples.pixels, on_progress)
    decoded = decode(pixels, SIDE, None, processes, on_progress)
    bad = [index for index, *_ in decoded.bad]
    examples = keep_together(examples, decoded.prints, bad)
    found |= _counts(examples, name) | _images(examples, decoded)
    ranges = getattr(pixels, "ranges", UNKNOWN)
    found["pictures"] = look_at(examples, decoded.prints, bad, ranges)
    found["broken"] = _empty_parts(examples)
    if not lacking:
        more = _attributes(dataset, options, examples)
        found |= more | {"broken": found["broken"] + more.get("broken", ())}
    found["fewer"] = fewer_than_official(name, options.unit, _totals(module, options, found))
    return Findings(name, **found)


def _empty_parts(examples: Examples) -> tuple[str, ...]:
    return tuple(
        f"{examples.name}: expected samples in the {part} part, found none"
        for part in ("train", "test")
        if not len(examples.rows(part))
    )


def _totals(module: ModuleType, options: DataOptions, found: dict) -> dict[str, int]:
    """Counts under the names that `counts.OFFICIAL` uses."""
    test = found["parts"]["test"]
    totals = {
        "samples": found["samples"],
        "training samples": found["samples"] - test,
        "test samples": test,
        "classes": len(found["classes"]),
    }
    if "attributes" in found:
        totals["attributes"] = found["attributes"]
        if hasattr(module, "attribute_lines"):
            totals["lines of attributes"] = module.attribute_lines(options)
    return totals


def _files(
    module: ModuleType, options: DataOptions
) -> tuple[Path | None, tuple[tuple[str, str, str], ...]]:
    """The data folder, or None if no file is found, and the files that are missing in it."""
    if module.__name__ == FOLDER:
        # Its table of attributes is optional.
        return module.root(options), ()
    files: Sequence[Needed] = module.FILES
    try:
        root = module.root(options)
    except InputError:
        root = None
    there = root or options.data_dir or Path()
    lacking = files if root is None else missing(root, files)
    return root, tuple((str(there / file.paths[0]), file.what, file.use) for file in lacking)


def _counts(examples: Examples, name: str) -> dict:
    per_class = np.bincount(examples.labels, minlength=len(examples.classes)).tolist()
    found = {
        "samples": len(examples.labels),
        "classes": dict(zip(examples.classes, per_class, strict=True)),
        "parts": {part: len(examples.rows(part)) for part in PARTS},
        "notes": examples.notes,
    }
    if name in PAPER:
        (train, test), official = PAPER[name], OFFICIAL[name]
        names = {what: official[what] for what in ("classes", "attributes")}
        found["paper"] = {"train": train, "test": test} | names
    return found


def _images(examples: Examples, decoded: Decoded) -> dict:
    pixels, bad = examples.pixels, decoded.bad
    assert isinstance(pixels, Photographs)
    none = os.strerror(errno.ENOENT)
    absent = {str(pixels.path(index)) for index, _, why in bad if why == none}
    spoilt = tuple(
        f"{name}: {why}" for index, name, why in bad if str(pixels.path(index)) not in absent
    )
    return {
        "images": len(set(pixels.files)),
        "absent": tuple(sorted(absent)),
        "undecodable": spoilt,
        "clipped": _clipped(pixels, {index for index, *_ in bad}),
    }


def _clipped(pixels: Photographs, bad: set[int]) -> tuple[str, ...]:
    if pixels.boxes is None:
        return ()
    found, sizes = [], {}
    for index in sorted(set(range(len(pixels))) - bad):
        path = pixels.path(index)
        if path not in sizes:
            with Image.open(path, formats=FORMATS) as image:
                sizes[path] = image.size
        left, upper, right, lower = pixels.boxes[index].tolist()
        width, height = sizes[path]
        if left < 0 or upper < 0 or right > width or lower > height:
            found.append(f"{pixels.name(index)}: the image has {width} × {height} pixels")
    return tuple(found)


def _attributes(dataset: str, options: DataOptions, examples: Examples) -> dict:
    try:
        attributes = load_attributes(dataset, options, examples)
    except InputError as error:
        return {"broken": (str(error),)}
    if attributes is None:
        return {}
    unknown = float(np.isnan(attributes.values).mean())
    return {"attributes": len(attributes.names), "unknown": unknown}
