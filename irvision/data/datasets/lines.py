"""Text files of data sets, read line by line; errors name FILE:LINE."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import Literal

from irtheory.runs.files import InputError

# Values of entries: any text, distinct names, or distinct paths inside the data folder.
Kind = Literal["text", "name", "path"]
SHOWN = 60
# Bytes of the name of a file, and of its path; digits of a number.
LONGEST_NAME, LONGEST_PATH, MOST_DIGITS = 255, 2000, 9


@contextmanager
def readable() -> Iterator[None]:
    """Turn errors of the file system while a data set is read into one line."""
    try:
        yield
    except OSError as error:
        found = error.strerror or error
        raise InputError(f"{error.filename}: expected to read it, found: {found}") from error


def numbered_lines(file: Path) -> Iterator[tuple[int, str]]:
    """Lines that are not blank, with their numbers from 1.

    Raises:
        InputError: the file cannot be read, or is not UTF-8.
    """
    try:
        # utf-8-sig drops the byte order mark that some spreadsheets write.
        with file.open(encoding="utf-8-sig") as stream:
            for number, line in enumerate(stream, start=1):
                if line.strip():
                    yield number, line.rstrip("\r\n")
    except OSError as error:
        raise InputError(f"{file}: expected a text file, found: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise InputError(f"{file}: expected UTF-8 text, found other bytes") from error


def bad_line(file: Path, number: int, expected: str, found: str) -> InputError:
    """The error for a line; what was found is cut to `SHOWN` characters."""
    shown = found if len(found) <= SHOWN else f"{found[:SHOWN]}…"
    return InputError(f"{file}:{number}: expected {expected}, found {shown!r}")


def read_names(file: Path) -> tuple[str, ...]:
    """One name per line; InputError if a name is repeated or there is none."""
    names: dict[str, None] = {}
    for number, line in numbered_lines(file):
        if line.strip() in names:
            raise bad_line(file, number, "distinct names", line)
        names[line.strip()] = None
    if not names:
        raise InputError(f"{file}: expected one name per line, found an empty file")
    return tuple(names)


def read_entries(file: Path, what: str, kind: Kind = "text") -> dict[int, str]:
    """Lines `number value`, such as `3 Laysan_Albatross`.

    Args:
        file: to read.
        what: meaning of the values, for messages.
        kind: of the values.

    Raises:
        InputError: a malformed line, a repeated number or name, or an empty file.
    """
    entries: dict[int, str] = {}
    known: set[str] = set()
    for number, line in numbered_lines(file):
        key, _, value = line.strip().replace("\t", " ").partition(" ")
        value = value.strip()
        if not is_number(key) or not value or int(key) in entries:
            raise bad_line(file, number, f"a new number and {what}", line)
        if kind != "text" and value in known:
            raise bad_line(file, number, f"{what} that is not repeated", value)
        if kind == "path" and not is_inside(value):
            raise bad_line(file, number, f"{what}, inside the folder of images", value)
        entries[int(key)] = value
        known.add(value)
    if not entries:
        raise InputError(f"{file}: expected lines of a number and {what}, found an empty file")
    return entries


def read_numbered(file: Path, what: str, kind: Kind = "name") -> tuple[str, ...]:
    """Values of `read_entries` in the order of their numbers, which must be 1, 2, 3 and so on."""
    entries = read_entries(file, what, kind)
    for number in range(1, len(entries) + 1):
        if number not in entries:
            raise InputError(
                f"{file}: expected numbers from 1 to {len(entries)}, found no {number}"
            )
    return tuple(entries[number] for number in sorted(entries))


def is_inside(name: str) -> bool:
    """Whether a path in a file is valid and stays below the folder that it is relative to."""
    path = PurePosixPath(name)
    longest = max((len(os.fsencode(part)) for part in path.parts), default=0)
    fits = longest <= LONGEST_NAME and len(os.fsencode(name)) <= LONGEST_PATH
    return fits and not path.is_absolute() and ".." not in path.parts and "\0" not in name


def is_number(word: str, signed: bool = False) -> bool:
    """Whether a word is an integer of at most `MOST_DIGITS` digits, with a sign if `signed`."""
    digits = word[1:] if signed and word[:1] in ("-", "+") else word
    return digits.isascii() and digits.isdecimal() and len(digits) <= MOST_DIGITS
