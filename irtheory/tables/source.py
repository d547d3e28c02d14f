"""From a file to text: its size, its encoding, and letters that no table holds."""

from __future__ import annotations

import codecs
import re
import stat
from pathlib import Path

from irtheory.tables.place import Place

MOST_BYTES = 2**28
# Marks at the beginning of a file; the first two bytes of the first are a mark themselves.
MARKS = (
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
KINDS = (
    (b"PK\x03\x04", "a workbook or an archive"),
    (b"\xd0\xcf\x11\xe0", "an old workbook"),
    (b"\x1f\x8b", "a compressed file"),
    (b"PAR1", "a Parquet file"),
    (b"SQLite format 3", "a database"),
    (b"%PDF", "a PDF document"),
    (b"<!DOCTYPE", "a web page"),
    (b"<html", "a web page"),
)
# Everything that is neither a letter nor a blank: tab and line ends are allowed.
CONTROL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u2028\u2029]")
LINE_END = re.compile(r"\r\n|\n|\r")
# Where this share of the first bytes is 0, the text has two bytes a letter or more.
WIDE, LOOKED_AT = 0.2, 4096
# Tab, line ends and whatever is no control character of ASCII.
TEXT_BYTES = bytes([9, 10, 13, *range(32, 127), *range(128, 256)])


def read_lines(path: Path, place: Place, encoding: str | None) -> tuple[list[str], list[str]]:
    """The lines of a text file, and notes on how it was read.

    Args:
        path: of the file.
        place: the file in messages.
        encoding: None to follow the mark at its beginning, UTF-8 without one.

    Raises:
        InputError: no such file, one too large, no text in that encoding, or text with control
            characters.
    """
    data = _content(path, place)
    text, name, notes = _decoded(data, place, encoding)
    if (found := CONTROL.search(text)) is not None:
        line = len(LINE_END.findall(text, 0, found.start())) + 1
        raise place.error(_control(found[0], name, _unmarked(data)), line)
    if broken := text.count("\ufffd"):
        notes.append(f"{broken} letters were lost before the file came here (they are \ufffd)")
    return LINE_END.split(text), notes


def _content(path: Path, place: Place) -> bytes:
    try:
        found = path.stat()
        if stat.S_ISDIR(found.st_mode):
            raise place.error("Is a directory; expected a CSV text file")
        if not stat.S_ISREG(found.st_mode):
            raise place.error("expected a CSV text file, found a pipe or a device")
        with path.open("rb") as stream:
            data = stream.read(MOST_BYTES + 1)
    except OSError as error:
        raise place.error(error.strerror or str(error)) from error
    except ValueError as error:
        if "null byte" not in str(error):
            raise
        raise place.error("expected the name of a file, found a null character") from error
    if len(data) > MOST_BYTES:
        size = f"{max(found.st_size, len(data)) / 2**20:.1f}"
        raise place.error(f"expected at most {MOST_BYTES // 2**20} MiB, found {size}")
    for start, kind in KINDS:
        if data[: len(start)].lower() == start.lower():
            raise place.error(f"expected a CSV text file, found {kind}; save the table as CSV")
    return data


def _decoded(data: bytes, place: Place, encoding: str | None) -> tuple[str, str, list[str]]:
    """Text, name of its encoding, and notes."""
    mark, marked = next(((m, name) for m, name in MARKS if data.startswith(m)), (b"", None))
    name = encoding or marked or "utf-8"
    if marked is not None:
        if encoding is not None and _family(encoding) != _family(marked):
            raise place.error(
                f"expected {encoding} (--encoding), found the mark of {marked} at its beginning"
            )
        name = marked
    try:
        text = data[len(mark) :].decode(name)
    except UnicodeDecodeError as error:
        raise place.error(_undecoded(data, name, error), _line_of(data, error.start)) from error
    except UnicodeError as error:
        raise place.error(f"expected a CSV text file in {name} ({error})") from error
    notes = [f"read as {name}, as its first bytes say"] if _is_wide(name) and not encoding else []
    if (
        encoding is not None
        and not name.startswith("utf")
        and not data.isascii()
        and _is_utf8(data)
    ):
        notes.append(f"read as {name}, as asked for; its bytes are text in utf-8 as well")
    return text, name, notes


def _family(encoding: str) -> str:
    return re.split("[-_]?(le|be|sig)$", encoding)[0].replace("_", "-")


def _is_wide(encoding: str) -> bool:
    return encoding.startswith(("utf-16", "utf-32"))


def _is_utf8(data: bytes) -> bool:
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return True


def _line_of(data: bytes, byte: int) -> int:
    return data.count(b"\n", 0, byte) + 1


def _undecoded(data: bytes, name: str, error: UnicodeDecodeError) -> str:
    first = data[:LOOKED_AT]
    found = f"byte 0x{data[error.start]:02x}" if error.start < len(data) else "half a letter"
    hint = "--encoding latin-1 or windows-1252 reads most others"
    if name != "utf-8":
        hint = "--encoding names another one"
    elif (wide := _unmarked(data)) is not None:
        hint = f"--encoding {wide} may read it"
    elif first.count(0) > WIDE * len(first) or first.translate(None, TEXT_BYTES):
        hint = "it holds bytes that no text has, so it is no CSV text"
    return f"expected a CSV text file in {name}, found {found}; {hint}"


def _unmarked(data: bytes) -> str | None:
    """The encoding of two bytes a letter in which a file without a mark is text; None if none."""
    first = data[:LOOKED_AT]
    if first.count(0) <= WIDE * len(first):
        return None
    for name in ("utf-16-le", "utf-16-be"):
        try:
            # A decoder in steps waits for the rest of a letter that is cut in two.
            text = codecs.getincrementaldecoder(name)().decode(first)
        except UnicodeDecodeError:
            continue
        if CONTROL.search(text) is None and LINE_END.search(text):
            return name
    return None


def _control(letter: str, encoding: str, wide: str | None) -> str:
    hint = ""
    if letter == "\0":
        hint = f"; a text of two bytes a letter needs --encoding {wide}" if wide else ""
    elif "\x80" <= letter <= "\x9f" and encoding.startswith("iso"):
        hint = "; --encoding windows-1252 has a letter there"
    return f"expected text, found the control character U+{ord(letter):04X}{hint}"
