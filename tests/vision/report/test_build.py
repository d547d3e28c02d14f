"""Reports from the files of runs: what is there, what is missing, what is refused."""

from __future__ import annotations

import base64
import csv
import hashlib
import json
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from made_run import HOSTILE, Made, make_run

from irtheory.runs.files import InputError
from irtheory.runs.folder import open_run
from irvision.report.build import write_report
from irvision.report.page import ROOM, _script
from irvision.report.rendering import render, script_json
from irvision.report.sections import SECTIONS
from irvision.report.source import read_report_run

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("runs") / "run"
    make_run(folder)
    return folder


def data_of(text: str, key: str) -> dict:
    """What the script of a section gets."""
    section = text.split(f'data-section="{key}"')[1].split('section-data">')[1]
    return json.loads(section.split("</script>")[0])


def test_a_report_is_one_file_that_says_what_its_script_is(run: Path) -> None:
    found = write_report([run])
    path = Path(found["file"])
    assert path == run / "report.html" and found["bytes"] == path.stat().st_size
    text = path.read_text(encoding="utf-8")
    script = text.rsplit("<script>", 1)[1].split("</script>")[0]
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    (policy,) = re.findall(r'Content-Security-Policy" content="([^"]*)"', text)
    assert f"script-src 'sha256-{digest}';" in policy and "default-src 'none'" in policy
    assert not re.search(r"(src|href)=\"?https?:|@import|url\(", text)
    assert len(_script().encode()) <= 60_000


def test_pictures_are_on_the_page_once(run: Path) -> None:
    text = Path(write_report([run])["file"]).read_text(encoding="utf-8")
    gallery = read_report_run(run).gallery
    assert gallery is not None
    for picture in gallery.pictures.values():
        assert text.count(base64.b64encode(picture).decode()) <= 1
    assert text.count("/9j/") >= 50


def test_shares_of_values_are_those_of_the_test_images(run: Path) -> None:
    text = Path(write_report([run])["file"]).read_text(encoding="utf-8")
    scored = read_report_run(run).scored
    assert scored is not None
    codes = scored.codes[scored.parts == 2]
    for card in data_of(text, "atlas")["cards"]:
        for value in card["values"]:
            assert value["images"] == np.sum(codes[:, card["code"]] == value["value"])
            for row in value["typical"] + value["close"]:
                assert scored.codes[row, card["code"]] == value["value"]


def test_names_of_tests_come_with_how_well_they_fit(run: Path) -> None:
    text = Path(write_report([run])["file"]).read_text(encoding="utf-8")
    names = {
        (card["code"], name["words"].split(" present")[0].split(" absent")[0], name["f1"])
        for card in data_of(text, "atlas")["cards"]
        for name in card["names"]
    }
    best: dict[tuple[int, str], float] = {}
    with (run / "tests.csv").open(encoding="utf-8") as stream:
        for row in csv.DictReader(stream):
            if row["attribute"]:
                key = int(row["code"]), row["attribute"]
                best[key] = max(best.get(key, 0), float(row["f1"]))
    assert names and names <= {(*key, f1) for key, f1 in best.items()}


def test_borderline_pictures_are_closer_to_the_other_value(run: Path) -> None:
    text = Path(write_report([run])["file"]).read_text(encoding="utf-8")
    scored = read_report_run(run).scored
    assert scored is not None and scored.levels is not None
    seen = 0
    for card in data_of(text, "atlas")["cards"]:
        for value in card["values"]:
            far = {r: abs(float(scored.levels[r, card["code"]]) - 0.5) for r in value["typical"]}
            close = [abs(float(scored.levels[r, card["code"]]) - 0.5) for r in value["close"]]
            seen += len(close)
            assert not close or max(close) <= min(far.values())
    assert seen > 10


def test_pictures_at_a_lead_are_of_images_that_take_it(run: Path) -> None:
    text = Path(write_report([run])["file"]).read_text(encoding="utf-8")
    found, nodes = read_report_run(run), data_of(text, "key")["nodes"]
    assert found.scored is not None
    short = found.named.short.tree
    at = short.apply(found.scored.codes[:, list(found.named.kept)])
    for node in nodes:
        for side, child in enumerate(node.get("next", ())):
            test = found.named.test_at(nodes.index(node))
            for row in nodes[child]["shots"]:
                passed = found.scored.codes[row, test.code] > test.threshold
                assert passed == (side == 0)
        if "class" in node:
            assert all(at[row] == nodes.index(node) for row in node["shots"])


