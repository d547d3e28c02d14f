"""Trees as text: DOT for drawings, indented text and a dichotomous key for readers."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping

import numpy as np
import numpy.typing as npt

from irtheory.trees.keys.key import End, key_of
from irtheory.trees.keys.text import as_text as key_as_text
from irtheory.trees.serialise import check_names
from irtheory.trees.short_tree import shorten
from irtheory.trees.tree import Tree
from irtheory.trees.writing import NOISE, exact, one_line, rounded, shortest_between, told_apart
from irtheory.trees.written import as_dot, as_text

# The largest value that goes left and the smallest that goes right, by inner node.
Gaps = Mapping[int, tuple[float, float]]


def to_dot(
    tree: Tree,
    feature_names: Iterable[str] | None = None,
    output_names: Iterable[str] | None = None,
    precision: int = 3,
    gaps: Gaps | None = None,
) -> str:
    """The tree as a Graphviz digraph: a test in every inner node, the prediction in every leaf.

    A drawn cut parts the same values as the threshold: it is the threshold itself or, with
    ``gaps`` (see ``gaps_of``), the middle of the gap, rounded as far as it may be. Predictions and
    counts keep ``precision`` significant digits and all their integer digits. Names [n_features]
    and [k], by default those of the tree, may hold quotes, backslashes and line ends; those that
    would print alike are followed by their number.

    Raises ValueError for a wrong number of names, a gap that does not hold its threshold, or a
    precision below 1.
    """
    if precision < 1:
        raise ValueError(f"precision: expected an integer >= 1, found {precision}")
    features, cuts = _feature_names(tree, feature_names, lines=True), _cuts(tree, gaps)
    predictions = _predictions(tree, output_names, precision, lines=True)
    labels = []
    for node in range(tree.n_nodes):
        test = f"{features[tree.feature[node]]} ≤ {cuts[node]}" if node in cuts else ""
        head = test or predictions[node]
        labels.append(f"{head}\nn = {rounded(tree.count[node], precision)}")
    return as_dot(tree, labels)


def to_text(
    tree: Tree,
    feature_names: Iterable[str] | None = None,
    output_names: Iterable[str] | None = None,
    gaps: Gaps | None = None,
) -> str:
    """The tree as indented text: a line for each branch and leaf.

    Cuts, names and errors are those of ``to_dot``.
    """
    branches = _branches(tree, _feature_names(tree, feature_names), (), _cuts(tree, gaps))
    return as_text(tree, branches, _leaf_labels(tree, _predictions(tree, output_names)))


def to_key(
    tree: Tree,
    feature_names: Iterable[str] | None = None,
    output_names: Iterable[str] | None = None,
    leaf_names: Iterable[str] | None = None,
    binary: bool | Iterable[bool] = False,
    leaf_texts: Iterable[str] | None = None,
    test_names: Mapping[int, tuple[str, str]] | None = None,
    gaps: Gaps | None = None,
) -> str:
    """The tree as a dichotomous key: a couplet of lines for every inner node.

    Line ``a`` is the greater branch, line ``b`` the other; each ends in ``→`` and the number of
    the next couplet, or the leaf. Couplets are numbered from 1 in the order in which a reader
    meets them who always follows ``a``. Cuts are those of ``to_dot``, so that following the key
    gives the tree's own prediction.

    Args:
        tree: the tree to print.
        feature_names: n_features names; those of the tree, or ``x0``, ``x1``, ... without.
        output_names: k names; those of the tree, or ``class 0``, ``class 1``, ... without.
        leaf_names: one name a leaf, in the order of ``tree.leaves``, in place of predictions.
        leaf_texts: the same in place of prediction and count.
        test_names: the wording of (left, right) for some inner nodes, in place of the feature.
        binary: which of the n_features columns hold only 0 and 1, or whether all do; these are
            present or absent. What a column holds cannot be told from its cuts.
        gaps: as for ``to_dot``.

    Raises:
        ValueError: a wrong number of names or flags, or what ``to_dot`` refuses.
    """
    branches = test_words(tree, feature_names, binary, gaps) | dict(test_names or {})
    predictions = _predictions(tree, output_names)
    if leaf_names is not None:
        names = check_names("leaf_names", leaf_names, tree.n_leaves)
        predictions = dict(zip(tree.leaves.tolist(), names, strict=True))
    ends = _leaf_labels(tree, predictions)
    if leaf_texts is not None:
        texts = check_names("leaf_texts", leaf_texts, tree.n_leaves)
        ends = dict(zip(tree.leaves.tolist(), texts, strict=True))
    return key_as_text(key_of(tree, branches, {node: End(text) for node, text in ends.items()}))


def test_words(
    tree: Tree,
    feature_names: Iterable[str] | None = None,
    binary: bool | Iterable[bool] = False,
    gaps: Gaps | None = None,
) -> dict[int, tuple[str, str]]:
    """The wording of (left, right) at every inner node; the arguments are those of ``to_key``."""
    features, present = _feature_names(tree, feature_names), _binary_columns(tree, binary)
    return _branches(tree, features, present, _cuts(tree, gaps))


def gaps_of(tree: Tree, x: npt.ArrayLike) -> dict[int, tuple[float, float]]:
    """Between which values of x [m, n_features] each threshold lies, by inner node.

    That is the largest value of the column that goes left and the smallest that goes right, among
    all rows. A node that sends all of them one way has no gap. Raises ValueError as ``apply``.
    """
    tree.apply(x)  # checks x
    columns = np.asarray(x, np.float64).T
    gaps: dict[int, tuple[float, float]] = {}
    for node in np.flatnonzero(tree.feature >= 0).tolist():
        column = columns[tree.feature[node]]
        left = column <= tree.threshold[node]
        if left.any() and not left.all():
            gaps[node] = float(column[left].max()), float(column[~left].min())
    return gaps


def _cuts(tree: Tree, gaps: Gaps | None) -> dict[int, str]:
    """The cut of every inner node as text; it parts the same values as the threshold."""
    cuts: dict[int, str] = {}
    for node in np.flatnonzero(tree.feature >= 0).tolist():
        threshold = float(tree.threshold[node])
        gap = None if gaps is None else gaps.get(node)
        if gap is not None and not gap[0] <= threshold < gap[1]:
            raise ValueError(f"gaps: expected one around {threshold} at node {node}, found {gap}")
        cuts[node] = exact(threshold) if gap is None else shortest_between(*gap)
    return cuts


def _binary_columns(tree: Tree, binary: bool | Iterable[bool]) -> set[int]:
    """The tested columns that hold only 0 and 1."""
    flags = [binary] * tree.n_features if isinstance(binary, bool | np.bool_) else list(binary)
    if len(flags) != tree.n_features or not all(isinstance(f, bool | np.bool_) for f in flags):
        raise ValueError(
            f"binary: expected a bool or {tree.n_features} of them, found {binary!r:.60}"
        )
    # Whatever was said of it, a column that is cut elsewhere is printed with its cuts.
    other_cuts = set(tree.feature[tree.threshold != 0.5].tolist())
    return {column for column in tree.used_features if flags[column]} - other_cuts


def _feature_names(tree: Tree, names: Iterable[str] | None, lines: bool = False) -> list[str]:
    given = tree.feature_names if names is None else names
    if given is None:
        return [f"x{column}" for column in range(tree.n_features)]
    return told_apart(check_names("feature_names", given, tree.n_features), "column", lines)


def _predictions(
    tree: Tree, output_names: Iterable[str] | None, precision: int = 3, lines: bool = False
) -> dict[int, str]:
    """Text of each leaf: the likeliest output and its share, or the rounded values."""
    given = tree.class_names if output_names is None else output_names
    names = None
    if given is not None:
        names = told_apart(check_names("output_names", given, tree.n_outputs), "class", lines)
    write = _likeliest if _is_distribution(tree) else _values
    return {node: write(tree.value[node], names, precision) for node in tree.leaves.tolist()}


def _is_distribution(tree: Tree) -> bool:
    # Outputs of a network are shares in single precision.
    total = tree.value[tree.leaves].sum(axis=1)
    return tree.n_outputs > 1 and bool(
        (tree.value >= 0).all() and np.allclose(total, 1.0, rtol=0, atol=1e-6)
    )


def _likeliest(value: np.ndarray, names: list[str] | None, precision: int) -> str:
    best = int(np.argmax(value))
    name = f"class {best}" if names is None else names[best]
    alone = abs(value[best] - 1) <= NOISE
    return name if alone else f"{name}, share {rounded(value[best], precision)}"


def _values(value: np.ndarray, names: list[str] | None, precision: int) -> str:
    shown = [rounded(number, precision) for number in value]
    if names is not None:
        return ", ".join(f"{n} = {v}" for n, v in zip(names, shown, strict=True))
    return shown[0] if len(shown) == 1 else f"[{', '.join(shown)}]"


def _leaf_labels(tree: Tree, predictions: dict[int, str]) -> dict[int, str]:
    return {
        node: f"{one_line(prediction)} (n = {rounded(tree.count[node])})"
        for node, prediction in predictions.items()
    }


def _branches(
    tree: Tree, names: list[str], present: Collection[int], cuts: Mapping[int, str]
) -> dict[int, tuple[str, str]]:
    """The wording of (left, right) at every inner node."""
    words: dict[int, tuple[str, str]] = {}
    for node in np.flatnonzero(tree.feature >= 0).tolist():
        feature, name = int(tree.feature[node]), names[tree.feature[node]]
        words[node] = (f"{name} ≤ {cuts[node]}", f"{name} > {cuts[node]}")
        if feature in present:
            words[node] = (f"{name} absent", f"{name} present")
    return words


def classes_named(tree: Tree) -> tuple[int, ...]:
    """The outputs that some leaf names (argmax of its value), ascending; T names no others."""
    return tuple(np.unique(tree.value[tree.leaves].argmax(axis=1)).tolist())


def merge_same_class(tree: Tree) -> Tree:
    """The tree with leaves for subtrees that name one class (argmax of the value) throughout.

    It names the same class for every input, but loses the class shares of the merged leaves.
    """
    return shorten(tree).tree
