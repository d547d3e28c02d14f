"""Copies of a run for use elsewhere: the model and what describes it, no images and no names."""

from __future__ import annotations

from pathlib import Path

from irtheory.runs.files import InputError, write_bytes
from irtheory.runs.folder import CONFIG, ENVIRONMENT, command_of
from irvision.runs.names import (
    ATTRIBUTES,
    CARD,
    CLASSES,
    EVALUATION,
    KEY,
    LEAVES,
    NAMES,
    RESULT,
    TESTS,
    TREE,
    WEIGHTS,
)

# What `irvision.load` needs, then what describes it, if there.
NEEDED = (CONFIG, ENVIRONMENT, WEIGHTS, TREE, CLASSES, RESULT)
DESCRIBES = (LEAVES, KEY, NAMES, EVALUATION, ATTRIBUTES, TESTS, CARD)


def copy_model(run: Path, folder: Path, overwrite: bool) -> list[Path]:
    """Copy a finished run without its images, samples and checkpoints.

    Args:
        run: folder of the run.
        folder: to make.
        overwrite: replace an earlier copy there.

    Returns:
        The files; result.json, which marks a run as finished, is the last.

    Raises:
        InputError: the folder is the run, is a file, or is not empty.
    """
    if folder.resolve() == run.resolve():
        raise InputError(f"--to {folder}: expected another folder than that of the run")
    if folder.exists() and not folder.is_dir():
        raise InputError(
            f"--to {folder}: expected a folder or a name ending in .onnx, found a file"
        )
    if folder.exists() and any(folder.iterdir()):
        _check_earlier(folder, overwrite)
    there = [name for name in (*NEEDED, *DESCRIBES) if (run / name).is_file()]
    missing = [name for name in NEEDED if name not in there]
    if missing:
        raise InputError(f"{run / missing[0]}: expected a file of a finished run, found none")
    folder.mkdir(parents=True, exist_ok=True)
    for name in DESCRIBES:
        if name not in there:
            (folder / name).unlink(missing_ok=True)
    written = []
    for name in sorted(there, key=lambda name: name == RESULT):
        write_bytes(folder / name, (run / name).read_bytes())
        written.append(folder / name)
    return written


def _check_earlier(folder: Path, overwrite: bool) -> None:
    """InputError unless the folder holds an earlier copy, and nothing else, that is to go."""
    if not overwrite:
        raise InputError(f"--to {folder}: not empty; pass --overwrite or another folder")
    strange = sorted({path.name for path in folder.iterdir()} - {*NEEDED, *DESCRIBES})
    if strange or command_of(folder) != "train":
        found = strange[0] if strange else "no run"
        raise InputError(
            f"--to {folder}: expected an earlier copy of a run, found {found}; nothing was replaced"
        )
