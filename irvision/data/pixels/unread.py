"""Accounts for files: each is read, or litter, or named in a note with the reason."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from irvision.data.pixels.headers import has_frames, is_picture
from irvision.data.pixels.image_files import OTHERS, Tree

OTHER_FORMATS = "pictures or films of other formats"
NO_SUFFIX = "pictures to be renamed, as they do not end in .jpg, .png or the like"
OTHER_FILES = "files that are no pictures"
# Suffixes and beginnings of files that usually lie beside class folders and go without a word.
TEXTS = (
    ".txt", ".csv", ".tsv", ".json", ".jsonl", ".xml", ".md", ".rst", ".html", ".htm", ".yaml",
    ".yml", ".toml", ".py", ".ipynb", ".sh", ".xlsx", ".xls", ".ods", ".doc", ".docx", ".rtf",
    ".bib", ".log", ".sha256", ".md5", ".cff", ".url",
)  # fmt: skip
PAPERS = ("readme", "license", "licence", "copying", "citation", "notice", "authors", "changelog")
# Formats that may hold several frames or pages.
MANY_FRAMES = (".png", ".webp", ".tif", ".tiff")


@dataclass(frozen=True)
class Unread:
    """A file that is not read, and what it is, in the plural."""

    path: Path
    why: str


def leftovers(tree: Tree, beside_classes: bool) -> Iterator[Unread]:
    """What is no image in a folder, deeper folders left out.

    Args:
        tree: the folder.
        beside_classes: whether class folders lie in it; texts then go without a word.
    """
    for name in tree.others:
        small, path = name.lower(), tree.path / name
        if beside_classes and (small.endswith(TEXTS) or small.startswith(PAPERS)):
            continue
        yield Unread(path, _why(small, path))


def _why(small: str, path: Path) -> str:
    if small.endswith(OTHERS):
        return OTHER_FORMATS
    # Texts beside images may be as many as the images.
    return OTHER_FILES if small.endswith(TEXTS) or not is_picture(path) else NO_SUFFIX


def name_unread(unread: Iterable[Unread], read: int) -> tuple[str, ...]:
    """A note on what is not read, by its reasons, each with an example; empty if all is read."""
    by_reason: dict[str, list[Path]] = {}
    for one in unread:
        by_reason.setdefault(one.why, []).append(one.path)
    if not by_reason:
        return ()
    reasons = [
        f"{why}: {len(paths)} (such as {min(paths)})" for why, paths in sorted(by_reason.items())
    ]
    count = sum(map(len, by_reason.values()))
    return (f"Not read: {count} of {count + read} files; {', '.join(reasons)}.",)


def name_links(tree: Tree) -> tuple[str, ...]:
    """Notes on links: those that are read, and linked folders that are not; or nothing."""
    every = tree.everything()
    followed = [one.path for one in every if one.linked]
    followed += [one.path / name for one in every for name in one.linked_images]
    passed = [one.path / name for one in every for name in one.links]
    notes = []
    if followed:
        notes.append(f"Read through links: {len(followed)}, such as {followed[0]}.")
    if passed:
        notes.append(f"Linked folders that are not followed: {len(passed)}, such as {passed[0]}.")
    return tuple(notes)


def name_frames(folder: Path, images: Iterable[str]) -> tuple[str, ...]:
    """A note on images with several frames or pages, found from their headers; or nothing."""
    start = f"{folder}{os.sep}"
    several = [
        name for name in images if name.lower().endswith(MANY_FRAMES) and has_frames(start + name)
    ]
    if not several:
        return ()
    return (
        f"Of {len(several)} images with several frames or pages the first alone is read, such as "
        f"{folder / several[0]}.",
    )
