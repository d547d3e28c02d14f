"""Reads the tensors of a file of weights, which it knows by its content; runs no code in it."""

from __future__ import annotations

import re
import warnings
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Literal

import torch
from safetensors.torch import load_file
from torch import Tensor

from irtheory.runs.files import InputError

Kind = Literal["torch", "safetensors", "npz"]
BY_SUFFIX: dict[str, Kind] = {".pth": "torch", ".pt": "torch", ".safetensors": "safetensors"}
BY_SUFFIX[".npz"] = "npz"
ZIP, PICKLE, LENGTH = b"PK\x03\x04", b"\x80", 8
# Beginnings of files that are often taken for weights, and what they are.
OTHERS = {
    b"version https://git-lfs": "a pointer of Git LFS; fetch the file itself with `git lfs pull`",
    b"<": "a web page, not the download itself",
    b"\x89HDF": "an HDF5 file, as Keras writes it",
    b"\x1f\x8b": "a compressed file; unpack it first",
}
# Levels of dictionaries in dictionaries that are looked into.
DEEPEST = 5
# What torch says of an object that it does not load.
FOREIGN = re.compile(r"GLOBAL ([\w.]+)")


def kind_of(file: Path) -> Kind:
    """How a file is written: by its first bytes, or by its name where they say nothing.

    Raises:
        InputError: it is empty, cannot be read, or of no known kind.
    """
    try:
        with file.open("rb") as stream:
            start = stream.read(32)
        size = file.stat().st_size
    except OSError as error:
        raise InputError(f"{file}: cannot read it ({error.strerror})") from error
    if start.startswith(ZIP):
        return _kind_of_archive(file)
    length = int.from_bytes(start[:LENGTH], "little")
    if start[LENGTH : LENGTH + 1] == b"{" and length <= size - LENGTH:
        return "safetensors"
    if start[:1] == PICKLE and start[1:2] in (b"\x02", b"\x03", b"\x04", b"\x05"):
        return "torch"
    other = next((what for head, what in OTHERS.items() if start.startswith(head)), None)
    if file.suffix in BY_SUFFIX and start and other is None:
        return BY_SUFFIX[file.suffix]
    expected = "a file of torch.save, a .safetensors file or the .npz of mobilenet_v2"
    found = other or ("another file" if start else "an empty file")
    raise InputError(f"{file}: expected {expected}, found {found}")


def _kind_of_archive(file: Path) -> Kind:
    """NumPy and torch both write zip archives; bounds what reading this one allocates."""
    try:
        with zipfile.ZipFile(file) as archive:
            entries = archive.infolist()
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError) as error:
        if file.suffix == ".npz":
            return "npz"
        raise InputError(
            f"{file}: expected a whole archive, found a damaged one ({error})"
        ) from None
    if sum(entry.file_size for entry in entries) > _largest(file):
        raise InputError(f"{file}: expected an archive that is not compressed, found one that is")
    names = [entry.filename for entry in entries]
    if names and all(name.endswith(".npy") for name in names):
        return "npz"
    if any(name.endswith("/constants.pkl") for name in names):
        raise InputError(
            f"{file}: expected tensors, found a TorchScript program, which is not run; where you "
            "trust it: torch.save(torch.jit.load(FILE).state_dict(), NEW)"
        )
    return "torch"


def _largest(file: Path) -> int:
    """Bytes that the entries of an archive may take together."""
    # Archives of NumPy may be compressed, and weights hardly can be.
    return 4 * file.stat().st_size + 2**20


def read_tensors(file: Path, kind: Kind) -> dict[str, Tensor]:
    """Tensors by their names; dictionaries in dictionaries become names with dots.

    Raises:
        InputError: the file is damaged, or holds no tensors with names, or objects of other types.
    """
    content = _unpickled(file) if kind == "torch" else _safe(file)
    found = dict(_named(content, "", DEEPEST)) if isinstance(content, Mapping) else {}
    if not found:
        raise InputError(f"{file}: expected a state dict of tensors, found something else")
    return _without_compiled(found)


def _unpickled(file: Path) -> Any:
    try:
        # torch warns of kinds of tensors that are refused later, in one line.
        # Given a path, torch would go by its suffix.
        with warnings.catch_warnings(action="ignore"), file.open("rb") as stream:
            return torch.load(stream, map_location="cpu", weights_only=True)
    # A damaged file can make the reader raise anything; the user gets one line.
    except Exception as error:
        raise InputError(
            f"{file}: expected a file of torch.save with tensors alone, found one that is damaged "
            f"or holds other objects, which are not loaded {_reason(error)}"
        ) from error


def _reason(error: Exception) -> str:
    """What torch found, and how to save tensors alone if they are not all there is."""
    foreign = FOREIGN.search(str(error))
    if foreign is None:
        return f"({type(error).__name__})"
    return (
        f"({foreign[1]}); where you trust it, read it with torch.load(FILE, weights_only=False) "
        "and save its state dict alone (often under 'state_dict')"
    )


def _safe(file: Path) -> Any:
    try:
        return load_file(file)
    # Types that this version of torch lacks raise errors of many kinds.
    except Exception as error:
        why = " ".join(str(error).split())
        raise InputError(f"{file}: expected a safetensors file ({why})") from error


def _named(content: Mapping[Any, Any], prefix: str, levels: int) -> Iterator[tuple[str, Tensor]]:
    for key, value in content.items():
        if not isinstance(key, str):
            continue
        if isinstance(value, Tensor):
            yield prefix + key, value
        elif isinstance(value, Mapping) and levels:
            yield from _named(value, f"{prefix}{key}.", levels - 1)


def _without_compiled(found: dict[str, Tensor]) -> dict[str, Tensor]:
    """Names without the level that torch.compile adds anywhere in them."""
    shorter = {
        ".".join(part for part in name.split(".") if part != "_orig_mod"): value
        for name, value in found.items()
    }
    return shorter if len(shorter) == len(found) else found
