"""Fetches published files: resumes interrupted downloads and verifies hashes."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from irtheory.runs.files import InputError, write_text
from irtheory.runs.lock import Locked, hold_lock
from irvision.data.download.published import Archive
from irvision.data.download.transfer import Broken, Progress, download

Message = Callable[[str], None]
FOLDER = "downloads"


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
        try:
            download(url, part, on_progress)
        except Broken as error:
            raise InputError(
                f"{url}: expected the file, found {error}; fetch it by other means, put it at "
                f"{path} and run the same command again, or run it later to go on"
            ) from error
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
