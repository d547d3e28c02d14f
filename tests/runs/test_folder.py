"""Run folders: nothing is lost, nothing foreign is removed, numbers survive exactly."""

from __future__ import annotations

import csv
import json
import os
import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

import irtheory.studies.simulate.settings  # noqa: F401  registers the files of ira simulate
from irtheory.runs.files import InputError, TableWriter, read_columns, write_json, write_text
from irtheory.runs.folder import default_folder, open_run

SETTINGS = {
    "command": "simulate",
    "setting": "convex",
    "ridge": 0.25,
    "data": None,
    "name": "Käfer",
}


def test_opens_a_new_folder_with_settings_and_environment(tmp_path: Path) -> None:
    folder = open_run(tmp_path / "a" / "b", SETTINGS, False, 7)
    assert yaml.safe_load((folder / "config.yaml").read_text(encoding="utf-8")) == SETTINGS
    environment = json.loads((folder / "environment.json").read_text(encoding="utf-8"))
    assert environment["seed"] == 7
    assert environment["packages"]["numpy"] == np.__version__
    assert sorted(path.name for path in folder.iterdir()) == ["config.yaml", "environment.json"]


def test_an_empty_folder_may_be_used(tmp_path: Path) -> None:
    assert (open_run(tmp_path, SETTINGS, False, 0) / "config.yaml").exists()


def test_a_folder_in_use_is_refused_and_kept(tmp_path: Path) -> None:
    (tmp_path / "results.json").write_text("mine")
    with pytest.raises(InputError, match="not empty; pass --overwrite"):
        open_run(tmp_path, SETTINGS, False, 0)
    with pytest.raises(InputError, match=r"not a run .* nothing was removed"):
        open_run(tmp_path, SETTINGS, True, 0)
    assert (tmp_path / "results.json").read_text() == "mine"


def earlier_run(folder: Path) -> Path:
    open_run(folder, SETTINGS, False, 0)
    for name in ("trajectory.csv", "certificate.json", "columns.json", "gaps.svg", "gaps.png"):
        (folder / name).write_text("old")
    (folder / "trajectories").mkdir()
    (folder / "trajectories" / "seed-0007.csv").write_text("old")
    return folder


def contents(folder: Path) -> dict[str, str | None]:
    """Every path below the folder, and the text of the files."""
    return {
        str(path.relative_to(folder)): path.read_text(encoding="utf-8") if path.is_file() else None
        for path in folder.rglob("*")
    }


def test_overwrite_removes_an_earlier_run(tmp_path: Path) -> None:
    folder = earlier_run(tmp_path / "run")
    open_run(folder, {**SETTINGS, "ridge": 1.0}, True, 0)
    assert set(contents(folder)) == {"config.yaml", "environment.json"}
    assert yaml.safe_load((folder / "config.yaml").read_text(encoding="utf-8"))["ridge"] == 1.0


@pytest.mark.parametrize(
    "foreign",
    ["thesis.tex", "old.csv", "trajectories/notes.txt", "trajectories/a.svg", "figures/a.svg"],
)
def test_overwrite_removes_nothing_beside_a_foreign_file(tmp_path: Path, foreign: str) -> None:
    folder = earlier_run(tmp_path / "run")
    (folder / foreign).parent.mkdir(exist_ok=True)
    (folder / foreign).write_text("mine")
    before = contents(folder)
    named = foreign if foreign.startswith("traj") else foreign.split("/")[0]
    with pytest.raises(
        InputError, match=f"holds {named}, which ira simulate does not write; nothing"
    ):
        open_run(folder, SETTINGS, True, 0)
    assert contents(folder) == before


@pytest.mark.parametrize("text", ["", "a: [", "- 1\n- 2\n", "name: my service\n", "\0", None])
def test_overwrite_leaves_other_folders_with_a_config(tmp_path: Path, text: str | None) -> None:
    folder = earlier_run(tmp_path / "run")
    if text is None:
        (folder / "environment.json").unlink()
    else:
        (folder / "config.yaml").write_text(text)
    before = contents(folder)
    with pytest.raises(InputError, match=r"not a run .* nothing was removed"):
        open_run(folder, SETTINGS, True, 0)
    assert contents(folder) == before


def test_a_link_to_a_run_keeps_pointing_at_it(tmp_path: Path) -> None:
    folder, link = earlier_run(tmp_path / "run"), tmp_path / "latest"
    link.symlink_to(folder, target_is_directory=True)
    open_run(link, {**SETTINGS, "ridge": 1.0}, True, 0)
    assert link.is_symlink() and set(contents(folder)) == {"config.yaml", "environment.json"}


