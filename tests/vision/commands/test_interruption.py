from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

pytestmark = pytest.mark.slow
ROOT = Path(__file__).resolve().parents[3]
OPTIONS = [
    "--dataset", "beetles", "--beetles", "150", "--resize", "32", "--epochs", "3", "--dim", "16",
    "--batch-size", "16", "--device", "cpu",
]  # fmt: skip
# Ends the process in the middle of the named epoch's batch, or of a checkpoint's write.
KILLED = """
import os, signal, sys, time
from pathlib import Path
import irvision.runs.checkpoint, irvision.training.session
from irvision.training.session import ProgressReporter
where, count = sys.argv.pop(1), int(sys.argv.pop(1))
number = getattr(signal, sys.argv.pop(1))
calls = 0
def strike():
    global calls
    calls += 1
    if calls == count:
        os.kill(os.getpid(), number)
if where == "batch":
    before = ProgressReporter.__call__
    def watched(self, partial):
        before(self, partial)
        # Checkpoints are written in a thread: those of earlier epochs are there now.
        run = Path(sys.argv[-1])
        while len(list(run.glob("checkpoints/*.pt"))) < min(partial.epoch - 1, 2):
            time.sleep(0.01)
        strike()
    ProgressReporter.__call__ = watched
else:
    replace = os.replace
    def replaced(source, target, **more):
        if str(target).endswith(".pt"):
            strike()
        replace(source, target, **more)
    os.replace = replaced
import cli
cli.main()
"""


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    cache = str(tmp_path_factory.mktemp("cache"))
    return {**os.environ, "PYTHONPATH": str(ROOT), "IRA_CACHE": cache, "OMP_NUM_THREADS": "1"}


def train(environment: dict[str, str], *arguments: str, code: str = "import cli; cli.main()"):
    command = [sys.executable, "-c", code, *arguments]
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300)


def killed(environment: dict[str, str], run: Path, where: str, count: int, number: str):
    arguments = (where, str(count), number, "train", *OPTIONS, "--out", str(run))
    return train(environment, *arguments, code=KILLED)


def same(one: Path, other: Path) -> None:
    weights = [load_file(run / "weights.safetensors") for run in (one, other)]
    assert all(torch.equal(weights[0][name], weights[1][name]) for name in weights[0])
    assert (one / "tree.json").read_bytes() == (other / "tree.json").read_bytes()
    rows = []
    for run in (one, other):
        lines = (run / "metrics.jsonl").read_text().splitlines()
        rows.append([json.loads(line) for line in lines])
        for row in rows[-1]:
            del row["seconds"], row["images_per_second"]
    assert rows[0] == rows[1]


@pytest.fixture(scope="module")
def straight(environment: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Path:
    run = tmp_path_factory.mktemp("runs") / "straight"
    done = train(environment, "train", *OPTIONS, "--out", str(run))
    assert done.returncode == 0, done.stderr
    return run


@pytest.mark.parametrize(
    ("where", "count", "number", "code"),
    [
        ("batch", 8, "SIGKILL", -signal.SIGKILL),
        ("write", 2, "SIGKILL", -signal.SIGKILL),
        ("batch", 9, "SIGINT", 130),
        ("batch", 10, "SIGTERM", 143),
    ],
)
def test_a_run_cut_short_ends_as_one_that_was_not(
    where: str,
    count: int,
    number: str,
    code: int,
    environment: dict[str, str],
    straight: Path,
    tmp_path: Path,
) -> None:
    run = tmp_path / "run"
    done = killed(environment, run, where, count, number)
    assert done.returncode == code, done.stderr
    assert not (run / "result.json").exists()
    if code > 0:
        assert f"ira train --resume {run}" in done.stdout and "Traceback" not in done.stderr
    done = train(environment, "train", "--resume", str(run), "--device", "cpu")
    assert done.returncode == 0, done.stderr
    same(straight, run)
    assert len(list((run / "checkpoints").iterdir())) == 2


def test_damaged_checkpoints_fall_back_in_one_line(
    environment: dict[str, str], straight: Path, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    killed(environment, run, "batch", 14, "SIGKILL")
    newest = sorted((run / "checkpoints").iterdir())[-1]
    newest.write_bytes(newest.read_bytes()[:-100])
    done = train(environment, "train", "--resume", str(run), "--device", "cpu")
    assert done.returncode == 0, done.stderr
    assert newest.name in done.stdout
    same(straight, run)


def test_ctrl_c_reaches_a_real_process(environment: dict[str, str], tmp_path: Path) -> None:
    run = tmp_path / "run"
    arguments = ["train", *OPTIONS, "--epochs", "400", "--out", str(run)]
    command = [sys.executable, "-c", "import cli; cli.main()", *arguments]
    process = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 120
    while not (run / "metrics.jsonl").exists() and time.monotonic() < deadline:
        time.sleep(0.1)
    process.send_signal(signal.SIGINT)
    output, _ = process.communicate(timeout=120)
    assert process.returncode == 130 and "next: ira train --resume" in output


def test_a_finished_run_is_not_trained_again(environment: dict[str, str], straight: Path) -> None:
    done = train(environment, "train", "--resume", str(straight))
    assert done.returncode == 0 and "is finished" in done.stdout
    done = train(environment, "train", "--resume", str(straight), "--epochs", "9")
    assert done.returncode == 2 and "--epochs" in done.stderr
