"""Choose the codes of a training table: cuts of its numbers, groups of its words."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import combinations

import numpy as np
from jaxtyping import Float, Int, Num

from irtheory.trees.binning import Binned, Reduced, bin_columns
from irtheory.trees.estimators.encoder import CodedColumn, Encoder
from irtheory.trees.estimators.table import Column, Table
from irtheory.trees.tree import Tree

# Words that are parted in all ways: that many, missing ones among them, give 15 columns.
FEW_WORDS = 5
MOST_WORDS = 256
# Rows that stand for weighted samples where quantiles are taken, per sample.
_COPIES = 16


@dataclass(frozen=True, eq=False)
class Coded:
    """A training table as codes.

    Attributes:
        encoder: how further tables become codes.
        codes: [m, c].
        binned: the cuts, where the encoder is plain; else None.
        reduced: the columns of X that were cut to fewer values than they have.
    """

    encoder: Encoder
    codes: Int[np.ndarray, "m c"]
    binned: Binned | None
    reduced: tuple[Reduced, ...]

    @property
    def cut(self) -> tuple[str, ...]:
        """Names of the columns that were cut to fewer values than they have."""
        return tuple(self.encoder.names[each.column] for each in self.reduced)

    def most_moved(self, depth: int) -> int:
        """See `Binned.most_moved`: as missing values keep their side, it holds for them too."""
        return Binned(self.codes, None, self.reduced).most_moved(depth)

    def on_the_way_in(self, tree: Tree) -> Tree:
        """The tree on these codes as it reads what `Encoder.transform` gives."""
        return tree if self.binned is None else self.binned.in_units_of_x(tree)


def code_table(
    table: Table,
    n_bins: int,
    most_codes: int | None,
    weight: Float[np.ndarray, " m"] | None,
    threads: int | None,
) -> Coded:
    """Choose the codes of a training table, and encode it.

    Args:
        table: the training table.
        n_bins: values of a column of numbers that may be told apart.
        most_codes: the largest number of codes of a column; a missing value is one of them.
        weight: of the samples, where quantiles are to follow them; None is equal weights.
        threads: threads that cut.

    Raises:
        ValueError: a column has more than `MOST_WORDS` different words; it is named.
    """
    if table.matrix is not None:
        return _code_matrix(table, table.matrix, n_bins, weight, threads)
    coded: list[CodedColumn] = []
    reduced: list[Reduced] = []
    for source, column in enumerate(table.columns):
        missing = bool(column.missing().any())
        if column.kind == "words":
            coded += _word_columns(source, column, missing)
            continue
        bins = n_bins if most_codes is None else min(n_bins, most_codes - missing)
        own, cut = _number_columns(source, column, missing, bins, weight)
        coded += own
        reduced += [replace(each, column=source) for each in cut]
    encoder = Encoder(table.names, tuple(coded), plain=False)
    codes = encoder.transform(table)
    small = codes.astype(np.uint8) if codes.max() < 256 else codes
    return Coded(encoder, small, None, tuple(reduced))


def _code_matrix(
    table: Table,
    x: Num[np.ndarray, "m n"],
    n_bins: int,
    weight: Float[np.ndarray, " m"] | None,
    threads: int | None,
) -> Coded:
    own = enumerate(zip(table.names, table.kinds, strict=True))
    columns = tuple(CodedColumn(j, name, kind) for j, (name, kind) in own)
    binned = _binned(x, n_bins, weight, threads)
    encoder = Encoder(table.names, columns, plain=True)
    return Coded(encoder, binned.codes, binned, binned.reduced)


def _binned(
    x: Num[np.ndarray, "m n"],
    n_bins: int,
    weight: Float[np.ndarray, " m"] | None,
    threads: int | None,
) -> Binned:
    """Cut the columns of x; whole weights count as so many samples, others nearly so."""
    if weight is None:
        return bin_columns(x, n_bins, threads)
    copies = _copies(weight)
    many = bin_columns(np.repeat(x, copies, axis=0), n_bins, threads)
    first = np.cumsum(copies) - copies
    return replace(many, codes=np.ascontiguousarray(many.codes[first]))


def _copies(weight: Float[np.ndarray, " m"]) -> Int[np.ndarray, " m"]:
    """How often each sample counts: its weight if that is whole, else about in proportion."""
    whole = np.rint(weight)
    if (whole == weight).all() and weight.sum() <= _COPIES * len(weight):
        return whole.astype(np.int64)
    share = weight / weight.mean() * (_COPIES / 2)
    return np.clip(np.rint(share), 1, _COPIES * 4).astype(np.int64)


def _number_columns(
    source: int, column: Column, missing: bool, n_bins: int, weight: Float[np.ndarray, " m"] | None
) -> tuple[list[CodedColumn], tuple[Reduced, ...]]:
    """Codes of numbers, or of categories with an order; and whether some cuts were left out."""
    known = ~column.missing()
    values = column.values[known]
    if column.kind == "ordered":
        place = {word: i for i, word in enumerate(column.order)}
        values = np.array([place[word] for word in values], np.float64)
    values = values.astype(np.float64)[:, None]
    cuts, reduced = _cuts_of(values, n_bins, None if weight is None else weight[known])
    words = column.order if column.kind == "ordered" else ()
    one = CodedColumn(source, column.name, column.kind, cuts, words)
    if not missing:
        return [one], reduced
    return [replace(one, missing="low"), replace(one, missing="high")], reduced


def _cuts_of(
    values: Float[np.ndarray, "m 1"], n_bins: int, weight: Float[np.ndarray, " m"] | None
) -> tuple[tuple[float, ...], tuple[Reduced, ...]]:
    """The cuts of one column, and whether some were left out."""
    if not len(values):
        return (), ()
    binned = _binned(values, max(n_bins, 2), weight, 1)
    if binned.cuts is None:  # whole numbers that are codes as they stand
        different = np.unique(values)
        return tuple(((different[:-1] + different[1:]) / 2).tolist()), ()
    return tuple(binned.cuts[0].tolist()), binned.reduced


def _word_columns(source: int, column: Column, missing: bool) -> list[CodedColumn]:
    words = sorted({word for word in column.values if word is not None})
    if len(words) > MOST_WORDS:
        found = f"{len(words)} in column {column.name!r}"
        raise ValueError(
            f"X: expected at most {MOST_WORDS} different words in a column, found {found}; "
            "leave it out, or group its words"
        )
    if len(words) + missing <= FEW_WORDS:
        return _all_groups(source, column.name, words, missing)
    coded = []
    for word in words:
        rest = tuple(other for other in words if other != word)
        one = CodedColumn(source, column.name, "words", (), (word,), rest)
        coded += [replace(one, missing=s) for s in ("low", "high")] if missing else [one]
    if missing:
        coded.append(CodedColumn(source, column.name, "words", (), (), tuple(words), "high"))
    return coded


def _all_groups(source: int, name: str, words: list[str], missing: bool) -> list[CodedColumn]:
    """A column for every way to part the words, and "missing" as one of them, in two."""
    places: list[str | None] = [*words, *([None] if missing else [])]
    groups = [g for n in range(1, len(places)) for g in combinations(places[1:], n)]
    coded = []
    for group in groups or [()]:
        above = tuple(word for word in group if word is not None)
        below = tuple(word for word in words if word not in above)
        side = ("high" if None in group else "low") if missing else "none"
        coded.append(CodedColumn(source, name, "words", (), above, below, side))
    return coded
