from __future__ import annotations

import csv
import io
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

from irtheory.runs.files import InputError
from irvision.evaluation.node_names import NodeName
from irvision.evaluation.report import print_evaluation
from irvision.evaluation.results import (
    ClassAccuracy,
    Confused,
    Evaluation,
    FidelityRow,
    Majority,
    Share,
    WithinClass,
)
from irvision.runs.attribute_table import (
    COLUMNS,
    AttributeRow,
    read_attribute_table,
    write_attribute_table,
)

ROWS = (
    AttributeRow("has, a comma [red]", 10, 0.1, 1 / 3, 0.2, 0.3, 0.4, "code 3 ≠ 1", 3, True),
    AttributeRow('says "quote"', 7, 0.5, 0.9, None, 0.8, 1.0, "code 30 = 0", 30, False),
    AttributeRow("never seen", 0),
)
BARE = Evaluation(
    Share.of(np.array([True, True, False, True])),
    Share.of(np.array([True, False, False, True])),
    Share.of(np.array([True, False, True, True])),
    balanced_g=0.8,
    balanced_t=0.625,
    majority=Majority("ant [x]", 0.5),
    codes=12,
    bits=2,
    codes_tested=5,
    leaves=6,
    classes=(ClassAccuracy("ant [x]", 3, 1.0, 0.5), ClassAccuracy("bee", 0, None, None)),
    confused=(Confused("ant [x]", "bee", 0, 17),),
    classes_named=1,
    warnings=("T can name 1 of 2 classes",),
)
FULL = replace(
    BARE,
    fidelity=(
        FidelityRow("all codes", 96, 0.6, 0.5, 0.545, (0.52, 0.57), 0.4, 0.01, 0.241, 3, 11, 0.432),
        FidelityRow("class oracle", 2, 0.7),
    ),
    within=WithinClass(40, 2, 30, 0.61, (0.58, 0.64), 0.033, None),
    tests=(
        NodeName(
            0,
            1,
            0.0,
            3,
            "wings [w]",
            False,
            "validation and test",
            70,
            0.876,
            0.3,
            1e-3,
            0.111,
            0.922,
            51,
            0.212,
            None,
        ),
    ),
    inner=5,
    attributes=ROWS,
)


def printed(evaluation: Evaluation, width: int = 160) -> str:
    stream = io.StringIO()
    print_evaluation(Console(file=stream, width=width), evaluation)
    return stream.getvalue()


def test_the_table_of_attributes_round_trips(tmp_path: Path) -> None:
    write_attribute_table(tmp_path / "a.csv", ROWS)
    assert read_attribute_table(tmp_path / "a.csv") == ROWS
    with (tmp_path / "a.csv").open(encoding="utf-8", newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert rows[0]["attribute"] == "has, a comma [red]"
    assert float(rows[0]["f1"]) == 1 / 3
    assert (rows[1]["null"], rows[1]["tested"], rows[2]["tested"]) == ("", "no", "")


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("a,1,0.5", r"a.csv:2: expected 10 cells, found 3"),
        ("a,x,0.5,,,,,,,", r"a.csv:2: annotated: expected a whole number, found 'x'"),
        ("a,1,1.5,,,,,,,", r"a.csv:2: prevalence: expected a number from 0 to 1, found '1.5'"),
        ("a,1,0.5,nan,,,,,,", r"a.csv:2: f1: expected a number from 0 to 1, found 'nan'"),
        ("a,1,0.5,,,,,,-3,", r"a.csv:2: code: expected a whole number, found '-3'"),
        ("a,1,0.5,,,,,,3,maybe", r"a.csv:2: tested: expected yes or no, found 'maybe'"),
    ],
)
def test_what_does_not_fit_is_named(tmp_path: Path, line: str, message: str) -> None:
    path = tmp_path / "a.csv"
    path.write_text(",".join(COLUMNS) + "\n" + line + "\n", encoding="utf-8")
    with pytest.raises(InputError, match=message):
        read_attribute_table(path)


def test_another_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"no.csv: No such file"):
        read_attribute_table(tmp_path / "no.csv")
    (tmp_path / "a.csv").write_text("method,f1\n")
    with pytest.raises(InputError, match=r"a.csv:1: expected attribute,.*, found method,f1"):
        read_attribute_table(tmp_path / "a.csv")
    (tmp_path / "a.csv").write_bytes(b"\xff\xfe")
    with pytest.raises(InputError, match="expected a CSV text file"):
        read_attribute_table(tmp_path / "a.csv")


def test_what_is_printed_says_every_number_and_no_markup_is_read() -> None:
    text = printed(FULL)
    for part in (
        "4 test images; T has 6 leaves, 5 of 12 codes of 2 bits",
        "0.750", "0.301–0.954", "ant [x]", "has, a comma [red]", "0.520–0.570", "0.241",
        "AUC 0.610 (0.580–0.640), F1 above chance +0.033 over 40 pairs",
        "1 without annotation left out", "code 3 ≠ 1", "class oracle",
        "balanced accuracy of T  0.625", "always ant [x]", "17", "! T can name 1 of 2 classes",
        "1 of 5 tests of T have a name", "code 3 ≥ 1", "wings [w], absent", "70 val. + test",
        "0.212 – (51)", "0.432",
    ):  # fmt: skip
        assert part in text


def test_without_attributes_accuracies_are_printed() -> None:
    text = printed(BARE)
    assert "accuracy of T" in text and "no attributes: accuracy and tree only" in text
    assert "fidelity" not in text
    assert "not scored (by class)" in printed(replace(FULL, within=None, within_note="by class"))


def test_of_many_attributes_both_ends_are_printed() -> None:
    rows = tuple(replace(ROWS[0], attribute=f"attribute-{i}", f1=i / 312) for i in range(312))
    text = printed(replace(FULL, attributes=rows))
    assert "Attributes: the first and last 8 of 312" in text
    assert "attribute-311 " in text and "attribute-0 " in text and "attribute-150 " not in text


def test_a_narrow_terminal_cuts_no_number() -> None:
    wide, narrow = (printed(FULL, width).split() for width in (160, 60))
    assert wide == narrow
