"""What `ira data list` prints: the data sets that are available, and their pixel caches."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.markup import escape

from irtheory.runs.console import number_columns, print_plain, print_table
from irtheory.runs.files import InputError
from irvision.data.pixels.pixel_file import Damaged, read_contents
from irvision.data.registry import DATASETS, load_examples
from irvision.settings.data import DataOptions


@dataclass(frozen=True)
class Listed:
    """A data set in the list.

    Attributes:
        name: of the set.
        samples, classes: their numbers; 0 if the set cannot be used.
        why_not: why it cannot be used, else empty.
        cached: image sizes of its pixel caches, in pixels a side, ascending.
    """

    name: str
    samples: int
    classes: int
    why_not: str
    cached: tuple[int, ...]


def list_datasets(data_dir: Path, caches: Path) -> list[Listed]:
    """Every set of `registry.DATASETS`, then image folders that have a pixel cache."""
    sides = _cached(caches)
    listed = [_listed(name, data_dir, sides.pop(name, ())) for name in DATASETS]
    others = [
        Listed(name, 0, 0, "a folder of images, decoded before", sides[name])
        for name in sorted(sides)
    ]
    return listed + others


def print_list(console: Console, listed: list[Listed]) -> None:
    """Print the list as a table, and below it why data sets cannot be used."""
    columns = ("data set", *number_columns("samples", "classes"), "cached at")
    print_table(console, columns, map(_row, listed))
    for one in listed:
        if one.why_not:
            print_plain(console, f"· {one.name}: {one.why_not}")


def _row(one: Listed) -> tuple[str, ...]:
    counts = (str(one.samples), str(one.classes)) if one.samples else ("–", "–")
    return escape(one.name), *counts, ", ".join(f"{side} px" for side in one.cached) or "–"


def _listed(name: str, data_dir: Path, cached: tuple[int, ...]) -> Listed:
    try:
        examples = load_examples(name, DataOptions(data_dir=data_dir))
    except InputError as error:
        return Listed(name, 0, 0, str(error), cached)
    return Listed(name, len(examples.labels), len(examples.classes), "", cached)


def _cached(folder: Path) -> dict[str, tuple[int, ...]]:
    sides: dict[str, set[int]] = defaultdict(set)
    for path in folder.glob("*.pixels"):
        try:
            contents = read_contents(path)
        except (Damaged, OSError):
            continue
        sides[contents.dataset].add(contents.size)
    return {name: tuple(sorted(some)) for name, some in sides.items()}