def test_without_an_evaluation_the_report_says_so(tmp_path: Path) -> None:
    make_run(tmp_path / "a run", Made(evaluated=False))
    found = write_report([tmp_path / "a run"])
    command = f"ira evaluate '{tmp_path / 'a run'}'"
    assert any(command in note for note in found["notes"]) and found["pictures"] == 0
    text = Path(found["file"]).read_text(encoding="utf-8")
    assert "was not scored on test images" in text and "not evaluated" in text


def test_without_pictures_or_attributes_the_report_says_so(tmp_path: Path) -> None:
    make_run(tmp_path / "run", Made(pictures=0, attributes=False))
    found = write_report([tmp_path / "run"])
    assert any("no pictures" in note for note in found["notes"])
    assert "no attributes to name codes by" in Path(found["file"]).read_text(encoding="utf-8")


def test_a_tree_of_one_leaf_has_a_report(tmp_path: Path) -> None:
    make_run(tmp_path / "run", Made(depth=0))
    text = Path(write_report([tmp_path / "run"])["file"]).read_text(encoding="utf-8")
    assert data_of(text, "key")["nodes"][0]["class"] == 0


def test_a_report_loads_no_torch(run: Path) -> None:
    program = (
        "import sys; from pathlib import Path; from irvision.commands.report import report_command;"
        f"report_command({{'folders': (Path({str(run)!r}),)}}); assert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", program], check=True, cwd=ROOT, stdout=subprocess.DEVNULL)


def test_what_cannot_be_reported_on_is_refused(run: Path, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "empty").mkdir()
    open_run(tmp_path / "table", {"command": "table"}, False, 0)
    open_run(tmp_path / "begun", {"command": "train"}, False, 0)
    (tmp_path / "mine.html").touch()
    for folders, out, words in (
        (["nowhere"], None, "found no such folder"),
        (["file"], None, "found a file"),
        (["empty"], None, "found no run"),
        (["table"], None, "found one of ira table"),
        (["begun"], None, "not finished; run `ira train --resume"),
        ([run, run], None, "expected different runs"),
        ([run, run / "../run"], None, "expected different runs"),
        ([f"x{i}" for i in range(9)], None, "at most 8"),
        ([run], "empty", "expected a file, found a folder"),
        ([run], "none/x.html", "expected a folder"),
        ([run], run / "tree.json", "ends in .html"),
        ([run], "mine.html", "is there already"),
    ):
        place = None if out is None else tmp_path / out
        with pytest.raises(InputError, match=words):
            write_report([tmp_path / folder for folder in folders], place)
    write_report([run], tmp_path / "mine.html", overwrite=True)


@pytest.mark.parametrize("file", ["predictions.safetensors", "gallery.safetensors", "tree.json"])
def test_damaged_files_are_named(tmp_path: Path, file: str) -> None:
    make_run(tmp_path / "run")
    (tmp_path / "run" / file).write_bytes(b"\x08\0\0\0\0\0\0\0{}      ")
    with pytest.raises(InputError, match=file):
        write_report([tmp_path / "run"])


@pytest.mark.parametrize("name", [*HOSTILE, "\udcff", "\u202egnp.exe", "<!--", "]]>"])
def test_data_stays_inside_its_script_element(name: str) -> None:
    text = str(script_json({name: [name, float("nan")]}))
    assert not re.search("[<>&\u2028\u2029\x00-\x1f\x7f]", text) and text.isascii()
    (found,) = json.loads(text).values()
    assert found[1] is None and "\x1b" not in found[0]


def test_templates_show_control_characters_as_text(run: Path) -> None:
    text = str(render("key.html", **KEY | {"text": ["<i>\x1b[31m\udcff"]}))
    assert "&lt;i&gt;\\x1b[31m\\udcff" in text


KEY = {
    "couplets": 1, "leaves": 2, "depth": 1, "all_leaves": 2, "codes": 1, "kept": 1, "classes": (),
    "counted": [], "has_pictures": False,
}  # fmt: skip


def test_every_section_has_its_script_and_none_ends_the_element(run: Path) -> None:
    made = [make(read_report_run(run)) for make in SECTIONS]
    keys = [section.key for section in made if section is not None]
    assert len(keys) == len(set(keys)) and {"key", "atlas"} <= set(keys)
    for path in (*ROOM.glob("script/*.js"), *ROOM.glob("style/*.css")):
        assert "</" not in path.read_text(encoding="utf-8"), path
