"""Fetches published files: resumes interrupted downloads and verifies hashes."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from http.client import HTTPException
from pathlib import Path
from typing import Any, BinaryIO
from urllib.error import HTTPError
from urllib.request import Request, urlopen

from irtheory.runs.files import InputError, write_json, write_text
from irtheory.runs.lock import Locked, hold_lock
from irvision.data.download.published import Archive

Progress = Callable[[int, int | None], None]
Message = Callable[[str], None]
FOLDER = "downloads"
CHUNK = 1 << 20
# Seconds to wait for a connection, and for the next bytes.
TIMEOUT = 30
# Some servers refuse programs that do not give a name, or the one of Python's library.
AGENT = {"User-Agent": "ira"}
PARTIAL_CONTENT, RANGE_NOT_SATISFIABLE = 206, 416
CONTENT_RANGE = re.compile(r"bytes (\d+)-\d+/(\d+|\*)")


@dataclass(frozen=True)
class Fetched:
    """An archive on disk.

    Attributes:
        path: of the file.
        hash: "algorithm:digest" of its content.
        published: whether this hash is the published one; otherwise it is only that of the file.
        new: whether the file was downloaded now rather than found.
    """

    path: Path
    hash: str
    published: bool
    new: bool


class Broken(Exception):
    """The server cannot be reached, does not have the file, or ended the connection early."""


def fetch(archive: Archive, data_dir: Path, on_progress: Progress | None = None) -> Fetched:
    """Fetch an archive into data_dir/downloads, unless it is there and its hash is right.

    A hash that `record` wrote is checked like a published one.

    Args:
        archive: what to fetch.
        data_dir: the data folder; created if it is missing.
        on_progress: called with the bytes so far and in total (None: unknown).

    Raises:
        InputError: as `fetch_file`.
        OSError: the folder cannot be written.
    """
    path = data_dir / FOLDER / archive.name
    known = archive.hash or _recorded(path)
    if digest := verified_digest(path, known):
        return Fetched(path, digest, archive.hash is not None, new=False)
    whose = "published" if archive.hash else f"recorded in {_record(path)}; remove it for another"
    digest = fetch_file(archive.url, path, known, whose, on_progress)
    return Fetched(path, digest, archive.hash is not None, new=True)


def fetch_file(
    url: str,
    path: Path,
    known: str | None,
    whose: str = "published",
    on_progress: Progress | None = None,
    on_message: Message | None = None,
) -> str:
    """Download a file, which appears at its path only when it is complete and verified.

    What arrived before a connection was cut, or before Ctrl-C, stays in a file `.part`, and a
    complete file that is not verified yet in one `.whole`; the next call continues from there.

    Args:
        url: of the file.
        path: where to put it; its folder is created if it is missing.
        known: "algorithm:digest" that it must have, or how that begins; None if it is not known.
        whose: where `known` comes from, for the message.
        on_progress: called with the bytes so far and in total (None: unknown).
        on_message: told that another process is fetching the file, which is then waited for.
            None to raise instead.

    Returns:
        "algorithm:digest" of the file.

    Raises:
        InputError: the server cannot be reached or does not have the file, another process is
            fetching it, the disk is full, or the hash is wrong.
        OSError: the folder cannot be written.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    lock, busy = _beside(path, ".lock"), f"{path}: another process is fetching it"
    wait = on_message and (lambda: on_message(f"{busy}; waiting for it"))
    try:
        with hold_lock(lock, wait):
            try:
                # The process that was waited for may have fetched it.
                digest = verified_digest(path, known)
                return digest or _fetch_alone(url, path, known, whose, on_progress)
            finally:
                lock.unlink(missing_ok=True)
    except Locked:
        raise InputError(busy) from None


