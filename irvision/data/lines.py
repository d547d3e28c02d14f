"""Text files of data sets, line by line; what is wrong is named as FILE:LINE."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from irtheory.runs import InputError

SHOWN = 60


def numbered_lines(file: Path) -> Iterator[tuple[int, str]]:
    """Lines that are not blank, with their numbers from 1.

    Raises:
        InputError: the file cannot be read, or is not UTF-8.
    """
    try:
        # The mark that some spreadsheets put at the start would become part of the first name.
        with file.open(encoding="utf-8-sig") as stream:
            for number, line in enumerate(stream, start=1):
                if line.strip():
                    yield number, line.rstrip("\r\n")
    except OSError as error:
        raise InputError(f"{file}: expected a text file, found: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise InputError(f"{file}: expected UTF-8 text, found other bytes") from error


def bad_line(file: Path, number: int, expected: str, found: str) -> InputError:
    """The error for a line, cut to what fits on a screen."""
    shown = found if len(found) <= SHOWN else f"{found[:SHOWN]}…"
    return InputError(f"{file}:{number}: expected {expected}, found {shown!r}")


def read_names(file: Path) -> tuple[str, ...]:
    """One name a line; InputError if a name comes twice or there is none."""
    names: dict[str, None] = {}
    for number, line in numbered_lines(file):
        if line.strip() in names:
            raise bad_line(file, number, "names that differ", line)
        names[line.strip()] = None
    if not names:
        raise InputError(f"{file}: expected one name a line, found an empty file")
    return tuple(names)


def read_entries(file: Path, what: str) -> dict[int, str]:
    """Lines `number value`, such as `3 Laysan_Albatross`.

    Args:
        file: to be read.
        what: the value is, for messages.

    Raises:
        InputError: a line of another form, a number that comes twice, or no line at all.
    """
    entries: dict[int, str] = {}
    for number, line in numbered_lines(file):
        key, _, value = line.strip().replace("\t", " ").partition(" ")
        if not is_number(key) or not value.strip() or int(key) in entries:
            raise bad_line(file, number, f"a new number and {what}", line)
        entries[int(key)] = value.strip()
    if not entries:
        raise InputError(f"{file}: expected lines of a number and {what}, found an empty file")
    return entries


def is_inside(name: str) -> bool:
    """Whether a path that a file gives stays below the folder it is relative to."""
    path = PurePosixPath(name)
    return not path.is_absolute() and ".." not in path.parts and "\0" not in name


def is_number(word: str) -> bool:
    """Whether a word is made of the digits 0 to 9."""
    return word.isascii() and word.isdecimal()
