"""Grow the tree that was asked for, on the rows to train on."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
from jaxtyping import Float, Int

from irtheory.runs.files import InputError
from irtheory.studies.table.features import is_whole
from irtheory.studies.table.model import ModelColumn, TableModel
from irtheory.studies.table.proven import facts_of
from irtheory.studies.table.score import MANY_CLASSES
from irtheory.studies.table.settings import TableSettings
from irtheory.studies.table.short_cuts import short_cuts
from irtheory.studies.table.tree_model import TreeModel
from irtheory.tables.columns import TableColumn
from irtheory.tables.place import counted
from irtheory.trees.estimators import CodeTreeClassifier, OptimalTreeClassifier
from irtheory.trees.estimators.plot import draw
from irtheory.trees.keys.key import Key, ends_of_counts, key_of
from irtheory.trees.short_tree import class_counts, shorten
from irtheory.trees.tree import Tree
from irtheory.trees.written import as_dot, dot_labels

Shares = Callable[[Sequence[TableColumn]], Float[np.ndarray, "m k"]]
Draw = Callable[[Any], Any]


@dataclass(frozen=True, eq=False)
class Grown:
    """A model and what there is to read of it.

    Attributes:
        model: what predicts.
        tree: T.
        feature_names: of the columns that T tests, or of its codes.
        key, dot: T as a dichotomous key and for Graphviz.
        draw: draws T on axes of matplotlib.
        facts: sentences on how good T is on the rows to train on, and what was proven.
        numbers: the same as numbers.
        scored: what is scored, by name: the tree, and with networks also G.
    """

    model: TableModel
    tree: Tree
    feature_names: tuple[str, ...]
    key: Key
    dot: str
    draw: Draw
    facts: tuple[str, ...]
    numbers: dict[str, Any]
    scored: dict[str, Shares]


def grow(
    columns: Sequence[TableColumn],
    labels: Int[np.ndarray, " m"],
    label: str,
    classes: tuple[str, ...],
    settings: TableSettings,
) -> Grown:
    """Grow a tree on rows.

    Args:
        columns: that it may test.
        labels: class of every row.
        label: name of their column.
        classes: names of all classes.
        settings: resolved.
    """
    if settings.method == "ira":
        return _codes(columns, labels, label, classes, settings)
    return _tree(columns, labels, label, classes, settings)


def _model(
    model: Any, columns: Sequence[TableColumn], label: str, classes: tuple[str, ...],
    settings: TableSettings,
) -> TableModel:  # fmt: skip
    reading = settings.reading
    own = tuple(map(ModelColumn.of, columns))
    return TableModel(settings.method, label, classes, reading.index, reading.na, own, model)


def _tree(
    columns: Sequence[TableColumn],
    labels: Int[np.ndarray, " m"],
    label: str,
    classes: tuple[str, ...],
    settings: TableSettings,
) -> Grown:
    estimator = _estimator(settings)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=MANY_CLASSES)
        try:
            estimator.fit(frame_of(columns), np.array(classes, dtype=object)[labels])
        except ValueError as error:
            raise InputError(_in_options(str(error), settings)) from error
    estimator.encoder_, estimator.tree_ = short_cuts(estimator.encoder_, estimator.tree_, columns)
    own = TreeModel(estimator.encoder_, _over_all(estimator, classes))
    facts, numbers = facts_of(estimator, settings, len(labels))
    return Grown(
        _model(own, columns, label, classes, settings),
        own.tree,
        own.encoder.tested_names,
        estimator.make_key(_title(label, settings)),
        estimator.to_dot(),
        estimator.plot,
        facts,
        numbers,
        {f"{settings.method} tree": own.shares},
    )


def _in_options(message: str, settings: TableSettings) -> str:
    """A refusal of the search with its argument as the option, in the unit of the option."""
    if not message.startswith("max_memory") or settings.max_memory is None:
        return message.replace("max_memory", "--max-memory")
    return f"{message.replace('max_memory', '--max-memory', 1)} (--max-memory is in GiB)"


def _estimator(settings: TableSettings) -> CodeTreeClassifier | OptimalTreeClassifier:
    common: dict[str, Any] = {
        "max_depth": settings.depth,
        "criterion": settings.criterion,
        "n_bins": settings.bins,
        "min_samples_leaf": settings.min_samples_leaf,
        "max_leaf_nodes": settings.max_leaves,
        "class_weight": "balanced" if settings.balanced else None,
    }
    if settings.method == "greedy":
        return CodeTreeClassifier(**common)
    memory = settings.max_memory
    return OptimalTreeClassifier(
        **common,
        time_limit=settings.time_limit,
        threads=settings.threads,
        max_memory=None if memory is None else max(1, int(memory * 2**30)),
    )


def frame_of(columns: Sequence[TableColumn]) -> pd.DataFrame:
    """The columns as a data frame: whole numbers stay whole, missing cells are None or NaN."""
    return pd.DataFrame({column.name: _series(column) for column in columns}, copy=False)


def _series(column: TableColumn) -> np.ndarray:
    gone = column.missing
    if column.values is None:
        pairs = zip(column.cells, gone, strict=True)
        return np.array([None if missing else cell for cell, missing in pairs], dtype=object)
    if not is_whole(column):
        return column.values
    if not gone.any():
        return column.values.astype(np.int64)
    pairs = zip(column.values, gone, strict=True)
    return np.array([None if missing else int(v) for v, missing in pairs], dtype=object)


def _over_all(estimator: Any, classes: tuple[str, ...]) -> Tree:
    """The tree with shares of all classes, in the order of `classes`."""
    place = {name: i for i, name in enumerate(classes)}
    shares = np.zeros((estimator.tree_.n_nodes, len(classes)))
    shares[:, [place[str(name)] for name in estimator.classes_]] = estimator.tree_.value
    return replace(estimator.tree_, value=shares, class_names=classes)


def _codes(
    columns: Sequence[TableColumn],
    labels: Int[np.ndarray, " m"],
    label: str,
    classes: tuple[str, ...],
    settings: TableSettings,
) -> Grown:
    from irtheory.studies.table.code_model import fit_codes  # loads torch

    own, remarks = fit_codes(columns, labels, len(classes), settings)
    fitted = own.fitted
    codes, _ = fitted.apply(own.matrix.apply(columns))
    counts = class_counts(fitted.tree, codes, labels, len(classes))
    short = shorten(fitted.tree, counts.sum(axis=1) > 0)
    names = tuple(f"code {code}" for code in fitted.kept.tolist())
    ends = ends_of_counts(short.tree, counts[short.nodes], classes, "training samples")
    texts = {node: end.text for node, end in ends.items()}
    wording = {
        node: (f"{names[feature]} absent", f"{names[feature]} present")
        for node, feature in enumerate(short.tree.feature.tolist())
        if feature >= 0
    }
    depth, leaves = short.tree.depth, short.tree.n_leaves
    used = len(short.tree.used_features)
    fact = (
        f"tree on codes: depth {depth}, {counted(leaves, 'leaf', 'leaves')}, tests {used} of "
        f"{len(names)} codes, {counted(len(labels), 'training row')}"
    )
    return Grown(
        _model(own, columns, label, classes, settings),
        replace(fitted.tree, class_names=classes),
        names,
        key_of(short.tree, wording, ends, _title(label, settings)),
        as_dot(short.tree, dot_labels(short.tree, wording, texts)),
        lambda ax: draw(short.tree, wording, texts, ax),
        (fact, *remarks),
        {"depth": depth, "leaves": leaves, "codes": len(names), "codes_tested": used},
        {"network": own.shares, "tree on codes": own.tree_shares},
    )


def _title(label: str, settings: TableSettings) -> str:
    return f"Key to {label} ({settings.table.name})"
