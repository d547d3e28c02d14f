"""The files that a data set consists of, and the search for the folder that holds them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from irtheory.runs.files import InputError
from irvision.settings.data import DataOptions

Use = Literal["training", "evaluation"]


@dataclass(frozen=True)
class Needed:
    """A file or a folder of a data set.

    Attributes:
        paths: where it may be, relative to the root; the usual place comes first.
        what: content, for messages.
        use: that needs it.
    """

    paths: tuple[str, ...]
    what: str
    use: Use = "training"

    def find(self, root: Path) -> Path | None:
        """The first of the paths that exists, or None."""
        return next((root / path for path in self.paths if (root / path).exists()), None)

    def get(self, root: Path) -> Path:
        """The first of the paths that exists; InputError if there is none."""
        found = self.find(root)
        if found is None:
            places = " or ".join(str(root / path) for path in self.paths)
            raise InputError(f"{places}: expected {self.what}, found nothing (for {self.use})")
        return found


def find_root(
    options: DataOptions, name: str, folders: Sequence[str], files: Sequence[Needed]
) -> Path:
    """The data folder: `options.data_dir` or a sub-folder, whichever holds most of the files.

    Args:
        options: with the folder given by the user.
        name: of the data set.
        folders: usual names of its folder.
        files: that it consists of.

    Raises:
        InputError: no such folder, or none of the files is in any of these.
    """
    base = options.data_dir
    if base is None:
        raise InputError(f"--data-dir: expected the folder of {name}, found none given")
    if not base.is_dir():
        raise InputError(f"--data-dir {base}: expected a folder with {name}, found no such folder")
    places = [base, *(base / folder for folder in folders)]
    counts = [len(files) - len(missing(place, files)) for place in places]
    if max(counts) == 0:
        named = " or ".join(f"{folder}/" for folder in folders)
        raise InputError(
            f"{base}: expected the files of {name}, such as {files[0].paths[0]}, in this folder "
            f"or below it in {named}, found none"
        )
    return places[counts.index(max(counts))]


def missing(root: Path, files: Sequence[Needed]) -> list[Needed]:
    """The files that are missing."""
    return [file for file in files if file.find(root) is None]


def require(root: Path, files: Sequence[Needed], use: Use, source: str) -> None:
    """InputError with the first file that this use lacks, and where to get it."""
    for file in missing(root, [file for file in files if file.use == use]):
        usual, *others = file.paths
        also = f" (or {', '.join(others)})" if others else ""
        raise InputError(f"{root / usual}{also}: expected {file.what}, found nothing. {source}")


def find_images(root: Path, folders: Sequence[str], names: Sequence[str], source: str) -> Path:
    """The folder that holds most of the images; InputError if none holds any."""
    wanted = set(names)
    there = [place for folder in folders if (place := root / folder).is_dir()]
    counts = [sum((place / name).is_file() for name in wanted) for place in there]
    if any(counts):
        return there[counts.index(max(counts))]
    places = " or ".join(str(root / folder) for folder in folders)
    raise InputError(f"{places}: expected images such as {names[0]}, found none. {source}")
