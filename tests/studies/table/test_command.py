"""`ira table` and `ira predict` as people use them."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner, Result

from cli import app
from irtheory.studies.table.model import read_model
from irtheory.studies.table.predict import predict
from irtheory.tables.options import FileOptions

ANIMALS = Path(__file__).resolve().parents[3] / "docs" / "animals.csv"
FILES = {
    "config.yaml", "environment.json", "result.json", "key.txt", "key.json", "tree.json",
    "tree.dot", "tree.svg", "tree.png", "predictions.csv", "confusion.csv", "model.json",
}  # fmt: skip


def ira(*arguments: str | Path) -> Result:
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def refusal(*arguments: str | Path) -> str:
    done = ira(*arguments)
    assert done.exit_code == 2 and len(done.stderr.splitlines()) == 1, done.output
    return done.stderr


def rows_of(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))


def drawn(gaps: bool, seed: int = 0, rows: int = 90) -> list[list[str]]:
    """Rows whose class follows from a length and a colour."""
    rng = np.random.default_rng(seed)
    made = []
    for _ in range(rows):
        length, colour = rng.normal(5, 2), rng.choice(["red", "green", "blue"])
        kind = "big" if length > 5 and colour != "red" else "small"
        cells = [f"{length:.2f}", str(colour), str(rng.integers(9)), kind]
        if gaps and rng.random() < 0.3:
            cells[rng.integers(3)] = ["NA", "?"][rng.integers(2)]
        made.append(cells)
    return made


def write(path: Path, rows: list[list[str]], header: str = "length [cm],colour,n,kind") -> Path:
    path.write_text("\n".join([header, *(",".join(row) for row in rows)]), encoding="utf-8")
    return path


def test_the_animals(tmp_path: Path) -> None:
    out = tmp_path / "run"
    done = ira("table", ANIMALS, "--label", "type", "--index", "animal", "--out", out)
    assert done.exit_code == 0, done.output
    assert {path.name for path in out.iterdir()} == FILES
    for words in (
        "· animal: names of the rows (--index)",
        "· legs: whole numbers 0 … 6, 4 different",
        "training rows named wrongly: 0, proven the least of all trees of depth 3",
        "1a. feathers present → bird: 4 of 4 training samples",
        "accuracy on 10 held-out rows",
        "scikit-learn's tree of depth 3",
        f"next: ira predict {out} NEW.csv",
    ):
        assert words in done.stdout, words
    result = json.loads((out / "result.json").read_text())
    first, usual, most = result["scores"]
    assert first["right"] == first["rows"] == 10 and usual["rows"] == most["rows"] == 10
    assert result["tree"]["status"] == "optimal" and result["held_out_rows"] == 10
    assert (out / "key.txt").read_text().strip() in done.stdout


@pytest.mark.parametrize("method", ["exact", "greedy", pytest.param("ira", marks=pytest.mark.slow)])
@pytest.mark.parametrize("gaps", [False, True])
def test_a_run_and_its_model_predict_the_same(tmp_path: Path, method: str, gaps: bool) -> None:
    table = write(tmp_path / "t.csv", drawn(gaps))
    out, more = tmp_path / "run", ["--epochs", "3"] if method == "ira" else []
    na = ["--na", "NA,?"] if gaps else []
    done = ira("table", table, "--label", "kind", "--method", method, "--out", out, *na, *more)
    assert done.exit_code == 0, done.output
    own = rows_of(out / "predictions.csv")
    assert [int(row["line"]) for row in own] == list(range(2, 92))
    # Columns in another order, cells parted otherwise, one column more.
    mixed = tmp_path / "mixed.csv"
    lines = [["extra", "n", "kind", "colour", "length [cm]"]]
    lines += [["0", n, kind, colour, length] for length, colour, n, kind in drawn(gaps)]
    mixed.write_text("\n".join(";".join(cells) for cells in lines), encoding="utf-8")
    again = ira("predict", out, mixed)
    assert again.exit_code == 0, again.output
    assert "columns that the model does not use: extra" in again.stdout
    found = rows_of(out / "predicted-mixed.csv")
    same = [name for name in found[0] if name != "part"]
    assert [[row[name] for name in same] for row in own] == [[*row.values()] for row in found]
    right = sum(row["label"] == row["predicted"] for row in found)
    assert f"{right} of 90 rows with a label" in again.stdout


def test_confusion_and_scores_follow_from_the_predictions(tmp_path: Path) -> None:
    table = write(tmp_path / "t.csv", drawn(gaps=False))
    out = tmp_path / "run"
    done = ira("table", table, "--label", "kind", "--depth", "1", "--out", out, "--json")
    result = json.loads(done.stdout)
    assert result == json.loads((out / "result.json").read_text())
    held = [row for row in rows_of(out / "predictions.csv") if row["part"] == "held out"]
    pairs = [(row["label"], row["predicted"]) for row in held]
    assert result["scores"][0]["right"] == sum(a == b for a, b in pairs)
    assert result["confusion"] == [
        [pairs.count((a, b)) for b in ("big", "small")] for a in ("big", "small")
    ]


def test_without_held_out_rows_scores_say_so(tmp_path: Path) -> None:
    done = ira("table", ANIMALS, "--label", "type", "--drop", "animal", "--test-share", "0",
               "--out", tmp_path / "run")  # fmt: skip
    assert "accuracy on 30 training rows, as none are held out" in done.stdout


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run on a table without missing cells."""
    folder = tmp_path_factory.mktemp("trained")
    table = write(folder / "t.csv", drawn(gaps=False))
    assert ira("table", table, "--label", "kind", "--out", folder / "run").exit_code == 0
    return folder / "run"


