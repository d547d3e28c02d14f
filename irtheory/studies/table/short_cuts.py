"""Cuts with as few digits as they can have: 3.85 in place of 3.8499999999999996."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from jaxtyping import Float

from irtheory.tables.columns import TableColumn
from irtheory.trees.estimators.encoder import CodedColumn, Encoder
from irtheory.trees.tree import Tree
from irtheory.trees.writing import shortest_between


def short_cuts(
    encoder: Encoder, tree: Tree, columns: Sequence[TableColumn]
) -> tuple[Encoder, Tree]:
    """The same tests on these rows, whose cuts are easier to read.

    A cut between two neighbouring values may be anywhere between them. The model itself gets the
    short one, so that key, figure and prediction agree on every number.
    """
    values = [_known(column) for column in columns]
    if not encoder.plain:
        coded = tuple(_shortened(code, values[code.source]) for code in encoder.columns)
        return replace(encoder, columns=coded), tree
    threshold = tree.threshold.copy()
    for node in np.flatnonzero(tree.feature >= 0).tolist():
        threshold[node] = _short(threshold[node], values[tree.feature[node]])
    return encoder, replace(tree, threshold=threshold)


def _known(column: TableColumn) -> Float[np.ndarray, " known"]:
    """The numbers of a column, ascending; none of words."""
    return np.zeros(0) if column.values is None else np.unique(column.values[~column.missing])


def _shortened(code: CodedColumn, values: Float[np.ndarray, " known"]) -> CodedColumn:
    return replace(code, cuts=tuple(_short(cut, values) for cut in code.cuts))


def _short(cut: float, values: Float[np.ndarray, " known"]) -> float:
    """The middle between the values on both sides of a cut, rounded as far as it may be."""
    place = int(np.searchsorted(values, cut, side="right"))
    if not 0 < place < len(values):
        return float(cut)
    return float(shortest_between(float(values[place - 1]), float(values[place])))
