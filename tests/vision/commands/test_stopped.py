"""Signals before training begins: nothing is lost, and --resume goes on from what is left."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from typer.testing import CliRunner

from cli import app
from irtheory.runs.files import InputError
from irvision.commands import train as training

ROOT = Path(__file__).resolve().parents[3]
OPTIONS = ["--resize", "8", "--epochs", "1", "--dim", "4", "--batch-size", "16", "--device", "cpu"]


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("IRA_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("IRA_DATA", raising=False)


def ira(*arguments: object):
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def train(photos: Path, run: Path, *more: object):
    return ira("train", "--dataset", photos, *OPTIONS, "--out", run, *more)


def strike(monkeypatch: pytest.MonkeyPatch, name: str, number: int) -> None:
    """A signal arrives as the step of that name begins."""

    def struck(*_: object) -> None:
        signal.raise_signal(number)

    monkeypatch.setattr(training, name, struck)


@pytest.mark.parametrize(
    ("step", "number", "code"),
    [
        ("make_backbone", signal.SIGHUP, 129),
        ("compile_kernels", signal.SIGTERM, 143),
        ("training_material", signal.SIGINT, 130),
        ("set_up", signal.SIGTERM, 143),
    ],
)
def test_a_run_that_is_stopped_before_it_trains_goes_on(
    photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str, number: int, code: int
) -> None:
    run = tmp_path / "run"
    with monkeypatch.context() as patch:
        strike(patch, step, number)
        done = train(photos, run, "--cache-dir", tmp_path / "here")
    assert done.exit_code == code and not done.stderr
    following = f"ira train --resume {run} --device cpu --cache-dir {tmp_path / 'here'}"
    assert done.stdout.splitlines()[-1] == f"next: {following}"
    assert {path.name for path in run.iterdir()} == {"config.yaml", "environment.json"}
    assert train(photos, run).exit_code == 2
    if step == "set_up":
        again = ira(*following.split()[1:])
        assert again.exit_code == 0 and (run / "result.json").exists()


def test_a_signal_that_a_library_swallows_still_stops_the_run(
    photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def swallowed(*_: object) -> None:
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGTERM)

    monkeypatch.setattr(training, "compile_kernels", swallowed)
    assert train(photos, tmp_path / "run").exit_code == 143


def test_before_the_data_set_is_known_nothing_is_left(
    photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    strike(monkeypatch, "load_examples", signal.SIGTERM)
    done = train(photos, tmp_path / "run")
    assert done.exit_code == 143 and "nothing was written" in done.stdout
    assert not (tmp_path / "run").exists()


def test_what_is_refused_leaves_no_folder(
    photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(*_: object) -> None:
        assert (tmp_path / "run" / "config.yaml").exists()
        raise InputError("no")

    monkeypatch.setattr(training, "training_material", refused)
    assert train(photos, tmp_path / "run").exit_code == 2
    assert not (tmp_path / "run").exists()


def test_an_earlier_run_stays_until_the_next_one_trains(
    photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = tmp_path / "run"
    with monkeypatch.context() as patch:
        strike(patch, "set_up", signal.SIGTERM)
        train(photos, run)
        before = (run / "config.yaml").read_bytes()
        done = train(photos, run, "--overwrite", "--seed", 5)
    assert done.exit_code == 143 and f"the run in {run} is unchanged" in done.stdout
    assert (run / "config.yaml").read_bytes() == before


def test_a_run_that_is_stopped_after_its_result_is_finished(
    photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    strike(monkeypatch, "print_written", signal.SIGTERM)
    done = train(photos, tmp_path / "run")
    assert done.exit_code == 143 and done.stdout.endswith(
        f"next: ira evaluate {tmp_path / 'run'}\n"
    )


def test_json_keeps_standard_output_clean(
    photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    strike(monkeypatch, "training_material", signal.SIGINT)
    done = train(photos, tmp_path / "run", "--json")
    assert done.exit_code == 130 and not done.stdout
    assert "next: ira train --resume" in done.stderr


# The pass through the backbone is slow here, and every batch becomes a piece.
SLOWLY = """
import time
import irvision.models.feature_pieces
from irvision.models.network import Frozen
irvision.models.feature_pieces.SECONDS = 0.0
forward = Frozen.forward
def slow(self, images):
    time.sleep(0.05)
    return forward(self, images)
Frozen.forward = slow
import cli
cli.main()
"""


def started(run: Path, output: Path) -> subprocess.Popen:
    options = ["--beetles", "400", "--resize", "32", "--freeze-backbone", "--epochs", "1"]
    command = ["train", "--dataset", "beetles", *options, "--device", "cpu", "--out", str(run)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    with output.open("w") as said:
        return subprocess.Popen(
            [sys.executable, "-c", SLOWLY, *command],
            env=environment,
            stdout=said,
            stderr=subprocess.STDOUT,
        )


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT])
def test_a_real_process_keeps_its_pass_through_the_backbone(tmp_path: Path, number: int) -> None:
    run, output = tmp_path / "run", tmp_path / "output"
    process = started(run, output)
    deadline = time.monotonic() + 300
    while not list(tmp_path.glob("cache/features/*.pieces/*.npy")):
        assert process.poll() is None and time.monotonic() < deadline, output.read_text()
        time.sleep(0.1)
    process.send_signal(number)
    assert process.wait(timeout=60) == 128 + number
    said = output.read_text().splitlines()
    assert said[-1] == f"next: ira train --resume {run} --device cpu"
    assert list(tmp_path.glob("cache/features/*.pieces/000000000.npy"))
    done = ira("train", "--resume", run, "--device", "cpu")
    assert done.exit_code == 0, done.output
    assert "the pass through the backbone goes on at image" in done.stdout
    assert [path.suffix for path in sorted(tmp_path.glob("cache/features/*"))] == [".lock", ".npy"]
