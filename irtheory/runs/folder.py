"""Run folders: settings, environment and results of one run of a command."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import yaml

from irtheory.runs.environment import environment
from irtheory.runs.files import InputError, write_json, write_text

# A folder with both files is a run; --overwrite empties no other folder.
CONFIG, ENVIRONMENT = "config.yaml", "environment.json"
# An interrupted write leaves .NAME.xxxxxxxx beside the file NAME.
LEFTOVER = re.compile(r"(^|.*/)\.([^/]+)\.[a-z0-9_]{8}$")


@dataclass(frozen=True)
class RunFiles:
    """What a command writes into its run folders beside config.yaml and environment.json.

    Attributes:
        files: patterns of paths in the folder, with / between folder and file; spaces between.
        folders: the folders that it makes there, with spaces between.
        resume: how to go on with an interrupted run, `{folder}` standing for its folder; empty if
            that cannot be done.
        by_people: files that people fill in there, with spaces between; never removed.
    """

    files: str
    folders: str = ""
    resume: str = ""
    by_people: str = ""


_REGISTERED: dict[str, RunFiles] = {}


def register_run_files(command: str, written: RunFiles) -> None:
    """Say what a command writes; --overwrite removes no other files from its run folders."""
    _REGISTERED[command] = written


def default_folder(command: str, what: str) -> Path:
    """runs/<command>-<what>-<time>."""
    return Path("runs") / f"{command}-{what}-{time.strftime('%Y%m%d-%H%M%S')}"


def open_run(
    folder: Path, settings: dict[str, Any], overwrite: bool, seed: int, resume: bool = False
) -> Path:
    """Create a run folder and write config.yaml and environment.json into it.

    Args:
        folder: must not exist, or be empty, unless `overwrite`.
        settings: all settings, resolved, of plain YAML types.
        overwrite: remove the files of an earlier run there first, if they are all there is.
        seed: recorded in environment.json.
        resume: keep the files of an earlier run of the same command there.

    Raises:
        InputError: the folder is in use, is a file, is not a run (to resume: of this command),
            holds a file that no run writes, or cannot be written; `overwrite` and `resume`.
    """
    if overwrite and resume:
        raise InputError("--overwrite and --resume: expected one of them, found both")
    try:
        if not resume:
            _remove(refuse_used(folder, settings["command"], overwrite))
        elif _in_use(folder):
            _check_resumed(folder, settings["command"])
        folder.mkdir(parents=True, exist_ok=True)
        write_text(folder / CONFIG, yaml.safe_dump(settings, sort_keys=False, allow_unicode=True))
        write_json(folder / ENVIRONMENT, environment(seed))
    except OSError as error:
        why = error.strerror or str(error) or type(error).__name__
        raise InputError(f"--out {folder}: cannot write there ({why})") from error
    return folder


def refuse_used(folder: Path, command: str, overwrite: bool = False) -> list[Path]:
    """Check that a folder can be used; returns the files of an earlier run to remove first.

    Raises:
        InputError: the folder is a file, or in use and not `overwrite`, or holds what no run
            writes.
    """
    if not _in_use(folder):
        return []
    if not overwrite:
        ways = _resume_words(folder, command) + "--overwrite or another folder"
        raise InputError(f"--out {folder}: not empty; pass {ways}")
    return _files_of_run(folder)


def _in_use(folder: Path) -> bool:
    if folder.exists() and not folder.is_dir():
        raise InputError(f"--out {folder}: expected a folder, found a file")
    return folder.exists() and any(folder.iterdir())


def _resume_words(folder: Path, command: str) -> str:
    resume = _REGISTERED[command].resume if command in _REGISTERED else ""
    return resume.format(folder=folder) + ", " if resume and command_of(folder) == command else ""


def _files_of_run(folder: Path) -> list[Path]:
    """Everything in a run's folder; InputError if it is not one, or holds something else."""
    kept = "nothing was removed"
    command = command_of(folder)
    if command is None:
        raise InputError(
            f"--out {folder}: not empty and not a run (expected {ENVIRONMENT} and a {CONFIG} "
            f"that names its command); {kept}"
        )
    written = _REGISTERED.get(command, RunFiles(""))
    found = sorted(_contents(folder, written))
    for path in found:
        if not _is_written(path, folder, written):
            name = path.relative_to(folder)
            why = f"which ira {command} does not write"
            if name.as_posix() in written.by_people.split():
                why = "which people fill in; copy it to another place and remove it there first"
            raise InputError(f"--out {folder}: holds {name}, {why}; {kept}")
    return found


def _remove(found: list[Path]) -> None:
    # config.yaml and environment.json go last: what an interrupted removal leaves is still a run.
    for path in sorted(found, key=lambda path: path.name in (CONFIG, ENVIRONMENT)):
        if not path.is_dir():
            path.unlink()
    for path in found:
        if path.is_dir():
            path.rmdir()


def _check_resumed(folder: Path, command: str) -> None:
    found = command_of(folder)
    if found != command:
        what = "no run" if found is None else f"a run of ira {found}"
        raise InputError(f"--resume {folder}: expected a run of ira {command}, found {what}")


def command_of(folder: Path) -> str | None:
    """The command that made a run folder; None if it is not one."""
    if not all((folder / name).is_file() for name in (CONFIG, ENVIRONMENT)):
        return None
    try:
        settings = yaml.safe_load((folder / CONFIG).read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError, RecursionError):
        return None
    command = settings.get("command") if isinstance(settings, dict) else None
    return command if isinstance(command, str) else None


def is_of_run(path: Path, run: Path) -> bool:
    """Whether a path lies in a run's folder under a name that its command writes, there or not."""
    command, at, folder = command_of(run), path.resolve(), run.resolve()
    if command is None or not at.is_relative_to(folder):
        return False
    return _is_written(at, folder, _REGISTERED.get(command, RunFiles("")))


def _contents(folder: Path, written: RunFiles) -> Iterator[Path]:
    """Every entry, and what lies in the folders that the command makes."""
    for path in folder.iterdir():
        yield path
        if path.name in written.folders.split() and path.is_dir() and not path.is_symlink():
            yield from path.iterdir()


def _is_written(path: Path, folder: Path, written: RunFiles) -> bool:
    name = LEFTOVER.sub(r"\1\2", path.relative_to(folder).as_posix())
    if path.is_symlink():
        return False
    if path.is_dir():
        return name in written.folders.split()
    # A * of these patterns would match a slash too.
    depth, patterns = name.count("/"), (*written.files.split(), CONFIG, ENVIRONMENT)
    return any(fnmatchcase(name, p) and p.count("/") == depth for p in patterns)
