"""Unpacks tar and zip archives after checking every member; nothing leaves the target folder.

The checks go beyond those of the standard library. `filter="data"` strips the leading slash of an
absolute path, follows links that other members made, and can be bypassed before Python 3.11.13
(CVE-2025-4517); `ZipFile.extract` drops ".." from paths and writes links as files. Here such
archives are refused, before anything is written.
"""

from __future__ import annotations

import gzip
import lzma
import os
import shutil
import stat
import tarfile
import tempfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeVar

from irtheory.runs.files import InputError, check_room
from irtheory.runs.lock import Locked, hold_lock

Kind = Literal["file", "folder", "symbolic link", "hard link", "special file"]
Progress = Callable[[int, int], None]
Info = TypeVar("Info", tarfile.TarInfo, zipfile.ZipInfo)
UNPACKING = ".unpacking-"
BROKEN = (
    tarfile.TarError,
    zipfile.BadZipFile,
    gzip.BadGzipFile,
    lzma.LZMAError,
    zlib.error,
    EOFError,
    NotImplementedError,
)


class DamagedArchive(InputError):
    """An archive whose content is damaged, so that no folder or disk would help."""


@dataclass(frozen=True)
class Member:
    """Name, kind and size of a member as the archive states them, and the target of a link."""

    name: str
    kind: Kind
    size: int = 0
    target: str = ""


def extract(archive: Path, folder: Path, on_progress: Progress | None = None) -> tuple[str, ...]:
    """Unpack an archive into a folder; files already there under the same names are replaced.

    All members are checked first; if one is refused, nothing is unpacked. They are unpacked into a
    temporary folder inside `folder` and then moved to their places one by one. An error before
    the moves leaves everything as it was; a process killed during them leaves some files new and
    some old. Temporary folders of killed processes are removed.

    Args:
        archive: a tar (plain, gzip, bzip2, xz) or zip file.
        folder: created if it is missing.
        on_progress: called with the bytes unpacked so far and in total.

    Returns:
        The names that the archive put into the folder, sorted.

    Raises:
        InputError: no such archive, not enough disk space, or a member that would be written
            outside the folder, is a device, or is a link to anything but a member.
        DamagedArchive: the file is damaged, or not an archive.
        OSError: the folder cannot be written.
    """
    try:
        if zipfile.is_zipfile(archive):
            with zipfile.ZipFile(archive) as opened:
                infos = opened.infolist()
                _check(archive, folder, [_zip_member(archive, info) for info in infos])
                return _unpack(folder, lambda at: _unzip(opened, at, infos, on_progress))
        if tarfile.is_tarfile(archive):
            with tarfile.open(archive) as tar:
                members = tar.getmembers()
                _check_end(tar)
                _check(archive, folder, [_tar_member(info) for info in members])
                counted = _counted(members, [info.size for info in members], on_progress)
                return _unpack(folder, lambda at: tar.extractall(at, counted, filter="data"))
    except FileNotFoundError as error:
        raise InputError(f"{archive}: expected an archive, found no such file") from error
    except InputError:
        raise
    except (*BROKEN, OSError, ValueError, OverflowError) as error:
        # Errors of the file system have a number; those of bz2 or of a tar header have none.
        if isinstance(error, OSError) and error.errno is not None:
            raise
        raise DamagedArchive(f"{archive}: damaged ({error or type(error).__name__})") from error
    raise DamagedArchive(f"{archive}: expected a tar or zip archive, found something else")


def _check_end(tar: tarfile.TarFile) -> None:
    """ReadError unless the end is there: tarfile accepts a tar that was cut between two members."""
    stream = tar.fileobj
    assert stream is not None
    stream.seek(tar.offset)
    if stream.read(tarfile.BLOCKSIZE) != tarfile.NUL * tarfile.BLOCKSIZE:
        raise tarfile.ReadError("its end is missing")
    # Reading to the end makes the decompressor verify its checksum.
    while stream.read(1 << 20):
        pass


def _unpack(folder: Path, unpack: Callable[[Path], None]) -> tuple[str, ...]:
    folder.mkdir(parents=True, exist_ok=True)
    with _temporary_folder(folder) as temporary:
        unpack(temporary)
        names = tuple(sorted(path.name for path in temporary.iterdir()))
        _merge(temporary, folder)
    return names


@contextmanager
def _temporary_folder(folder: Path) -> Iterator[Path]:
    """A new locked folder inside another; those of killed processes, not locked, are removed."""
    with ExitStack() as held:
        # The outer lock keeps others from removing the new folder before it is locked itself.
        with hold_lock(folder, on_wait=lambda: None):
            for left in folder.glob(f"{UNPACKING}*"):
                with suppress(OSError, Locked), hold_lock(left) as stale:
                    if stale:
                        shutil.rmtree(left, ignore_errors=True)
            temporary = Path(tempfile.mkdtemp(prefix=UNPACKING, dir=folder))
            held.callback(shutil.rmtree, temporary, ignore_errors=True)
            held.enter_context(hold_lock(temporary))
        yield temporary


