"""Which files below a folder are images, by their names."""

from __future__ import annotations

import os
from pathlib import Path

from irtheory.runs import InputError

SUFFIXES = (".jpg", ".jpeg", ".png", ".bmp", ".webp", ".tif", ".tiff")


def list_images(folder: Path) -> list[str]:
    """Paths of the images at any depth, relative to the folder, sorted; hidden ones left out."""
    found = []
    for here, inner, files in os.walk(folder):
        inner[:] = [name for name in inner if not name.startswith(".")]
        below = Path(here).relative_to(folder)
        found += [(below / name).as_posix() for name in files if _is_image(name)]
    return sorted(found)


def list_folders(folder: Path) -> list[str]:
    """Names of the folders in a folder, sorted; hidden ones left out.

    Raises:
        InputError: the folder cannot be read.
    """
    try:
        with os.scandir(folder) as entries:
            return sorted(e.name for e in entries if e.is_dir() and not e.name.startswith("."))
    except OSError as error:
        raise InputError(f"{folder}: expected a folder, found: {error.strerror}") from error


def _is_image(name: str) -> bool:
    return name.lower().endswith(SUFFIXES) and not name.startswith(".")
