"""Numbers of a report against the files of the run, read and computed independently."""

from __future__ import annotations

import csv
import json
import re
import shutil
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from made_run import HOSTILE, Made, make_run
from read_html import Element, read_html, rows_of

from irtheory.runs.files import InputError
from irtheory.trees.writing import one_line
from irvision.report.sections import attributes, mistakes, summary, training
from irvision.report.source import read_report_run
from irvision.runs.gallery import read_gallery, write_gallery
from irvision.runs.repeat import repeat_command
from irvision.runs.scored_images import scored_digest

NOISY = Made(classes=7, codes=14, images=140, noise=0.15, confused=0.2, seed=5)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("made") / "run"
    make_run(folder, NOISY)
    return folder


@pytest.fixture
def copy(run: Path, tmp_path: Path) -> Path:
    """The same run, to be changed."""
    return shutil.copytree(run, tmp_path / "run")


def section(folder: Path, which: Any) -> Element:
    made = which.make(read_report_run(folder))
    return read_html(str(made.html))


def table_of(html: Element, words: str) -> Element:
    found = [each for each in html.all("table") if words in each.all("caption")[0].text]
    assert len(found) == 1
    return found[0]


def predictions(folder: Path) -> list[dict[str, str]]:
    with (folder / "predictions.csv").open(encoding="utf-8", newline="") as stream:
        return [row for row in csv.DictReader(stream) if row["part"] == "test"]


def test_the_summary_shows_the_evaluation(run: Path) -> None:
    html, found = section(run, summary), json.loads((run / "evaluation.json").read_text())
    values = [each.text for each in html.all("dd", class_="figure-value")]
    for shown, key in zip(values, ("accuracy_t", "accuracy_g", "agreement"), strict=False):
        low, high = (f"{100 * end:.1f}%" for end in found[key]["interval"])
        assert shown == f"{100 * found[key]['value']:.1f}% 95% interval {low}–{high}"
    tested = next(row for row in found["fidelity"] if row["name"] == "codes T tests")
    assert values[3].startswith(f"{tested['score']:.3f} ")
    assert values[4].startswith(f"{found['within']['auc']:.3f}") if found["within"] else True
    rows = rows_of(table_of(html, "Feature fidelity"))
    assert [row[0] for row in rows] == [row["name"] for row in found["fidelity"]]
    keys = ("score", "null_mean", "adjusted", "attributes_by_features", "features_by_attributes")
    for shown, row in zip(rows, found["fidelity"], strict=True):
        assert shown[1:2] + shown[3:] == ["–" if row[k] is None else f"{row[k]:.3f}" for k in keys]
    right = sum(row["class"] == row["T"] for row in predictions(run)) / 140
    assert f"It names the right class for {100 * right:.1f}% of 140 test images" in html.text
    assert f"for {100 * found['majority']['accuracy']:.1f}%" in html.text


def test_the_summary_holds_command_settings_and_machine(run: Path) -> None:
    html, content = section(run, summary), yaml.safe_load((run / "config.yaml").read_text())
    assert html.all("pre", class_="command")[0].text == repeat_command(content)
    settings = dict(rows_of(table_of(html, "config.yaml")))
    assert settings == {
        key: "none" if value is None else str(value) for key, value in content.items()
    }
    assert ["ira", json.loads((run / "environment.json").read_text())["ira"]] in rows_of(
        table_of(html, "environment.json")
    )
    assert "140 training, 140 validation, 140 test" in html.text


def test_a_folder_with_several_spaces_keeps_them_in_the_command(copy: Path) -> None:
    config = copy / "config.yaml"
    content = yaml.safe_load(config.read_text()) | {"dataset": "my  images"}
    config.write_text(yaml.safe_dump(content))
    assert "my  images" in str(summary.make(read_report_run(copy)).html)


def test_runs_without_evaluation_or_attributes_say_so(tmp_path: Path) -> None:
    make_run(tmp_path / "bare", Made(evaluated=False))
    html = section(tmp_path / "bare", summary)
    assert "was not measured on test images" in html.text
    assert "training, or its choices, have seen" in html.text
    result = json.loads((tmp_path / "bare" / "result.json").read_text())
    assert html.all("dd", class_="figure-value")[0].text == f"{100 * result['accuracy_t']:.1f}%"
    run = read_report_run(tmp_path / "bare")
    assert attributes.make(run) is None and mistakes.make(run) is None
    make_run(tmp_path / "plain", Made(attributes=False))
    assert "Attributes were not scored" in section(tmp_path / "plain", summary).text
    assert "nothing to compare codes with" in section(tmp_path / "plain", attributes).text


