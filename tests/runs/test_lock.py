"""The lock of a run folder."""

from __future__ import annotations

import errno
import fcntl
from pathlib import Path

import pytest
from typer.testing import CliRunner

from cli import app
from irtheory.runs.files import InputError
from irtheory.runs.lock import lock_run_folder


def test_a_second_one_is_refused_until_the_first_is_done(tmp_path: Path) -> None:
    run = tmp_path / "runs" / "one"
    with lock_run_folder(run):
        (run / "config.yaml").touch()
        with pytest.raises(InputError, match="another process"), lock_run_folder(run):
            pass
        with lock_run_folder(run, rank=1):
            pass
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


def test_where_there_are_no_locks_work_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unknown(*_: object) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(fcntl, "flock", unknown)
    with lock_run_folder(tmp_path / "run"), lock_run_folder(tmp_path / "run"):
        assert (tmp_path / "run").is_dir()


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
