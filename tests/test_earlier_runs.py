"""Run folders that version 0.1.0 wrote, before modules moved into rooms, open, resume and plot.

Beside them lie the numbers that it found itself: evaluation.json of the finished run, and what it
made of the other two when it went on with them. Other processors round differently, so scores are
compared with a tolerance.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.testing import CliRunner

from cli import app

RUNS = Path(__file__).resolve().parent / "runs_of_0_1_0"


@pytest.fixture
def copies(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("IRA_CACHE", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    shutil.copytree(RUNS, tmp_path / "runs")
    return tmp_path / "runs"


def ira(*words: object) -> str:
    done = CliRunner().invoke(app, [str(word) for word in words])
    assert done.exit_code == 0, done.output
    return done.output


def read(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"))


def test_a_finished_run_is_evaluated_to_the_same_scores_and_plotted(copies: Path) -> None:
    run, before = copies / "finished", read(copies / "finished" / "evaluation.json")
    ira("evaluate", run, "--device", "cpu")
    found = read(run / "evaluation.json")
    for name in ("accuracy_g", "accuracy_t", "agreement"):
        assert found[name]["value"] == pytest.approx(before[name]["value"], abs=0.03)
    assert found.keys() >= before.keys()
    assert found["codes_tested"] == before["codes_tested"] and found["leaves"] == before["leaves"]
    ira("plot", run)
    assert {path.name for path in run.glob("*.png")} == {
        "attributes.png",
        "training.png",
        "tree.png",
    }


def test_an_interrupted_run_goes_on_inside_its_epoch(copies: Path) -> None:
    run, settings = copies / "interrupted", (copies / "interrupted/config.yaml").read_text()
    assert "going on from checkpoint-0002-000001" in ira("train", "--resume", run)
    found, before = read(run / "result.json"), read(copies / "went-on.result.json")
    later = {"bits", "kept_epoch", "classes_named", "warnings", "pixels", "ranges"}
    assert found.keys() == before.keys() | later
    assert found["kept_epoch"] == found["epochs"]
    for name in ("kept", "samples", "epochs", "stopped", "part", "images"):
        assert found[name] == before[name]
    rows = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    assert [row["epoch"] for row in rows] == list(range(1, 9))
    known = yaml.safe_load(settings)
    now = yaml.safe_load((run / "config.yaml").read_text())
    assert {name: now[name] for name in known} == known


def test_a_study_of_recovery_goes_on_with_the_missing_cell(copies: Path) -> None:
    run, before = copies / "recover", read(copies / "recover.results.json")
    words = "--regimes reused --methods quantised,paper --seeds 2 --samples 200 --epochs 2"
    said = ira("recover", *words.split(), "--attributes", 4, "--out", run, "--resume")
    assert "3 cells are there, 1 to run" in said
    rows, known = (each["rows"] for each in (read(run / "results.json"), before))
    assert [row["method"] for row in rows] == [row["method"] for row in known]
    for row, expected in zip(rows, known, strict=True):
        for name in ("recovered_by_tree", "recovered_by_codes", "accuracy_t", "agreement"):
            found, known = (each["metrics"][name]["mean"] for each in (row, expected))
            assert found == pytest.approx(known, abs=0.1), name