def test_warnings_of_the_run_are_shown(copy: Path) -> None:
    path = copy / "evaluation.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"warnings": ["<b>odd</b>"]}))
    assert "Warning: <b>odd</b>" in section(copy, summary).text


@pytest.mark.parametrize(
    "broken",
    [
        {"accuracy_t": "high", "agreement": None, "majority": [1]},
        {"fidelity": [{"name": 3, "score": "x", "interval": [1]}, "row"], "within": 7},
        {"warnings": "no list", "accuracy_g": {"value": True, "interval": "ab"}},
        {"fidelity": {"name": 1}, "within": {"auc": [], "pairs": "many"}},
    ],
)
def test_what_is_no_number_is_a_dash(copy: Path, broken: dict[str, Any]) -> None:
    path = copy / "evaluation.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | broken))
    assert "A key to 7 classes" in section(copy, summary).text


def test_attributes_are_those_of_the_table(run: Path) -> None:
    html = section(run, attributes)
    with (run / "attributes.csv").open(encoding="utf-8", newline="") as stream:
        rows = {row["attribute"]: row for row in csv.DictReader(stream)}
    shown = rows_of(html.all("table", id="recovery")[0])
    assert [row[0] for row in shown] == sorted(rows, key=lambda name: -float(rows[name]["f1"]))
    for name, annotated, prevalence, code, *numbers, tested in shown:
        row = rows[name]
        f1, null = float(row["f1"]), float(row["null"])
        assert (annotated, code, tested) == (row["annotated"], row["column"], row["tested"])
        assert prevalence == f"{100 * float(row['prevalence']):.1f}%"
        above = f"{f1 - null:+.3f}".replace("-", "−")
        others = [f"{float(row[key]):.3f}" for key in ("predicted_class", "class_oracle")]
        assert numbers == [f"{f1:.3f}", f"{null:.3f}", above, *others]
    tiles = html.all("ul", class_="heat-tiles")[0].all("li")
    assert [tile.all("span", class_="heat-tile-name")[0].text for tile in tiles] == [
        row[0] for row in shown
    ]
    for tile, row in zip(tiles, shown, strict=True):
        f1 = float(rows[row[0]]["f1"])
        main = tile.all("span")[0]
        assert main.attributes["class"].split()[-1] == f"heat-{round(10 * f1)}"
        assert main.text == f"{row[0]} {f1:.2f}"
        assert ("names-question" in tile.attributes["class"]) == (row[-1] == "yes")


def test_mistakes_are_those_of_the_predictions(run: Path) -> None:
    html, rows = section(run, mistakes), predictions(run)
    right = Counter((row["T"] == row["class"], row["G"] == row["class"]) for row in rows)
    table = [[cell.split()[0] for cell in row[1:]] for row in rows_of(table_of(html, "who is"))]
    assert table == [[str(right[t, g]) for g in (True, False)] for t in (True, False)]
    apart = [row for row in rows if row["G"] != row["T"]]
    listed = rows_of(html.all("table", id="apart")[0])
    assert sorted(row[:4] for row in listed) == sorted(
        [row["image"], row["class"], row["T"], row["G"]] for row in apart
    )
    assert {row[0]: row[4] for row in listed} == {
        row["image"]: "T"
        if row["T"] == row["class"]
        else "G"
        if row["G"] == row["class"]
        else "neither"
        for row in apart
    }
    pairs = {
        (row[0], row[1]): (int(row[2]), int(row[3]))
        for row in rows_of(html.all("table", id="pairs")[0])
    }
    by_t, by_g = (
        Counter((row["class"], row[of]) for row in rows if row[of] != row["class"]) for of in "TG"
    )
    assert pairs == {pair: (by_t[pair], by_g[pair]) for pair in {*by_t, *by_g}}


def test_the_matrix_is_that_of_the_file(run: Path) -> None:
    with (run / "confusion-T.csv").open(encoding="utf-8", newline="") as stream:
        head, *rows = list(csv.reader(stream))
    counts = {
        (row[0], name): cell for row in rows for name, cell in zip(head[1:], row[1:], strict=True)
    }
    table = table_of(section(run, mistakes), "Test images by class (rows)")
    names = [cell.text for cell in table.all("thead")[0].all("th")][:-1]
    for name, *cells, other in rows_of(table):
        assert [cell.replace("·", "0") for cell in cells] == [counts[name, each] for each in names]
        rest = sum(int(counts[name, each]) for each in head[1:] if each not in names)
        assert other.replace("·", "0") == str(rest)


