"""Lines into cells: against Python's own reader where both are strict, and refusals."""

from __future__ import annotations

import csv
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from irtheory.tables.cells import BadQuote, split_line

letters = st.text(st.sampled_from('ab ,;"\t|1'), max_size=6)


@given(st.lists(letters, min_size=1, max_size=5), st.sampled_from(",;\t|"))
def test_what_a_strict_writer_writes_comes_back(cells: list[str], delimiter: str) -> None:
    stream = io.StringIO()
    csv.writer(stream, delimiter=delimiter, quoting=csv.QUOTE_ALL, lineterminator="").writerow(
        cells
    )
    assert split_line(stream.getvalue(), delimiter) == [cell.strip(" \t") for cell in cells]


@given(st.text(st.sampled_from('a ,"'), max_size=12))
def test_cells_are_those_of_the_rules_or_refused(line: str) -> None:
    """The rules as a machine of four states, letter by letter."""
    cells, cell, state = [], "", "start"
    for letter in [*line, "end"]:
        if state == "quoted":
            if letter == "end":
                state = "bad"
            elif letter == '"':
                state = "closed"
            else:
                cell += letter
        elif state == "closed" and letter == '"':
            cell, state = cell + '"', "quoted"
        elif letter in (",", "end"):
            cells.append(cell.strip(" "))
            cell, state = "", "start"
        elif letter == '"':
            state = "quoted" if state == "start" and not cell.strip(" ") else "bad"
            cell = "" if state == "quoted" else cell
        elif state in ("closed", "behind"):
            state = "behind" if letter == " " else "bad"
        else:
            cell += letter
        if state == "bad":
            break
    if state == "bad":
        with pytest.raises(BadQuote):
            split_line(line, ",")
    else:
        assert split_line(line, ",") == cells


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ('1,"red,a', "no closing quote for '\"red,a'"),
        ('1,5" pipe,a', "quotes around a whole cell or none, found '5\" pipe,a'"),
        ('1,"re"d,a', "behind its closing quote"),
        ('"', "no closing quote"),
    ],
)
def test_a_quote_out_of_place_is_said(line: str, words: str) -> None:
    with pytest.raises(BadQuote, match="expected") as refusal:
        split_line(line, ",")
    assert words in str(refusal.value)


def test_long_lines_of_quotes_are_read_in_one_pass() -> None:
    assert split_line('"' + '""' * 200_000 + '"', ",") == ['"' * 200_000]
    with pytest.raises(BadQuote):
        split_line('"' + '""' * 200_000, ",")