HEADER = "length [cm],colour,n"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (
            f"{HEADER}\n6,green,1\n6,purple,1\n",
            "line 3, column 'colour': expected a word of training (blue, green, red), found 'pu",
        ),
        (
            f"{HEADER}\n6,green,1\n,green,1\n",
            "line 3, column 'length [cm]': expected a value, as no cell was missing here in train",
        ),
        (f"{HEADER}\nlong,green,1\n", "line 2, column 'length [cm]': expected a number, as in"),
        (f"{HEADER}\ninf,green,1\n", "line 2, column 'length [cm]': expected a value"),
        (f"{HEADER}\n1e999,green,1\n", "line 2, column 'length [cm]': expected a number below"),
        ("colour,n\nred,1\n", "found none called length [cm] among colour, n"),
        (f"{HEADER}\n6,green\n", "line 2: expected 3 cells, found 2"),
    ],
)
def test_rows_that_cannot_be_predicted(
    trained: Path, tmp_path: Path, text: str, words: str
) -> None:
    (tmp_path / "new.csv").write_text(text, encoding="utf-8")
    assert words in refusal("predict", trained, tmp_path / "new.csv", "--out", tmp_path / "o.csv")
    assert not (tmp_path / "o.csv").exists()


def test_cells_that_the_tree_does_not_read_may_be_anything(tmp_path: Path) -> None:
    rows = [[str(i % 4), str(i % 3), "pq"[i % 4 > 1]] for i in range(40)]
    table = write(tmp_path / "t.csv", rows, "a,b,y")
    assert ira("table", table, "--label", "y", "--out", tmp_path / "run").exit_code == 0
    new = write(tmp_path / "new.csv", [["0", "whatever"], ["3", ""]], "a,b")
    assert ira("predict", tmp_path / "run", new, "--out", tmp_path / "o.csv").exit_code == 0
    assert [row["predicted"] for row in rows_of(tmp_path / "o.csv")] == ["p", "q"]


def test_unknown_words_count_as_missing_where_training_had_missing_cells(tmp_path: Path) -> None:
    rows = [[["NA", "u", "v"][i % 3], "pqr"[i % 3]] for i in range(40)]
    table = write(tmp_path / "t.csv", rows, "a,y")
    out = tmp_path / "run"
    assert ira("table", table, "--label", "y", "--na", "NA", "--out", out).exit_code == 0
    new = write(tmp_path / "new.csv", [["NA"], ["new"], ["u"], [" v"]], "a")
    done = ira("predict", out, new)
    assert "a: 1 cell with words that training did not have: taken as missing" in done.stdout
    found = [row["predicted"] for row in rows_of(out / "predicted-new.csv")]
    assert found == ["p", "p", "q", "r"]


def test_labels_of_new_rows(trained: Path, tmp_path: Path) -> None:
    rows = [["9", "green", "1", "big"], ["9", "green", "1", "huge"], ["9", "green", "1", "?"]]
    found = predict(read_model(trained), write(tmp_path / "n.csv", rows), FileOptions())
    assert found.score is not None and (found.score.right, found.score.rows) == (1, 2)
    assert found.labels == ["big", "huge", ""]
    assert any("training had no 'huge'" in note for note in found.notes)


