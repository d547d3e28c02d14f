"""`ira key`: the tree of a run as a dichotomous key, in the format that was asked for."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from irtheory import __version__
from irtheory.runs.console import make_console, print_plain
from irtheory.runs.files import InputError, write_text
from irtheory.runs.folder import command_of
from irtheory.runs.options import take
from irtheory.runs.outputs import check_output
from irtheory.trees.keys.formats import STYLED, write_key
from irtheory.trees.keys.key import Key
from irtheory.trees.keys.stored import KEY_DATA, read_json
from irvision.runs.key import key_text, make_key
from irvision.runs.named_tree import read_named_tree
from irvision.runs.names import EVALUATION, KEY, TREE
from irvision.runs.reader import check_finished, read_left_out
from irvision.settings.requests import KeyRequest

# Of commands whose runs hold their key as data.
STORED = ("table", "simulate")
LARGEST = 2**26


def key_command(given: Mapping[str, Any]) -> None:
    """Print or write the key of a run.

    Args:
        given: options of the command line, by the names of `KeyRequest`.

    Raises:
        InputError: a folder without a key, options that contradict each other, or a file that
            cannot be written.
    """
    request = take(KeyRequest, given)
    form = request.form
    if request.as_json:
        if form not in ("text", "json"):
            raise InputError(f"--json and --format {form}: expected one of them, found both")
        form = "json"
    if "style" in given and form not in STYLED:
        named = ", ".join(STYLED)
        raise InputError(f"--style: without effect with --format {form}; it is for {named}")
    if request.out is not None:
        check_output(request.out, request.overwrite, request.folder)
    elif request.overwrite:
        raise InputError("--overwrite: without effect without --out")
    key, source = _key_of(request.folder)
    created = datetime.fromtimestamp(source.stat().st_mtime, UTC)
    text = write_key(key, form, request.style, __version__, created)
    if request.out is None:
        sys.stdout.write(text)
        return
    try:
        write_text(request.out, text)
    except OSError as error:
        raise InputError(f"--out {request.out}: cannot write there ({error.strerror})") from error
    console = make_console(quiet=request.as_json)
    print_plain(console, f"wrote {request.out}: {len(key.couplets)} couplets")


def _key_of(run: Path) -> tuple[Key, Path]:
    """The key of a run, and the file that it was made from."""
    if not run.is_dir():
        raise InputError(f"{run}: expected the folder of a run, found {_what(run)}")
    command = command_of(run)
    if command in STORED:
        return _stored_key(run, str(command)), run / KEY_DATA
    if command not in (None, "train"):
        raise InputError(
            f"{run}: expected a run of ira train, ira table or ira simulate, found one of "
            f"ira {command}, which has no key"
        )
    if command is None and not (run / TREE).is_file():
        raise InputError(f"{run}: expected the folder of a run, found no {TREE} in it")
    check_finished(run)
    named = read_named_tree(run)
    # Names that cannot be used now, or of fewer images, are no reason to lose those that are there.
    if not named.remarks and not _left_out(run):
        _refresh(run, key_text(named) + "\n")
    return make_key(named, f"Key to the classes of {run.resolve().name}"), run / TREE


def _left_out(run: Path) -> bool:
    return (run / EVALUATION).is_file() and read_left_out(run) > 0


def _what(path: Path) -> str:
    return "a file" if path.exists() else "nothing there"


def _stored_key(run: Path, command: str) -> Key:
    path = run / KEY_DATA
    if not path.is_file():
        raise InputError(f"{path}: no such file; {_without_key(run, command)}")
    if path.stat().st_size > LARGEST:
        raise InputError(f"{path}: expected at most {LARGEST // 2**20} MiB, found more")
    try:
        return read_json(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: {error}") from error


def _without_key(run: Path, command: str) -> str:
    """Why a run has no key as data."""
    if (run / KEY).is_file():
        return f"an earlier version made this run: {run / KEY} is its key, run it again for others"
    if command == "simulate" and (run / "seeds.json").is_file():
        return "a run of several problems (--seeds) has no key"
    return f"the run has no key, or did not finish; run ira {command} again"


def _refresh(run: Path, text: str) -> None:
    """Write key.txt where names have changed since it was written."""
    path = run / KEY
    try:
        if not path.is_file() or path.read_text(encoding="utf-8") != text:
            write_text(path, text)
    except (OSError, UnicodeDecodeError) as error:
        # The key itself can be had without it.
        print_plain(make_console(stderr=True), f"· {path} stays as it is ({error})")
