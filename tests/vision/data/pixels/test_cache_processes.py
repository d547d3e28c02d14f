from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from irvision.data.examples import Examples
from irvision.data.pixels.cache import prepare
from irvision.data.pixels.cache_folder import sweep

pytestmark = pytest.mark.slow
ROOT = Path(__file__).resolve().parents[4]
# A source as a file of its own, so that other processes can import it.
SOURCE = """
import os, time
from dataclasses import dataclass
from pathlib import Path
import numpy as np
from irvision.data.examples import Examples

@dataclass(frozen=True)
class Slow:
    count: int
    begun: Path
    seconds: float
    ends: bool = False

    def __len__(self):
        return self.count

    def read(self, index, size):
        (self.begun / f"{os.getpid()}-{index}").touch()
        if self.ends and index == 70:
            os._exit(1)
        time.sleep(self.seconds)
        return np.full((size, size, 3), index % 251, np.uint8)

    def name(self, index):
        return f"{index}.jpg"

    def stamp(self, index):
        return "same"

def examples(source):
    zeros = np.zeros(len(source), np.int64)
    return Examples("slow", ("only",), zeros, zeros.astype(np.uint8), source)
"""
PREPARE = """
import sys
from pathlib import Path
from slow_source import Slow, examples
from irvision.data.pixels.cache import prepare
folder, begun, seconds, processes, ends = sys.argv[1:]
slow = Slow(260, Path(begun), float(seconds), ends == "ends")
try:
    cache = prepare(
        examples(slow), 4, Path(folder), processes=int(processes), on_message=print
    )
    print("made" if cache.made else "found", len(cache.pixels))
except KeyboardInterrupt:
    sys.exit(130)
except ValueError as error:
    sys.exit(f"one line: {error}")
"""


