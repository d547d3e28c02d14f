"""A tree on encoded columns as something that predicts, without pickle."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float

from irtheory.tables.columns import TableColumn
from irtheory.trees.estimators.encoder import Encoder
from irtheory.trees.estimators.table import Column, Kind, Table
from irtheory.trees.tree import Tree


@dataclass(frozen=True, eq=False)
class TreeModel:
    """A tree, and how the columns of a table become those that it tests.

    Attributes:
        encoder: of the estimator that grew the tree.
        tree: with shares of classes at its leaves.
    """

    encoder: Encoder
    tree: Tree

    @property
    def needed(self) -> tuple[str, ...]:
        """The columns that the tree tests."""
        used = {self.encoder.columns[code].source for code in self.tree.used_features}
        return tuple(name for place, name in enumerate(self.encoder.names) if place in used)

    def shares(self, columns: Sequence[TableColumn]) -> Float[np.ndarray, "m k"]:
        """Shares of the classes at the leaves that the rows reach."""
        read = self.encoder.transform(encoded_table(columns), self.tree.used_features)
        return self.tree.value[self.tree.apply_checked(np.asarray(read))]

    def content(self) -> dict[str, Any]:
        """For JSON."""
        return {"encoder": self.encoder.to_dict(), "tree": json.loads(self.tree.to_json())}

    @classmethod
    def read(cls, content: Any, classes: int) -> TreeModel:
        """Read `content`; ValueError for something else."""
        if not isinstance(content, dict) or set(content) != {"encoder", "tree"}:
            raise ValueError("model: expected an encoder and a tree")
        encoder = Encoder.from_dict(content["encoder"])
        tree = Tree.from_json(json.dumps(content["tree"]))
        width = len(encoder.names) if encoder.plain else len(encoder.columns)
        if (tree.n_features, tree.n_outputs) != (width, classes):
            raise ValueError(
                f"tree: expected {width} columns and {classes} classes, found {tree.n_features} "
                f"and {tree.n_outputs}"
            )
        return cls(encoder, tree)


def encoded_table(columns: Sequence[TableColumn]) -> Table:
    """The columns in the form of the tree estimators."""
    made = []
    for column in columns:
        kind: Kind = "number"
        values = column.values
        if values is None:
            kind = "words"
            pairs = zip(column.cells, column.missing, strict=True)
            values = np.array([None if gone else cell for cell, gone in pairs], dtype=object)
        made.append(Column(column.name, kind, values))
    return Table(tuple(c.name for c in made), None, tuple(made), tuple(c.kind for c in made))
