"""The files below a folder, by their names: images, litter, and the rest."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from pathlib import Path

from irtheory.runs.files import InputError

SUFFIXES = (".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".bmp", ".webp", ".tif", ".tiff")
# Suffixes of other images and of videos, which the user is told are not read.
OTHERS = (
    ".gif", ".heic", ".heif", ".avif", ".jxl", ".jp2", ".j2k", ".svg", ".eps", ".pdf", ".psd",
    ".ppm", ".pgm", ".pnm", ".pbm", ".tga", ".ico", ".exr", ".hdr", ".raw", ".dng", ".nef", ".cr2",
    ".cr3", ".arw", ".orf", ".rw2", ".dcm", ".mp4", ".mov", ".avi", ".mkv", ".webm",
)  # fmt: skip
# What systems leave behind in any folder, in any letter case; hidden files and folders too.
LITTER_FILES = ("thumbs.db", "ehthumbs.db", "ehthumbs_vista.db", "desktop.ini", "icon\r")
LITTER_FOLDERS = (
    "__macosx", "__pycache__", "@eadir", "@tmp", "@recycle", "@recently-snapshot", "@__thumb",
    "#recycle", "#snapshot", "$recycle.bin", "recycler", "system volume information", "lost+found",
)  # fmt: skip
# Folders in one another; more are a loop or a mistake.
DEEPEST = 64


@dataclass(frozen=True)
class Tree:
    """A folder and all that lies below it, without litter.

    Attributes:
        path: of the folder.
        images: names of the files that are images by their suffix, sorted; links to files too.
        others: names of the other files, sorted.
        links: names of the linked folders, which are not followed, sorted.
        folders: the folders in it, by name.
        linked_images: names of the images that are links.
        linked: whether the folder itself is a link.
    """

    path: Path
    images: tuple[str, ...] = ()
    others: tuple[str, ...] = ()
    links: tuple[str, ...] = ()
    folders: tuple[Tree, ...] = ()
    linked_images: tuple[str, ...] = ()
    linked: bool = False

    @property
    def name(self) -> str:
        """Name of the folder."""
        return self.path.name

    def images_below(self, place: str = "") -> list[str]:
        """All images at any depth, as paths relative to the folder, behind `place`."""
        inner = [path for one in self.folders for path in one.images_below(f"{place}{one.name}/")]
        return [f"{place}{name}" for name in self.images] + inner

    def count(self) -> int:
        """Number of images at any depth."""
        return len(self.images) + sum(one.count() for one in self.folders)

    def everything(self) -> list[Tree]:
        """This folder and all folders below it."""
        return [self, *(inner for one in self.folders for inner in one.everything())]


def read_tree(folder: Path, depth: int = 0) -> Tree:
    """Read the names below a folder.

    Raises:
        OSError: a folder cannot be read.
        InputError: folders lie too deep in one another.
    """
    if depth > DEEPEST:
        raise InputError(f"{folder}: expected at most {DEEPEST} folders in one another")
    images, others, links, inner, through = [], [], [], [], []
    with os.scandir(folder) as entries:
        for entry in entries:
            name, small = entry.name, entry.name.lower()
            if small.startswith("."):
                continue
            if entry.is_dir():
                if small not in LITTER_FOLDERS:
                    (links if entry.is_symlink() else inner).append(name)
            elif small.endswith(SUFFIXES):
                images.append(name)
                if entry.is_symlink():
                    through.append(name)
            elif small not in LITTER_FILES:
                others.append(name)
    below = tuple(read_tree(folder / name, depth + 1) for name in sorted(inner))
    names = [tuple(sorted(some)) for some in (images, others, links, through)]
    return Tree(folder, names[0], names[1], names[2], below, names[3])


def follow_links(tree: Tree, root: Path, depth: int) -> Tree:
    """The folder with its linked folders as folders, down to a depth; deeper ones stay links.

    Links to what is in `root` already, or to what holds it, are not followed.
    """
    if not depth:
        return tree
    top = root.resolve()
    there = {name: (tree.path / name).resolve() for name in tree.links}
    apart = [
        name
        for name, goal in there.items()
        if not goal.is_relative_to(top) and not top.is_relative_to(goal)
    ]
    followed = [replace(read_tree(tree.path / name), linked=True) for name in apart]
    folders = [follow_links(one, root, depth - 1) for one in (*tree.folders, *followed)]
    return replace(
        tree,
        links=tuple(name for name in tree.links if name not in apart),
        folders=tuple(sorted(folders, key=lambda one: one.name)),
    )