def _unzip(
    opened: zipfile.ZipFile,
    folder: Path,
    infos: list[zipfile.ZipInfo],
    on_progress: Progress | None,
) -> None:
    for info in _counted(infos, [info.file_size for info in infos], on_progress):
        opened.extract(info, folder)


def _counted(infos: list[Info], sizes: list[int], on_progress: Progress | None) -> Iterator[Info]:
    total, done = sum(sizes), 0
    for info, size in zip(infos, sizes, strict=True):
        yield info
        done += size
        if on_progress:
            on_progress(done, total)


def _merge(source: Path, target: Path) -> None:
    """Move the content of a folder into another on the same disk, folder by folder."""
    for path in sorted(source.iterdir()):
        goal = target / path.name
        if path.is_dir() and not path.is_symlink() and goal.is_dir():
            _merge(path, goal)
        else:
            os.replace(path, goal)


def _tar_member(info: tarfile.TarInfo) -> Member:
    if info.issym() or info.islnk():
        return Member(
            info.name, "symbolic link" if info.issym() else "hard link", target=info.linkname
        )
    kind = "file" if info.isreg() else "folder" if info.isdir() else "special file"
    return Member(info.name, kind, info.size)


def _zip_member(archive: Path, info: zipfile.ZipInfo) -> Member:
    if info.flag_bits & 1:
        raise InputError(f"{archive}: {info.filename!r} is encrypted, expected it to be readable")
    mode = info.external_attr >> 16
    if stat.S_ISLNK(mode):
        # The target is in the content of the member; "/" has the link refused without reading it.
        return Member(info.filename, "symbolic link", target="/")
    if stat.S_IFMT(mode) not in (0, stat.S_IFREG, stat.S_IFDIR):
        return Member(info.filename, "special file")
    return Member(info.filename, "folder" if info.is_dir() else "file", info.file_size)


def _check(archive: Path, folder: Path, members: list[Member]) -> None:
    """Raise an InputError that names the first member that may not be unpacked."""
    kinds: dict[tuple[str, ...], Kind] = {}
    for member in members:
        if (why := _why_bad_name(member.name)) or member.kind == "special file":
            raise _refused(archive, member, why or "a device or other special file")
        kinds[_parts(member.name)] = member.kind
    for member in members:
        if why := _why_bad_place(member, kinds):
            raise _refused(archive, member, why)
    needed = sum(member.size for member in members)
    check_room(archive, folder, needed, "nothing was unpacked")


def _refused(archive: Path, member: Member, why: str) -> InputError:
    return InputError(f"{archive}: member {member.name!r} refused, {why}; nothing was unpacked")


def _parts(name: str) -> tuple[str, ...]:
    return tuple(part for part in name.split("/") if part not in ("", "."))


def _why_bad_name(name: str) -> str | None:
    if name.startswith("/"):
        return "an absolute path"
    if ".." in name.split("/"):
        return "a path that goes up"
    if "\\" in name or ":" in name.split("/")[0][1:2]:
        return "a path with a drive letter or backslashes"
    return "a name with control characters" if any(ord(c) < 32 for c in name) else None


def _why_bad_place(member: Member, kinds: dict[tuple[str, ...], Kind]) -> str | None:
    """Why a member is refused: it lies below one that is not a folder, or links to no member."""
    place = _parts(member.name)
    for depth in range(1, len(place)):
        if kinds.get(place[:depth], "folder") != "folder":
            return f"below a {kinds[place[:depth]]}"
    if member.kind == "hard link":
        known = kinds.get(_parts(member.target)) == "file" and not _why_bad_name(member.target)
        return None if known else "a hard link to something that is no file of the archive"
    if member.kind == "symbolic link" and not _leads_to_member(place[:-1], member.target, kinds):
        return "a symbolic link to something that is not in the archive"
    return None


def _leads_to_member(
    place: tuple[str, ...], target: str, kinds: dict[tuple[str, ...], Kind]
) -> bool:
    """Whether a link leads to a member, resolved by names alone and never through another link.

    After a link, ".." would not lead to the folder that its name suggests.
    """
    if target.startswith("/") or "\\" in target:
        return False
    for step in target.split("/"):
        if step == "..":
            if not place:
                return False
            place = place[:-1]
        elif step not in ("", "."):
            place = (*place, step)
        if kinds.get(place, "folder") not in ("file", "folder"):
            return False
    return any(known[: len(place)] == place for known in kinds) and bool(place)
