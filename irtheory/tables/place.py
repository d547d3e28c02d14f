"""Where in a table something is wrong: the error that names file, line and column."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from irtheory.runs.files import InputError

LONGEST = 40
# Longer names and words cannot be read in a key or a figure, and take minutes to draw.
MOST_LETTERS = 500


@dataclass(frozen=True)
class Place:
    """A table in messages.

    Attributes:
        name: the file, after the option that named it.
    """

    name: str

    def error(self, what: str, line: int | None = None, column: str | None = None) -> InputError:
        """The error: file, line, column, then what was expected and what was found."""
        at = [] if line is None else [f" line {line}"]
        at += [] if column is None else [f"{',' if at else ''} column '{shortened(column)}'"]
        return InputError(f"{self.name}{''.join(at)}: {what}")


def check_length(what: str, text: str, place: Place, line: int, column: str | None = None) -> None:
    """InputError for a name or word too long to print; `what` it is."""
    if len(text) > MOST_LETTERS:
        raise place.error(
            f"expected {what} of at most {MOST_LETTERS} letters, found {len(text)}", line, column
        )


def shown(cell: str) -> str:
    """A cell in quotes, long ones shortened."""
    return f"'{shortened(cell)}'"


def shortened(text: str) -> str:
    """At most `LONGEST` letters of a text."""
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 1]}…"


def in_shell(text: str) -> str:
    """A text in quotes of the shell, as it can be typed behind an option."""
    return "'" + text.replace("'", "'\"'\"'") + "'"


def in_list(names: Iterable[str]) -> str:
    """Names as an option takes them that has several, with commas; for the shell."""
    quoted = ['"' + n.replace('"', '""') + '"' if "," in n or '"' in n else n for n in names]
    return in_shell(",".join(quoted))


def counted(number: int, one: str, many: str | None = None) -> str:
    """A number of things in words: 1 row, 2 rows; `many` where it does not end in s."""
    return f"{number} {one if number == 1 else many or one + 's'}"
