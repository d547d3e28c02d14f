"""Columns as a matrix of numbers, for a network and for trees that take nothing else.

A column of numbers is centred and scaled by training rows, and a missing cell is its middle; a
word is a column of 0 and 1; where cells were missing in training, one more column says so.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from jaxtyping import Float

from irtheory.tables.columns import TableColumn

# Numbers this far outside those of training are no farther away, so that none is infinite.
FARTHEST = 1e6


@dataclass(frozen=True)
class Scaled:
    """How one column becomes numbers.

    Attributes:
        name: of the column.
        words: the words of text, each of which is a column of 0 and 1; None for numbers.
        middle, spread: of numbers, halved so that no difference overflows.
        missing: whether cells were missing in training.
    """

    name: str
    words: tuple[str, ...] | None
    middle: float
    spread: float
    missing: bool

    @property
    def width(self) -> int:
        """How many columns of the matrix it becomes."""
        return (1 if self.words is None else len(self.words)) + self.missing

    @classmethod
    def of(cls, column: TableColumn) -> Scaled:
        """By the rows to train on."""
        missing = bool(column.missing.any())
        if column.values is None:
            return cls(column.name, tuple(column.levels), 0.0, 1.0, missing)
        half = column.values[~column.missing] / 2
        middle = float(np.median(half)) if len(half) else 0.0
        spread = float(np.abs(half - middle).max(initial=0.0))
        return cls(column.name, None, middle, spread or 1.0, missing)

    def columns(self, column: TableColumn) -> list[Float[np.ndarray, " m"]]:
        """The numbers; an unknown word is none of the words, and missing where that is known."""
        if self.words is not None:
            found = [np.array([float(cell == w) for cell in column.cells]) for w in self.words]
            known = set(self.words)
            gone = column.missing | np.array([cell not in known for cell in column.cells])
            return found + ([gone.astype(np.float64)] if self.missing else [])
        assert column.values is not None
        with np.errstate(over="ignore"):
            scaled = (column.values / 2 - self.middle) / self.spread
        scaled = np.clip(np.nan_to_num(scaled, nan=0.0), -FARTHEST, FARTHEST)
        return [scaled] + ([column.missing.astype(np.float64)] if self.missing else [])


@dataclass(frozen=True)
class Matrix:
    """How the columns of a table become a matrix."""

    parts: tuple[Scaled, ...]

    @classmethod
    def of(cls, columns: Sequence[TableColumn]) -> Matrix:
        """By the rows to train on."""
        return cls(tuple(Scaled.of(column) for column in columns))

    @property
    def names(self) -> list[str]:
        """The column of the table that each column of the matrix comes from."""
        return [part.name for part in self.parts for _ in range(part.width)]

    def apply(self, columns: Sequence[TableColumn]) -> Float[np.ndarray, "m p"]:
        """The matrix of other rows with the same columns."""
        parts = zip(self.parts, columns, strict=True)
        return np.stack([c for part, column in parts for c in part.columns(column)], axis=1)

    def to_list(self) -> list[dict[str, Any]]:
        """Plain lists, texts and numbers, for JSON."""
        return [asdict(part) for part in self.parts]

    @classmethod
    def from_list(cls, found: Any) -> Matrix:
        """Read what `to_list` gave; ValueError for something else."""
        if not isinstance(found, list) or not all(isinstance(each, Mapping) for each in found):
            raise ValueError(f"matrix: expected a list of columns, found {type(found).__name__}")
        return cls(tuple(_scaled(each) for each in found))


def _scaled(found: Mapping[str, Any]) -> Scaled:
    try:
        words = found["words"]
        texts = None if words is None else tuple(map(str, words))
        middle, spread = float(found["middle"]), float(found["spread"])
        made = Scaled(str(found["name"]), texts, middle, spread, bool(found["missing"]))
    except (KeyError, TypeError) as error:
        raise ValueError(f"matrix: expected name, words, numbers and missing ({error})") from error
    if not np.isfinite([middle, spread]).all() or spread <= 0:
        raise ValueError(f"matrix: expected a spread above 0, found {spread}")
    return made
