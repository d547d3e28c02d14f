"""Lists the images below a folder, by the names of the files."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from irtheory.runs.files import InputError

SUFFIXES = (".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".bmp", ".webp", ".tif", ".tiff")
# Suffixes of other images and of videos, which the user is told are not read.
OTHERS = (
    ".gif", ".heic", ".heif", ".avif", ".jxl", ".jp2", ".j2k", ".svg", ".eps", ".pdf", ".psd",
    ".ppm", ".pgm", ".pnm", ".pbm", ".tga", ".ico", ".exr", ".hdr", ".raw", ".dng", ".nef", ".cr2",
    ".cr3", ".arw", ".orf", ".rw2", ".mp4", ".mov", ".avi",
)  # fmt: skip


@dataclass(frozen=True)
class Listing:
    """The images below a folder.

    Attributes:
        folder: that was searched.
        images: paths at any depth, relative to the folder, sorted; hidden files are left out.
        passed: paths of linked folders, which are not followed, and of images of other kinds.
    """

    folder: Path
    images: tuple[str, ...]
    passed: tuple[str, ...]

    def below(self, name: str) -> Iterator[str]:
        """The images as paths relative to the parent folder, in which this one has that name."""
        return (f"{name}/{image}" for image in self.images)


def list_images(folder: Path) -> Listing:
    """List the images of a folder, at any depth; OSError if a folder cannot be read."""
    images, passed = [], []
    for here, inner, files in os.walk(folder, onerror=_refuse):
        inner[:] = [name for name in inner if not name.startswith(".")]
        below = Path(here).relative_to(folder)
        named = [((below / name).as_posix(), name.lower()) for name in files if name[0] != "."]
        images += [path for path, name in named if name.endswith(SUFFIXES)]
        passed += [path for path, name in named if name.endswith(OTHERS)]
        passed += [(below / name).as_posix() for name in inner if (Path(here) / name).is_symlink()]
    return Listing(folder, tuple(sorted(images)), tuple(sorted(passed)))


def name_passed(listings: Iterable[Listing]) -> tuple[str, ...]:
    """A note on files and folders that are not read; empty if there are none."""
    passed = [listing.folder / path for listing in listings for path in listing.passed]
    if not passed:
        return ()
    what = "linked folders below classes, or files of other kinds than " + ", ".join(SUFFIXES)
    return (f"Not read: {len(passed)}, such as {passed[0]} ({what}).",)


def list_folders(folder: Path) -> list[str]:
    """Names of the folders in a folder, sorted, without hidden ones.

    Raises:
        InputError: the folder cannot be read.
    """
    try:
        with os.scandir(folder) as entries:
            return sorted(e.name for e in entries if e.is_dir() and not e.name.startswith("."))
    except OSError as error:
        raise InputError(f"{folder}: expected a folder, found: {error.strerror}") from error


def _refuse(error: OSError) -> None:
    raise error
