"""From a table to a scored tree: the work of `ira table`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

from irtheory.intersection.array_settings import default_depth
from irtheory.runs.files import InputError
from irtheory.studies.table.features import Features, features_of
from irtheory.studies.table.fit import Grown, grow
from irtheory.studies.table.leaf_size import check_leaf_size
from irtheory.studies.table.rows import Split, split_rows
from irtheory.studies.table.score import Score, confusion, named, usual_tree
from irtheory.studies.table.settings import TableSettings
from irtheory.tables.columns import TableColumn
from irtheory.tables.read import Table, header_of, read_table


@dataclass(frozen=True, eq=False)
class Read:
    """A table that is ready to grow a tree on."""

    settings: TableSettings
    table: Table
    features: Features
    split: Split

    @property
    def notes(self) -> list[str]:
        """What was done with the table and its columns."""
        rows = len(self.table.lines)
        name = self.settings.table.name
        own = [f"{name}: {rows} rows", *self.table.notes, *self.features.notes]
        held = len(self.split.test)
        share, seed = f"{self.settings.test_share:g}", self.settings.seed
        if held:
            own.append(
                f"held out: {held} of {rows} rows, drawn class by class (--test-share {share}, "
                f"--seed {seed})"
            )
        else:
            own.append(f"held out: no row (--test-share {share})")
        return [*own, *self.split.notes]


@dataclass(frozen=True, eq=False)
class Result:
    """A grown and scored tree.

    Attributes:
        read: the table.
        grown: the tree.
        shares: of the classes for all rows, by what predicts.
        scores: on held-out rows; on training rows if none are held out.
        confusion: of the first way to predict, on the same rows.
    """

    read: Read
    grown: Grown
    shares: Float[np.ndarray, "m k"]
    scores: tuple[Score, ...]
    confusion: Int[np.ndarray, "k k"]

    @property
    def suspects(self) -> tuple[str, ...]:
        """The columns among those that the model needs that say which row or which class."""
        needed = self.grown.model.model.needed
        return tuple(name for name in self.read.table.suspects if name in needed)

    @property
    def held_out(self) -> bool:
        """Whether the scores are on held-out rows."""
        return len(self.read.split.test) > 0


def read(settings: TableSettings) -> Read:
    """Read and split the table.

    Raises:
        InputError: a table, a column or an option that cannot be used.
    """
    if settings.label is None:
        names = ", ".join(header_of(settings.table, settings.reading))
        raise InputError(f"--label COLUMN: expected one of the columns {names}, found none")
    table = read_table(settings.table, settings.label, settings.reading)
    features = features_of(table, settings.most_words)
    split = split_rows(features.labels, features.columns, settings.test_share, settings.seed)
    check_leaf_size(_rows(features.columns, split.train), settings)
    return Read(settings, table, features, split)


def run(found: Read) -> Result:
    """Grow and score the tree."""
    settings, features, split = found.settings, found.features, found.split
    train = _rows(features.columns, split.train)
    labels = features.labels[split.train]
    grown = grow(train, labels, str(settings.label), features.classes, settings)
    rows = split.test if len(split.test) else split.train
    parts = _rows(features.columns, rows), features.labels[rows]
    scores, first = [], None
    for name, shares in grown.scored.items():
        predicted = named(shares(parts[0]))
        first = predicted if first is None else first
        scores.append(Score.of(name, predicted == parts[1], named(shares(train)) == labels))
    scores += _beside(train, labels, *parts, settings, features.classes)
    assert first is not None
    matrix = confusion(parts[1], first, len(features.classes))
    every = grown.model.shares(features.columns)
    return Result(found, grown, every, tuple(scores), matrix)


def _rows(columns: Sequence[TableColumn], rows: Int[np.ndarray, " r"]) -> list[TableColumn]:
    kept = rows.tolist()
    return [column.rows(kept) for column in columns]


def _beside(
    train: Sequence[TableColumn],
    labels: Int[np.ndarray, " m"],
    test: Sequence[TableColumn],
    test_labels: Int[np.ndarray, " t"],
    settings: TableSettings,
    classes: tuple[str, ...],
) -> list[Score]:
    """Scikit-learn's tree of the same depth, and the most frequent class of training."""
    depth = settings.depth or default_depth(len(classes))
    leaves = "" if settings.max_leaves is None else f", {settings.max_leaves} leaves"
    if settings.min_samples_leaf > 1:
        leaves += f", {settings.min_samples_leaf} rows a leaf"
    own, others = usual_tree(train, labels, test, depth, settings)
    frequent = int(np.bincount(labels).argmax())
    return [
        Score.of(
            f"scikit-learn's tree of depth {depth}{leaves}", others == test_labels, own == labels
        ),
        Score.of(f"always {classes[frequent]}", test_labels == frequent, labels == frequent),
    ]
