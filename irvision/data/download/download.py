"""Fetches published archives: goes on where it was cut off, and checks what came."""

from __future__ import annotations

import fcntl
import json
import os
import re
import shutil
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, cast

from irtheory.runs.files import InputError, write_json, write_text
from irvision.data.download.published import Archive

if TYPE_CHECKING:
    from requests import Response

Progress = Callable[[int, int | None], None]
FOLDER = "downloads"
CHUNK = 1 << 20
# Seconds to wait for a connection, and for the next bytes.
TIMEOUT = (15, 60)
PARTIAL_CONTENT, RANGE_NOT_SATISFIABLE = 206, 416
CONTENT_RANGE = re.compile(r"bytes (\d+)-\d+/(\d+|\*)")


@dataclass(frozen=True)
class Fetched:
    """An archive that is there.

    Attributes:
        path: of the file.
        hash: "algorithm:digest" that it has.
        published: whether that hash is a published one, rather than that of what came.
        new: whether it came now, rather than being there already.
    """

    path: Path
    hash: str
    published: bool
    new: bool


def fetch(archive: Archive, data_dir: Path, on_progress: Progress | None = None) -> Fetched:
    """Fetch an archive into data_dir/downloads, unless it is there and its hash is right.

    What came before a connection was cut, or Ctrl-C, stays in a file `.part`, and what came whole
    and is not checked yet in one `.whole`; the next call goes on from there. A hash that
    `record` wrote is checked like a published one.

    Args:
        archive: what to fetch.
        data_dir: the data folder; made if it is not there.
        on_progress: told how many bytes of how many (None: not known) are there.

    Raises:
        InputError: the server cannot be reached or does not have it, no room, or a wrong hash.
        OSError: the folder cannot be written.
    """
    import pooch

    folder = data_dir / FOLDER
    folder.mkdir(parents=True, exist_ok=True)
    path, whole = folder / archive.name, folder / f"{archive.name}.whole"
    known = archive.hash or _recorded(path)
    if path.is_file() and (digest := _digest(path, known)) == (known or digest):
        return Fetched(path, digest, archive.hash is not None, new=False)
    # It would report what the command reports itself.
    pooch.get_logger().setLevel("WARNING")

    def continued(url: str, target: str, _: object) -> None:
        _download(url, path, on_progress)
        os.replace(_part(path), target)

    # Without the hash: pooch would drop all of what came if it is interrupted while it checks.
    pooch.retrieve(archive.url, None, whole.name, folder, downloader=cast(Any, continued))
    if (digest := _digest(whole, known)) != (known or digest):
        whole.unlink()
        raise _wrong_hash(archive, path, known, digest)
    os.replace(whole, path)
    return Fetched(path, digest, archive.hash is not None, new=True)


def record(got: Fetched) -> None:
    """Write the hash of an archive that proved good beside it, where none is published."""
    if not got.published:
        write_text(_record(got.path), f"{got.hash.partition(':')[2]}  {got.path.name}\n")


def set_aside(got: Fetched) -> Path:
    """Rename an archive that proved damaged, so that the next call fetches it anew."""
    aside = got.path.with_name(f"{got.path.name}.damaged")
    os.replace(got.path, aside)
    _record(got.path).unlink(missing_ok=True)
    return aside


def _record(path: Path) -> Path:
    return path.with_name(f"{path.name}.sha256")


def _recorded(path: Path) -> str | None:
    with suppress(FileNotFoundError):
        words = _record(path).read_text(encoding="utf-8").split()
        return f"sha256:{words[0]}" if words else None
    return None


def _digest(path: Path, like: str | None) -> str:
    """Of a file, by the algorithm of another digest, which it names in front."""
    import pooch

    algorithm = like.partition(":")[0] if like else "sha256"
    return f"{algorithm}:{pooch.file_hash(str(path), algorithm)}"


def _wrong_hash(archive: Archive, path: Path, known: str | None, found: str) -> InputError:
    whose = "published" if archive.hash else f"recorded in {_record(path)}; remove it for another"
    return InputError(
        f"{archive.url}: expected the hash {known} ({whose}), found {found}; what came for "
        f"{path} was removed"
    )


