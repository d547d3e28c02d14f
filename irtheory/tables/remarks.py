"""What a reader of a table ought to know before a tree is grown on it."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Sequence
from decimal import Decimal

import numpy as np

from irtheory.tables.columns import TableColumn
from irtheory.tables.missing import is_doubtful
from irtheory.tables.numbers import LEADING_ZERO, Mark, is_number
from irtheory.tables.place import in_list, in_shell, shown

EXAMPLES = 3
# Below this many rows, a column may count them by chance.
FEWEST_ROWS = 4
# A name may come twice: with this share of different words, they are names of rows.
NEARLY = 0.95


def alike(words: Iterable[str], mark: Mark) -> list[tuple[str, ...]]:
    """Groups of different words that are the same number, or look the same to a reader."""
    groups: dict[object, list[str]] = {}
    for word in words:
        groups.setdefault(_look(word, mark), []).append(word)
    return [tuple(group) for group in groups.values() if len(group) > 1]


def _look(word: str, mark: Mark) -> object:
    """What a reader takes a word for: a number, or letters without case, width and blanks."""
    if is_number(word, mark) and len(word) < 400:
        return Decimal(word.replace(mark, "."))
    plain = "".join(c for c in word if unicodedata.category(c) != "Cf")
    return " ".join(unicodedata.normalize("NFKC", plain).casefold().split())


def words_note(column: TableColumn, what: str, mark: Mark) -> list[str]:
    """Notes on the words of a column that a reader may take for one, or for no word."""
    levels = column.levels
    notes = []
    if groups := alike(levels, mark):
        pairs = "; ".join(" and ".join(map(shown, group)) for group in groups[:EXAMPLES])
        notes.append(f"{column.name}: {pairs} look the same, and are different {what}")
    if doubtful := [word for word in levels if is_doubtful(word)]:
        names = ", ".join(doubtful[:EXAMPLES])
        notes.append(f"{column.name}: {names} counts as a word here, not as a missing cell")
    return notes


def numbers_note(column: TableColumn) -> list[str]:
    """A note on numbers with leading zeros, which may be codes such as those of the post."""
    zeros = [cell for cell in dict.fromkeys(column.cells) if LEADING_ZERO.fullmatch(cell)]
    if not zeros:
        return []
    return [
        f"{column.name}: {zeros[0]} and the like are numbers here, without the zeros in front; "
        f"--text {in_list([column.name])} takes them as words"
    ]


def id_note(column: TableColumn) -> str | None:
    """A sentence on a column that only tells rows apart."""
    if len(column.cells) < FEWEST_ROWS or column.missing.any():
        return None
    if column.values is None:
        different, rows = len(column.levels), len(column.cells)
        if different < NEARLY * rows:
            return None
        what = f"another word in {'' if different == rows else 'nearly '}every row"
    else:
        values = np.sort(column.values)
        if not (np.diff(values) == 1).all() or values[0] != np.floor(values[0]):
            return None
        what = f"counts the rows from {values[0]:.0f} to {values[-1]:.0f}"
    name = column.name
    why = "so it says which row, not what is in it"
    return f"{name}: {what}, {why}; consider --index {in_shell(name)}"


def header_note(names: Sequence[str], mark: Mark) -> str | None:
    """A sentence on a header of numbers, which may be the first row of a table without one."""
    numbers = [name for name in names if is_number(name, mark)]
    if 2 * len(numbers) < len(names):
        return None
    return (
        f"the first line is taken for names of columns, and {len(numbers)} of these are numbers "
        f"({', '.join(numbers[:EXAMPLES])}); a table without a header would lose its first row"
    )


def leak_note(column: TableColumn, labels: Sequence[str]) -> str | None:
    """A sentence on a column from which the label follows and the other way round."""
    found = column.cells if column.values is None else column.values.tolist()
    classes = len(set(labels))
    if len(set(found)) > classes + 1:
        return None
    values = [None if gone else cell for cell, gone in zip(found, column.missing, strict=True)]
    pairs = set(zip(values, labels, strict=True))
    # Where every row has a class of its own, any column would do that.
    if not len(pairs) == len(set(values)) == classes < len(labels):
        return None
    return (
        f"{column.name}: gives the label away, each of its {len(pairs)} values stands for one "
        f"class and each class for one value; consider --drop {in_list([column.name])}"
    )
