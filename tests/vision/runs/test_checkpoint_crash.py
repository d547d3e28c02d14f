from __future__ import annotations

import errno
import os
import random
import signal
import stat
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import torch

from irtheory.runs.files import InputError
from irvision.runs.checkpoint import load_checkpoint, save_checkpoint

pytestmark = pytest.mark.slow
WRITER = """
import sys
from pathlib import Path
import torch
from irvision.runs.checkpoint import load_checkpoint, save_checkpoint
torch.set_num_threads(1)
folder = Path(sys.argv[1])
epoch = load_checkpoint(folder).state["epoch"]
while True:
    epoch += 1
    save_checkpoint(folder, epoch, 0, {"epoch": epoch, "w": torch.full((400_000,), epoch)})
    print(epoch, flush=True)
"""


def test_killed_at_any_moment_a_whole_checkpoint_is_there(tmp_path: Path) -> None:
    rng = random.Random(0)
    save_checkpoint(tmp_path, 0, 0, {"epoch": 0, "w": torch.zeros(1)})
    reported = 0
    for _ in range(3):
        command = [sys.executable, "-c", WRITER, str(tmp_path)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as writer:
            assert writer.stdout is not None
            lines = [writer.stdout.readline()]
            time.sleep(rng.uniform(0, 0.04))
            writer.send_signal(signal.SIGKILL)
            lines += writer.stdout.read().splitlines()
        loaded = load_checkpoint(tmp_path)
        # What was reported as saved is never lost; at most one more was in place already.
        reported = int(lines[-1])
        assert loaded.notes == ()
        assert loaded.state["epoch"] in (reported, reported + 1)
        assert torch.equal(loaded.state["w"], torch.full((400_000,), loaded.state["epoch"]))
    save_checkpoint(tmp_path, reported + 2, 0, {"epoch": 0})
    assert [path.suffix for path in tmp_path.iterdir()] == [".pt", ".pt"]


STEPS = ("mkstemp", "write", "fsync", "replace", "unlink")
HALTED = """
import os, sys, signal, tempfile
from pathlib import Path
from irvision.runs import checkpoint
folder, step = Path(sys.argv[1]), sys.argv[2]
def halt(*a, **k): os.kill(os.getpid(), signal.SIGKILL)
if step == "write":
    real = os.fdopen
    class Half:
        def __init__(self, handle): self.stream = real(handle, "wb")
        def __enter__(self): return self
        def __exit__(self, *a): self.stream.close()
        def write(self, content):
            self.stream.write(content[: len(content) // 2]); self.stream.flush(); halt()
    os.fdopen = lambda handle, mode: Half(handle)
elif step == "mkstemp": tempfile.mkstemp = halt
elif step == "unlink": Path.unlink = halt
else: setattr(os, step, halt)
checkpoint.save_checkpoint(folder, 3, 0, {"epoch": 3})
"""


@pytest.mark.parametrize("step", STEPS)
def test_killed_at_each_step_of_a_write(tmp_path: Path, step: str) -> None:
    for epoch in (1, 2):
        save_checkpoint(tmp_path, epoch, 0, {"epoch": epoch})
    done = subprocess.run([sys.executable, "-c", HALTED, str(tmp_path), step], check=False)
    assert done.returncode == -signal.SIGKILL
    loaded = load_checkpoint(tmp_path)
    assert loaded.state == {"epoch": 3 if step == "unlink" else 2}
    assert loaded.notes == ()
    save_checkpoint(tmp_path, 3, 1, {"epoch": 3.5})
    assert [path.suffix for path in tmp_path.iterdir()] == [".pt", ".pt"]


def test_an_error_while_serialising_leaves_no_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(state: Any, buffer: Any) -> None:
        buffer.write(b"half of it")
        raise RuntimeError("no more")

    monkeypatch.setattr(torch, "save", fail)
    with pytest.raises(RuntimeError, match="no more"):
        save_checkpoint(tmp_path, 1, 0, {})
    assert list(tmp_path.iterdir()) == []


def test_an_interrupt_while_writing_leaves_no_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(_: int) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "fsync", interrupt)
    with pytest.raises(KeyboardInterrupt):
        save_checkpoint(tmp_path, 1, 0, {})
    assert list(tmp_path.iterdir()) == []


def test_temporary_files_of_killed_processes_are_removed_and_others_are_left(
    tmp_path: Path,
) -> None:
    stale = (
        ".checkpoint-0001-000000-0123456789abcdef.pt.a1b2c3d4",
        # As earlier releases named them.
        ".checkpoint-elsewhere-1-a.tmp",
    )
    for name in (*stale, "notes.tmp", ".notes"):
        (tmp_path / name).write_bytes(b"x")
    path = save_checkpoint(tmp_path, 1, 0, {})
    assert {each.name for each in tmp_path.iterdir()} == {"notes.tmp", ".notes", path.name}


def test_a_folder_that_cannot_be_synchronised_is_written_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, synchronised = os.fsync, []

    def fsync(handle: int) -> None:
        synchronised.append(stat.S_ISDIR(os.fstat(handle).st_mode))
        if synchronised[-1]:
            raise OSError(errno.EINVAL, "Invalid argument")
        real(handle)

    monkeypatch.setattr(os, "fsync", fsync)
    save_checkpoint(tmp_path, 1, 0, {"epoch": 1})
    assert synchronised == [False, True]
    assert load_checkpoint(tmp_path).state == {"epoch": 1}


@pytest.mark.skipif(os.geteuid() == 0, reason="root writes everywhere")
def test_a_folder_that_cannot_be_written_is_an_error(tmp_path: Path) -> None:
    tmp_path.chmod(0o555)
    with pytest.raises(InputError, match=r"cannot write a checkpoint \(Permission denied\)"):
        save_checkpoint(tmp_path, 1, 0, {})


def test_a_file_in_place_of_the_folder_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(InputError, match=r"file: cannot write a checkpoint \(File exists\)"):
        save_checkpoint(tmp_path / "file", 1, 0, {})
