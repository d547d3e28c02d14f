"""Unpacks tar and zip archives, after looking at every member, without leaving one folder."""

from __future__ import annotations

import fcntl
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
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeVar

from irtheory.runs.files import InputError

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
    """An archive that cannot be unpacked because of what it is, whatever the folder."""


@dataclass(frozen=True)
class Member:
    """What an archive says of one of its members; `target` is what a link points at."""

    name: str
    kind: Kind
    size: int = 0
    target: str = ""


def extract(archive: Path, folder: Path, on_progress: Progress | None = None) -> tuple[str, ...]:
    """Unpack an archive into a folder; files already there under the same names are replaced.

    All members are looked at first, and if one is refused nothing is unpacked. All are unpacked
    into a folder of their own in it, before they are moved to their places one by one: what goes
    wrong before leaves everything as it was, a process killed while they are moved leaves some new
    and some old. What killed processes left is removed.

    Args:
        archive: a tar (plain, gzip, bzip2, xz) or zip file.
        folder: made if it is not there.
        on_progress: told how many bytes of how many are unpacked.

    Returns:
        The names that the archive put into the folder, sorted.

    Raises:
        InputError: no such archive, no room, or a member that would end outside the folder, is
            a device, or is a link to anything but a member.
        DamagedArchive: a damaged one, or something else.
        OSError: the folder cannot be written.
    """
    try:
        if zipfile.is_zipfile(archive):
            with zipfile.ZipFile(archive) as opened:
                infos = opened.infolist()
                _check(archive, folder, [_zip_member(archive, info) for info in infos])
                return _unpack(folder, lambda beside: _unzip(opened, beside, infos, on_progress))
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
        # What the file system refuses has a number; what bz2 or a header of tar does has none.
        if isinstance(error, OSError) and error.errno is not None:
            raise
        raise DamagedArchive(f"{archive}: damaged ({error or type(error).__name__})") from error
    raise DamagedArchive(f"{archive}: expected a tar or zip archive, found something else")


def _check_end(tar: tarfile.TarFile) -> None:
    """Damaged unless the end is there: a tar cut between two members would pass for a whole one."""
    stream = tar.fileobj
    assert stream is not None
    stream.seek(tar.offset)
    if stream.read(tarfile.BLOCKSIZE) != tarfile.NUL * tarfile.BLOCKSIZE:
        raise tarfile.ReadError("its end is missing")
    # To the end of the stream, where the checksum of a compressed one is.
    while stream.read(1 << 20):
        pass


def _unpack(folder: Path, unpack: Callable[[Path], None]) -> tuple[str, ...]:
    folder.mkdir(parents=True, exist_ok=True)
    with _beside(folder) as beside:
        unpack(beside)
        names = tuple(sorted(path.name for path in beside.iterdir()))
        _move(beside, folder)
    return names


@contextmanager
def _beside(folder: Path) -> Iterator[Path]:
    """A new folder in another, locked; those of killed processes, which hold no lock, go."""
    with ExitStack() as held:
        # Nobody sweeps between the making of a folder and its lock.
        with ExitStack() as sweeping:
            if _locked(folder, sweeping):
                for left in folder.glob(f"{UNPACKING}*"):
                    with ExitStack() as one:
                        if _locked(left, one, wait=False):
                            shutil.rmtree(left, ignore_errors=True)
            beside = Path(tempfile.mkdtemp(prefix=UNPACKING, dir=folder))
            held.callback(shutil.rmtree, beside, ignore_errors=True)
            _locked(beside, held)
        yield beside


def _locked(folder: Path, held: ExitStack, wait: bool = True) -> bool:
    """Lock a folder as long as `held`; False where another has it, or locks are not known."""
    try:
        handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
        held.callback(os.close, handle)
        fcntl.flock(handle, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
    except OSError:
        return False
    return True


def _unzip(
    opened: zipfile.ZipFile,
    beside: Path,
    infos: list[zipfile.ZipInfo],
    on_progress: Progress | None,
) -> None:
    for info in _counted(infos, [info.file_size for info in infos], on_progress):
        opened.extract(info, beside)


def _counted(infos: list[Info], sizes: list[int], on_progress: Progress | None) -> Iterator[Info]:
    total, done = sum(sizes), 0
    for info, size in zip(infos, sizes, strict=True):
        yield info
        done += size
        if on_progress:
            on_progress(done, total)


def _move(source: Path, target: Path) -> None:
    """Move what is in one folder into another on the same disk, folder by folder."""
    for path in sorted(source.iterdir()):
        goal = target / path.name
        if path.is_dir() and not path.is_symlink() and goal.is_dir():
            _move(path, goal)
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
        # Its target is its content; none is needed, so none is followed.
        return Member(info.filename, "symbolic link", target="/")
    if stat.S_IFMT(mode) not in (0, stat.S_IFREG, stat.S_IFDIR):
        return Member(info.filename, "special file")
    return Member(info.filename, "folder" if info.is_dir() else "file", info.file_size)


def _check(archive: Path, folder: Path, members: list[Member]) -> None:
    """InputError that names the first member that may not be unpacked."""
    kinds: dict[tuple[str, ...], Kind] = {}
    for member in members:
        if (why := _why_bad_name(member.name)) or member.kind == "special file":
            raise _refused(archive, member, why or "a device or other special file")
        kinds[_parts(member.name)] = member.kind
    for member in members:
        if why := _why_bad_place(member, kinds):
            raise _refused(archive, member, why)
    _check_room(archive, folder, sum(member.size for member in members))


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
    """What lies above a member must be a folder, and links must lead to members."""
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
    """Follow a link step by step, never through another link, so that ".." means what it says."""
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


def _check_room(archive: Path, folder: Path, needed: int) -> None:
    there = next(path for path in (folder, *folder.absolute().parents) if path.is_dir())
    free = shutil.disk_usage(there).free
    if needed > free:
        raise InputError(
            f"{archive}: needs {needed / 2**30:.2f} GiB in {folder} when unpacked, found "
            f"{free / 2**30:.2f} GiB free; nothing was unpacked"
        )
