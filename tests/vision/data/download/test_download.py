from __future__ import annotations

import hashlib
import shutil
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest

from irtheory.runs.files import InputError
from irtheory.runs.lock import hold_lock
from irvision.data.download.download import Fetched, fetch, fetch_file, record, set_aside
from irvision.data.download.published import PUBLISHED, Archive
from irvision.data.registry import DATASETS

DATA = np.random.default_rng(0).integers(0, 256, 3_000_000, np.uint8).tobytes()


class Server(ThreadingHTTPServer):
    """Serves DATA; may cut connections, mistake ranges, or have a new version of the file."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.data, self.tag, self.cuts = DATA, '"one"', []
        self.ranges: list[str | None] = []
        self.headers: dict[str, str] = {}
        self.honours_ranges = True
        # Bytes at most of a part, and how far from where it was asked for it begins.
        self.longest, self.shift = len(DATA), 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/set.tgz"


class Handler(BaseHTTPRequestHandler):
    server: Server
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        server = self.server
        wanted = self.headers.get("Range")
        server.ranges.append(wanted)
        if not self.path.endswith("set.tgz"):
            self.send_error(404)
            return
        start = 0
        same = self.headers.get("If-Range") == server.tag
        if wanted and same and server.honours_ranges:
            start = int(wanted.removeprefix("bytes=").removesuffix("-"))
        if start >= len(server.data):
            self.send_error(416)
            return
        total, partial = len(server.data), bool(start)
        start += server.shift if partial else 0
        end = min(total, start + server.longest) if partial else total
        self.send_response(206 if partial else 200)
        for name, value in ({"ETag": server.tag} | server.headers).items():
            self.send_header(name, value)
        if partial:
            self.send_header("Content-Range", f"bytes {start}-{end - 1}/{total}")
        self.send_header("Content-Length", str(end - start))
        self.end_headers()
        stop = start + server.cuts.pop(0) if server.cuts else end
        self.wfile.write(server.data[start:stop])
        self.close_connection = True

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def server() -> Iterator[Server]:
    with Server() as running:
        thread = threading.Thread(target=running.serve_forever, args=(0.01,))
        thread.start()
        yield running
        running.shutdown()
        thread.join()


def sha256(data: bytes) -> str:
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


def files(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def test_a_file_is_fetched_once_and_its_hash_recorded(tmp_path: Path, server: Server) -> None:
    told: list[tuple[int, int | None]] = []
    got = fetch(Archive(server.url), tmp_path / "data", lambda *pair: told.append(pair))
    assert got.path == tmp_path / "data/downloads/set.tgz" and got.path.read_bytes() == DATA
    assert got == Fetched(got.path, sha256(DATA), published=False, new=True)
    assert told == sorted(told) and told[-1] == (len(DATA), len(DATA))
    # Not before it proved to be an archive.
    assert files(got.path.parent) == {"set.tgz"}
    record(got)
    recorded = got.path.with_name("set.tgz.sha256")
    assert recorded.read_text().split() == [sha256(DATA)[7:], "set.tgz"]
    assert fetch(Archive(server.url), tmp_path / "data") == replace(got, new=False)
    assert server.ranges == [None]
    assert files(got.path.parent) == {"set.tgz", "set.tgz.sha256"}


def test_a_recorded_hash_is_checked_too(tmp_path: Path, server: Server) -> None:
    got = fetch(Archive(server.url), tmp_path)
    record(got)
    got.path.write_bytes(DATA[:-1])
    assert fetch(Archive(server.url), tmp_path).new and got.path.read_bytes() == DATA
    got.path.unlink()
    server.data = DATA[::-1]
    with pytest.raises(InputError, match=r"set\.tgz\.sha256; remove it"):
        fetch(Archive(server.url), tmp_path)


def test_one_that_proved_damaged_is_fetched_anew(tmp_path: Path, server: Server) -> None:
    got = fetch(Archive(server.url), tmp_path)
    record(got)
    assert set_aside(got).name == "set.tgz.damaged"
    assert files(got.path.parent) == {"set.tgz.damaged"}
    assert fetch(Archive(server.url), tmp_path).new


def test_ctrl_c_while_the_hash_is_checked_loses_nothing(
    tmp_path: Path, server: Server, monkeypatch
) -> None:
    def stop(*_: object) -> str:
        raise KeyboardInterrupt

    archive = Archive(server.url, sha256(DATA))
    with monkeypatch.context() as patched:
        patched.setattr(hashlib, "file_digest", stop)
        for _ in range(2):
            with pytest.raises(KeyboardInterrupt):
                fetch(archive, tmp_path)
    assert fetch(archive, tmp_path).path.read_bytes() == DATA
    assert server.ranges == [None]
    assert files(tmp_path / "downloads") == {"set.tgz"}


def test_a_known_hash_is_checked(tmp_path: Path, server: Server) -> None:
    right = Archive(server.url, f"md5:{hashlib.md5(DATA).hexdigest()}")
    assert fetch(right, tmp_path).published
    wrong = Archive(server.url, "md5:" + "0" * 32)
    with pytest.raises(InputError, match=f"expected the hash md5:{'0' * 32}"):
        fetch(wrong, tmp_path / "other")
    assert not list((tmp_path / "other/downloads").iterdir())


def test_a_cut_connection_goes_on_at_once(tmp_path: Path, server: Server) -> None:
    server.cuts = [1_000_000, 500_000]
    got = fetch(Archive(server.url, sha256(DATA)), tmp_path)
    assert got.path.read_bytes() == DATA
    assert server.ranges == [None, "bytes=1000000-", "bytes=1500000-"]


def interrupted(folder: Path, server: Server) -> Path:
    """Ctrl-C after some bytes."""

    def stop(done: int, _: int | None) -> None:
        if done > 1_500_000:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fetch(Archive(server.url), folder, stop)
    (part,) = (folder / "downloads").glob("*.part")
    assert DATA.startswith(part.read_bytes()) and part.stat().st_size > 1_500_000
    return part


def test_after_an_interruption_only_the_rest_is_fetched(tmp_path: Path, server: Server) -> None:
    there = interrupted(tmp_path, server).stat().st_size
    got = fetch(Archive(server.url), tmp_path)
    assert got.path.read_bytes() == DATA
    assert server.ranges == [None, f"bytes={there}-"]
    assert files(got.path.parent) == {"set.tgz"}


def test_a_part_that_is_shorter_than_the_rest_is_not_taken_for_it(
    tmp_path: Path, server: Server
) -> None:
    there = interrupted(tmp_path, server).stat().st_size
    server.longest = 600_000
    assert fetch(Archive(server.url), tmp_path).path.read_bytes() == DATA
    starts = range(there, len(DATA), server.longest)
    assert server.ranges == [None, *(f"bytes={start}-" for start in starts)]


@pytest.mark.parametrize("shift", [-1000, 1000])
def test_a_part_that_begins_elsewhere_is_fetched_again(
    tmp_path: Path, server: Server, shift: int
) -> None:
    interrupted(tmp_path, server)
    server.shift = shift
    assert fetch(Archive(server.url), tmp_path).path.read_bytes() == DATA
    assert server.ranges[2:] == [None]


def test_a_part_of_another_version_is_dropped(tmp_path: Path, server: Server) -> None:
    interrupted(tmp_path, server)
    server.data, server.tag = DATA[::-1], '"two"'
    assert fetch(Archive(server.url), tmp_path).path.read_bytes() == DATA[::-1]


def test_a_part_that_no_rest_is_left_of_is_fetched_again(tmp_path: Path, server: Server) -> None:
    part = interrupted(tmp_path, server)
    part.write_bytes(DATA)
    assert fetch(Archive(server.url), tmp_path).path.read_bytes() == DATA
    assert server.ranges == [None, f"bytes={len(DATA)}-", None]


def test_a_server_without_ranges_sends_all_again(tmp_path: Path, server: Server) -> None:
    server.honours_ranges = False
    interrupted(tmp_path, server)
    assert fetch(Archive(server.url), tmp_path).path.read_bytes() == DATA


def test_a_packed_file_stays_packed(tmp_path: Path, server: Server) -> None:
    server.headers = {"Content-Encoding": "x-gzip"}
    assert fetch(Archive(server.url), tmp_path).path.read_bytes() == DATA


def test_a_file_put_there_by_hand_is_taken(tmp_path: Path) -> None:
    (tmp_path / "downloads").mkdir()
    (tmp_path / "downloads/set.tgz").write_bytes(DATA)
    got = fetch(Archive("http://127.0.0.1:9/set.tgz"), tmp_path)
    assert got.path.read_bytes() == DATA and got.hash == sha256(DATA)


@pytest.mark.parametrize("name", ["gone.tgz", "unreachable"])
def test_without_the_file_one_line_says_what_to_do(
    tmp_path: Path, server: Server, name: str
) -> None:
    base = server.url.removesuffix("set.tgz")
    url = f"{base}{name}" if name == "gone.tgz" else "http://127.0.0.1:9/unreachable"
    with pytest.raises(InputError) as refusal:
        fetch(Archive(url), tmp_path)
    line = str(refusal.value)
    found = "HTTP status 404" if name == "gone.tgz" else "no connection"
    assert url in line and found in line and "\n" not in line
    assert str(tmp_path / "downloads" / name) in line


def test_without_a_byte_nothing_is_left(tmp_path: Path) -> None:
    with pytest.raises(InputError):
        fetch(Archive("http://127.0.0.1:9/set.tgz"), tmp_path)
    assert not files(tmp_path / "downloads")


def test_two_processes_do_not_fetch_the_same_file(tmp_path: Path, server: Server) -> None:
    path, lock, said = tmp_path / "set.tgz", tmp_path / "set.tgz.lock", []
    with ThreadPoolExecutor(1) as pool:
        with hold_lock(lock):
            with pytest.raises(InputError, match="another process is fetching it"):
                fetch_file(server.url, path, None)
            waiting = pool.submit(fetch_file, server.url, path, None, on_message=said.append)
            while not said:
                time.sleep(0.01)
            path.write_bytes(DATA)
            lock.unlink()
        assert waiting.result(timeout=60) == sha256(DATA)
    assert "waiting for it" in said[0]
    assert server.ranges == [] and files(tmp_path) == {"set.tgz"}


def test_a_hash_may_be_known_by_its_beginning(tmp_path: Path, server: Server) -> None:
    path, known = tmp_path / "set.tgz", sha256(DATA)[:15]
    assert fetch_file(server.url, path, known) == sha256(DATA)
    assert path.read_bytes() == DATA
    wrong = known[:-1] + ("0" if known[-1] != "0" else "1")
    with pytest.raises(InputError, match=f"expected the hash {wrong}"):
        fetch_file(server.url, tmp_path / "other.tgz", wrong)


def test_no_room_is_told_before(tmp_path: Path, server: Server, monkeypatch) -> None:
    usage = shutil.disk_usage(tmp_path)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage._replace(free=10))
    with pytest.raises(InputError, match="GiB free"):
        fetch(Archive(server.url), tmp_path)


def test_what_is_published_belongs_to_known_sets() -> None:
    assert set(PUBLISHED) == set(DATASETS) - {"beetles"}
    for archive in (archive for some in PUBLISHED.values() for archive in some):
        assert archive.url.startswith("http") and archive.name
        if archive.hash:
            kind, digest = archive.hash.split(":")
            assert len(digest) == 2 * hashlib.new(kind).digest_size
