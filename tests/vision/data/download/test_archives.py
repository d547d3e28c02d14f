from __future__ import annotations

import bz2
import errno
import fcntl
import io
import os
import stat
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from irtheory.runs.files import InputError
from irvision.data.download import archives
from irvision.data.download.archives import extract

GOOD = {"set/a.txt": b"one", "set/deep/er/b.bin": bytes(range(256)) * 40, "top.txt": b""}

# More than one block of bzip2.
NOISE = np.random.default_rng(0).integers(0, 256, 2_000_000, np.uint8).tobytes()


def tar_of(path: Path, *infos: tarfile.TarInfo, mode: str = "w:gz", fill: bytes = b"") -> Path:
    with tarfile.open(path, mode) as tar:  # type: ignore[call-overload]
        for name, data in GOOD.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
        for info in infos:
            tar.addfile(info, io.BytesIO(fill or b"x" * info.size))
    return path


def zip_of(path: Path, *infos: zipfile.ZipInfo) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as opened:
        for name, data in GOOD.items():
            opened.writestr(name, data)
        for info in infos:
            opened.writestr(info, "/etc/passwd")
    return path


def member(name: str, kind: bytes = tarfile.REGTYPE, target: str = "") -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, target
    info.size = 1 if kind == tarfile.REGTYPE else 0
    return info


