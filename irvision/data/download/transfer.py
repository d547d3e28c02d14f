"""Resumable downloads: requests the bytes that a partial file lacks, and appends them."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.client import HTTPException
from pathlib import Path
from typing import Any, BinaryIO
from urllib.error import HTTPError
from urllib.request import Request, urlopen

from irtheory.runs.files import check_room, write_json

Progress = Callable[[int, int | None], None]
CHUNK = 1 << 20
# Seconds to wait for a connection, and for the next bytes.
TIMEOUT = 30
# Some servers refuse programs that do not give a name, or the one of Python's library.
AGENT = {"User-Agent": "ira"}
PARTIAL_CONTENT, RANGE_NOT_SATISFIABLE = 206, 416
CONTENT_RANGE = re.compile(r"bytes (\d+)-\d+/(\d+|\*)")


class Broken(Exception):
    """The server cannot be reached, does not have the file, or ended the connection early."""


def download(url: str, part: Path, on_progress: Progress | None = None) -> None:
    """Complete a partial file, as long as every attempt brings some bytes.

    Args:
        url: of the file.
        part: where its first bytes are, if any; `<part>.json` says of which version.
        on_progress: called with the bytes so far and in total (None: unknown).

    Raises:
        Broken: the rest does not come; what came stays, except for an empty file.
        InputError: not enough disk space.
        OSError: the file cannot be written.
    """
    with part.open("ab") as stream:
        while True:
            before = stream.tell()
            try:
                return _resume(url, part, stream, on_progress)
            except Broken:
                stream.flush()
                if not stream.tell():
                    part.unlink()
                if stream.tell() <= before:
                    raise


def _resume(url: str, part: Path, stream: BinaryIO, on_progress: Progress | None) -> None:
    """Request the rest of a file and append it; from the start if the file has changed."""
    note, there = part.with_name(f"{part.name}.json"), stream.tell()
    validator = _validator(note, url) if there else None
    rest = {"Range": f"bytes={there}-", "If-Range": validator} if validator else {}
    with _opened(url, rest) as response:
        start, total = _span(response)
        if rest and start not in (0, there):
            note.unlink()
            return _resume(url, part, stream, on_progress)
        if start not in (0, there):
            raise Broken(f"HTTP status {response.status}")
        if start == 0:
            stream.truncate(stream.seek(0))
            write_json(note, {"url": url, "validator": _validator_of(response)})
        check_room(part, part.parent, (total or 0) - stream.tell(), "free space and try again")
        while chunk := _next_chunk(response):
            stream.write(chunk)
            if on_progress:
                on_progress(stream.tell(), total)
    if total not in (None, stream.tell()):
        raise Broken(f"{stream.tell()} bytes instead of {total}")
    stream.flush()
    os.fsync(stream.fileno())
    note.unlink(missing_ok=True)


@contextmanager
def _opened(url: str, headers: dict[str, str]) -> Iterator[Any]:
    """The response of a server, as sent: urllib does not unpack a .tgz labelled as compressed."""
    with _network_errors():
        try:
            response = urlopen(Request(url, headers=headers | AGENT), timeout=TIMEOUT)
        except HTTPError as error:
            if error.code != RANGE_NOT_SATISFIABLE:
                raise
            response = error
    with response:
        yield response


def _next_chunk(response: Any) -> bytes:
    with _network_errors():
        return response.read1(CHUNK)


@contextmanager
def _network_errors() -> Iterator[None]:
    try:
        yield
    except HTTPError as error:
        error.close()
        raise Broken(f"HTTP status {error.code}") from error
    except (OSError, HTTPException) as error:
        reason = getattr(error, "reason", error)
        why = " ".join(str(reason).split()) or type(reason).__name__
        raise Broken(f"no connection ({why})") from error


def _span(response: Any) -> tuple[int | None, int | None]:
    """First byte of the file that the response holds, and length of the file; None: unknown."""
    if response.status == RANGE_NOT_SATISFIABLE:
        return None, None
    if response.status == PARTIAL_CONTENT:
        words = CONTENT_RANGE.fullmatch(response.headers.get("Content-Range", ""))
        return (int(words[1]), _number(words[2])) if words else (None, None)
    return 0, _number(response.headers.get("Content-Length", ""))


def _number(word: str) -> int | None:
    return int(word) if word.isdecimal() else None


def _validator(note: Path, url: str) -> str | None:
    """How the server named the version of the file whose first bytes are in the `.part`."""
    try:
        known = json.loads(note.read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError):
        return None
    return known.get("validator") if known.get("url") == url else None


def _validator_of(response: Any) -> str | None:
    """A strong ETag, or a date; None if nothing tells whether the file has changed."""
    tag = response.headers.get("ETag", "")
    return tag if tag.startswith('"') else response.headers.get("Last-Modified")
