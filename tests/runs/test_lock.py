"""Locks between processes."""

from __future__ import annotations

import errno
import fcntl
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from typer.testing import CliRunner

from cli import app
from irtheory.runs.files import InputError
from irtheory.runs.lock import Locked, hold_lock, lock_run_folder

HOLD = """
import sys, time
from pathlib import Path
from irtheory.runs.lock import lock_run_folder
with lock_run_folder(Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(600)
"""


def test_a_second_one_is_refused_until_the_first_is_done(tmp_path: Path) -> None:
    run = tmp_path / "runs" / "one"
    with lock_run_folder(run):
        (run / "config.yaml").touch()
        with pytest.raises(InputError, match="another process"), lock_run_folder(run):
            pass
        with lock_run_folder(run, rank=1):
            pass
        # Run folders refuse files that no run writes, so the lock must leave none there.
        assert [path.name for path in run.iterdir()] == ["config.yaml"]
        (run / "config.yaml").unlink()
        with pytest.raises(InputError, match="another process"), lock_run_folder(run):
            pass
        (run / "config.yaml").touch()
    with lock_run_folder(run):
        assert (run / "config.yaml").is_file()
    assert run.is_dir()


def test_a_folder_that_stays_empty_is_not_left_behind(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt), lock_run_folder(tmp_path / "run"):
        raise KeyboardInterrupt
    assert not (tmp_path / "run").exists()
    (tmp_path / "mine").mkdir()
    with lock_run_folder(tmp_path / "mine"):
        pass
    assert (tmp_path / "mine").is_dir()


def test_a_killed_process_does_not_block(tmp_path: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, str(tmp_path)], stdout=subprocess.PIPE, text=True
    ) as other:
        assert other.stdout is not None and other.stdout.readline() == "held\n"
        with pytest.raises(InputError, match="another process"), lock_run_folder(tmp_path):
            pass
        other.kill()
    with lock_run_folder(tmp_path):
        pass


def test_whoever_waits_locks_what_is_at_the_path_then(tmp_path: Path) -> None:
    path, said = tmp_path / "set.lock", []

    def wait() -> None:
        with hold_lock(path, lambda: said.append("waiting")) as held:
            said.append(held)
            with pytest.raises(Locked), hold_lock(path):
                pass

    with ThreadPoolExecutor(1) as pool:
        with hold_lock(path) as held:
            waiting = pool.submit(wait)
            while not said:
                time.sleep(0.01)
            path.unlink()
        waiting.result(timeout=60)
    assert held and said == ["waiting", True]


def test_a_lock_that_cannot_be_opened_is_an_error_of_the_system(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError), hold_lock(tmp_path / "none" / "set.lock"):
        pass


def test_where_there_are_no_locks_work_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unknown(*_: object) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(fcntl, "flock", unknown)
    with lock_run_folder(tmp_path / "run"), lock_run_folder(tmp_path / "run"):
        assert (tmp_path / "run").is_dir()
    with hold_lock(tmp_path / "set.lock") as held:
        assert not held


def test_a_file_is_not_taken_for_a_folder(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match="expected a folder, found a file"):
        lock_run_folder(tmp_path / "file").__enter__()
    with pytest.raises(InputError, match="cannot write there"):
        lock_run_folder(tmp_path / "file" / "below").__enter__()


@pytest.mark.parametrize("command", ["simulate", "recover"])
def test_no_command_empties_a_folder_at_work(tmp_path: Path, command: str) -> None:
    for name in ("config.yaml", "environment.json"):
        (tmp_path / name).write_text("command: train")
    with lock_run_folder(tmp_path):
        done = CliRunner().invoke(app, [command, "--out", str(tmp_path), "--overwrite"])
    assert done.exit_code == 2 and "another process is at work in it" in done.stderr
    assert len(list(tmp_path.iterdir())) == 2