def test_links_inside_a_run_are_foreign(tmp_path: Path) -> None:
    folder, mine = earlier_run(tmp_path / "run"), tmp_path / "mine"
    mine.mkdir()
    (mine / "seed-0001.csv").write_text("mine")
    (folder / "trajectories" / "seed-0007.csv").unlink()
    (folder / "trajectories").rmdir()
    (folder / "trajectories").symlink_to(mine, target_is_directory=True)
    with pytest.raises(InputError, match="holds trajectories"):
        open_run(folder, SETTINGS, True, 0)
    assert (mine / "seed-0001.csv").read_text() == "mine"


def test_paths_that_no_system_takes_are_one_line(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"cannot write there \(File name too long\)"):
        open_run(tmp_path / ("x" * 300), SETTINGS, False, 0)
    (tmp_path / "dangling").symlink_to(tmp_path / "nowhere")
    with pytest.raises(InputError, match=r"cannot write there \(File exists\)"):
        open_run(tmp_path / "dangling", SETTINGS, False, 0)


def test_a_file_in_the_way_is_named(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_text("mine")
    for overwrite in (False, True):
        with pytest.raises(InputError, match="expected a folder, found a file"):
            open_run(path, SETTINGS, overwrite, 0)
    with pytest.raises(InputError, match="cannot write there"):
        open_run(path / "below", SETTINGS, False, 0)
    assert path.read_text() == "mine"


def test_the_default_folder_names_command_and_subject() -> None:
    folder = default_folder("simulate", "convex")
    assert folder.parent == Path("runs") and folder.name.startswith("simulate-convex-2")


def _fail(*_: object) -> None:
    raise OSError("disk full")


@pytest.mark.parametrize("call", ["fsync", "replace"])
def test_a_write_that_fails_leaves_the_old_file_and_no_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str
) -> None:
    path = tmp_path / "results.json"
    write_text(path, "old")
    monkeypatch.setattr(os, call, _fail)
    with pytest.raises(OSError, match="disk full"):
        write_text(path, "new")
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_text_that_cannot_be_encoded_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "text"
    write_text(path, "old")
    with pytest.raises(UnicodeEncodeError):
        write_text(path, "\ud800")
    assert path.read_text() == "old" and list(tmp_path.iterdir()) == [path]


def test_json_is_written_whole_with_its_letters(tmp_path: Path) -> None:
    content = {"θ": [1, 0.1, None], "name": "β"}
    write_json(tmp_path / "a.json", content)
    text = (tmp_path / "a.json").read_text(encoding="utf-8")
    assert json.loads(text) == content and "θ" in text and text.endswith("}\n")


@dataclass(frozen=True)
class Row:
    t: int
    value: float
    left_out: str = "no"


@given(st.lists(st.floats(allow_nan=False), min_size=1, max_size=20))
def test_table_rows_survive_exactly(values: list[float]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "t.csv"
        with TableWriter(path, ("t", "value")) as table:
            for t, value in enumerate(values):
                table.add(Row(t, value))
        with path.open(newline="") as stream:
            rows = list(csv.reader(stream))
    assert rows[0] == ["t", "value"]
    assert [int(row[0]) for row in rows[1:]] == list(range(len(values)))
    assert [repr(float(row[1])) for row in rows[1:]] == [repr(value) for value in values]


def test_columns_read_back_what_was_written(tmp_path: Path) -> None:
    values = [0.1, 1 / 3, 1e-300]
    with TableWriter(tmp_path / "t.csv", ("t", "value")) as table:
        for t, value in enumerate(values, start=1):
            table.add(Row(t, value))
    columns = read_columns(tmp_path / "t.csv")
    assert columns["t"].tolist() == [1, 2, 3] and columns["value"].tolist() == values


def test_numpy_numbers_are_written_as_plain_ones(tmp_path: Path) -> None:
    with TableWriter(tmp_path / "t.csv", ("t", "value")) as table:
        table.add(Row(1, np.float64(0.1)))
        table.add(Row(2, float("nan")))
    assert (tmp_path / "t.csv").read_text() == "t,value\n1,0.1\n2,nan\n"


def test_rows_are_on_disk_in_time(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    with TableWriter(path, ("t",), every=-1.0) as table:
        table.add(Row(1, 0.0))
        assert path.read_text() == "t\n1\n"


def test_an_error_inside_the_context_keeps_the_rows(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    with pytest.raises(KeyboardInterrupt), TableWriter(path, ("t",), every=1e9) as table:
        table.add(Row(1, 0.0))
        raise KeyboardInterrupt
    assert path.read_text() == "t\n1\n"
