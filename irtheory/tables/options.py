"""How a table is to be read: the options that every command with a table has."""

from __future__ import annotations

import codecs
import unicodedata
from dataclasses import dataclass
from typing import Annotated, Literal

from irtheory.runs.files import InputError
from irtheory.runs.options import Option
from irtheory.tables.cells import BadQuote, split_line

TABLE = "Reading the table"
NAMED = {"comma": ",", "semicolon": ";", "tab": "\t", r"\t": "\t", "pipe": "|", "bar": "|"}
# Letters that cannot part cells, as cells are made of them.
NEVER = set("\"'.+-_\r\n")
# Text codecs of Python that are no encodings of files, and one that reads almost anything.
NO_ENCODING = {"idna", "punycode", "unicode_escape", "raw_unicode_escape", "undefined", "utf-7"}


def read_delimiter(text: str) -> str:
    """What parts the cells of a line, from its letter or name."""
    letter = NAMED.get(text.lower(), text)
    letter_like = letter.isalnum() or unicodedata.category(letter[:1] or "x")[0] in "CZ"
    if len(letter) != 1 or letter in NEVER or (letter_like and letter != "\t"):
        names = ", ".join(name for name in NAMED if name.isalpha())
        raise InputError(f"--delimiter: expected one letter such as ; or {names}, found '{text}'")
    return letter


def read_encoding(text: str) -> str:
    """Python's name of an encoding."""
    try:
        found = codecs.lookup(text)
    except (LookupError, ValueError):
        found = None
    # Python has codecs from bytes to bytes as well, such as zip.
    if found is None or not getattr(found, "_is_text_encoding", True) or found.name in NO_ENCODING:
        known = "utf-8, utf-16, latin-1, windows-1252"
        raise InputError(f"--encoding: expected an encoding such as {known}, found '{text}'")
    return found.name


def _names(flag: str, text: str) -> tuple[str, ...]:
    try:
        found = split_line(text, ",")
    except BadQuote as error:
        raise InputError(f"{flag} {text}: {error}") from None
    names = tuple(name for name in found if name)
    for place, name in enumerate(names):
        if name in names[:place]:
            raise InputError(f"{flag}: found '{name}' twice")
    return names


def read_missing(text: str) -> tuple[str, ...]:
    """The words of --na; none of them where the text is empty."""
    return _names("--na", text)


def _columns(flag: str, text: str) -> tuple[str, ...]:
    names = _names(flag, text)
    if not names:
        raise InputError(f"{flag}: expected names of columns with commas, found '{text}'")
    return names


def read_drop(text: str) -> tuple[str, ...]:
    """The columns of --drop."""
    return _columns("--drop", text)


def read_text_columns(text: str) -> tuple[str, ...]:
    """The columns of --text."""
    return _columns("--text", text)


@dataclass(frozen=True)
class FileOptions:
    """How the file of a table is to be read; None where it decides itself."""

    delimiter: Annotated[
        str | None,
        Option(
            "What parts the cells: a letter, or comma, semicolon, tab, pipe.",
            TABLE,
            default="found in the file",
            metavar="LETTER",
            read=read_delimiter,
        ),
    ] = None
    decimal: Annotated[
        Literal[".", ","] | None,
        Option("Decimal mark of its numbers.", TABLE, default="found in the file"),
    ] = None
    encoding: Annotated[
        str | None,
        Option(
            "Encoding of the file, such as latin-1.",
            TABLE,
            default="utf-8, or what its first bytes say",
            metavar="NAME",
            read=read_encoding,
        ),
    ] = None
    na: Annotated[
        tuple[str, ...] | None,
        Option(
            "Words that stand for a missing cell, as empty cells then do; '' for empty cells "
            "alone. Without it, missing cells are refused.",
            TABLE,
            metavar="WORD,WORD",
            read=read_missing,
        ),
    ] = None


@dataclass(frozen=True)
class TableOptions(FileOptions):
    """How a table is to be read, and what its columns are for."""

    drop: Annotated[
        tuple[str, ...],
        Option("Columns to leave out.", TABLE, metavar="COLUMN,COLUMN", read=read_drop),
    ] = ()
    index: Annotated[
        str | None,
        Option("Column with the names of the rows, which is no feature.", TABLE, metavar="COLUMN"),
    ] = None
    text: Annotated[
        tuple[str, ...],
        Option(
            "Columns whose cells are words, even where they look like numbers.",
            TABLE,
            metavar="COLUMN,COLUMN",
            read=read_text_columns,
        ),
    ] = ()


# Whatever the file decides.
PLAIN = TableOptions()