def test_files_are_not_replaced_by_accident(trained: Path, tmp_path: Path) -> None:
    new = write(tmp_path / "new.csv", [["9", "green", "1", "big"]])
    out = tmp_path / "o.csv"
    assert ira("predict", trained, new, "--out", out).exit_code == 0
    assert "is there already" in refusal("predict", trained, new, "--out", out)
    assert ira("predict", trained, new, "--out", out, "--overwrite").exit_code == 0
    assert "than the table itself" in refusal("predict", trained, new, "--out", new, "--overwrite")
    assert "found none" in refusal("predict", trained, new, "--out", tmp_path / "no" / "o.csv")
    assert "expected the folder of a run of ira table, found no run" in refusal(
        "predict", tmp_path, new
    )
    assert "not empty" in refusal("table", new, "--label", "kind", "--out", trained)


def edited(folder: Path, **changes: Any) -> None:
    path = folder / "model.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


@pytest.mark.parametrize(
    "changes",
    [
        {"format": "other"},
        {"version": 2},
        {"classes": ["a", "a"]},
        {"classes": ["a", "b", "c"]},
        {"columns": []},
        {"columns": [{"name": "x"}]},
        {"model": {}},
        {"model": None},
        {"extra": 1},
        {"label": 5},
    ],
)
def test_a_model_that_was_changed_is_refused(
    trained: Path, tmp_path: Path, changes: dict[str, Any]
) -> None:
    import shutil

    run = Path(shutil.copytree(trained, tmp_path / "run"))
    edited(run, **changes)
    new = write(tmp_path / "new.csv", [["9", "green", "1", "big"]])
    assert "model.json: expected the model of a run" in refusal("predict", run, new)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ([], "--label COLUMN: expected one of the columns animal, feathers"),
        (["--label", "nix"], "--label nix: no such column"),
        (["--label", "type", "--codes", "3"], "--codes: without effect with --method exact"),
        (["--label", "type", "--method", "greedy", "--time-limit", "3"], "--time-limit: without"),
        (["--label", "type", "--method", "ira", "--balanced"], "--balanced: without effect"),
        (["--label", "type", "--depth", "9"], "--depth: expected 1 … 8"),
        (["--label", "type", "--test-share", "1"], "--test-share: expected 0 … 0.9"),
        (["--label", "type", "--time-limit", "nan"], "--time-limit: expected"),
        (["--label", "type", "--min-samples-leaf", "500"], "-leaf: expected at most 14, as no"),
        (["--label", "animal"], "--label animal: expected classes that several rows share"),
        (["--label", "type", "--delimiter", ";"], "--label type: no such column"),
    ],
)
def test_options_that_cannot_be_used(tmp_path: Path, options: list[str], words: str) -> None:
    out = tmp_path / "run"
    found = refusal("table", ANIMALS, *options, "--out", out)
    assert words in found and not out.exists()


def test_balanced_classes_and_other_criteria(tmp_path: Path) -> None:
    rows = [[str(i % 10), "ab"[i % 10 == 3]] for i in range(60)]
    table = write(tmp_path / "t.csv", rows, "x,y")
    for number, more in enumerate((["--balanced"], ["--criterion", "entropy"])):
        out = tmp_path / str(number)
        done = ira("table", table, "--label", "y", "--depth", "1", *more, "--out", out)
        assert done.exit_code == 0 and "proven the least" in done.stdout, done.output


@pytest.mark.parametrize("method", ["exact", "greedy"])
def test_the_number_of_leaves_is_kept(tmp_path: Path, method: str) -> None:
    out = tmp_path / "run"
    done = ira("table", ANIMALS, "--label", "type", "--index", "animal", "--method", method,
               "--max-leaves", "3", "--test-share", "0", "--out", out)  # fmt: skip
    assert done.exit_code == 0, done.output
    assert json.loads((out / "result.json").read_text())["tree"]["leaves"] == 3
    assert ("of all trees of depth 3 and at most 3 leaves" in done.stdout) == (method == "exact")


def test_a_search_that_needs_too_much_memory_leaves_no_folder(tmp_path: Path) -> None:
    rows = [[f"{i * j % 97 / 7}" for j in range(1, 40)] + ["pq"[i % 2]] for i in range(80)]
    header = ",".join([*(f"x{j}" for j in range(39)), "y"])
    table, out = write(tmp_path / "t.csv", rows, header), tmp_path / "run"
    found = refusal("table", table, "--label", "y", "--max-memory", "1e-5", "--out", out, "--json")
    assert "--max-memory: " in found and not out.exists()


def test_a_column_that_counts_the_rows_is_pointed_out_where_it_is_read(tmp_path: Path) -> None:
    rows = [[str(i), str(i * 7 % 5), "pq"[i > 24]] for i in range(50)]
    table = write(tmp_path / "t.csv", rows, "id,x,y")
    done = ira("table", table, "--label", "y", "--out", tmp_path / "run")
    assert "! id: counts the rows from 0 to 49" in done.stdout
    assert "! the model reads id, see the remark on it above" in done.stdout
    again = ira("table", table, "--label", "y", "--drop", "id", "--out", tmp_path / "other")
    assert "! " not in again.stdout


