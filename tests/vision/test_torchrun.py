from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
OPTIONS = [
    "--dataset", "beetles", "--beetles", "150", "--resize", "32", "--epochs", "2", "--dim", "16",
    "--batch-size", "30", "--dropout", "0", "--device", "cpu",
]  # fmt: skip


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    cache = str(tmp_path_factory.mktemp("cache"))
    return {**os.environ, "PYTHONPATH": str(ROOT), "IRA_CACHE": cache, "OMP_NUM_THREADS": "1"}


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


def test_an_error_in_all_processes_ends_them(environment: dict[str, str], tmp_path: Path) -> None:
    done = train(environment, tmp_path / "run", 2, "--freeze-backbone")
    assert done.returncode != 0
    assert "--freeze-backbone: expected one process, found 2" in done.stderr
