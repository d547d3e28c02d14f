"""What the cells of a column are: numbers or words, and which of them are missing."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float

from irtheory.runs.files import InputError
from irtheory.tables.grid import Grid
from irtheory.tables.missing import MISSING, NOT_FINITE, is_doubtful, is_missing, na_hint
from irtheory.tables.numbers import (
    BadNumber,
    Mark,
    is_of_thousands,
    marked,
    numbers_among,
    numbers_of,
    other,
)
from irtheory.tables.place import Place, counted, in_list, shown

# A column is numbers with a fault, not words, if this share of its filled cells are numbers.
MOSTLY = 0.5


@dataclass(frozen=True, eq=False)
class TableColumn:
    """A column of a table.

    Attributes:
        name: in the header.
        cells: as they are written, without blanks around them [m].
        missing: which cells are missing [m].
        values: the numbers [m], NaN where they are missing; None for words.
    """

    name: str
    cells: list[str]
    missing: Bool[np.ndarray, " m"]
    values: Float[np.ndarray, " m"] | None

    @property
    def levels(self) -> list[str]:
        """The different words, ascending, without missing cells."""
        return sorted({c for c, gone in zip(self.cells, self.missing, strict=True) if not gone})

    def rows(self, kept: Sequence[int]) -> TableColumn:
        """The column with these rows alone."""
        values = None if self.values is None else self.values[kept]
        return TableColumn(self.name, [self.cells[row] for row in kept], self.missing[kept], values)


@dataclass(frozen=True)
class Reading:
    """How the columns of a table become numbers and words.

    Attributes:
        place: the file in messages.
        lines: the line of each row.
        mark: the decimal mark.
        na: words of missing cells; None where none may be missing.
        fixed: the kinds of the columns are known from an earlier table.
    """

    place: Place
    lines: Sequence[int]
    mark: Mark
    na: tuple[str, ...] | None
    fixed: bool = False

    def column(self, name: str, cells: list[str], numeric: bool | None = None) -> TableColumn:
        """A column with its kind.

        Args:
            name: of the column.
            cells: of all rows.
            numeric: False for words, True for numbers, None for what the cells are.

        Raises:
            InputError: a cell that is missing or not finite, that is no number in a column of
                numbers, or that float64 cannot hold; names line and column.
        """
        na = () if self.na is None else self.na
        filled = [cell for cell in dict.fromkeys(cells) if not is_missing(cell, na)]
        known = set(filled)
        missing = np.array([cell not in known for cell in cells], dtype=np.bool_)
        numbers = set() if numeric is False else numbers_among(filled, self.mark)
        if numeric is None:
            numeric = self._is_numeric(name, cells, filled, numbers)
        if not numeric:
            return TableColumn(name, cells, missing, None)
        if len(numbers) < len(filled):
            raise self._no_number(name, cells, [cell for cell in filled if cell not in numbers])
        try:
            found = numbers_of(filled, self.mark)
        except BadNumber as error:
            hint = "" if self.fixed else "; --text or --drop takes the column otherwise"
            why = f"{error}, found {shown(error.cell)}{hint}"
            raise self._error(why, name, cells, error.cell) from None
        for number in {
            float(word.replace(self.mark, ".")) for word in numbers_among(na, self.mark)
        }:
            # Whoever says -999 means -999.0 as well.
            found |= {cell: np.nan for cell, value in found.items() if value == number}
        values = np.array([found.get(cell, np.nan) for cell in cells])
        return TableColumn(name, cells, np.isnan(values), values)

    def _error(self, what: str, name: str, cells: list[str], cell: str) -> InputError:
        return self.place.error(what, self.lines[cells.index(cell)], name)

    def _is_numeric(
        self, name: str, cells: list[str], filled: Sequence[str], numbers: Collection[str]
    ) -> bool:
        """Whether a column holds numbers, perhaps with a few cells that are none."""
        # Words such as ? do not make words of a column of numbers.
        words = [cell for cell in filled if cell not in numbers and not is_doubtful(cell)]
        if not words:
            return bool(numbers)
        known = set(filled)
        if sum(c in numbers for c in cells) >= MOSTLY * sum(c in known for c in cells):
            return True
        wrongly_marked = marked(words, other(self.mark))
        if len(wrongly_marked) < MOSTLY * len(words):
            return False
        cell = wrongly_marked[0]
        why = (
            f"expected numbers with the decimal mark '{self.mark}', found {shown(cell)}; "
            "--decimal names the mark, --text takes them as words"
        )
        raise self._error(why, name, cells, cell)

    def _no_number(self, name: str, cells: list[str], wrong: Sequence[str]) -> InputError:
        all_wrong = set(wrong)
        times = sum(cell in all_wrong for cell in cells)
        others = counted(times - 1, "more cell that is none", "more cells that are none")
        as_what = "in training" if self.fixed else "most cells of the column are"
        why = f"expected a number, as {as_what}, found {shown(wrong[0])}"
        why += f" (and {others})" if times > 1 else ""
        if not self.fixed:
            why += (
                f"; {na_hint([*(self.na or ()), *wrong[:5]])} takes such cells as missing, "
                f"--text {in_list([name])} the column as words"
            )
        return self._error(why, name, cells, wrong[0])


def refuse_missing(grid: Grid, place: Place, names: Collection[str]) -> None:
    """Refuse missing cells and infinite numbers in some columns, where --na is not given.

    Raises:
        InputError: names the first such cell, how many there are, and the option that would take
            them.
    """
    at: list[tuple[int, str, str]] = []
    found: dict[str, int] = {}
    words = True
    for name, cells in zip(grid.header, grid.columns, strict=True):
        if name not in names:
            continue
        distinct = dict.fromkeys(cells)
        doubtful = {cell for cell in distinct if is_doubtful(cell)}
        if doubtful:
            # In a column of numbers a word would be refused again.
            others = [cell for cell in distinct if cell not in doubtful]
            words &= not (any(doubtful) and (_are_most(others, ".") or _are_most(others, ",")))
            for cell in doubtful:
                found[cell] = found.get(cell, 0) + cells.count(cell)
            row = next(row for row, cell in enumerate(cells) if cell in doubtful)
            at.append((grid.lines[row], name, cells[row]))
    if not at:
        return
    line, name, cell = min(at, key=lambda each: each[0])
    raise place.error(_refused(cell, found, words), line, name)


def _refused(cell: str, found: Mapping[str, int], words_may_stay: bool) -> str:
    what = "an empty cell" if not cell else shown(cell)
    expected = "a finite number" if cell.casefold() in NOT_FINITE else "a value"
    others = sum(found.values()) - 1
    more = f" (and {counted(others, 'more cell')} like it in the table)" if others else ""
    words = [word for word in found if word.casefold() in MISSING] or list(found)
    hint = f"{na_hint(words)} takes them as missing"
    if any(words) and words_may_stay:
        hint += ", --na '' takes words as they are and empty cells as missing"
    return f"expected {expected}, found {what}{more}; {hint}"


def found_mark(
    grid: Grid, place: Place, names: Collection[str], asked: Mark | None
) -> tuple[Mark, str | None]:
    """The decimal mark of a table, and a note unless it is the usual one.

    Raises:
        InputError: marks of both kinds, or commas that may be marks of thousands.
    """
    if asked is not None:
        return asked, None
    points, commas = None, None
    of_commas: list[str] = []
    for name, cells in zip(grid.header, grid.columns, strict=True):
        if name not in names:
            continue
        distinct = [cell for cell in dict.fromkeys(cells) if not is_doubtful(cell)]
        if (found := marked(distinct, ",")) and _are_most(distinct, ","):
            commas = commas or name
            of_commas += found
        elif points is None and any("." in cell for cell in distinct):
            points = name if marked(distinct, ".") and _are_most(distinct, ".") else None
    if commas is None:
        return ".", None
    if points is not None:
        raise place.error(
            f"expected one decimal mark, found points in column '{points}' and commas in column "
            f"'{commas}'; pass --decimal"
        )
    if is_of_thousands(of_commas):
        raise place.error(
            "expected a decimal mark, found commas that may part thousands as well; pass "
            "--decimal , if they are decimal, else take them out of the numbers",
            column=commas,
        )
    return ",", "numbers have a decimal comma"


def _are_most(cells: Collection[str], mark: Mark) -> bool:
    return len(numbers_among(cells, mark)) > MOSTLY * len(cells)
