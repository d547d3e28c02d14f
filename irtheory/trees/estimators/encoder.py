"""Columns of a table as whole codes, so that a search over codes sees missing values and words.

* A column of numbers is one column of codes, cut between values.
* One with missing values becomes two: in the first a missing value lies below all numbers, in
  the second above. So every cut exists with the missing ones on either side, and "missing or
  not" is a cut too: a search that is exact on the codes is exact over sides.
* Words that are few give a 0/1 column for every way to part them into two groups, and the
  missing ones count as one more word. Many words give a 0/1 column each, and two where some are
  missing: with them on either side.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass, fields
from functools import lru_cache
from typing import Any, Literal, get_args

import numpy as np
from jaxtyping import Float, Int

from irtheory.trees.estimators.table import Column, Kind, Table
from irtheory.trees.tree import Tree
from irtheory.trees.writing import exact, one_line, told_apart

FORMAT = "ira-encoder"
VERSION = 1
Side = Literal["none", "low", "high"]


@dataclass(frozen=True)
class CodedColumn:
    """One column of codes: where it comes from, and what its codes mean.

    Attributes:
        source: the column of X.
        name: its name.
        kind: what it holds.
        cuts: ascending; the code of a number is how many of them lie below it. Categories with
            an order are numbered from 0. Empty where the tree has the thresholds of X itself.
        words: the words with code 1; of an "ordered" column all its categories, ascending.
        others: the words with code 0.
        missing: whether missing values have the lowest or the highest code; "none" where the
            training table had none in this column.
    """

    source: int
    name: str
    kind: Kind
    cuts: tuple[float, ...] = ()
    words: tuple[str, ...] = ()
    others: tuple[str, ...] = ()
    missing: Side = "none"

    def encode(self, column: Column) -> Int[np.ndarray, " m"]:
        """Codes of the values of this column of X.

        Raises:
            ValueError: another kind of values than in training, missing ones or a word where
                training had none like it and none missing; names column, row and value.
        """
        absent = column.missing()
        if absent.any() and self.missing == "none":
            row = int(np.argmax(absent))
            raise ValueError(
                f"X: column {self.name!r}: missing value in row {row}, "
                "but training had no missing values there"
            )
        if self.kind in ("number", "binary"):
            return self._encode_numbers(column, absent)
        return self._encode_words(column, absent)

    def _encode_numbers(self, column: Column, absent: np.ndarray) -> Int[np.ndarray, " m"]:
        if column.kind in ("words", "ordered"):
            row = next(i for i, word in enumerate(column.values) if word is not None)
            found = f"{column.values[row]!r} in row {row}"
            raise ValueError(
                f"X: column {self.name!r}: expected numbers as in training, found {found}"
            )
        return self._by_cuts(column.values, absent)

    def _by_cuts(self, numbers: np.ndarray, absent: np.ndarray) -> Int[np.ndarray, " m"]:
        low = int(self.missing == "low")
        codes = np.searchsorted(np.array(self.cuts, np.float64), numbers) + low
        codes[absent] = 0 if low else len(self.cuts) + 1
        return codes

    def _encode_words(self, column: Column, absent: np.ndarray) -> Int[np.ndarray, " m"]:
        if column.kind not in ("words", "ordered") and not absent.all():
            row = int(np.argmin(absent))
            found = f"{column.values[row]} in row {row}"
            raise ValueError(
                f"X: column {self.name!r}: expected words as in training, found {found}"
            )
        if column.kind not in ("words", "ordered"):
            words: list[Any] = [None] * len(column.values)
        else:
            words = column.values.tolist()
        ordered = self.kind == "ordered"
        known = dict.fromkeys(self.others, 0) | dict.fromkeys(self.words, 1)
        places: dict[Any, int] = known
        if ordered:
            places = {word: place for place, word in enumerate(self.words)}
        for row, word in enumerate(words):
            if word is not None and word not in places and self.missing == "none":
                raise ValueError(
                    f"X: column {self.name!r}: {word!r} in row {row} was not seen in training"
                )
        if ordered:
            numbers = np.array([places.get(word, np.nan) for word in words], np.float64)
            return self._by_cuts(numbers, np.isnan(numbers))
        without = int(self.missing == "high")
        return np.array([places.get(word, without) for word in words], np.int64)

    def branches(self, threshold: float, name: str | None = None) -> tuple[str, str]:
        """The wording of "code ≤ threshold" and of its opposite; `name` in place of its own."""
        name = told_apart([self.name], "column")[0] if name is None else name
        if self.kind == "words":
            return self._branches_of_words(name)
        cut = int(np.floor(threshold)) - (self.missing == "low")
        if self.missing == "low" and cut < 0:
            return f"{name} missing", f"{name} not missing"
        if self.missing == "high" and cut >= len(self.cuts):
            return f"{name} not missing", f"{name} missing"
        below, above = self._branches_at(name, cut)
        if self.missing == "none":
            return below, above
        low = self.missing == "low"
        return (f"{below} or missing", above) if low else (below, f"{above} or missing")

    def _branches_at(self, name: str, cut: int) -> tuple[str, str]:
        if self.kind == "ordered":
            word = _printed(tuple(self.words))[self.words[int(np.floor(self.cuts[cut]))]]
            return f"{name} ≤ {word}", f"{name} > {word}"
        if self.kind == "binary":
            return f"{name} absent", f"{name} present"
        value = exact(self.cuts[cut])
        return f"{name} ≤ {value}", f"{name} > {value}"

    def _branches_of_words(self, name: str) -> tuple[str, str]:
        shown = _printed(tuple(sorted({*self.words, *self.others})))
        below, above = ([shown[w] for w in words] for words in (self.others, self.words))
        if self.missing != "none":
            (below if self.missing == "low" else above).append("missing")
        if not self.words and self.missing == "high":
            return f"{name} not missing", f"{name} missing"
        if not self.others and self.missing == "low":
            return f"{name} missing", f"{name} not missing"
        if len(self.others) > MOST_LISTED and len(self.words) == 1:
            rest = f"neither {above[0]} nor missing" if len(above) > 1 else f"not {above[0]}"
            return f"{name} is {rest}", f"{name} is {_listed(above)}"
        return f"{name} is {_listed(below)}", f"{name} is {_listed(above)}"


# Words of a branch that are listed; a longer list reads as what it is not.
MOST_LISTED = 4


def _listed(words: list[str]) -> str:
    return " or ".join([", ".join(words[:-1]), words[-1]] if len(words) > 1 else words)


def _said(word: str) -> str:
    """A word on one line; in quotation marks where it could be taken for something else."""
    plain = one_line(word)
    # Spaces at its ends show in quotation marks; repeated ones inside are one on a line.
    unclear = word != word.strip() or plain in ("", "missing") or " or " in plain or "," in plain
    return repr(word) if unclear else plain


@lru_cache(maxsize=8)  # many columns of codes share the words of one column of X
def _printed(words: tuple[str, ...]) -> dict[str, str]:
    """How each of the words of a column is printed, so that no two look alike."""
    shown = told_apart([_said(word) for word in words], "word")
    return dict(zip(words, shown, strict=True))


@dataclass(frozen=True)
class Encoder:
    """How the columns of X become those that a tree tests.

    Attributes:
        names: of the columns of X.
        columns: the columns of codes, in order of their source.
        plain: X holds numbers only, none missing; the tree tests the columns of X themselves,
            in their units.
    """

    names: tuple[str, ...]
    columns: tuple[CodedColumn, ...]
    plain: bool

    def transform(
        self, table: Table, used: Collection[int] | None = None
    ) -> Float[np.ndarray, "m n"] | Int[np.ndarray, "m c"]:
        """What the tree reads of a table: X itself if the encoder is plain, else codes.

        Args:
            table: X, with the columns that training had.
            used: the columns of codes that are needed, such as `tree.used_features`; others
                stay 0, and what they hold is not looked at. None is all.

        Raises:
            ValueError: values that training gave no place to; names column, row and value.
        """
        if self.plain and table.matrix is not None:
            return table.matrix
        own = table.each()
        if self.plain:
            return np.column_stack([self._number(column, j, used) for j, column in enumerate(own)])
        codes = np.zeros((len(table), len(self.columns)), np.int64)
        for j in range(len(self.columns)) if used is None else used:
            codes[:, j] = self.columns[j].encode(own[self.columns[j].source])
        return codes

    def _number(self, column: Column, j: int, used: Collection[int] | None) -> np.ndarray:
        """A column for a tree in units of X; one that it does not test may hold anything."""
        if used is not None and j not in used:
            return np.zeros(len(column.values))
        self.columns[j].encode(column)  # raises, as something is missing or no number
        return column.values

    @property
    def tested_names(self) -> tuple[str, ...]:
        """Names of the columns that the tree tests; one of words is called by its code 1."""
        if self.plain:
            return self.names
        return tuple(
            column.branches(0.5)[1] if column.kind == "words" else column.name
            for column in self.columns
        )

    def wording(self, tree: Tree) -> dict[int, tuple[str, str]]:
        """The wording of (left, right) at every inner node of a tree on these columns."""
        words, names = {}, told_apart(self.names, "column")
        for node in np.flatnonzero(tree.feature >= 0).tolist():
            column, threshold = self.columns[tree.feature[node]], float(tree.threshold[node])
            if self.plain:
                column = CodedColumn(column.source, column.name, column.kind, (threshold,))
                threshold = 0.5
            words[node] = column.branches(threshold, names[column.source])
        return words

    def to_dict(self) -> dict[str, Any]:
        """Plain lists, texts and numbers, for JSON; `from_dict` reads them."""
        columns = [asdict(column) for column in self.columns]
        head = {"format": FORMAT, "version": VERSION}
        return head | {"names": list(self.names), "plain": self.plain, "columns": columns}

    @classmethod
    def from_dict(cls, found: Any) -> Encoder:
        """Read what `to_dict` gave, also after it went through JSON.

        Raises:
            ValueError: something else, named.
        """
        _check_mapping("encoder", found, {"format", "version", "names", "plain", "columns"})
        if (found["format"], found["version"]) != (FORMAT, VERSION):
            what = f"{found['format']!r}, {found['version']!r}"
            raise ValueError(f"encoder: expected {FORMAT!r}, {VERSION}, found {what}")
        names = _texts("names", found["names"])
        if not isinstance(found["plain"], bool) or not isinstance(found["columns"], list | tuple):
            raise ValueError("encoder: expected plain to be true or false and columns a list")
        columns = tuple(_read_column(one, names) for one in found["columns"])
        return cls(names, columns, found["plain"])


def _check_mapping(what: str, found: Any, keys: set[str]) -> None:
    if not isinstance(found, Mapping) or set(found) != keys:
        names = sorted(map(str, found)) if isinstance(found, Mapping) else type(found).__name__
        raise ValueError(f"{what}: expected the keys {', '.join(sorted(keys))}, found {names}")


def _texts(what: str, found: Any) -> tuple[str, ...]:
    if not isinstance(found, list | tuple) or not all(isinstance(text, str) for text in found):
        raise ValueError(f"{what}: expected a list of texts, found {found!r:.80}")
    return tuple(found)


def _read_column(found: Any, names: tuple[str, ...]) -> CodedColumn:
    _check_mapping("column", found, {field.name for field in fields(CodedColumn)})
    source, cuts = found["source"], found["cuts"]
    if type(source) is not int or not 0 <= source < len(names) or found["name"] != names[source]:
        raise ValueError(f"column: expected a source among the names, found {source!r}")
    if found["kind"] not in get_args(Kind) or found["missing"] not in get_args(Side):
        raise ValueError(f"column: unknown kind or side: {found['kind']!r}, {found['missing']!r}")
    numbers = isinstance(cuts, list | tuple) and all(type(c) in (int, float) for c in cuts)
    if not numbers or not np.isfinite(cuts).all() or list(cuts) != sorted(cuts):
        raise ValueError(f"cuts: expected ascending numbers, found {cuts!r:.80}")
    words, others = _texts("words", found["words"]), _texts("others", found["others"])
    own = tuple(float(cut) for cut in cuts)
    return CodedColumn(source, names[source], found["kind"], own, words, others, found["missing"])