def test_a_figure_that_fails_leaves_the_results(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from irtheory.studies.table import files

    monkeypatch.setattr(files, "MOST_LEAVES", 1)
    out = tmp_path / "run"
    done = ira("table", ANIMALS, "--label", "type", "--index", "animal", "--out", out)
    assert done.exit_code == 0 and "no figure: 5 leaves are more than 1" in done.stdout
    assert {path.name for path in out.iterdir()} == FILES - {"tree.svg", "tree.png"}


@pytest.mark.parametrize("table", ["hard", "linked", "spelled", "model.json", "absent", "config"])
def test_a_run_is_not_overwritten_by_predictions(trained: Path, tmp_path: Path, table: str) -> None:
    import shutil

    run = Path(shutil.copytree(trained, tmp_path / "run"))
    (tmp_path / "linked").symlink_to(run / "model.json")
    (tmp_path / "hard").hardlink_to(run / "model.json")
    (run / "predicted-link.csv").symlink_to(run / "model.json")
    out = {
        "spelled": run / ".." / "run" / "result.json",
        "model.json": run / "predicted-link.csv",
        "absent": run / "model.safetensors",
        "config": run / "config.yaml",
    }.get(table, tmp_path / table)
    before = {path.name: path.read_bytes() for path in run.iterdir()}
    new = write(tmp_path / "new.csv", [["9", "green", "1", "big"]])
    found = refusal("predict", run, new, "--out", out, "--overwrite")
    assert "expected another file than those of the run" in found
    assert before == {path.name: path.read_bytes() for path in run.iterdir()}


def test_predictions_in_a_run_may_be_replaced(trained: Path, tmp_path: Path) -> None:
    new = write(tmp_path / "mine.csv", [["9", "green", "1", "big"]])
    assert ira("predict", trained, new).exit_code == 0
    assert ira("predict", trained, new, "--overwrite").exit_code == 0
    table = trained / "predicted-mine.csv"
    found = refusal("table", table, "--label", "label", "--out", trained, "--overwrite")
    assert "--overwrite: would remove the table" in found and table.exists()


def test_numbers_of_another_kind_than_in_training_are_said(tmp_path: Path) -> None:
    rows = [[str(i % 2), str(i % 7), "pqr"[(i % 2) + (i % 7 > 2 and i % 2)]] for i in range(60)]
    table = write(tmp_path / "t.csv", rows, "feathers,legs,y")
    out = tmp_path / "run"
    assert ira("table", table, "--label", "y", "--out", out).exit_code == 0
    cells = [["7", "900"], ["0.7", "2.5"], ["1", "3"], ["-1", "-4"]]
    done = ira("predict", out, write(tmp_path / "new.csv", cells, "feathers,legs"))
    assert (
        "· feathers: 3 cells with numbers that are neither 0 nor 1, which training did not have "
        "(first: '7'; line 2, 3, 5)" in done.stdout
    )
    assert (
        "· legs: 1 cell with numbers that are no whole numbers, which training did not have "
        "(first: '2.5'; line 3)" in done.stdout
    )
    model = json.loads((out / "model.json").read_text())
    edited(out, columns=[{k: v for k, v in c.items() if k != "values"} for c in model["columns"]])
    assert "whole" not in ira("predict", out, tmp_path / "new.csv", "--overwrite").stdout


def test_a_tree_is_proven_among_those_that_were_allowed(tmp_path: Path) -> None:
    out = tmp_path / "run"
    done = ira("table", ANIMALS, "--label", "type", "--index", "animal", "--min-samples-leaf", "4",
               "--max-leaves", "4", "--test-share", "0", "--out", out)  # fmt: skip
    words = "all trees of depth 3, at most 4 leaves and at least 4 rows in every leaf"
    assert words in done.stdout, done.output


@pytest.mark.parametrize("where", ["name", "word", "label"])
def test_words_too_long_to_draw_are_refused(tmp_path: Path, where: str) -> None:
    long = "w" * 200_000
    rows = [["u" if i % 2 else "v", "pq"[i % 2]] for i in range(20)]
    rows[9] = {"word": [long, "q"], "label": ["v", long]}.get(where, rows[9])
    header = f"{long},y" if where == "name" else "a,y"
    table = write(tmp_path / "t.csv", rows, header)
    found = refusal("table", table, "--label", "y", "--out", tmp_path / "run")
    assert f"line {1 if where == 'name' else 11}" in found
    assert "of at most 500 letters, found 200000" in found and len(found) < 400
