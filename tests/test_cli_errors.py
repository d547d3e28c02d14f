"""Bad input on the command line: one line that names it, exit 2, nothing lost."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from cli import app

TABLE = Path(__file__).resolve().parents[1] / "docs" / "animals.csv"


def invoke(*arguments: str):
    return CliRunner().invoke(app, ["simulate", *arguments])


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (["--depth", "-1"], "--depth"),
        (["--step-size", "0"], "--step-size"),
        (["--tol", "2"], "--tol"),
        (["--max-steps", "0"], "--max-steps"),
        (["--seeds", "0"], "--seeds"),
        (["--classes", "1"], "--classes"),
        (["--noise", "3"], "noise"),
        (["--ridge", "-1"], "--ridge"),
        (["--global"], "--global"),
        (["--label", "x"], "--label"),
        (["--na", "NA"], "--na needs --data FILE.csv"),
        (["--data", str(TABLE), "--label", "type", "--drop", "nix"], "--drop nix"),
        (["--data", str(TABLE), "--label", "type", "--delimiter", "ab"], "--delimiter"),
        (["--data", str(TABLE)], "--label"),
        (["--data", str(TABLE), "--label", "typ"], "typ"),
        (["--data", "nowhere.csv", "--label", "x"], "nowhere.csv"),
        (["--data", str(TABLE), "--label", "type", "--seeds", "2"], "--seeds"),
        (["--setting", "logistic", "--algorithm", "bcgd"], "--algorithm bcgd"),
        (["--setting", "agreement", "--ridge", "0"], "--ridge"),
        (["--setting", "agreement", "--data", str(TABLE), "--label", "type"], "2 classes"),
        (["--setting", "agreement", "--attributes", "1"], "attributes"),
        (["--algorithm", "bcgd", "--order", "jacobi"], "--order"),
        (["--start", "saddle"], "--start saddle: the convex setting"),
        (["--start", "saddle", "--algorithm", "bcgd"], "--start saddle: the convex setting"),
        (["--start", "saddle", "--setting", "logistic"], "--start saddle belongs to"),
        (["--offset", "0.1"], "--offset"),
        (["--setting", "agreement", "--offset", "0.1"], "--offset"),
        (["--bins", "4"], "--bins"),
        (["--setting", "agreement", "--classes", "2"], "--classes"),
        (["--setting", "agreement", "--noise", "0"], "--noise"),
        *(
            (["--data", str(TABLE), "--label", "type", option, "4"], option)
            for option in ("--samples", "--attributes", "--classes", "--noise")
        ),
        (["--attributes", "0"], "--attributes"),
        (["--depth", "40"], "--depth: expected 0 … 8, found 40"),
        (["--ridge", "inf"], "--ridge"),
    ],
)
def test_bad_input_is_one_line_and_leaves_no_folder(arguments, named, tmp_path):
    out = tmp_path / "run"
    done = invoke(*arguments, "--out", str(out))
    assert done.exit_code == 2, done.output
    lines = done.output.strip().splitlines()
    assert len(lines) == 1
    assert named in lines[0]
    assert not out.exists()


def test_unknown_setting_is_refused():
    done = invoke("--setting", "quantum")
    assert done.exit_code == 2
    assert "quantum" in done.output


def test_occupied_folder_is_kept(tmp_path):
    (tmp_path / "mine.txt").write_text("mine")
    for extra in ([], ["--overwrite"]):
        done = invoke("--out", str(tmp_path), *extra)
        assert done.exit_code == 2
        assert "--out" in done.output
    assert (tmp_path / "mine.txt").read_text() == "mine"


def test_debug_shows_the_error_itself():
    done = invoke("--depth", "-1", "--debug")
    assert isinstance(done.exception, ValueError)
