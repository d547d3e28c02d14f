"""`ira recover` as a user meets it: folder, table, resuming, errors, interruption."""

from __future__ import annotations

import csv
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import yaml
from typer.testing import CliRunner

from cli import app
from irtheory.runs import console
from irtheory.studies.recovery import command, files

ROOT = Path(__file__).resolve().parents[3]
TINY = [
    "--depth", "2", "--attributes", "4", "--samples", "120", "--dim", "4", "--hidden", "8",
    "--epochs", "2", "--threads", "1",
]  # fmt: skip
PAIR = ["--methods", "paper,ira", "--regimes", "reused"]


def invoke(*arguments: str):
    return CliRunner().invoke(app, ["recover", *arguments])


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


@pytest.fixture
def counted(monkeypatch) -> list[str]:
    """The keys of the cells that were run, as they are run."""
    keys: list[str] = []
    run_cell = command.run_cell

    def counting(cell):
        keys.append(cell.key)
        return run_cell(cell)

    monkeypatch.setattr(command, "run_cell", counting)
    return keys


@pytest.fixture
def undrawn(monkeypatch) -> None:
    """No figures, which take longer than the cells of these tests."""
    monkeypatch.setattr(files, "write_figures", lambda *_: [])


def test_a_study_leaves_tables_figures_and_one_sentence_a_regime(tmp_path, monkeypatch):
    monkeypatch.setattr(console, "LINE_EVERY", 0.0)
    out = tmp_path / "with a space"
    done = invoke(*TINY, "--methods", "quantised+dt,ira", "--seeds", "2", "--out", str(out))
    assert done.exit_code == 0, done.output
    lines = done.output.splitlines()
    assert "8 of 8 cells done" in lines
    for regime in ("every-path", "reused"):
        assert regime in lines
        assert sum(line.startswith(f"{regime}: ") for line in lines) == 1
    assert "quantised+dt: its classifier is the tree" in done.output
    assert lines[-2].startswith(f"wrote {out}/: ") and lines[-1].startswith("next: look at ")
    figures = [f"{name}.{kind}" for name in ("recovery", "observability", "dynamics")
               for kind in ("svg", "png")]  # fmt: skip
    assert names(out) == {
        "config.yaml", "environment.json", "results.json", "results.csv", "cells.csv",
        "attributes.csv", "epochs.csv", "cells", *figures,
    }  # fmt: skip
    assert all((out / name).stat().st_size > 1000 for name in figures)
    assert len(names(out / "cells")) == 8
    config = yaml.safe_load((out / "config.yaml").read_text())
    assert config["command"] == "recover" and config["methods"] == ["quantised+dt", "ira"]
    _check_tables(out)


