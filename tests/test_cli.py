"""The command line as a user meets it: speed, errors, exit codes, interruption."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from cli import app
from irtheory.runs import console
from irtheory.studies.simulate import command as simulate_command
from irtheory.studies.simulate.simulate import run_prepared

ROOT = Path(__file__).resolve().parents[1]
TABLE = ROOT / "docs" / "animals.csv"
SMALL = ["--samples", "40", "--attributes", "4", "--depth", "1", "--reference", "closed-form"]


def ira(*arguments: str, **options) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(ROOT / "cli.py"), *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, **options)


def invoke(*arguments: str):
    return CliRunner().invoke(app, ["simulate", *arguments])


def test_help_imports_nothing_heavy(tmp_path):
    code = (
        "import sys, cli; sys.argv = ['ira', '--help']\n"
        "try: cli.main()\n"
        "except SystemExit as end: assert not end.code\n"
        "heavy = {'torch', 'cvxpy', 'matplotlib', 'sklearn', 'numba', 'scipy'} & set(sys.modules)\n"
        "assert not heavy, heavy"
    )
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env=environment, cwd=tmp_path
    )
    assert done.returncode == 0, done.stderr
    assert "simulate" in done.stdout


def test_runs_from_a_bare_checkout_in_another_folder(tmp_path):
    done = ira("--version", cwd=tmp_path)
    assert done.returncode == 0
    assert done.stdout.startswith("ira 0.")


def test_a_run_leaves_a_complete_folder_and_can_be_overwritten(tmp_path):
    out = tmp_path / "with a space"
    small = ["--samples", "60", "--attributes", "5", "--depth", "2", "--out", str(out)]
    first = invoke(*small)
    assert first.exit_code == 0, first.output
    assert "certificate holds" in first.output
    assert "wrote" in first.output.splitlines()[-2]
    assert first.output.splitlines()[-1].startswith("next:")
    expected = {
        "certificate.json", "config.yaml", "environment.json", "trajectory.csv", "tree.json",
        "key.txt", "key.json", "gaps.svg", "gaps.png", "values.svg", "values.png",
    }  # fmt: skip
    assert {path.name for path in out.iterdir()} == expected
    certificate = json.loads((out / "certificate.json").read_text())
    rows = np.genfromtxt(out / "trajectory.csv", delimiter=",", names=True)
    assert certificate["holds"] is True
    assert len(rows) == certificate["steps"] == certificate["checkpoints"][-1]["t"]
    assert invoke(*small).exit_code == 2
    again = invoke(*small, "--overwrite", "--json")
    assert again.exit_code == 0
    assert json.loads(again.output) == certificate


def test_own_table(tmp_path):
    out = tmp_path / "run"
    done = invoke("--data", str(TABLE), "--label", "type", "--out", str(out))
    assert done.exit_code == 0, done.output
    assert "legs: whole numbers, 4 values" in done.output
    assert "animal: ignored" in done.output
    assert "bird" in (out / "key.txt").read_text()
    columns = json.loads((out / "columns.json").read_text())
    assert {"name": "legs", "kind": "whole", "cuts": None} in columns
    assert [c["name"] for c in columns] == json.loads((out / "tree.json").read_text())[
        "feature_names"
    ]
    assert invoke("--out", str(out), "--overwrite", *SMALL).exit_code == 0
    assert not (out / "columns.json").exists()


def test_names_of_the_users_own_are_printed_as_they_are(tmp_path):
    rows = [f"{20 + i / 3},{i % 5 == 0:d},:dog:{i > 14}" for i in range(30)]
    table = tmp_path / "[red]mine.csv"
    table.write_text("height [cm],a[/b],:cat:\n" + "\n".join(rows))
    out = tmp_path / "run [bold] [/x]"
    data = ["--data", str(table), "--label", ":cat:", "--depth", "1", "--bins", "2"]
    done = invoke(*data, "--reference", "closed-form", "--out", str(out))
    assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
    for words in (
        "[red]mine.csv: 30 rows, label :cat:", "height [cm]: numbers, binned at 24.8333 into 2",
        "a[/b]: binary", f"wrote {out}/:", f"{out}/gaps.png",
    ):  # fmt: skip
        assert words in done.output
    assert "height [cm] > 24.8333 →" in (out / "key.txt").read_text()
    assert ":dog:True" in (out / "key.txt").read_text()


def test_broken_assumption_is_exit_1_and_still_plots(tmp_path):
    out = tmp_path / "run"
    small = ["--samples", "60", "--attributes", "5", "--reference", "closed-form"]
    done = invoke("--step-size", "1.2", *small, "--out", str(out))
    assert done.exit_code == 1
    assert "assumption broken: step size" in done.output
    assert (out / "gaps.png").exists()


def test_divergence_is_a_status_not_a_traceback(tmp_path):
    out = tmp_path / "run"
    small = ["--samples", "60", "--attributes", "5", "--depth", "1"]
    done = invoke("--step-size", "4.5", *small, "--out", str(out))
    assert done.exit_code == 1, done.output
    assert json.loads((out / "certificate.json").read_text())["stopped"].startswith("diverged")


def test_several_seeds(tmp_path):
    out = tmp_path / "run"
    done = invoke("--seeds", "3", *SMALL, "--threads", "1", "--out", str(out))
    assert done.exit_code == 0, done.output
    seeds = json.loads((out / "seeds.json").read_text())
    assert [entry["seed"] for entry in seeds] == [0, 1, 2]
    assert all(entry["holds"] for entry in seeds)
    assert len(list((out / "trajectories").glob("*.csv"))) == 3
    assert (out / "bands.png").exists()
    first = seeds[0]
    assert {"settings", "proposition", "checkpoints", "stopped", "notes", "final"} < set(first)
    alone = tmp_path / "alone"
    assert invoke(*SMALL, "--threads", "1", "--out", str(alone)).exit_code == 0
    certificate = json.loads((alone / "certificate.json").read_text())
    assert {name: first[name] for name in certificate} == certificate


def test_seeds_of_the_agreement_setting_are_different_problems(tmp_path):
    out = tmp_path / "run"
    small = ["--samples", "16", "--algorithm", "alternating", "--reference", "closed-form"]
    done = invoke("--setting", "agreement", "--seeds", "3", *small, "--threads", "1",
                  "--out", str(out))  # fmt: skip
    assert done.exit_code == 0, done.output
    seeds = json.loads((out / "seeds.json").read_text())
    assert len({entry["final"] for entry in seeds}) == 3


@pytest.mark.parametrize("failing", [{1}, {0, 1, 2}])
def test_a_seed_that_fails_leaves_the_others_alone(tmp_path, monkeypatch, failing):
    def breaks(settings, prepared, observe):
        if settings.seed in failing:
            raise RuntimeError("no [optimum] found")
        return run_prepared(settings, prepared, observe)

    monkeypatch.setattr(simulate_command, "run_prepared", breaks)
    out = tmp_path / "run"
    done = invoke("--seeds", "3", *SMALL, "--threads", "1", "--out", str(out))
    assert done.exit_code == 1, done.output
    for seed in range(3):
        said = f"seed {seed}: failed, no [optimum] found" in done.output
        assert said == (seed in failing)
    seeds = json.loads((out / "seeds.json").read_text())
    assert [entry["holds"] for entry in seeds] == [seed not in failing for seed in range(3)]
    assert seeds[1]["error"] == "no [optimum] found" and seeds[1]["settings"]["seed"] == 1
    assert (out / "bands.png").exists() == (len(failing) < 3)


def test_what_the_system_refuses_is_one_line(tmp_path, monkeypatch):
    done = invoke("--out", str(tmp_path / ("x" * 300)))
    assert done.exit_code == 2 and len(done.output.strip().splitlines()) == 1

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(simulate_command, "write_results", full)
    done = invoke(*SMALL, "--json", "--out", str(tmp_path / "run"))
    assert done.exit_code == 2
    assert done.output.strip() == "ira: [Errno 28] No space left on device"


@pytest.mark.parametrize("where", ["prepare", "run_prepared", "write_results"])
def test_ctrl_c_at_any_time_is_130_without_a_traceback(tmp_path, monkeypatch, where):
    def interrupt(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(simulate_command, where, interrupt)
    done = invoke(*SMALL, "--json", "--out", str(tmp_path / "run"))
    assert done.exit_code == 130 and isinstance(done.exception, SystemExit)
    # What was on its way is told without --json; where nothing ran, one line says so.
    assert done.output == ("" if where == "run_prepared" else "ira: interrupted\n")


def test_off_a_terminal_a_line_tells_now_and_then_how_far_it_is(tmp_path, monkeypatch):
    monkeypatch.setattr(console, "LINE_EVERY", 0.0)
    said = invoke(*SMALL, "--out", str(tmp_path / "a")).output
    assert re.search(r"^step 1, Q \S+, gaps θ \S+ ω \S+$", said, re.MULTILINE)
    several = invoke("--seeds", "2", *SMALL, "--threads", "1", "--out", str(tmp_path / "b"))
    assert "2 of 2 problems done" in several.output
    monkeypatch.setattr(console, "LINE_EVERY", 60.0)
    assert "step 1, Q" not in invoke(*SMALL, "--out", str(tmp_path / "c")).output


def test_without_cvxpy_one_line_says_what_to_do(tmp_path):
    code = (
        "import sys; sys.modules['cvxpy'] = None; import cli\n"
        "sys.argv = ['ira', 'simulate', *sys.argv[1:]]; cli.main()"
    )
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-c", code, *arguments]
        return subprocess.run(
            command, capture_output=True, text=True, env=environment, cwd=tmp_path, timeout=120
        )

    refused = run("--out", "a")
    assert refused.returncode == 2
    assert len(refused.stderr.strip().splitlines()) == 1
    assert "cvxpy" in refused.stderr
    assert "--reference closed-form" in refused.stderr
    done = run("--out", "b", "--samples", "40", "--attributes", "4", "--reference", "closed-form")
    assert done.returncode == 0, done.stderr


def test_interruption_keeps_the_steps_so_far(tmp_path):
    out = tmp_path / "run"
    slow = ["--step-size", "0.0005", "--reference", "closed-form", "--out", str(out)]
    command = [sys.executable, str(ROOT / "cli.py"), "simulate", *slow]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    table = out / "trajectory.csv"
    for _ in range(600):
        if table.exists() and len(table.read_text().splitlines()) > 20:
            break
        time.sleep(0.1)
    process.send_signal(signal.SIGINT)
    output, _ = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "trajectory.csv" in output
    rows = np.genfromtxt(table, delimiter=",", names=True)
    assert len(rows) > 20
    assert (rows["t"] == np.arange(1, len(rows) + 1)).all()
