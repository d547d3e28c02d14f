"""Tables of strangers: read right, or refused with the line, the column and a way out."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from irtheory.runs.files import InputError
from irtheory.tables import grid, source
from irtheory.tables.missing import MISSING, NOT_FINITE
from irtheory.tables.options import (
    TableOptions,
    read_delimiter,
    read_drop,
    read_encoding,
    read_missing,
)
from irtheory.tables.read import Table, read_table

ROWS = [f"{i % 3},{['red', 'blue'][i % 2]},{'ab'[i % 4 < 2]}" for i in range(30)]
HEADER = "x,colour,y\n"


def read(folder: Path, content: str | bytes, **options: Any) -> Table:
    path = folder / "t.csv"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return read_table(path, "y", TableOptions(**options))


def refused(folder: Path, content: str | bytes, **options: Any) -> str:
    with pytest.raises(InputError) as refusal:
        read(folder, content, **options)
    message = str(refusal.value)
    assert "\n" not in message
    return message


def with_row(line: int, row: str) -> str:
    rows = list(ROWS)
    rows[line - 2] = row
    return HEADER + "\n".join(rows)


def test_numbers_are_those_of_pandas(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({
        "a": rng.normal(size=60) * 10.0 ** rng.integers(-30, 30, 60),
        "b": rng.integers(-5, 5, 60),
        "c": rng.choice(["u", "v,w", 'q"r', " s"], 60),
        "y": rng.choice(["p", "q"], 60),
    })  # fmt: skip
    found = read(tmp_path, frame.to_csv(index=False))
    a, b, c = found.features
    np.testing.assert_array_equal(a.values, frame["a"])
    np.testing.assert_array_equal(b.values, frame["b"])
    assert c.values is None and c.cells == [word.strip() for word in frame["c"]]
    assert found.label.cells == frame["y"].tolist() and found.lines == list(range(2, 62))


def test_two_stray_quotes_do_not_join_the_rows_between_them(tmp_path: Path) -> None:
    rows = list(ROWS)
    rows[4], rows[19] = '1,"red,a', '2,blue",b'
    message = refused(tmp_path, HEADER + "\n".join(rows))
    assert "t.csv line 6: expected a quoted cell to end in its line" in message


@pytest.mark.parametrize("line", [2, 17, 31])
@pytest.mark.parametrize(
    ("row", "words"),
    [
        ("1,red", "expected 3 cells, found 2"),
        ("1,red,a,b", "expected 3 cells, found 4"),
        ("1;red;a", "found 1; it has 3 cells parted by semicolons"),
        ('1,5" red,a', "quotes around a whole cell"),
        ("1,re\0d,a", "control character U+0000"),
        ("1,re\x85d,a", "control character U+0085"),
    ],
)
def test_a_bad_row_is_named_by_its_line(tmp_path: Path, line: int, row: str, words: str) -> None:
    message = refused(tmp_path, with_row(line, row))
    assert f"t.csv line {line}: " in message and words in message


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_line_ends_of_all_systems(tmp_path: Path, end: str) -> None:
    found = read(tmp_path, end.join(["a,y", "", "1,p", "", "2,q", ""]))
    assert found.lines == [3, 5] and found.label.cells == ["p", "q"]


ALL_WORDS = sorted(MISSING | NOT_FINITE)


@pytest.mark.parametrize("word", [*ALL_WORDS, "NA", "None", "NaN", "Inf", "NULL"])
@pytest.mark.parametrize("column", [0, 1, 2])
def test_missing_cells_are_refused_alike_in_every_column(
    tmp_path: Path, word: str, column: int
) -> None:
    cells = ["1", "red", "a"]
    cells[column] = word
    message = refused(tmp_path, with_row(7, ",".join(cells)))
    name = ["x", "colour", "y"][column]
    assert f"t.csv line 7, column '{name}': expected a" in message
    assert f"--na '{word}' takes them as missing" in message


def test_a_refusal_names_all_words_of_missing_cells(tmp_path: Path) -> None:
    message = refused(tmp_path, "a,b,y\n1,2,p\nNA,?,q\n,2,p\n")
    assert "line 3, column 'a'" in message and "2 more cells like it" in message
    assert "--na '?,NA' takes them" in message


def test_a_hint_that_would_be_refused_again_is_not_given(tmp_path: Path) -> None:
    for content in ("a,y\n1,p\n2,q\n-inf,p\n", "a,y\n1,p\n2,q\nNA,p\n"):
        message = refused(tmp_path, content)
        assert "takes them as missing" in message and "--na ''" not in message
    message = refused(tmp_path, "a,y\nu,p\nv,q\nNA,p\n")
    assert "--na '' takes words as they are" in message
    assert read(tmp_path, "a,y\nu,p\nv,q\nNA,p\n", na=()).features[0].levels == ["NA", "u", "v"]


def test_files_that_are_no_text_get_no_hint_of_an_encoding(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    half_zero = (rng.integers(0, 256, 4000) * rng.integers(0, 2, 4000)).astype(np.uint8).tobytes()
    for content in (rng.bytes(4000), half_zero, b"a,y\n1,p\n\0\0\0\0\0\0"):
        assert "--encoding" not in refused(tmp_path, content)
    for name in ("utf-16-le", "utf-16-be"):
        assert f"--encoding {name}" in refused(tmp_path, "a,y\n1,p\n".encode(name))


def test_with_na_cells_are_missing_and_rows_without_label_are_said(tmp_path: Path) -> None:
    content = "a,b,y\n1,u,p\nNA,NA,q\n,,p\n2,v,NA\n3,w,\n"
    found = read(tmp_path, content, na=("NA",))
    a, b = found.features
    np.testing.assert_array_equal(a.values, [1, np.nan, np.nan])
    np.testing.assert_array_equal(b.missing, [False, True, True])
    assert b.levels == ["u"] and found.label.cells == ["p", "q", "p"]
    assert found.lines == [2, 3, 4]
    assert "y: 2 rows left out without a label (line 5, 6)" in found.notes


def test_words_that_na_does_not_name_are_words_or_refused(tmp_path: Path) -> None:
    found = read(tmp_path, "a,y\n-,p\n+,q\nNone,p\n+,q\n", na=())
    assert found.features[0].levels == ["+", "-", "None"]
    assert "a: -, None counts as a word here, not as a missing cell" in found.remarks
    message = refused(tmp_path, "a,y\n1,p\n2,q\nNone,p\n", na=("?",))
    assert "line 4, column 'a': expected a number" in message and "--na '?,None'" in message
    message = refused(tmp_path, "a,y\n1,p\n2,q\ninf,p\n", na=())
    assert "line 4, column 'a': expected a number" in message


@pytest.mark.parametrize("cell", ["1_1", "１１", "0x1f", "−1", "1.5.2", "ten"])
def test_one_word_in_a_column_of_numbers_is_a_fault(tmp_path: Path, cell: str) -> None:
    content = "a,y\n" + "".join(f"{i},{'pq'[i % 2]}\n" for i in range(8)) + f"{cell},p\n"
    message = refused(tmp_path, content)
    assert (
        f"line 10, column 'a': expected a number, as most cells of the column are, found '{cell}'"
        in message
    )
    assert read(tmp_path, content, text=("a",)).features[0].values is None
    assert np.isnan(read(tmp_path, content, na=(cell,)).features[0].values[-1])  # type: ignore[index]


def test_a_number_of_na_is_missing_in_any_spelling(tmp_path: Path) -> None:
    found = read(tmp_path, "a,b,y\n1,u,p\n-999,-999.0,q\n-999.0,-999,p\n-99,v,q\n", na=("-999",))
    a, b = found.features
    np.testing.assert_array_equal(a.values, [1, np.nan, np.nan, -99])
    # Words are compared as they are written.
    assert b.levels == ["-999.0", "u", "v"] and a.missing.tolist() == [False, True, True, False]


def test_tables_one_after_the_other_are_refused(tmp_path: Path) -> None:
    assert "line 4: expected a row, found the header again" in refused(
        tmp_path, "a,y\nu,p\nv,q\na,y\nu,q\n"
    )


def test_underscores_do_not_vanish(tmp_path: Path) -> None:
    found = read(tmp_path, "a,y\n1_11,p\n11_1,q\n1_11,p\n")
    assert found.features[0].levels == ["11_1", "1_11"]


def test_labels_are_words_as_they_are_written(tmp_path: Path) -> None:
    found = read(tmp_path, "a,y\n1,01\n2,1\n3,1.0\n4,1\n")
    assert found.label.cells == ["01", "1", "1.0", "1"]
    assert "y: '01' and '1' and '1.0' look the same, and are different classes" in found.remarks


@pytest.mark.parametrize(
    "words", [("Red", "red"), ("a b", "a\u00a0b"), ("é", "e\u0301"), ("ab", "a\u200bb")]
)
def test_words_that_look_alike_are_said(tmp_path: Path, words: tuple[str, str]) -> None:
    found = read(tmp_path, "a,y\n" + "".join(f"{w},{k}\n" for w in words for k in "pq"))
    assert any("look the same, and are different words" in note for note in found.remarks)


def test_whole_numbers_beyond_two_to_the_53_are_refused(tmp_path: Path) -> None:
    content = "a,y\n1,p\n9007199254740992,q\n9007199254740993,p\n"
    message = refused(tmp_path, content)
    assert "line 4, column 'a': expected a whole number up to 9007199254740992" in message
    assert len(read(tmp_path, content, text=("a",)).features[0].levels) == 3


@pytest.mark.parametrize(("letter", "name"), [(";", "semicolons"), ("\t", "tabs"), ("|", "bars")])
def test_delimiters_are_found_and_said(tmp_path: Path, letter: str, name: str) -> None:
    found = read(tmp_path, (HEADER + "\n".join(ROWS)).replace(",", letter))
    assert found.notes == (f"cells are parted by {name}",) and len(found.features) == 2


def test_a_file_may_say_its_delimiter(tmp_path: Path) -> None:
    found = read(tmp_path, "sep=;\na;y\n1,5;p\n2,5;q\n")
    np.testing.assert_array_equal(found.features[0].values, [1.5, 2.5])
    assert (
        found.lines == [3, 4] and "cells are parted by ';', as its first line says" in found.notes
    )
    assert "line 1: expected sep=," in refused(tmp_path, "sep=;\na;y\n1;p\n", delimiter=",")


def test_two_ways_to_part_cells_are_refused(tmp_path: Path) -> None:
    content = "a,b;y\n1,5;p\n2,5;q\n"
    assert "commas and semicolons; pass --delimiter" in refused(tmp_path, content)
    assert read(tmp_path, content, delimiter=";").features[0].name == "a,b"


def test_a_decimal_comma_is_found_where_it_is_clear(tmp_path: Path) -> None:
    found = read(tmp_path, "a;b;y\n1,5;1;p\n-2,25e1;2;q\n")
    np.testing.assert_array_equal(found.features[0].values, [1.5, -22.5])
    assert found.mark == "," and "numbers have a decimal comma" in found.notes
    assert "points in column 'b' and commas in column 'a'" in refused(
        tmp_path, "a;b;y\n1,5;1.5;p\n2,5;2.5;q\n"
    )
    thousands = "a;y\n1,500;p\n2,500;q\n"
    assert "commas that may part thousands" in refused(tmp_path, thousands)
    np.testing.assert_array_equal(
        read(tmp_path, thousands, decimal=",").features[0].values, [1.5, 2.5]
    )
    assert "line 2, column 'a': expected numbers with the decimal mark '.'" in refused(
        tmp_path, thousands, decimal="."
    )
    assert "expected numbers with the decimal mark ','" in refused(
        tmp_path, "a,y\n1.5,p\n2.5,q\n", decimal=","
    )


TEXT = "größe,y\n1,ä\n2,b\n"


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-32"])
def test_encodings_with_a_mark_are_found(tmp_path: Path, encoding: str) -> None:
    found = read(tmp_path, TEXT.encode(encoding))
    assert found.features[0].name == "größe" and found.label.cells == ["ä", "b"]
    said = [note for note in found.notes if "as its first bytes say" in note]
    assert len(said) == (encoding in ("utf-16", "utf-32"))


@pytest.mark.parametrize("encoding", ["latin-1", "windows-1252", "utf-16-le", "utf-16-be"])
def test_other_encodings_need_a_name(tmp_path: Path, encoding: str) -> None:
    message = refused(tmp_path, TEXT.encode(encoding))
    assert "--encoding" in message
    found = read(tmp_path, TEXT.encode(encoding), encoding=read_encoding(encoding))
    assert found.features[0].name == "größe"


def test_an_encoding_that_the_file_contradicts(tmp_path: Path) -> None:
    assert "found the mark of utf-8" in refused(
        tmp_path, TEXT.encode("utf-8-sig"), encoding="cp1252"
    )
    found = read(tmp_path, TEXT.encode(), encoding="cp1252")
    assert "its bytes are text in utf-8 as well" in found.notes[0]
    assert "line 1: expected a CSV text file in ascii" in refused(
        tmp_path, TEXT.encode(), encoding="ascii"
    )


@pytest.mark.parametrize(
    ("content", "kind"),
    [(b"PK\x03\x04", "workbook"), (b"\x1f\x8b", "compressed"), (b"<!doctype html>", "web page")],
)
def test_files_that_are_no_tables_are_called_by_their_kind(
    tmp_path: Path, content: bytes, kind: str
) -> None:
    assert kind in refused(tmp_path, content + b"...")


def test_columns_without_a_name(tmp_path: Path) -> None:
    found = read(tmp_path, ",x,y,\n" + "".join(f"{i},{i % 3},{'pq'[i % 2]},\n" for i in range(8)))
    assert [column.name for column in found.features] == ["column 1", "x"]
    assert "column 4: left out, it has neither a name nor cells" in found.notes
    assert "column 1: has no name in the header" in found.remarks
    assert any(note.startswith("column 1: counts the rows from 0 to 7") for note in found.remarks)


def test_columns_that_say_which_row_or_which_class(tmp_path: Path) -> None:
    rows = [f"n{i},{i + 5},{'uvw'[i % 3]},{i % 2},{'pqr'[i % 3]}" for i in range(12)]
    found = read(tmp_path, "name,count,code,x,y\n" + "\n".join(rows))
    starts = [note.split(",")[0].split(" from")[0] for note in found.remarks]
    assert starts == [
        "name: another word in every row", "count: counts the rows", "code: gives the label away",
    ]  # fmt: skip


@pytest.mark.parametrize("name", ["a,b", "it's", 'say ""x""'])
def test_hints_can_be_typed_as_they_are(tmp_path: Path, name: str) -> None:
    import shlex

    rows = "".join(f"{i % 2},{i % 3},{'pq'[i % 2]}\n" for i in range(12))
    content = f'"{name}",x,y\n{rows}'
    (note,) = [note for note in read(tmp_path, content).remarks if "--drop" in note]
    _, text = shlex.split(note[note.index("--drop") :])
    assert read(tmp_path, content, drop=read_drop(text)).remarks == ()


def test_drop_and_index(tmp_path: Path) -> None:
    content = "name,x,bad,y\nu,1,?,p\nv,2,?,q\n"
    found = read(tmp_path, content, drop=("bad",), index="name")
    assert [column.name for column in found.features] == ["x"]
    assert found.index is not None and found.index.cells == ["u", "v"]
    assert found.notes == ("bad: left out (--drop)", "name: names of the rows (--index)")
    assert "--drop nix: no such column" in refused(tmp_path, content, drop=("nix",))
    assert "--index y: expected one purpose, found --label" in refused(tmp_path, content, index="y")


def test_a_table_without_a_header_is_suspected(tmp_path: Path) -> None:
    found = read(tmp_path, "5.1,3.5,y\n4.9,3.0,p\n4.7,3.2,q\n")
    assert "2 of these are numbers (5.1, 3.5)" in found.remarks[0]


def test_sizes_are_bounded_before_anything_is_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(grid, "MOST_CELLS", 90)
    assert "expected at most 90 cells, found about 93" in refused(
        tmp_path, HEADER + "\n".join(ROWS)
    )
    monkeypatch.setattr(source, "MOST_BYTES", 100)
    assert "expected at most 0 MiB" in refused(tmp_path, HEADER + "\n".join(ROWS))


def test_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    import os

    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(InputError, match="found a pipe"):
        read_table(tmp_path / "pipe", "y", TableOptions())


@pytest.mark.parametrize(
    ("call", "text", "words"),
    [
        (read_delimiter, "ab", "--delimiter: expected one letter"),
        (read_delimiter, '"', "--delimiter: expected one letter"),
        (read_delimiter, "5", "--delimiter: expected one letter"),
        (read_delimiter, "", "--delimiter: expected one letter"),
        (read_encoding, "zip", "--encoding: expected an encoding"),
        (read_encoding, "klingon", "--encoding: expected an encoding"),
        (read_drop, "", "--drop: expected names"),
        (read_drop, "a,a", "--drop: found 'a' twice"),
        (read_drop, 'a,"b', "--drop"),
    ],
)
def test_options_that_cannot_be_used(call: Any, text: str, words: str) -> None:
    with pytest.raises(InputError, match=words):
        call(text)


def test_options_as_they_are_written() -> None:
    assert [read_delimiter(t) for t in (";", "tab", "\\t", "Comma", "~")] == [
        ";",
        "\t",
        "\t",
        ",",
        "~",
    ]
    assert read_encoding("Latin-1") == "iso8859-1"
    assert read_missing("") == () and read_missing("NA,?") == ("NA", "?")
    assert read_drop('"a,b",c') == ("a,b", "c")


cells = st.text(st.sampled_from("a1.,;\t\"' _-?\u00e9"), max_size=5)


@given(st.lists(st.lists(cells, min_size=3, max_size=3), min_size=1, max_size=6), st.data())
def test_whatever_is_written_is_read_or_refused(
    tmp_path_factory: pytest.TempPathFactory, rows: list[list[str]], data: st.DataObject
) -> None:
    """Rows and cells are never lost or joined: what is not refused has all of them."""
    text = "\n".join([",".join(["a", "b", "y"]), *(",".join(row) for row in rows)])
    path = tmp_path_factory.mktemp("any") / "t.csv"
    path.write_text(text, encoding="utf-8")
    try:
        found = read_table(path, "y", TableOptions(na=()))
    except InputError:
        return
    filled = [line for line in text.split("\n")[1:] if line.strip(" \t")]
    labels = [line.split(",")[-1].strip(" \t").strip('"') for line in filled]
    assert len(found.lines) == sum(1 for label in labels if label.strip(" \t"))