def table(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as stream:
        return list(csv.DictReader(stream))


def _check_tables(out: Path) -> None:
    singles = table(out / "cells.csv")
    assert len(singles) == 8
    mine = [cell for cell in singles if (cell["regime"], cell["method"]) == ("reused", "ira")]
    wanted = {"regime": "reused", "method": "ira", "metric": "accuracy_t"}
    (row,) = [row for row in table(out / "results.csv") if wanted.items() <= row.items()]
    mean = sum(float(cell["accuracy_t"]) for cell in mine) / 2
    assert float(row["mean"]) == pytest.approx(mean) and row["n"] == "2"
    assert {entry["seed"] for entry in table(out / "epochs.csv")} == {"0"}
    attributes = table(out / "attributes.csv")
    assert all(0 < float(entry["observability"]) <= 1 for entry in attributes)


def test_resuming_runs_nothing_twice(tmp_path, counted, undrawn):
    out = str(tmp_path / "run")
    first = invoke(*TINY, *PAIR, "--seeds", "1", "--out", out)
    assert first.exit_code == 0 and len(counted) == 2
    again = invoke(*TINY, *PAIR, "--seeds", "1", "--out", out, "--resume")
    assert again.exit_code == 0 and len(counted) == 2
    assert again.output.splitlines()[0] == "2 cells are there, 0 to run"
    assert again.output.splitlines()[1:] == first.output.splitlines()
    more = ["--methods", "paper,ira,route", "--regimes", "reused", "--seeds", "2"]
    assert invoke(*TINY, *more, "--out", out, "--resume").exit_code == 0
    assert len(counted) == len(set(counted)) == 6


def test_a_broken_cell_is_run_again(tmp_path, counted, undrawn):
    out = tmp_path / "run"
    assert invoke(*TINY, *PAIR, "--seeds", "1", "--out", str(out)).exit_code == 0
    sorted((out / "cells").iterdir())[0].write_text("{")
    assert invoke(*TINY, *PAIR, "--seeds", "1", "--out", str(out), "--resume").exit_code == 0
    assert len(counted) == 3 and len(set(counted)) == 2


def test_overwrite_starts_anew_and_removes_the_cells(tmp_path, counted, undrawn):
    out = tmp_path / "run"
    assert invoke(*TINY, *PAIR, "--seeds", "2", "--out", str(out)).exit_code == 0
    assert invoke(*TINY, *PAIR, "--seeds", "1", "--out", str(out)).exit_code == 2
    assert invoke(*TINY, *PAIR, "--seeds", "1", "--out", str(out), "--overwrite").exit_code == 0
    assert len(counted) == 6 and len(names(out / "cells")) == 2


def test_sweeps_draw_curves_and_maps_and_take_old_figures_away(tmp_path, counted):
    out = tmp_path / "run"
    common = [*TINY, "--methods", "quantised,ira", "--regimes", "reused", "--seeds", "1"]
    assert invoke(*common, "--out", str(out)).exit_code == 0
    one = invoke(*common, "--sweep", "lambda-route=0.5,1", "--out", str(out), "--resume")
    assert one.exit_code == 0, one.output
    assert {"sweep.svg", "sweep.png"} < names(out) and "dynamics.png" not in names(out)
    # With the same weights as before only ira at λ4 = 0.5 is new, but no epochs are watched.
    assert len(counted) == len(set(counted)) == 5
    assert "lambda-route = 0.5" in one.output
    sweeps = ["--sweep", "samples=100,120", "--sweep", "noise=0,0.1"]
    two = invoke(*common, *sweeps, "--json", "--out", str(out), "--resume")
    assert two.exit_code == 0, two.output
    assert {"phase.svg", "phase.png"} < names(out) and "sweep.png" not in names(out)
    rows = json.loads(two.output)["rows"]
    assert len(rows) == 8
    assert {(row["point"]["samples"], row["point"]["noise"]) for row in rows} == {
        (100, 0), (100, 0.1), (120, 0), (120, 0.1)
    }  # fmt: skip


def test_json_is_results_json_and_nothing_else(tmp_path, undrawn):
    out = tmp_path / "run"
    done = invoke(*TINY, *PAIR, "--seeds", "1", "--json", "--out", str(out))
    assert done.exit_code == 0 and done.output == (out / "results.json").read_text()
    content = json.loads(done.output)
    assert [row["method"] for row in content["rows"]] == ["paper", "ira"]
    # One seed has no interval, and JSON has no word for NaN.
    assert content["rows"][0]["metrics"]["score"]["low"] is None
    assert content["verdicts"][0]["sentence"].startswith("reused: ")


def test_ctrl_c_keeps_finished_cells_and_says_how_to_go_on(tmp_path, monkeypatch, counted, undrawn):
    run_cell, out = command.run_cell, tmp_path / "run"

    def interrupted(cell):
        if cell.name == "ira":
            raise KeyboardInterrupt
        return run_cell(cell)

    with monkeypatch.context() as patch:
        patch.setattr(command, "run_cell", interrupted)
        done = invoke(*TINY, *PAIR, "--seeds", "1", "--out", str(out))
    assert done.exit_code == 130, done.output
    assert f"{out}/cells holds 1 finished cells, 1 are left" in done.output
    assert done.output.splitlines()[-1].endswith(f"--out {out} --resume")
    assert len(names(out / "cells")) == 1 and len(counted) == 1
    assert invoke(*TINY, *PAIR, "--seeds", "1", "--out", str(out), "--resume").exit_code == 0
    assert len(counted) == 2


@pytest.mark.parametrize("failing", [("ira",), ("paper", "ira")])
def test_a_cell_that_fails_is_named_and_leaves_others_alone(
    tmp_path, monkeypatch, undrawn, failing
):
    run_cell, out = command.run_cell, tmp_path / "run"

    def breaks(cell):
        if cell.name in failing:
            raise FloatingPointError("epoch 1: the label loss is nan")
        return run_cell(cell)

    monkeypatch.setattr(command, "run_cell", breaks)
    done = invoke(*TINY, *PAIR, "--seeds", "1", "--out", str(out))
    assert done.exit_code == 1
    assert "failed: reused ira, seed 0: epoch 1: the label loss is nan" in done.output
    methods = [row["method"] for row in json.loads((out / "results.json").read_text())["rows"]]
    assert methods == [name for name in ("paper", "ira") if name not in failing]
    assert len(names(out / "cells")) == 2 - len(failing)


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (["--regimes", "loops"], "--regimes: expected some of distinct, every-path, reused"),
        (["--regimes", ","], "--regimes"),
        (["--methods", "magic"], "quantised+dt, soft-tree, paper, paper+route, route, "),
        (["--methods", "ira,ira"], "--methods: found ira twice"),
        (["--depth", "0"], "--depth"),
        (["--depth", "9"], "--attributes"),
        (["--sparsity", "20"], "--sparsity"),
        (["--noise", "-1"], "--noise"),
        (["--samples", "1"], "--samples"),
        (["--bits", "9"], "--bits"),
        (["--dim", "0"], "--dim"),
        (["--hidden", "a"], "--hidden"),
        (["--hidden", "64,0"], "--hidden"),
        (["--epochs", "0"], "--epochs"),
        (["--seeds", "0"], "--seeds"),
        (["--seed", "-1"], "--seed"),
        (["--threads", "0"], "--threads"),
        (["--lambda-tree", "-1"], "--lambda-tree"),
        (["--lambda-route", "1", "--methods", "paper"], "--lambda-route: without effect"),
        (["--sweep", "width=1,2"], "lambda-sparsity, lambda-route, found 'width'"),
        (["--sweep", "noise=a"], "--sweep noise"),
        (["--sweep", "noise=0,1", "--sweep", "noise=2,3"], "--sweep: found noise twice"),
        (["--sweep", "noise=0", "--sweep", "dim=4", "--sweep", "bits=1"], "at most 2"),
        (["--sweep", "depth=2,11"], "--depth"),
        (["--overwrite", "--resume"], "--overwrite and --resume"),
    ],
)
def test_bad_input_is_one_line_and_leaves_no_folder(arguments, named, tmp_path):
    out = tmp_path / "run"
    done = invoke(*arguments, "--out", str(out))
    assert done.exit_code == 2, done.output
    (line,) = done.output.strip().splitlines()
    assert named in line
    assert not out.exists()


