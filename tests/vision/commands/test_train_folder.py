"""Nothing that a run holds is lost: locks, refusals, full disks."""

from __future__ import annotations

import errno
import shutil
import sys
from contextlib import AbstractContextManager
from pathlib import Path

import pytest
from typer.testing import CliRunner

from cli import app
from irtheory.runs.files import InputError
from irtheory.runs.lock import lock_run_folder
from irvision.commands import train as training

QUICK = [
    "--backbone", "resnet10", "--weights", "none", "--resize", "32", "--crop", "28", "--epochs",
    "2", "--dim", "8", "--batch-size", "16", "--device", "cpu",
]  # fmt: skip


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("IRA_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("IRA_DATA", raising=False)


def ira(*arguments: object):
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def train(photos: Path, run: Path, *more: object):
    return ira("train", "--dataset", photos, *QUICK, "--out", run, *more)


def unfinished(run: Path) -> Path:
    """The run as if it had been cut short before its result was written."""
    (run / "result.json").unlink()
    return run


def files(run: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in run.rglob("*") if path.is_file()}


def test_two_processes_do_not_train_in_one_folder(photos: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    assert train(photos, run).exit_code == 0
    before = files(unfinished(run))
    with lock_run_folder(run):
        for done in (ira("train", "--resume", run), train(photos, run, "--overwrite")):
            assert done.exit_code == 2 and "another process is at work" in done.stderr
    assert before == files(run)


def test_a_run_holds_its_folder_while_it_trains(
    photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run, seen = tmp_path / "run", []

    def look(*_: object) -> int:
        with pytest.raises(InputError, match="another process"), lock_run_folder(run):
            pass
        seen.append((run / "config.yaml").is_file())
        return 0

    monkeypatch.setattr(training, "_finish", look)
    assert train(photos, run).exit_code == 0
    assert seen == [True]


def test_a_run_that_another_process_replaced_is_not_gone_on_with(
    photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = tmp_path / "run"
    assert train(photos, run).exit_code == 0
    changed = (run / "config.yaml").read_text().replace("dim: 8", "dim: 16")

    def replaced(folder: Path, rank: int) -> AbstractContextManager[None]:
        (folder / "config.yaml").write_text(changed)
        return lock_run_folder(folder, rank)

    monkeypatch.setattr(training, "lock_run_folder", replaced)
    done = ira("train", "--resume", unfinished(run))
    assert done.exit_code == 2 and "changed while this began" in done.stderr
    assert (run / "config.yaml").read_text() == changed


def test_a_refused_resume_leaves_all_as_it_was(photos: Path, tmp_path: Path) -> None:
    run, other = tmp_path / "run", tmp_path / "other"
    assert train(photos, run).exit_code == 0
    before = files(unfinished(run))
    shutil.copytree(photos, other)
    (other / "ash" / "3.png").unlink()
    done = ira("train", "--resume", run, "--data-dir", other)
    assert done.exit_code == 2 and "expected the samples of the run" in done.stderr
    assert before == files(run)


def test_without_tensorboard_nothing_is_overwritten(
    photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = tmp_path / "run"
    assert train(photos, run).exit_code == 0
    before = files(run)
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", None)
    done = train(photos, run, "--overwrite", "--tensorboard")
    assert done.exit_code == 2 and "expected TensorBoard" in done.stderr
    assert before == files(run)


@pytest.mark.parametrize("earlier", [False, True])
def test_a_full_disk_before_the_run_began(
    photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, earlier: bool
) -> None:
    run = tmp_path / "run"
    if earlier:
        assert train(photos, run).exit_code == 0

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device", "features.npy")

    monkeypatch.setattr(training, "set_up", full)
    done = train(photos, run, "--dim", 9, "--overwrite")
    assert done.exit_code == 2 and done.stderr.endswith("then run this again\n")
    assert run.exists() == earlier


def test_a_full_disk_on_the_way(
    photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(training, "_finish", full)
    done = train(photos, run := tmp_path / "run")
    assert done.exit_code == 2
    assert done.stderr.endswith(f"then run `ira train --resume {run}`\n")


def test_a_folder_that_cannot_be_replaced_is_refused_at_once(photos: Path, tmp_path: Path) -> None:
    run = tmp_path / "notes"
    run.mkdir()
    (run / "thesis.txt").touch()
    done = train(photos, run, "--overwrite")
    assert done.exit_code == 2 and "not a run" in done.stderr
    assert not (tmp_path / "cache").exists() and (run / "thesis.txt").exists()


def test_leftovers_of_a_killed_write_do_not_block_overwriting(photos: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    assert train(photos, run).exit_code == 0
    (run / ".metrics.jsonl.abc_1230").touch()
    (run / ".weights.safetensors.abc_1230").touch()
    assert train(photos, run, "--overwrite").exit_code == 0
    (run / ".notes.txt.abc_1230").touch()
    assert train(photos, run, "--overwrite").exit_code == 2
