"""Class folders as one data set: which parts are given, and which folders are the same class."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from itertools import combinations
from pathlib import Path

from irtheory.runs.files import InputError
from irvision.data.datasets.folder_names import alike, composed, holds_pictures
from irvision.data.datasets.folder_reading import ClassFolder


def settle_parts(
    root: Path, found: Sequence[ClassFolder]
) -> tuple[list[ClassFolder], tuple[str, ...]]:
    """The folders with the parts that they are used as, and a note where these are others.

    Without labelled test images the validation folder is the test part; without that too, all
    parts are drawn from train.

    Raises:
        InputError: parts without train.
    """
    kinds = {one.part for one in found}
    if None in kinds or ("test" in kinds and "train" in kinds) or not found:
        return list(found), ()
    if "train" not in kinds:
        raise InputError(f"{root}: expected images of a train part, found none")
    if "validation" in kinds:
        note = (
            "No folder has labelled test images: the validation folder is the test part, and "
            "validation images are drawn from train."
        )
        renamed = [replace(one, part="test") if one.part != "train" else one for one in found]
        return renamed, (note,)
    note = (
        "No folder has labelled test images: 30% of each class in train are drawn as the test part."
    )
    return [replace(one, part=None) for one in found], (note,)


def name_alike(
    root: Path, found: Sequence[ClassFolder]
) -> tuple[list[ClassFolder], tuple[str, ...]]:
    """The folders with one spelling for each class, and a note on classes with similar names.

    Names that differ only in how accented letters are stored are the same class.

    Raises:
        InputError: names of different folders that differ in letter case, spaces, hyphens or
            underscores alone, and that are nowhere folders beside each other.
    """
    spelling: dict[str, str] = {}
    for one in sorted(found, key=lambda one: one.part not in (None, "train")):
        spelling.setdefault(composed(one.name), one.name)
    similar: dict[str, list[str]] = defaultdict(list)
    for name in sorted(spelling):
        similar[alike(name)].append(name)
    notes = [
        f"Classes of their own, though their names are alike: {spelling[one]!r} and "
        f"{spelling[other]!r}."
        for names in similar.values()
        for one, other in combinations(names, 2)
        if _are_apart(root, found, one, other)
    ]
    return [replace(one, name=spelling[composed(one.name)]) for one in found], tuple(notes)


def _are_apart(root: Path, found: Sequence[ClassFolder], one: str, other: str) -> bool:
    """True if two classes lie beside each other, so that both are meant; else InputError."""
    of_one, of_other = (
        {each.among: each.place for each in found if composed(each.name) == name}
        for name in (one, other)
    )
    if of_one.keys() & of_other.keys():
        return True
    first, second = (root / min(places.values()) for places in (of_one, of_other))
    raise InputError(
        f"{second}: expected the name of a class as elsewhere, found one that differs from "
        f"{first} in letter case, spaces, hyphens or underscores alone; give both the same name"
    )


def name_nested(found: Sequence[ClassFolder], way: str = "") -> tuple[str, ...]:
    """A note on images in folders below those of their classes; or nothing.

    Args:
        found: the class folders.
        way: how the lower folders would be the classes, as the end of a sentence.
    """
    deep = [
        (one, first)
        for one in found
        for image in one.images
        for first, slash, _ in [image[len(one.place) + 1 :].partition("/")]
        if slash and not holds_pictures(first)
    ]
    if not deep:
        return ()
    one, inner = deep[0]
    return (
        f"{len(deep)} images lie in folders below those of the classes and belong to the class "
        f"above, such as {one.place}/{inner} to {one.name}{way}.",
    )
