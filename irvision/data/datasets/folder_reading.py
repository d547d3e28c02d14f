"""Reads a folder of images along the levels of its layout: parts, groups, classes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import Literal

from irtheory.runs.files import InputError
from irvision.data.datasets.folder_names import (
    Kind,
    holds_annotations,
    holds_pictures,
    kind_of,
    pictures_marked,
)
from irvision.data.pixels.image_files import SUFFIXES, Tree
from irvision.data.pixels.unread import Unread, leftovers, name_unread
from irvision.settings.data import Layout, OptionError

Level = Literal["part", "group", "class"]
# Tables that are read, in the data folder itself.
ATTRIBUTE_TABLE, GROUP_TABLE = "attributes.csv", "groups.csv"
TABLES = f"tables that are not {ATTRIBUTE_TABLE} or {GROUP_TABLE} in the folder given"
MASKS = "masks, labels or small copies of other pictures"
AS_CLASSES = "pass --layout class if these folders are classes"
KINDS = ", ".join(suffix[1:] for suffix in SUFFIXES)


@dataclass(frozen=True)
class ClassFolder:
    """The images of a class in one folder.

    Attributes:
        part: that the folder is in; None where parts are drawn.
        name: of the class.
        among: the folder that the folder of the class lies in, relative to the data folder.
        place: of the folder, relative to the data folder.
        images: paths relative to the data folder, sorted.
    """

    part: Kind | None
    name: str
    among: str
    place: str
    images: tuple[str, ...]


Found = ClassFolder | Unread


def levels_of(layout: Layout) -> tuple[Level, ...]:
    """What the folders of a layout stand for, from the top down."""
    levels: dict[str, Level] = {"part": "part", "group": "group", "class": "class"}
    return tuple(levels[word] for word in layout.split("/"))


def read_levels(root: Path, tree: Tree, levels: Sequence[Level]) -> Iterator[Found]:
    """The class folders below a folder, and what is not read.

    Raises:
        InputError: folders that do not fit the levels.
    """
    yield from _read(Place(root), tree, levels)


@dataclass(frozen=True)
class Place:
    """Where reading has come to: the data folder, and the part and the class so far."""

    root: Path
    part: Kind | None = None
    name: str = ""
    among: str = ""

    def of(self, path: Path) -> str:
        """A path relative to the data folder."""
        return PurePosixPath(path.relative_to(self.root)).as_posix()


def _read(place: Place, tree: Tree, levels: Sequence[Level]) -> Iterator[Found]:
    if not levels:
        yield from _class_folder(place, tree)
        return
    level, *rest = levels
    if tree.path != place.root and not any(one.count() for one in tree.folders):
        raise InputError(f"{tree.path}: expected a folder of images for each {_below(levels)}")
    yield from leftovers(tree, beside_classes=True)
    yield from (
        Unread(tree.path / name, TABLES)
        for name in tree.others
        if _is_table(name)
        and (tree.path != place.root or name not in (ATTRIBUTE_TABLE, GROUP_TABLE))
    )
    yield from (
        Unread(tree.path / name, f"pictures outside the {level} folders") for name in tree.images
    )
    yield from (found for one in tree.folders if annotates(one) for found in all_unread(one, ""))
    if level == "part":
        yield from _read_parts(place, tree, rest)
        return
    for one in tree.folders:
        if not annotates(one):
            inner = replace(place, name=one.name, among=place.of(tree.path))
            yield from _read(inner if level == "class" else place, one, rest)


def _is_table(name: str) -> bool:
    """Whether a file is called nearly like one of the tables that are read."""
    stem, _, ending = name.casefold().rpartition(".")
    return stem.rstrip("s") in ("attribute", "group") and ending in ("csv", "tsv", "txt", "xlsx")


def _below(levels: Sequence[Level]) -> str:
    return "part" if levels[0] == "part" else "class"


def annotates(tree: Tree) -> bool:
    """Whether a folder is called after annotations and holds no images."""
    return holds_annotations(tree.name) and not tree.count() and not tree.links


def all_unread(tree: Tree, why: str) -> Iterator[Unread]:
    """Everything below a folder, its images for a reason of their own."""
    for one in tree.everything():
        yield from (Unread(one.path / name, why) for name in one.images)
        yield from leftovers(one, beside_classes=False)


def _read_parts(place: Place, tree: Tree, rest: Sequence[Level]) -> Iterator[Found]:
    for one, kind in parts_in(tree):
        if kind == "unlabelled" or (rest and not _is_labelled(one, kind)):
            why = f"images without class folders in {place.of(one.path)}"
            yield from all_unread(one, why)
        else:
            yield from _read(replace(place, part=kind), one, rest)


def parts_in(tree: Tree) -> list[tuple[Tree, Kind]]:
    """The folders of parts in a folder, and which.

    Raises:
        OptionError: a folder that is not called after a part, or two for the same part.
    """
    found, names = [], dict[Kind, str]()
    for one in tree.folders:
        if annotates(one):
            continue
        kind = kind_of(one.name)
        if kind is None:
            raise OptionError(
                f"{one.path}: expected the folder of a part, with train, validation or test in "
                "its name"
            )
        other = names.setdefault(kind, one.name)
        if other != one.name and kind != "unlabelled":
            raise OptionError(
                f"{tree.path}: expected one {kind} folder, found {other} and {one.name}; put "
                f"their images into one, or {AS_CLASSES}"
            )
        found.append((one, kind))
    return found


def _is_labelled(part: Tree, kind: Kind) -> bool:
    """Whether a part has folders of classes; without, its images have no labels.

    A single folder that is called after no class may hold all images, as in test/images/1.jpg.
    """
    if kind == "train" or not part.count():
        return True
    inner = [one for one in part.folders if one.count()]
    if len(inner) == 1 and _says_nothing(inner[0].name):
        return any(one.count() for one in inner[0].folders)
    return bool(inner)


def _says_nothing(name: str) -> bool:
    """Whether a name is that of pictures of any class."""
    word = name.casefold()
    return holds_pictures(name) or bool(kind_of(name)) or word in ("unknown", "all", "data")


def _class_folder(place: Place, tree: Tree) -> Iterator[Found]:
    at = place.of(tree.path)
    images, masks = _pictures(tree, at)
    rest = [found for one in tree.everything() for found in leftovers(one, beside_classes=False)]
    if not images:
        there = " ".join(name_unread(rest, 0)) or "remove the folder if this class has none here"
        raise InputError(f"{tree.path}: expected images ({KINDS}), found none; {there}")
    yield from (Unread(place.root / path, MASKS) for path in masks)
    yield from rest
    yield ClassFolder(place.part, place.name, place.among, at, tuple(sorted(images)))


def _pictures(tree: Tree, at: str) -> tuple[list[str], list[str]]:
    """The pictures below a folder, and the masks and other companions of pictures, behind `at`."""
    stems = {name.rpartition(".")[0] for name in tree.images}
    images, masks = list[str](), list[str]()
    for name in tree.images:
        marked = stems.intersection(pictures_marked(name.rpartition(".")[0]))
        (masks if marked else images).append(f"{at}/{name}")
    beside = [one for one in tree.folders if holds_annotations(one.name)]
    rest = [one for one in tree.folders if not holds_annotations(one.name)]
    if not images and not any(one.count() for one in rest):
        beside, rest = [], list(tree.folders)
    for one in rest:
        inner, more = _pictures(one, f"{at}/{one.name}")
        images += inner
        masks += more
    for one in beside:
        masks += one.images_below(f"{at}/{one.name}/")
    return images, masks