def test_resume_needs_a_folder_and_a_run_of_recover(tmp_path):
    assert "--resume: expected --out" in invoke("--resume").output
    (tmp_path / "mine.txt").write_text("mine")
    done = invoke("--resume", "--out", str(tmp_path))
    assert done.exit_code == 2 and "expected a run of ira recover, found no run" in done.output
    (tmp_path / "config.yaml").write_text("command: simulate\n")
    (tmp_path / "environment.json").write_text("{}")
    done = invoke("--resume", "--out", str(tmp_path))
    assert done.exit_code == 2 and "found a run of ira simulate" in done.output
    assert names(tmp_path) == {"mine.txt", "config.yaml", "environment.json"}


def test_the_help_imports_nothing_heavy(tmp_path):
    code = (
        "import sys, cli; sys.argv = ['ira', 'recover', '--help']\n"
        "try: cli.main()\n"
        "except SystemExit as end: assert not end.code\n"
        "heavy = {'torch', 'matplotlib', 'sklearn', 'numba', 'joblib'} & set(sys.modules)\n"
        "assert not heavy, heavy"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=tmp_path,
        env={"PYTHONPATH": str(ROOT), "PATH": "/usr/bin", "COLUMNS": "120"},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "--sweep" in done.stdout


@pytest.mark.slow
def test_a_signal_ends_the_processes_too(tmp_path):
    out = tmp_path / "run"
    command = [sys.executable, str(ROOT / "cli.py"), "recover", "--seeds", "9", "--samples", "300",
               "--epochs", "9", *PAIR, "--threads", "2", "--out", str(out)]  # fmt: skip
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    )
    for _ in range(600):
        if len(list((out / "cells").glob("*.json"))) >= 1:
            break
        time.sleep(0.1)
    # As a terminal does: to all processes of the group.
    os.killpg(process.pid, signal.SIGINT)
    output, errors = process.communicate(timeout=60)
    assert process.returncode == 130, output + errors
    assert "Traceback" not in errors
    kept = list((out / "cells").glob("*.json"))
    assert 1 <= len(kept) < 18 and all(json.loads(path.read_text()) for path in kept)
    assert "--resume" in output
