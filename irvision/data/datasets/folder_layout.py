"""Recognises how a folder of images is laid out, and refuses where that is not clear."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from irvision.data.datasets.folder_names import (
    composed,
    holds_annotations,
    holds_pictures,
    kind_of,
    pictures_marked,
)
from irvision.data.datasets.folder_reading import annotates, parts_in
from irvision.data.pixels.image_files import Tree
from irvision.settings.data import Layout, OptionError

# Names that a message lists.
SHOWN = 4
# Names of parts of a data set rather than of classes.
NUMBERED = re.compile(r"(?i)(fold|split|part|batch|group|site|domain|set)[ _-]?[0-9]+")
FEWEST_CLASSES = 2


def recognise(tree: Tree) -> Layout:
    """The layout of a folder: of parts if all folders in it are called so, else of classes.

    Raises:
        OptionError: the folders can be read in several ways; the message names them.
    """
    tops = [one for one in tree.folders if not annotates(one)]
    _refuse_wrapper(tree.path, tops)
    if tops and all(kind_of(one.name) for one in tops):
        _refuse_odd_parts(tree)
        return "part/class"
    _refuse_annotated(tree.path, tops, True)
    _refuse_recurring(tree.path, tops, inside_parts=False)
    return "class"


def mixed_note(tree: Tree) -> tuple[str, ...]:
    """A note on folders that are called like parts but are read as classes; or nothing."""
    tops = [one.name for one in tree.folders if not annotates(one)]
    called = [top for top in tops if kind_of(top)]
    if len(called) in (0, len(tops)):
        return ()
    other = next(top for top in tops if top not in called)
    return (f"Read as classes: {', '.join(called)}, as {other} beside them is no part.",)


def odd_names_note(names: Sequence[str]) -> tuple[str, ...]:
    """A note on classes that are called like masks of other images, or like folds; or nothing."""
    odd = [name for name in names if holds_annotations(name) or NUMBERED.fullmatch(name)]
    if not odd:
        return ()
    return (
        f"Read as classes: {_some(odd)}; move them elsewhere, or pass another --layout, if they "
        "are none.",
    )


def _inner(tree: Tree) -> list[Tree]:
    """The folders in a folder that hold images, but for those of masks and the like."""
    return [one for one in tree.folders if one.count() and not holds_annotations(one.name)]


def _refuse_wrapper(folder: Path, tops: Sequence[Tree]) -> None:
    """A single folder that holds folders is no class: what is in it should be pointed at."""
    holders = [one for one in tops if one.count()]
    if len(holders) != 1:
        return
    deepest = holders[0]
    while not deepest.images and len(inner := _inner(deepest)) == 1:
        (deepest,) = inner
    if len(_inner(deepest)) > 1:
        rest = [one.name for one in tops if one is not holders[0]]
        raise OptionError(
            f"{folder}: expected a folder of images for each class, found all images in "
            f"{holders[0].name}{f' and none in {_some(rest)}' if rest else ''}; give "
            f"{deepest.path} instead"
        )


def _refuse_odd_parts(tree: Tree) -> None:
    """Parts that hold a wrapper, or groups of classes, instead of classes."""
    parts = [one for one, kind in parts_in(tree) if kind != "unlabelled"]
    train = next((one for one in parts if kind_of(one.name) == "train"), None)
    if train is None:
        needed, beside = tree.path / "train", tree.folders[0].name
        raise OptionError(
            f"{needed}: expected a folder beside {beside}, found none; rename the folder to train "
            "on, or pass --layout group/class to pool these folders, or --layout class if they "
            "are classes"
        )
    for part in parts:
        only = _inner(part)
        if len(only) == 1 and not part.images and len(_inner(only[0])) > 1:
            raise OptionError(
                f"{part.path}: expected a folder of images for each class, found all images "
                f"in {only[0].name}; move its folders up, or pass --layout part/group/class"
            )
        _refuse_annotated(part.path, [one for one in part.folders if one.count()], False)
    inner = [one for part in parts for one in part.folders if one.count()]
    _refuse_recurring(tree.path, inner, inside_parts=True)


def _refuse_annotated(folder: Path, tops: Sequence[Tree], whole: bool) -> None:
    """Masks beside images: a folder called so, beside images alone or with the same names.

    `whole` says that the folders are all of the data set, so that one of them can be given alone.
    """
    for top in tops:
        others = [one for one in tops if one is not top]
        if not others or not holds_annotations(top.name) or _shares_word(top, others):
            continue
        known = {name for one in others for name in (one.name, *_names(one))}
        pictures = [one for one in others if holds_pictures(one.name)]
        names = _names(top)
        shared = [name for name in names if known.intersection((name, *pictures_marked(name)))]
        if 2 * len(shared) >= len(names) or len(pictures) == len(others):
            alone = whole and pictures
            way = f"give {pictures[0].path} instead" if alone else f"move {top.name} elsewhere"
            raise OptionError(
                f"{folder}: expected a folder of images for each class, found {top.name}, which "
                f"seems to belong to the images beside it; {way}, or pass --layout "
                f"{'class' if whole else 'part/class'} if it is a class"
            )


def _shares_word(top: Tree, others: Sequence[Tree]) -> bool:
    """Whether another folder is called after the same thing, as mask and no_mask are."""
    word = top.name.casefold().rstrip("s")
    return any(word in one.name.casefold() for one in others)


def _names(tree: Tree) -> set[str]:
    """Names of the folders in a folder, or of its images without their endings."""
    inner = {composed(one.name) for one in tree.folders if one.count()}
    return inner or {name.rpartition(".")[0] for name in tree.images}


def _refuse_recurring(folder: Path, tops: Sequence[Tree], inside_parts: bool) -> None:
    """The same folders in most of the folders: are those the classes, or these?"""
    names = recurring(tops)
    if not names:
        return
    holders = sorted({one.name for one in tops if names & set(map(_key, _inner(one)))})
    outer, inner = _some(holders), _some(sorted(names))
    ways = f"{_ways(tops, names, inside_parts)}, or --layout "
    alone = f", or give one alone, such as {folder / holders[0]}"
    if "train" in map(kind_of, holders) and not inside_parts:
        rest = _some([one.name for one in tops if one.name not in holders or not kind_of(one.name)])
        ways, alone = f"move {rest} elsewhere to read the others as parts, or pass --layout ", ""
    raise OptionError(
        f"{folder}: expected folders of classes, found the same folders ({inner}) in {outer}; "
        f"{ways}{'part/class' if inside_parts else 'class'} if {outer} are the classes"
        + ("" if inside_parts else alone)
    )


def _ways(tops: Sequence[Tree], names: set[str], inside_parts: bool) -> str:
    classes = _some(sorted(names))
    if inside_parts:
        return f"pass --layout part/group/class if {classes} are the classes"
    if all(kind_of(name) for name in names):
        deeper = any(_inner(inner) for top in tops for inner in _inner(top))
        return f"pass --layout {'group/part/class' if deeper else 'class/part'} if those are parts"
    return f"pass --layout group/class to pool them if {classes} are the classes"


def _some(names: Sequence[str]) -> str:
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return ", ".join(names[:SHOWN]) + more


def recurring(tops: Sequence[Tree]) -> set[str]:
    """Names of folders that lie in two of the folders at least, where these may be groups.

    They may be if most images lie deeper and have two classes or more there, and if no image lies
    outside of such folders, or the names that recur hold half of all images, or are half of the
    names in each of the folders.
    """
    inner: dict[str, set[str]] = {}
    for top in tops:
        if _inner(top):
            # The same class in several parts is one folder here.
            inner.setdefault(composed(top.name), set()).update(map(_key, _inner(top)))
    seen = Counter(name for names in inner.values() for name in names)
    common = {name for name, times in seen.items() if times > 1 and not holds_pictures(name)}
    counts = [(_key(one), one.count()) for top in tops for one in _inner(top)]
    total, deeper = sum(top.count() for top in tops), sum(count for _, count in counts)
    if len(seen) < FEWEST_CLASSES or 2 * deeper < total:
        return set()
    if not any(top.images for top in tops):
        # Nothing speaks for these folders as classes, and one name that recurs against it.
        return common
    everywhere = len(inner) == len({composed(top.name) for top in tops})
    half = all(2 * len(common & names) >= len(names) for names in inner.values())
    most = 2 * sum(count for name, count in counts if name in common) >= total
    return common if most or (everywhere and half) else set()


def _key(tree: Tree) -> str:
    return composed(tree.name).casefold()