def _part(path: Path) -> Path:
    return path.with_name(f"{path.name}.part")


def _download(url: str, path: Path, on_progress: Progress | None) -> None:
    """Bring all of a file into its `.part`, as long as every try brings something."""
    from requests import RequestException
    from urllib3.exceptions import HTTPError

    with _part(path).open("ab") as stream:
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise InputError(f"{_part(path)}: another process is fetching it") from None
        while True:
            before = stream.tell()
            try:
                return _go_on(url, path, stream, on_progress)
            except (RequestException, HTTPError) as error:
                stream.flush()
                if stream.tell() <= before:
                    raise _unreachable(url, path, error) from error


def _go_on(url: str, path: Path, stream: BinaryIO, on_progress: Progress | None) -> None:
    """Ask for the rest of a file and append it; from the start if the file has changed."""
    import requests
    from urllib3.exceptions import ProtocolError

    note = path.with_name(f"{path.name}.part.json")
    there = stream.tell()
    headers = {"Accept-Encoding": "identity"}
    if there and (validator := _validator(note, url)):
        headers |= {"Range": f"bytes={there}-", "If-Range": validator}
    with requests.get(url, headers=headers, stream=True, timeout=TIMEOUT) as response:
        start, total = _span(response)
        if "Range" in headers and start not in (0, there):
            note.unlink()
            return _go_on(url, path, stream, on_progress)
        response.raise_for_status()
        if start not in (0, there):
            raise ProtocolError("a part of the file that was not asked for")
        if start == 0:
            stream.truncate(stream.seek(0))
            write_json(note, {"url": url, "validator": _validator_of(response)})
        _check_room(path, total, stream.tell())
        # As sent: some servers label a .tgz as compressed in transit, and it must stay packed.
        for chunk in response.raw.stream(CHUNK, decode_content=False):
            stream.write(chunk)
            if on_progress:
                on_progress(stream.tell(), total)
    if total not in (None, stream.tell()):
        raise ProtocolError(f"{stream.tell()} bytes instead of {total}")
    stream.flush()
    os.fsync(stream.fileno())
    note.unlink(missing_ok=True)


def _span(response: Response) -> tuple[int | None, int | None]:
    """At which byte of the file what comes begins, and how long the file is; None: not known."""
    if response.status_code == RANGE_NOT_SATISFIABLE:
        return None, None
    if response.status_code == PARTIAL_CONTENT:
        words = CONTENT_RANGE.fullmatch(response.headers.get("Content-Range", ""))
        return (int(words[1]), _number(words[2])) if words else (None, None)
    return 0, _number(response.headers.get("Content-Length", ""))


def _number(word: str) -> int | None:
    return int(word) if word.isdecimal() else None


def _validator(note: Path, url: str) -> str | None:
    """What the server called the version of which a part is there."""
    try:
        known = json.loads(note.read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError):
        return None
    return known.get("validator") if known.get("url") == url else None


def _validator_of(response: Response) -> str | None:
    """A strong ETag, or a date; without either nobody can tell whether the file has changed."""
    tag = response.headers.get("ETag", "")
    return tag if tag.startswith('"') else response.headers.get("Last-Modified")


def _check_room(path: Path, total: int | None, there: int) -> None:
    free = shutil.disk_usage(path.parent).free
    if total and total - there > free:
        raise InputError(
            f"{path}: needs {(total - there) / 2**30:.2f} GiB there, found "
            f"{free / 2**30:.2f} GiB free"
        )


def _unreachable(url: str, path: Path, error: Exception) -> InputError:
    status = getattr(getattr(error, "response", None), "status_code", None)
    why = f"HTTP status {status}" if status else f"no connection ({type(error).__name__})"
    return InputError(
        f"{url}: expected the archive, found {why}; fetch it by other means, put it at {path} "
        "and run the same command again, or run it later to go on"
    )
