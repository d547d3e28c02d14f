"""Several runs on one page: counts, settings, doubts, links."""

from __future__ import annotations

import csv
import json
import shutil
from collections.abc import Callable
from itertools import permutations
from pathlib import Path

import numpy as np
import pytest
import yaml
from made_run import HOSTILE, Made, make_run
from read_html import Element, read_html, rows_of

from irtheory.trees.writing import one_line
from irvision.report.build import write_report
from irvision.report.sections import comparison
from irvision.report.source import read_report_run


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    folder = tmp_path_factory.mktemp("compared")
    for name, seed in (("one", 1), ("two", 2), ("three <i>", 3)):
        names = HOSTILE if seed == 3 else ()
        made = Made(len(HOSTILE), images=70, noise=0.1 * seed, seed=seed, names=names)
        make_run(folder / name, made)
    return [folder / "one", folder / "two", folder / "three <i>"]


@pytest.fixture
def pair(runs: list[Path], tmp_path: Path) -> list[Path]:
    """Copies of two runs with other scores of attributes, to be changed."""
    for run in runs[:2]:
        shutil.copytree(run, tmp_path / run.name)
    rng = np.random.default_rng(0)
    for run in ("one", "two"):
        path = tmp_path / run / "attributes.csv"
        with path.open(newline="") as stream:
            head, *rows = csv.reader(stream)
        for row in rows:
            row[head.index("f1")] = str(round(float(rng.uniform(0.4, 0.6)), 3))
        # Exactly the least difference that counts, which rounding would lose.
        rows[0][head.index("f1")] = "0.75" if run == "one" else "0.8"
        with path.open("w", newline="") as stream:
            csv.writer(stream).writerows([head, *rows])
    return [tmp_path / "one", tmp_path / "two"]


def f1_of(run: Path) -> dict[str, float]:
    with (run / "attributes.csv").open(encoding="utf-8", newline="") as stream:
        return {row["attribute"]: float(row["f1"]) for row in csv.DictReader(stream)}


def sections(folders: list[Path], at: Path) -> dict[str, Element]:
    read = [read_report_run(each) for each in folders]
    makes = (comparison.make, comparison.make_attributes, comparison.make_training)
    made = [make(read, at) for make in makes]
    return {each.key: read_html(str(each.html)) for each in made if each is not None}


def test_two_runs_are_counted_as_the_paper_does(pair: list[Path]) -> None:
    html = sections(pair, pair[0])["compared-attributes"]
    one, two = map(f1_of, pair)
    ahead = sum(1000 * one[n] - 1000 * two[n] >= 49.999 for n in one)
    behind = sum(1000 * two[n] - 1000 * one[n] >= 49.999 for n in one)
    assert behind >= 1
    assert f"one matches {ahead} better by 0.05 or more, and two {behind}." in html.text
    rows = rows_of(html.all("table", id="compared")[0])
    for name, first, second, by in rows:
        assert (first, second) == (f"{one[name]:.2f}", f"{two[name]:.2f}")
        assert float(by.replace("−", "-")) == pytest.approx(one[name] - two[name], abs=0.0051)
    assert [row[0] for row in rows] == sorted(one, key=lambda n: two[n] - one[n])
    marked = [
        row.all("th")[0].text
        for row in html.all("table", id="compared")[0].all("tr")
        if "data-marked" in row.attributes
    ]
    assert len(marked) == ahead + behind


def test_of_three_runs_every_pair_is_counted(runs: list[Path]) -> None:
    html = sections([runs[0], runs[1], runs[0].parent / "one" / ".." / "two"], runs[0])
    html = html["compared-attributes"]
    counts = [row[1:] for row in rows_of(html.all("table", class_="pairs-of-runs")[0])]
    scores = [f1_of(runs[0]), f1_of(runs[1]), f1_of(runs[1])]
    for i, j in permutations(range(3), 2):
        better = sum(scores[i][n] - scores[j][n] >= 0.05 - 1e-12 for n in scores[i])
        assert counts[i][j] == str(better)
    assert not any("difference" in head.text for head in html.all("th"))


def test_results_and_settings_stand_beside_each_other(pair: list[Path]) -> None:
    config = pair[1] / "config.yaml"
    config.write_text(yaml.safe_dump(yaml.safe_load(config.read_text()) | {"epochs": 7}))
    cells = {
        row[0]: row[1:] for row in rows_of(sections(pair, pair[0])["comparison"].all("table")[0])
    }
    for label, key in (("accuracy of T", "accuracy_t"), ("agreement of T and G", "agreement")):
        for shown, run in zip(cells[label], pair, strict=True):
            found = json.loads((run / "evaluation.json").read_text())[key]
            low, high = (f"{100 * end:.1f}" for end in found["interval"])
            assert shown.replace("%", "").startswith(f"{100 * found['value']:.1f} ({low}–")
            assert high in shown or high == "100.0"
    for shown, run in zip(cells["fidelity, codes T tests"], pair, strict=True):
        rows = json.loads((run / "evaluation.json").read_text())["fidelity"]
        found = next(row for row in rows if row["name"] == "codes T tests")
        low, high = found["interval"]
        assert shown == (
            f"{found['score']:.3f} ({low:.3f}–{high:.3f}); shuffled {found['null_mean']:.3f}"
        )
    assert cells["epochs"] == ["24", "7"]
    assert "learning_rate" not in cells


def test_other_samples_are_said_and_attributes_left_out(pair: list[Path]) -> None:
    path = pair[1] / "result.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"samples": "others"}))
    made = sections(pair, pair[0])
    assert "Not the same images" in made["comparison"].text
    assert "compared-attributes" not in made


def test_runs_that_were_not_evaluated_are_compared_by_training(tmp_path: Path) -> None:
    for name in ("a", "b"):
        make_run(tmp_path / name / "run", Made(evaluated=False))
    made = sections([tmp_path / "a" / "run", tmp_path / "b" / "run"], tmp_path)
    assert "not evaluated" in made["comparison"].text
    assert set(made) == {"comparison", "compared-training"}
    # Runs of one name are told apart by their places.
    assert str(tmp_path / "b" / "run") in made["comparison"].text


def test_reports_that_are_there_are_linked(pair: list[Path]) -> None:
    write_report([pair[1]])
    for at, link in ((pair[0], "../two/report.html"), (pair[0].parent, "two/report.html")):
        links = sections(pair, at)["comparison"].all("a")
        assert [each.attributes["href"] for each in links] == [link]


def test_the_page_works_in_a_browser(open_page: Callable, runs: list[Path], tmp_path: Path) -> None:
    file = tmp_path / "page.html"
    write_report(runs, file)
    page = open_page(file, width=400).page
    assert page.evaluate("document.documentElement.scrollWidth") <= 400
    assert page.locator("section").count() == 3
    assert one_line("three <i>") in page.locator("#comparison thead").inner_text()
    head = page.locator("#compared th").nth(1)
    assert page.evaluate("document.querySelectorAll('.heat-map i, .comparison i').length") == 0
    head.get_by_role("button").press("Enter")
    assert head.get_attribute("aria-sort") == "descending"
    values = page.evaluate(
        "[...document.querySelectorAll('#compared tbody tr')].map((r) => +r.cells[1].dataset.value)"
    )
    assert values == sorted(values, reverse=True)
