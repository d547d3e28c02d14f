"""What commands print."""

from __future__ import annotations

import io

from rich.console import Console
from rich.markup import escape

from irtheory.runs.console import number_columns, print_table


def printed(width: int = 80, **more) -> list[str]:
    stream = io.StringIO()
    console = Console(file=stream, width=width, highlight=False)
    columns = ("name", *number_columns("m", "share"), "note")
    rows = [(escape("a[b]"), "7", "0.5", "[bold]whole[/]"), ("long name", "12345", "1", "")]
    print_table(console, columns, rows, **more)
    return [line.rstrip() for line in stream.getvalue().splitlines()]


def test_numbers_are_aligned_on_the_right_and_markup_is_the_callers() -> None:
    assert printed() == [
        "name           m  share  note",
        "a[b]           7    0.5  whole",
        "long name  12345      1",
    ]


def test_a_title_is_one_line_above_the_table() -> None:
    title = "a title that is longer than its table is wide [0, 1]"
    lines = printed(title=title)
    assert lines[0] == title and len(lines) == 4
