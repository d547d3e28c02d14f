from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

pytestmark = pytest.mark.slow
ROOT = Path(__file__).resolve().parents[3]
OPTIONS = [
    "--dataset", "beetles", "--beetles", "150", "--resize", "32", "--epochs", "2", "--dim", "16",
    "--batch-size", "30", "--dropout", "0", "--device", "cpu",
]  # fmt: skip


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    cache = str(tmp_path_factory.mktemp("cache"))
    return {**os.environ, "PYTHONPATH": str(ROOT), "IRA_CACHE": cache, "OMP_NUM_THREADS": "1"}


# The second process is sent SIGTERM after so many batches.
STRUCK = """
import os, signal
from irvision.training.session import ProgressReporter
before, calls = ProgressReporter.__call__, 0
def watched(self, partial):
    global calls
    before(self, partial)
    calls += 1
    if str(calls) == os.environ.get("STRIKE") and os.environ["RANK"] == "1":
        os.kill(os.getpid(), signal.SIGTERM)
ProgressReporter.__call__ = watched
import cli
cli.main()
"""


def launched(environment: dict[str, str], *arguments: str):
    """Two processes of a command, the second of which may be struck."""
    program = Path(environment["IRA_CACHE"]) / "struck.py"
    program.write_text(STRUCK)
    several = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2"]
    command = [sys.executable, *several, str(program), *arguments]
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300)


def train(environment: dict[str, str], run: Path, processes: int, *more: str):
    several = ["-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={processes}"]
    start = several if processes > 1 else []
    command = [sys.executable, *start, str(ROOT / "cli.py"), "train", *OPTIONS, *more]
    return subprocess.run(
        [*command, "--out", str(run)], env=environment, capture_output=True, text=True, timeout=300
    )


def test_two_processes_train_as_one_and_write_one_folder(
    environment: dict[str, str], tmp_path: Path
) -> None:
    rows = []
    for processes in (1, 2):
        run = tmp_path / str(processes)
        done = train(environment, run, processes)
        assert done.returncode == 0, done.stderr
        assert done.stdout.count("next: ira evaluate") == 1
        rows.append([json.loads(row) for row in (run / "metrics.jsonl").read_text().splitlines()])
    one, two = rows
    for name in ("label", "sparsity"):
        assert one[0]["losses"][name] == pytest.approx(two[0]["losses"][name], rel=1e-4)
    for name in ("samples", "leaves", "accuracy_g"):
        assert one[0][name] == pytest.approx(two[0][name], abs=0.02)


def test_several_processes_go_on_inside_an_epoch(
    environment: dict[str, str], tmp_path: Path
) -> None:
    """One of them gets SIGTERM in the second epoch; PMG's steps draw as before."""
    small = [each for each in OPTIONS if each not in ("--dropout", "0")]
    pmg = (*small, "--features", "pmg", "--crop", "32", "--progressive", "--epochs", "3")
    straight, cut = tmp_path / "straight", tmp_path / "cut"
    assert launched(environment, "train", *pmg, "--out", str(straight)).returncode == 0
    done = launched(environment | {"STRIKE": "6"}, "train", *pmg, "--out", str(cut))
    assert done.returncode != 0 and f"next: ira train --resume {cut}" in done.stdout, done.stderr
    newest = max(path.name for path in (cut / "checkpoints").iterdir())
    assert "-000000-" not in newest, "it was stopped between epochs"
    done = launched(environment, "train", "--resume", str(cut), "--device", "cpu")
    assert done.returncode == 0, done.stderr
    weights = [load_file(run / "weights.safetensors") for run in (straight, cut)]
    assert all(torch.equal(weights[0][name], weights[1][name]) for name in weights[0])
    assert (straight / "tree.json").read_bytes() == (cut / "tree.json").read_bytes()


def test_an_error_in_all_processes_ends_them(environment: dict[str, str], tmp_path: Path) -> None:
    done = train(environment, tmp_path / "run", 2, "--freeze-backbone")
    assert done.returncode != 0
    assert "--freeze-backbone: expected one process, found 2" in done.stderr