def contents(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


@pytest.mark.parametrize("mode", ["w:gz", "w", "w:xz"])
def test_a_tar_is_unpacked(tmp_path: Path, mode: str) -> None:
    told: list[tuple[int, int]] = []
    archive = tar_of(tmp_path / "good.any", mode=mode)
    names = extract(archive, tmp_path / "new/out", lambda *pair: told.append(pair))
    assert names == ("set", "top.txt")
    assert contents(tmp_path / "new/out") == GOOD
    total = sum(map(len, GOOD.values()))
    assert told == sorted(told) and told[-1] == (total, total)


def test_a_zip_is_unpacked_over_what_is_there(tmp_path: Path) -> None:
    out = tmp_path / "out"
    (out / "set/deep").mkdir(parents=True)
    (out / "set/a.txt").write_text("old")
    (out / "set/deep/mine.txt").write_text("mine")
    extract(zip_of(tmp_path / "good.zip"), out)
    assert contents(out) == GOOD | {"set/deep/mine.txt": b"mine"}
    assert sorted(path.name for path in out.iterdir()) == ["set", "top.txt"]


HOSTILE: dict[str, tuple[tarfile.TarInfo, ...]] = {
    "absolute": (member("/tmp/evil"),),
    "up": (member("set/../../evil"),),
    "only up": (member(".."),),
    "drive": (member("C:/evil"),),
    "backslash": (member("set\\..\\..\\evil"),),
    "newline": (member("set/a\nb"),),
    "symlink out": (member("evil", tarfile.SYMTYPE, "../../outside"),),
    "symlink absolute": (member("evil", tarfile.SYMTYPE, "/etc/passwd"),),
    "symlink to nothing": (member("evil", tarfile.SYMTYPE, "set/none"),),
    "symlink to all": (member("evil", tarfile.SYMTYPE, "."),),
    "below a symlink": (member("way", tarfile.SYMTYPE, "set"), member("way/evil")),
    "symlink by symlink": (
        member("set/deep/way", tarfile.SYMTYPE, "../../set"),
        member("evil", tarfile.SYMTYPE, "set/deep/way/../../x"),
    ),
    "below a file": (member("top.txt/evil"),),
    "hard link out": (member("evil", tarfile.LNKTYPE, "../outside"),),
    "hard link absolute": (member("evil", tarfile.LNKTYPE, "/etc/passwd"),),
    "hard link to link": (
        member("way", tarfile.SYMTYPE, "set/a.txt"),
        member("evil", tarfile.LNKTYPE, "way"),
    ),
    "device": (member("evil", tarfile.CHRTYPE),),
    "fifo": (member("evil", tarfile.FIFOTYPE),),
}


@pytest.mark.parametrize("case", HOSTILE)
def test_hostile_tars_are_refused_whole(tmp_path: Path, case: str) -> None:
    bad = HOSTILE[case][-1].name
    out = tmp_path / "in/out"
    with pytest.raises(InputError) as refusal:
        extract(tar_of(tmp_path / "bad.tgz", *HOSTILE[case]), out)
    line = str(refusal.value)
    assert repr(bad) in line and "nothing was unpacked" in line and "\n" not in line
    assert not out.exists()


def test_links_between_members_are_kept(tmp_path: Path) -> None:
    inside = (
        member("set/deep/link", tarfile.SYMTYPE, "../a.txt"),
        member("folder", tarfile.SYMTYPE, "set/deep"),
        member("same", tarfile.LNKTYPE, "set/a.txt"),
    )
    out = tmp_path / "out"
    extract(tar_of(tmp_path / "links.tgz", *inside), out)
    assert (out / "set/deep/link").read_bytes() == b"one" == (out / "same").read_bytes()
    assert os.readlink(out / "folder") == "set/deep"
    assert all(path.resolve().is_relative_to(out.resolve()) for path in out.rglob("*"))


def _zip_name(name: str) -> Callable[[], zipfile.ZipInfo]:
    return lambda: zipfile.ZipInfo(name)


def _zip_mode(mode: int) -> Callable[[], zipfile.ZipInfo]:
    def make() -> zipfile.ZipInfo:
        info = zipfile.ZipInfo("evil")
        info.create_system, info.external_attr = 3, mode << 16
        return info

    return make


@pytest.mark.parametrize(
    "make",
    [
        _zip_name("/evil"),
        _zip_name("../evil"),
        _zip_name("set/../../evil"),
        _zip_name("C:evil"),
        _zip_name("top.txt/evil"),
        _zip_mode(stat.S_IFLNK | 0o777),
        _zip_mode(stat.S_IFCHR | 0o666),
    ],
)
def test_hostile_zips_are_refused_whole(tmp_path: Path, make) -> None:
    with pytest.raises(InputError, match="evil' refused"):
        extract(zip_of(tmp_path / "bad.zip", make()), tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_an_archive_larger_than_the_disk_is_refused(tmp_path: Path, monkeypatch) -> None:
    usage = archives.shutil.disk_usage(tmp_path)
    monkeypatch.setattr(archives.shutil, "disk_usage", lambda _: usage._replace(free=10_000))
    for archive in (tar_of(tmp_path / "a.tgz"), zip_of(tmp_path / "a.zip")):
        with pytest.raises(InputError, match="GiB free; nothing was unpacked"):
            extract(archive, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_what_killed_processes_left_is_removed(tmp_path: Path) -> None:
    out = tmp_path / "out"
    for name in ("killed", "busy"):
        (out / f".unpacking-{name}/deep").mkdir(parents=True)
    handle = os.open(out / ".unpacking-busy", os.O_RDONLY)
    fcntl.flock(handle, fcntl.LOCK_EX)
    try:
        extract(tar_of(tmp_path / "good.tgz"), out)
    finally:
        os.close(handle)
    assert {path.name for path in out.iterdir()} == {".unpacking-busy", "set", "top.txt"}


def test_without_locks_nothing_of_other_processes_is_removed(tmp_path: Path, monkeypatch) -> None:
    def unknown(*_: object) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(fcntl, "flock", unknown)
    (tmp_path / "out/.unpacking-other").mkdir(parents=True)
    extract(tar_of(tmp_path / "good.tgz"), tmp_path / "out")
    found = {path.name for path in (tmp_path / "out").iterdir()}
    assert found == {".unpacking-other", "set", "top.txt"}


def _pax_without_numbers(path: Path) -> bytes:
    """A tar whose map of holes is none."""
    info = tarfile.TarInfo("a.txt")
    info.pax_headers = {"GNU.sparse.map": "many"}
    with tarfile.open(path, "w", format=tarfile.PAX_FORMAT) as tar:
        tar.addfile(info)
    return path.read_bytes()


def _flipped(data: bytes, place: int) -> bytes:
    return data[:place] + bytes([data[place] ^ 255]) + data[place + 1 :]


def test_damaged_archives_leave_nothing(tmp_path: Path) -> None:
    packed = tar_of(tmp_path / "a.tgz").read_bytes()
    plain = tar_of(tmp_path / "a.tar", mode="w").read_bytes()
    zipped = zip_of(tmp_path / "a.zip").read_bytes()
    random = member("random.bin")
    random.size = len(NOISE)
    large = bz2.compress(tar_of(tmp_path / "b.tar", random, mode="w", fill=NOISE).read_bytes())
    damaged = {
        "cut.tgz": packed[:-20],
        "half.tgz": packed[: len(packed) // 2],
        "checksum.tgz": _flipped(packed, len(packed) - 6),
        # Right after the first member: its header and one block.
        "between.tar": plain[:1024],
        "in-a-header.tar": plain[:1200],
        "header.tar": _flipped(plain, 1100),
        "content.zip": _flipped(zipped, 40),
        "half.zip": zipped[: len(zipped) // 2],
        "page.tgz": b"<html>not found</html>",
        "second-block.tbz": _flipped(large, len(large) - 10_000),
        "pax.tar": _pax_without_numbers(tmp_path / "pax"),
    }
    out = tmp_path / "out"
    out.mkdir()
    for name, data in damaged.items():
        (tmp_path / name).write_bytes(data)
    for name in (*damaged, "none.tgz"):
        with pytest.raises(InputError, match=name):
            extract(tmp_path / name, out)
        assert not list(out.iterdir()), name