def test_the_surest_errors_come_first_and_lead_to_their_couplet(run: Path) -> None:
    html, rows = section(run, mistakes), {row["image"]: row for row in predictions(run)}
    wrong = [row for row in rows.values() if row["G"] != row["class"]]
    sure = {row["image"]: max(float(row[f"p({row['G']})"]), 0) for row in wrong}
    of_g = html.all("ul", class_="errors")[1].all("li")
    shown = [each.all("span", class_="error-image")[0].text for each in of_g]
    best = sorted(sure, key=lambda name: -sure[name])[: len(shown)]
    assert np.allclose([sure[name] for name in shown], [sure[name] for name in best])
    scored = read_report_run(run).scored
    assert scored is not None
    lines = [
        re.match(r"(\d+)([ab])\. .*code (\d+) (present|absent).* → (.*)", line)
        for line in (run / "key.txt").read_text(encoding="utf-8").splitlines()
    ]
    for each, image in zip(of_g, shown, strict=True):
        codes, at = scored.codes[scored.names.index(image)], "1"
        while True:
            found = next(
                line
                for line in lines
                if line is not None
                and line[1] == at
                and (codes[int(line[3])] == 1) == (line[4] == "present")
            )
            if not found[5].split(":")[0].isdigit():
                break
            at = found[5].split(":")[0]
        assert each.all("a")[0].attributes["href"] == f"#couplet-{at}"


def test_unread_images_are_named_with_the_reason(copy: Path) -> None:
    digest = scored_digest(copy)
    gallery = read_gallery(copy, digest)
    assert gallery is not None
    write_gallery(copy, replace(gallery, unread=(("<i>.png", "cut short"),)), digest)
    assert ["<i>.png", "cut short"] in rows_of(
        table_of(section(copy, mistakes), "could not be decoded")
    )
    write_gallery(copy, replace(gallery, unread=()), digest)
    assert "None: every image could be decoded" in section(copy, mistakes).text


def test_training_shows_the_metrics(run: Path) -> None:
    html = section(run, training)
    rows = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    table = html.all("table", class_="by-epoch")[0]
    heads = [cell.text for cell in table.all("thead")[0].all("th")]
    shown = rows_of(table)
    assert [row[0].split()[0] for row in shown] == [str(row["epoch"]) for row in rows]
    kept = json.loads((run / "result.json").read_text())["kept_epoch"]
    assert [row[0] for row in shown if "result" in row[0]] == [f"{kept} (result)"]
    at = heads.index("Accuracy: T, validation")
    assert [float(row[at]) for row in shown] == pytest.approx(
        [row["validation_t"] for row in rows], abs=6e-4
    )
    charts = {each.all("strong")[0].text: each for each in html.all("figure")}
    accuracy = charts["Accuracy"].all("path", class_="curve colour-2 dash-1")[-1]
    ends = re.findall(r"[ML]([\d.]+) ([\d.]+)", accuracy.attributes["d"])
    assert len(ends) == len(rows)
    for (_, y), row in zip(ends, rows, strict=True):
        assert (194 - float(y)) / 184 == pytest.approx(row["validation_t"], abs=0.002)
    # The first epoch has no tree loss: the curve starts at the second.
    loss = charts["IR loss"].all("path", class_="curve colour-2 dash-0")[-1].attributes["d"]
    assert len(re.findall("[ML]", loss)) == len(rows) - 1


def test_an_epoch_that_stands_twice_is_refused(copy: Path) -> None:
    path = copy / "metrics.jsonl"
    path.write_text(path.read_text() + path.read_text().splitlines()[0] + "\n")
    with pytest.raises(InputError, match="each epoch once"):
        training.make(read_report_run(copy))


def test_hostile_names_stay_text_everywhere(tmp_path: Path) -> None:
    make_run(tmp_path / "run", Made(classes=len(HOSTILE), names=HOSTILE, images=70, noise=0.2))
    shown = one_line(HOSTILE[0])
    for each in (summary, attributes, mistakes):
        html = section(tmp_path / "run", each)
        assert not html.all("script") and not html.all("b") and "49" not in html.all("h3")[0].text
        assert {img.attributes.get("src") for img in html.all("img")} <= {None}
    assert shown in section(tmp_path / "run", mistakes).text
