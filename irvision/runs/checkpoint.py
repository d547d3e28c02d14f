"""Checkpoints of a run: written atomically, the newest two kept, loaded without running code."""

from __future__ import annotations

import errno
import hashlib
import io
import pickle
import re
import shutil
import warnings
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.optim import Optimizer

from irtheory.runs.files import InputError, write_bytes

NAME = re.compile(r"checkpoint-(\d{4,})-(\d{6,})-([0-9a-f]{16})\.pt")
FULL = (errno.ENOSPC, errno.EDQUOT)
# Types that torch.load reads back with weights_only; NumPy scalars are not among them.
SCALARS = (bool, int, float, str, bytes, type(None))
SEQUENCES, MAPPINGS = (list, tuple, torch.Size), (dict, OrderedDict)


@dataclass(frozen=True, eq=False)
class Loaded:
    """A checkpoint that was read.

    Attributes:
        state: as it was given to `save_checkpoint`, tensors on the CPU.
        path: its file.
        notes: one line for each newer checkpoint that cannot be used.
    """

    state: dict[str, Any]
    path: Path
    notes: tuple[str, ...]


def save_checkpoint(
    folder: Path, epoch: int, step: int, state: dict[str, Any], keep: int = 2
) -> Path:
    """Write checkpoint-<epoch>-<step>-<digest>.pt, then remove all but the newest `keep`.

    Checkpoints of a later epoch or step are removed too: the run was resumed from an earlier one.

    Args:
        folder: created if it is missing. Only one process may write to it.
        epoch: ≥ 0.
        step: of the epoch, ≥ 0.
        state: tensors, numbers, strings, None, and lists, tuples and dictionaries of them.
        keep: number of checkpoints to keep, ≥ 1.

    Raises:
        InputError: the disk is full or the folder cannot be written; earlier checkpoints stay.
        TypeError: `state` holds an object of another type; the message names its place.
    """
    _check_kinds(state, "state")
    buffer = io.BytesIO()
    torch.save(state, buffer)
    content = buffer.getbuffer()
    digest = hashlib.sha256(content).hexdigest()[:16]
    path = folder / f"checkpoint-{epoch:04d}-{step:06d}-{digest}.pt"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        _remove_leftovers(folder)
        write_bytes(path, content)
        _remove_superseded(path, keep)
    except OSError as error:
        raise InputError(_reason(folder, len(content), error)) from error
    return path


class Misfit(ValueError):
    """A state that does not fit the run; the message says why."""


def load_checkpoint(
    folder: Path, take: Callable[[dict[str, Any]], None] = lambda state: None
) -> Loaded:
    """Read the newest undamaged checkpoint of a folder.

    Args:
        folder: of the checkpoints.
        take: restores the run from a state; if it raises Misfit, the previous checkpoint is tried.

    Raises:
        InputError: no checkpoint can be used; the message says why for each.
    """
    wrong: list[tuple[Path, str]] = []
    for path in _newest_first(folder):
        found = _read(path)
        if isinstance(found, dict):
            try:
                take(found)
            except Misfit as error:
                found = f"of another network or version ({error})"
            else:
                notes = (f"{bad}: {why}; {path.name} is used instead" for bad, why in wrong)
                return Loaded(found, path, tuple(notes))
        wrong.append((path, found))
    named = "; ".join(f"{path.name} is {why}" for path, why in wrong) or "none"
    raise InputError(f"{folder}: expected a whole checkpoint, found {named}")


def check_shapes(found: Mapping[str, Any], expected: Mapping[str, Any], where: str) -> None:
    """Check that a state dictionary fits a network before it is loaded into it.

    Args:
        found: state dictionary of a checkpoint.
        expected: state dictionary of the network.
        where: the file, for the error.

    Raises:
        InputError: names the first key that is missing, unknown or of another shape.
    """
    for key, value in expected.items():
        if key not in found:
            raise InputError(f"{where}: expected {key}, found no such entry")
        if not isinstance(value, Tensor):
            continue
        shape, other = tuple(value.shape), found[key]
        what = tuple(other.shape) if isinstance(other, Tensor) else type(other).__name__
        if what != shape:
            raise InputError(f"{where}: {key}: expected shape {shape}, found {what}")
    for key in found:
        if key not in expected:
            raise InputError(f"{where}: found {key}, which the network does not have")


