"""`ira key` and `ira name` as a user runs them, on small runs written here."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from cli import app
from irtheory.runs.folder import open_run
from irtheory.trees.tree import Tree
from irvision.runs.code_names import CodeName, read_code_names

ANIMALS = Path(__file__).resolve().parents[3] / "docs" / "animals.csv"


def ira(*arguments: str | Path) -> Result:
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """A run of three classes: code 5, and below it code 2; one bit."""
    folder = tmp_path / "run"
    open_run(folder, {"command": "train", "dim": 8, "bits": 1}, overwrite=False, seed=0)
    leaves = [Tree.leaf([float(k == label) for k in range(3)], 4, 2) for label in range(3)]
    below = Tree.grow(0, 0.5, leaves[0], leaves[1], [0.5, 0.5, 0], 8)
    tree = Tree.grow(1, 0.5, below, leaves[2], [0.3, 0.3, 0.4], 12)
    (folder / "tree.json").write_text(tree.to_json())
    (folder / "classes.json").write_text(json.dumps(["ant", "bee", "<b>cat"]))
    (folder / "result.json").write_text(json.dumps({"kept": [2, 5], "bits": 1}))
    return folder


def rows(run: Path) -> list[list[str]]:
    return list(csv.reader(io.StringIO((run / "names.csv").read_text(encoding="utf-8-sig"))))


def fill(run: Path, code: str, high: str, low: str) -> None:
    table = rows(run)
    for row in table:
        if row[0] == code:
            row[1:3] = high, low
    text = io.StringIO()
    csv.writer(text).writerows(table)
    (run / "names.csv").write_text(text.getvalue())


def test_names_are_asked_for_kept_and_used(run: Path):
    first = ira("name", run)
    assert first.exit_code == 0 and first.output.splitlines()[-1].startswith("next: fill in")
    assert [row[0] for row in rows(run)] == ["code", "5", "2"]
    fill(run, "5", "=fur", "")
    fill(run, "2", "wings", "no wings")
    again = ira("name", run)
    assert "2 of 2 tested codes have a name" in again.output
    assert rows(run)[1][1] == "'=fur"
    assert read_code_names(run, 8) == {5: CodeName("=fur", ""), 2: CodeName("wings", "no wings")}
    key = (run / "key.txt").read_text().splitlines()
    assert key[0].startswith("1a. =fur present (code 5 present) → <b>cat")
    assert key[3].startswith("2b. no wings (code 2 absent) → ant")
    before = (run / "names.csv").read_bytes()
    assert json.loads(ira("name", run, "--json").output)[0]["name"] == "=fur"
    assert (run / "names.csv").read_bytes() == before


def test_what_people_wrote_stays_when_the_tree_changes(run: Path):
    ira("name", run)
    text = (
        "\ufeffmine;opposite;name;code;remark\r\n"
        'a "note";;stripes;5;\r\nkept;;;1;\r\n;;old;7;see me\r\n;;;6;\r\n'
    ).replace('a "note"', '"a ""note"";\nb"')
    (run / "names.csv").write_text(text, newline="")
    assert ira("name", run).exit_code == 0
    found = (run / "names.csv").read_text(encoding="utf-8")
    assert found.startswith("\ufeffmine;opposite;name;code;remark;suggestion;")
    table = list(csv.DictReader(io.StringIO(found.removeprefix("\ufeff")), delimiter=";"))
    assert [row["code"] for row in table] == ["5", "2", "1", "7"]
    assert table[0]["mine"] == 'a "note";\nb' and table[0]["name"] == "stripes"
    assert (
        table[2]["mine"] == "kept" and table[2]["remark"] == "the key does not test this code now"
    )
    assert (table[3]["name"], table[3]["remark"]) == ("old", "see me")


@pytest.mark.parametrize(
    ("content", "line", "why"),
    [
        (b"", 1, "columns code, name and opposite"),
        (b"code,name\n5,a\n", 1, "columns code, name and opposite"),
        (b"code,name,name,opposite\n", 1, "one column 'name'"),
        (b"code,name,opposite\n9,a,b\n", 2, "expected a code 0 … 7, found '9'"),
        (b"code,name,opposite\nx,a,b\n", 2, "expected a code"),
        (b"code,name,opposite\n5,a,b\n5,c,d\n", 3, "code 5: expected one row, found line 2"),
        (b'code,name,opposite\n5,a,b\n2,"c"d,e\n', 3, "quotation marks"),
        (b'code,name,opposite\n5,"a,b\n2,c,d\n', 2, "quotation marks"),
        (b"code,name,opposite\n5,a\n", 2, "expected 3 cells, found 2"),
        (b"code,name,opposite\n5,caf\xe9,b\n", 2, "UTF-8, found the byte 0xe9"),
        (b"code,name,opposite\n5," + b"a" * 121 + b",b\n", 2, "up to 120 printable"),
        (b"code,name,opposite\n5,a\x1b[31m,b\n", 2, "printable"),
        (b"code,name,opposite\n5,same,same\n", 2, "two different words"),
    ],
)
def test_a_malformed_table_of_names_is_refused_by_line(
    run: Path, content: bytes, line: int, why: str
):
    (run / "names.csv").write_bytes(content)
    for command in ("name", "key"):
        done = ira(command, run)
        assert done.exit_code == 2
        assert f"names.csv:{line}" in done.output and why in done.output, done.output
    assert (run / "names.csv").read_bytes() == content


def test_overwrite_keeps_what_people_filled_in(run: Path):
    ira("name", run)
    with pytest.raises(ValueError, match=r"holds names\.csv, which people fill in"):
        open_run(run, {"command": "train"}, overwrite=True, seed=0)
    assert (run / "tree.json").is_file()


def test_a_key_is_printed_or_written_and_files_are_not_replaced(run: Path, tmp_path: Path):
    assert ira("key", run).output == (run / "key.txt").read_text()
    out = tmp_path / "key.html"
    assert ira("key", run, "--format", "html", "--out", out).exit_code == 0
    assert "&lt;b&gt;cat" in out.read_text() and "<b>cat" not in out.read_text()
    again = ira("key", run, "--out", out)
    assert again.exit_code == 2 and "pass --overwrite" in again.output
    assert ira("key", run, "--out", out, "--overwrite").exit_code == 0
    assert json.loads(ira("key", run, "--json").output)["couplets"][0]["from"] is None
    for wrong in (["--json", "--format", "dot"], ["--format", "sdd", "--style", "indented"]):
        assert ira("key", run, *wrong).exit_code == 2
    assert ira("key", tmp_path / "none").exit_code == 2
    assert ira("key", tmp_path).exit_code == 2


def test_runs_of_tables_have_keys_too(tmp_path: Path):
    out = tmp_path / "animals"
    options = ["--label", "type", "--index", "animal", "--method", "greedy", "--out", out]
    assert ira("table", ANIMALS, *options).exit_code == 0
    assert ira("key", out).output == (out / "key.txt").read_text()
    assert "Key to type" in ira("key", out, "--format", "markdown").output
    (out / "key.json").write_text("{}")
    assert ira("key", out).exit_code == 2
    (out / "key.json").unlink()
    assert "run it again" in ira("key", out).output
    assert "names of columns" in ira("name", out).output