class Setting:
    def __init__(self, folder: Path) -> None:
        self.caches, self.begun = folder / "caches", folder / "begun"
        self.begun.mkdir()
        self.code = folder / "code"
        self.code.mkdir()
        (self.code / "slow_source.py").write_text(SOURCE)

    def start(self, seconds: float, processes: int = 1, ends: str = "") -> subprocess.Popen[str]:
        paths = os.pathsep.join((str(self.code), str(ROOT)))
        given = (str(self.caches), str(self.begun), str(seconds), str(processes), ends)
        return subprocess.Popen(
            [sys.executable, "-c", PREPARE, *given],
            env=os.environ | {"PYTHONPATH": paths, "OMP_NUM_THREADS": "1"},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def wait_for_images(self, count: int) -> None:
        deadline = time.monotonic() + 60
        while len(list(self.begun.iterdir())) < count:
            assert time.monotonic() < deadline
            time.sleep(0.01)

    def suffixes(self) -> list[str]:
        return sorted(path.suffix for path in self.caches.iterdir())


def numbers() -> np.ndarray:
    return np.broadcast_to(np.arange(260)[:, None, None, None] % 251, (260, 4, 4, 3))


def read_all(caches: Path) -> np.ndarray:
    (path,) = caches.glob("*.pixels")
    return np.frombuffer(path.read_bytes()[: 260 * 48], np.uint8).reshape(260, 4, 4, 3)


def test_two_processes_at_once_end_with_one_right_cache(tmp_path: Path) -> None:
    setting = Setting(tmp_path)
    pair = [setting.start(0.002) for _ in range(2)]
    answers = [process.communicate(timeout=120) for process in pair]
    assert [process.returncode for process in pair] == [0, 0], answers
    last = sorted(out.splitlines()[-1] for out, _ in answers)
    assert last == ["found 260", "made 260"]
    assert len(list(setting.begun.iterdir())) == 260
    assert setting.suffixes() == [".lock", ".pixels"]
    assert np.array_equal(read_all(setting.caches), numbers())


def test_ctrl_c_leaves_no_half_cache(tmp_path: Path) -> None:
    setting = Setting(tmp_path)
    for processes in (1, 2):
        process = setting.start(0.02, processes)
        setting.wait_for_images(8 * processes)
        # As a terminal does: to every process of the group.
        os.killpg(process.pid, signal.SIGINT)
        _, err = process.communicate(timeout=60)
        assert process.returncode == 130 and not err
        assert setting.suffixes() == [".lock"]


def test_after_ctrl_c_the_work_goes_on(tmp_path: Path) -> None:
    setting = Setting(tmp_path)
    for processes, images in ((1, 40), (2, 120)):
        process = setting.start(0.02, processes)
        setting.wait_for_images(images)
        # As a terminal does: to every process of the group.
        os.killpg(process.pid, signal.SIGINT)
        _, err = process.communicate(timeout=60)
        assert process.returncode == 130 and not err
        assert setting.suffixes() == [".journal", ".lock", ".partial"]
    out, _ = setting.start(0, 2).communicate(timeout=60)
    assert "going on after" in out and out.endswith("made 260\n")
    assert setting.suffixes() == [".lock", ".pixels"]
    assert np.array_equal(read_all(setting.caches), numbers())


def test_what_a_killed_process_left_is_removed_but_not_what_is_being_made(tmp_path: Path) -> None:
    setting = Setting(tmp_path)
    process = setting.start(0.05)
    setting.wait_for_images(5)
    sweep(setting.caches)
    assert setting.suffixes() == [".lock", ".partial"]
    process.kill()
    process.communicate(timeout=60)
    assert setting.suffixes() == [".lock", ".partial"]
    # Another data set is prepared there.
    nothing = np.zeros(2, np.int64)
    other = Examples("other", ("only",), nothing, nothing.astype(np.uint8), Two())
    prepare(other, 4, setting.caches)
    assert setting.suffixes() == [".lock", ".lock", ".pixels"]


def test_work_that_can_go_on_is_kept_for_some_days(tmp_path: Path) -> None:
    setting = Setting(tmp_path)
    process = setting.start(0.02)
    setting.wait_for_images(40)
    begun = [".journal", ".lock", ".partial"]
    (journal,) = setting.caches.glob("*.journal")
    os.utime(journal, (1, 1))
    sweep(setting.caches)
    assert setting.suffixes() == begun
    process.kill()
    process.communicate(timeout=60)
    os.utime(journal)
    sweep(setting.caches)
    assert setting.suffixes() == begun
    os.utime(journal, (1, 1))
    sweep(setting.caches)
    assert setting.suffixes() == [".lock"]


def test_processes_end_with_the_one_that_was_killed(tmp_path: Path) -> None:
    setting = Setting(tmp_path)
    process = setting.start(0.02, processes=2)
    setting.wait_for_images(100)
    workers = {int(path.name.split("-")[0]) for path in setting.begun.iterdir()}
    process.kill()
    process.communicate(timeout=60)
    deadline = time.monotonic() + 30
    while workers := {worker for worker in workers if alive(worker)}:
        assert time.monotonic() < deadline, workers
        time.sleep(0.05)


def alive(worker: int) -> bool:
    try:
        os.kill(worker, 0)
    except ProcessLookupError:
        return False
    state = Path(f"/proc/{worker}/stat")
    # Where nobody collects the dead, they stay listed.
    return not state.exists() or state.read_text().rsplit(")", 1)[1].split()[0] != "Z"


def test_a_process_that_dies_is_one_line(tmp_path: Path) -> None:
    setting = Setting(tmp_path)
    process = setting.start(0, processes=2, ends="ends")
    _, err = process.communicate(timeout=120)
    assert process.returncode == 1
    assert "one line: a process that decodes images ended unexpectedly" in err
    assert setting.suffixes() == [".journal", ".lock", ".partial"]


class Two:
    def __len__(self) -> int:
        return 2

    def read(self, index: int, size: int) -> np.ndarray:
        return np.full((size, size, 3), index, np.uint8)

    def name(self, index: int) -> str:
        return str(index)

    def stamp(self, index: int) -> str:
        return "same"
