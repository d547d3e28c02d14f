"""The one notion of a missing cell, for features and labels alike."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from irtheory.tables.place import in_list

# Words that other programs write for a missing cell, in small letters.
MISSING = frozenset({
    "", "na", "n/a", "n.a.", "#n/a", "#na", "<na>", "nan", "-nan", "+nan", "1.#ind", "1.#qnan",
    "nat", "none", "null", "(null)", "\\n", "?", "-", "--", ".", "missing", "#value!", "#div/0!",
    "#ref!", "#num!", "#name?", "#null!",
})  # fmt: skip
NOT_FINITE = frozenset({
    "inf", "+inf", "-inf", "infinity", "+infinity", "-infinity", "∞", "+∞", "-∞", "1.#inf",
    "-1.#inf",
})  # fmt: skip


def is_doubtful(cell: str) -> bool:
    """Whether a cell may stand for a missing value, or for one that is not finite."""
    return (small := cell.casefold()) in MISSING or small in NOT_FINITE


def is_missing(cell: str, na: Sequence[str]) -> bool:
    """Whether a cell is missing by the words of --na: one of them, or empty."""
    return not cell or cell in na


def na_hint(found: Iterable[str]) -> str:
    """The option that takes these cells as missing."""
    return f"--na {in_list(sorted({cell for cell in found if cell}))}"