def check_moments(optimiser: Optimizer, state: Mapping[str, Any]) -> None:
    """InputError unless the moments of an optimiser's state have the shapes of its parameters.

    torch loads moments of any shape and fails only at the first step.
    """
    parameters = [p for group in optimiser.param_groups for p in group["params"]]
    for index, moments in state["state"].items():
        for name, value in moments.items():
            if isinstance(value, Tensor) and value.dim() and value.shape != parameters[index].shape:
                shapes = list(parameters[index].shape), list(value.shape)
                raise InputError(
                    f"{name} of parameter {index}: expected {shapes[0]}, found {shapes[1]}"
                )


def _check_kinds(value: Any, place: str) -> None:
    """TypeError unless `torch.load` could read the value back without unpickling code."""
    kind = type(value)
    if kind in MAPPINGS:
        for key, item in value.items():
            _check_kinds(key, f"key {key!r} of {place}")
            _check_kinds(item, f"{place}[{key!r}]")
    elif kind in SEQUENCES:
        for index, item in enumerate(value):
            _check_kinds(item, f"{place}[{index}]")
    elif kind not in SCALARS and not isinstance(value, Tensor):
        raise TypeError(f"{place}: expected tensors, numbers or strings, found {kind.__name__}")


def _remove_leftovers(folder: Path) -> None:
    """Remove temporary files of killed processes.

    Whoever saves holds the lock of the run folder and writes one checkpoint at a time, so nobody
    is writing any of these files. Earlier releases named them `.checkpoint-….tmp`.
    """
    for path in folder.glob(".checkpoint-*"):
        path.unlink(missing_ok=True)


def _remove_superseded(newest: Path, keep: int) -> None:
    older = []
    for path in _newest_first(newest.parent):
        if path != newest:
            later = _order(path) > _order(newest)
            path.unlink() if later else older.append(path)
    for path in older[keep - 1 :]:
        path.unlink()


def _order(path: Path) -> tuple[int, int]:
    match = NAME.fullmatch(path.name)
    assert match is not None
    return int(match[1]), int(match[2])


def _newest_first(folder: Path) -> Iterator[Path]:
    paths = [path for path in folder.glob("checkpoint-*.pt") if NAME.fullmatch(path.name)]
    # Of two files of the same step, the later one belongs to the run that was resumed.
    yield from sorted(paths, key=lambda p: (*_order(p), p.stat().st_mtime_ns), reverse=True)


def _read(path: Path) -> dict[str, Any] | str:
    """The state in a file, or a phrase that says why it cannot be used."""
    try:
        content = path.read_bytes()
    except OSError as error:
        return f"not readable ({error.strerror})"
    expected = path.stem.rsplit("-", 1)[1]
    digest = hashlib.sha256(content).hexdigest()[:16]
    if digest != expected:
        return f"truncated or changed (expected SHA-256 {expected}…, found {digest}…)"
    try:
        # torch warns of pickles that it did not write before it refuses them.
        with warnings.catch_warnings(action="ignore"):
            state = torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)
    except pickle.UnpicklingError:
        return "refused: it holds more than tensors, numbers and strings"
    except Exception as error:  # a damaged file can make the reader raise anything
        return f"no checkpoint (torch cannot read it: {type(error).__name__})"
    if not isinstance(state, dict):
        return f"no checkpoint (expected a dictionary, found {type(state).__name__})"
    return state


def _reason(folder: Path, size: int, error: OSError) -> str:
    if error.errno in FULL:
        free = shutil.disk_usage(folder).free
        return (
            f"{folder}: no space for a checkpoint, needed {size / 1e6:.1f} MB, "
            f"free {free / 1e6:.1f} MB; the earlier checkpoints are intact: free space and resume"
        )
    return f"{folder}: cannot write a checkpoint ({error.strerror or type(error).__name__})"