def _fetch_alone(
    url: str, path: Path, known: str | None, whose: str, on_progress: Progress | None
) -> str:
    """`fetch_file`, with its lock held."""
    part, whole = _beside(path, ".part"), _beside(path, ".whole")
    if not whole.is_file():
        _download(url, path, on_progress)
        os.replace(part, whole)
    if digest := verified_digest(whole, known):
        os.replace(whole, path)
        return digest
    found = _digest(whole, known)
    whole.unlink()
    raise InputError(
        f"{url}: expected the hash {known} ({whose}), found {found}; the file that was fetched "
        f"for {path} was removed"
    )


def verified_digest(path: Path, known: str | None) -> str | None:
    """Hash of a file as "algorithm:digest"; None without a file, or if it is not the known one.

    Args:
        path: of the file.
        known: "algorithm:digest", or how that begins; None to accept any SHA-256.
    """
    if not path.is_file():
        return None
    digest = _digest(path, known)
    return digest if digest.startswith(known or "") else None


def _digest(path: Path, known: str | None) -> str:
    algorithm = known.partition(":")[0] if known else "sha256"
    with path.open("rb") as stream:
        return f"{algorithm}:{hashlib.file_digest(stream, algorithm).hexdigest()}"


def record(got: Fetched) -> None:
    """Write the hash of an archive that could be unpacked beside it, where none is published."""
    if not got.published:
        write_text(_record(got.path), f"{got.hash.partition(':')[2]}  {got.path.name}\n")


def set_aside(got: Fetched) -> Path:
    """Rename an archive that proved damaged, so that the next call fetches it again."""
    aside = _beside(got.path, ".damaged")
    os.replace(got.path, aside)
    _record(got.path).unlink(missing_ok=True)
    return aside


def _beside(path: Path, suffix: str) -> Path:
    return path.with_name(path.name + suffix)


def _record(path: Path) -> Path:
    return _beside(path, ".sha256")


def _recorded(path: Path) -> str | None:
    with suppress(FileNotFoundError):
        words = _record(path).read_text(encoding="utf-8").split()
        return f"sha256:{words[0]}" if words else None
    return None


def _stamp(path: Path) -> tuple[int, int] | None:
    with suppress(FileNotFoundError):
        status = path.stat()
        return status.st_ino, status.st_mtime_ns
    return None


def _download(url: str, path: Path, on_progress: Progress | None) -> None:
    """Complete the `.part` of a file, as long as every attempt brings some bytes."""
    with _beside(path, ".part").open("ab") as stream:
        while True:
            before = stream.tell()
            try:
                return _resume(url, path, stream, on_progress)
            except Broken as error:
                stream.flush()
                if not stream.tell():
                    _beside(path, ".part").unlink()
                if stream.tell() <= before:
                    raise InputError(
                        f"{url}: expected the file, found {error}; fetch it by other means, put "
                        f"it at {path} and run the same command again, or run it later to go on"
                    ) from error


def _resume(url: str, path: Path, stream: BinaryIO, on_progress: Progress | None) -> None:
    """Request the rest of a file and append it; from the start if the file has changed."""
    note, there = _beside(path, ".part.json"), stream.tell()
    validator = _validator(note, url) if there else None
    rest = {"Range": f"bytes={there}-", "If-Range": validator} if validator else {}
    with _opened(url, rest) as response:
        start, total = _span(response)
        if rest and start not in (0, there):
            note.unlink()
            return _resume(url, path, stream, on_progress)
        if start not in (0, there):
            raise Broken(f"HTTP status {response.status}")
        if start == 0:
            stream.truncate(stream.seek(0))
            write_json(note, {"url": url, "validator": _validator_of(response)})
        _check_room(path, total, stream.tell())
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


def _check_room(path: Path, total: int | None, there: int) -> None:
    free = shutil.disk_usage(path.parent).free
    if total and total - there > free:
        raise InputError(
            f"{path}: needs {(total - there) / 2**30:.2f} GiB there, found "
            f"{free / 2**30:.2f} GiB free"
        )
