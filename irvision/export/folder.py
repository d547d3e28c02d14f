"""Copies of a run for use elsewhere: the model and what describes it, nothing of its images."""

from __future__ import annotations

from pathlib import Path

import yaml

from irtheory.runs.files import InputError, write_bytes
from irtheory.runs.folder import CONFIG, ENVIRONMENT, command_of
from irvision.runs.card import write_card
from irvision.runs.code_names import read_code_names
from irvision.runs.name_table import without_examples
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

# More codes than any run has.
MOST_CODES = 10**9
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
        _keep_names(run, folder)
    there = [name for name in (*NEEDED, *DESCRIBES) if (run / name).is_file()]
    missing = [name for name in NEEDED if name not in there]
    if missing:
        raise InputError(f"{run / missing[0]}: expected a file of a finished run, found none")
    folder.mkdir(parents=True, exist_ok=True)
    # Without a result, what an interruption leaves is no finished run.
    (folder / RESULT).unlink(missing_ok=True)
    for name in DESCRIBES:
        if name not in there:
            (folder / name).unlink(missing_ok=True)
    for name in sorted(there, key=lambda name: name == RESULT):
        write_bytes(folder / name, _content(run, name))
    card = write_card(folder)
    names = [*there, *([] if card is None or CARD in there else [CARD])]
    return [folder / name for name in names]


def _content(run: Path, name: str) -> bytes:
    """A file of the run, without paths of this machine and names of images."""
    content = (run / name).read_bytes()
    if name == CONFIG:
        settings = yaml.safe_load(content)
        for key in ("dataset", "data_dir", "weights"):
            if isinstance(value := settings.get(key), str):
                settings[key] = Path(value).name
        return yaml.safe_dump(settings, sort_keys=False, allow_unicode=True).encode()
    if name == NAMES:
        return without_examples(content)
    return content


def _keep_names(run: Path, folder: Path) -> None:
    """InputError if people have named codes in an earlier copy that the run does not know."""
    here, there = read_code_names(run, MOST_CODES), read_code_names(folder, MOST_CODES)
    if there and there != here:
        raise InputError(
            f"--to {folder}: holds {NAMES} with names that {run} does not have; copy that file "
            "to the run first, or choose another folder"
        )


def _check_earlier(folder: Path, overwrite: bool) -> None:
    """InputError unless the folder holds an earlier copy, and nothing else, that is to go."""
    if not overwrite:
        raise InputError(f"--to {folder}: not empty; pass --overwrite or another folder")
    there = {path.name for path in folder.iterdir() if not path.match("predicted-*.csv")}
    strange = sorted(there - {*NEEDED, *DESCRIBES})
    if strange or command_of(folder) != "train":
        found = strange[0] if strange else "no run"
        raise InputError(
            f"--to {folder}: expected an earlier copy of a run, found {found}; nothing was replaced"
        )
