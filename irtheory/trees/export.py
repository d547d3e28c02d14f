"""Trees as text: DOT for drawings, indented text and a dichotomous key for readers."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping

import numpy as np

from irtheory.trees.serialise import check_names
from irtheory.trees.short_tree import shorten
from irtheory.trees.tree import Tree

_DOT_ESCAPES = {"\\": "\\\\", '"': '\\"', "&": "&amp;", "\r\n": "\\n", "\n": "\\n", "\r": "\\n"}


def to_dot(
    tree: Tree,
    feature_names: Iterable[str] | None = None,
    output_names: Iterable[str] | None = None,
    precision: int = 3,
) -> str:
    """The tree as a Graphviz digraph: a test in every inner node, the prediction in every leaf.

    Numbers keep ``precision`` significant digits and all their integer digits; names [n_features]
    and [k] may hold quotes, backslashes and line ends. Raises ValueError for a wrong number of
    names or a precision below 1.
    """
    if precision < 1:
        raise ValueError(f"precision: expected an integer >= 1, found {precision}")
    features = _feature_names(tree, feature_names)
    lines = ["digraph tree {", "  node [shape=box];"]
    predictions = _predictions(tree, output_names, precision)
    for node in range(tree.n_nodes):
        if tree.feature[node] < 0:
            head = predictions[node]
        else:
            cut = _rounded(tree.threshold[node], precision)
            head = f"{features[tree.feature[node]]} ≤ {cut}"
        label = _dot_quoted(f"{head}\nn = {_rounded(tree.count[node], precision)}")
        lines.append(f"  {node} [label={label}];")
    for node in np.flatnonzero(tree.feature >= 0):
        lines.append(f'  {node} -> {tree.left[node]} [label="yes"];')
        lines.append(f'  {node} -> {tree.right[node]} [label="no"];')
    return "\n".join([*lines, "}"]) + "\n"


def to_text(
    tree: Tree,
    feature_names: Iterable[str] | None = None,
    output_names: Iterable[str] | None = None,
) -> str:
    """The tree as indented text: a line for each branch and leaf, with exact thresholds.

    Raises ValueError for a wrong number of names ([n_features] and [k]).
    """
    branches = _branches(tree, _feature_names(tree, feature_names), binary=False)
    leaves = _leaf_labels(tree, _predictions(tree, output_names))
    lines: list[str] = []
    pending = [(0, 0, "")]
    while pending:
        node, indent, branch = pending.pop()
        if branch:
            lines.append("    " * (indent - 1) + branch)
        if node in leaves:
            lines.append("    " * indent + leaves[node])
        else:
            low, high = branches[node]
            pending.append((int(tree.right[node]), indent + 1, high))
            pending.append((int(tree.left[node]), indent + 1, low))
    return "\n".join(lines)


def to_key(
    tree: Tree,
    feature_names: Iterable[str] | None = None,
    output_names: Iterable[str] | None = None,
    leaf_names: Iterable[str] | None = None,
    binary: bool = True,
    leaf_texts: Iterable[str] | None = None,
    test_names: Mapping[int, tuple[str, str]] | None = None,
) -> str:
    """The tree as a dichotomous key: a couplet of lines for every inner node.

    Line ``a`` is the greater branch, line ``b`` the other; each ends in ``→`` and the number of
    the next couplet, or the leaf. Couplets are numbered from 1 in the order in which a reader
    meets them who always follows ``a``. Thresholds are exact, so that following the key gives the
    tree's own prediction.

    Args:
        tree: the tree to print.
        feature_names: n_features names; ``x0``, ``x1``, ... without.
        output_names: k names; ``class 0``, ``class 1``, ... without.
        leaf_names: one name a leaf, in the order of ``tree.leaves``, in place of predictions.
        leaf_texts: the same in place of prediction and count.
        test_names: the wording of (left, right) for some inner nodes, in place of the feature.
        binary: codes are {0, 1}: a feature that is only ever cut at 0.5 is present or absent.

    Raises:
        ValueError: a wrong number of names.
    """
    features = _feature_names(tree, feature_names)
    branches = _branches(tree, features, binary) | dict(test_names or {})
    predictions = _predictions(tree, output_names)
    if leaf_names is not None:
        names = check_names("leaf_names", leaf_names, tree.n_leaves)
        predictions = dict(zip(tree.leaves.tolist(), names, strict=True))
    goal = _leaf_labels(tree, predictions)
    if leaf_texts is not None:
        texts = map(_one_line, check_names("leaf_texts", leaf_texts, tree.n_leaves))
        goal = dict(zip(tree.leaves.tolist(), texts, strict=True))
    if tree.n_nodes == 1:
        return f"→ {goal[0]}"
    order = _greater_branch_first(tree)
    goal |= {node: str(number) for number, node in enumerate(order, start=1)}
    lines: list[str] = []
    for node in order:
        low, high = branches[node]
        lines.append(f"{goal[node]}a. {high} → {goal[int(tree.right[node])]}")
        lines.append(f"{goal[node]}b. {low} → {goal[int(tree.left[node])]}")
    return "\n".join(lines)


def _feature_names(tree: Tree, names: Iterable[str] | None) -> list[str]:
    if names is None:
        return [f"x{column}" for column in range(tree.n_features)]
    return check_names("feature_names", names, tree.n_features)


def _predictions(
    tree: Tree, output_names: Iterable[str] | None, precision: int = 3
) -> dict[int, str]:
    """Text of each leaf: the likeliest output and its share, or the rounded values."""
    names = None
    if output_names is not None:
        names = check_names("output_names", output_names, tree.n_outputs)
    write = _likeliest if _is_distribution(tree) else _values
    return {node: write(tree.value[node], names, precision) for node in tree.leaves.tolist()}


def _is_distribution(tree: Tree) -> bool:
    total = tree.value.sum(axis=1)
    return tree.n_outputs > 1 and bool((tree.value >= 0).all() and np.allclose(total, 1.0))


def _likeliest(value: np.ndarray, names: list[str] | None, precision: int) -> str:
    best = int(np.argmax(value))
    name = f"class {best}" if names is None else names[best]
    return name if value[best] == 1 else f"{name}, share {_rounded(value[best], precision)}"


def _values(value: np.ndarray, names: list[str] | None, precision: int) -> str:
    rounded = [_rounded(number, precision) for number in value]
    if names is not None:
        return ", ".join(f"{n} = {v}" for n, v in zip(names, rounded, strict=True))
    return rounded[0] if len(rounded) == 1 else f"[{', '.join(rounded)}]"


def _leaf_labels(tree: Tree, predictions: dict[int, str]) -> dict[int, str]:
    return {
        node: f"{_one_line(prediction)} (n = {_rounded(tree.count[node])})"
        for node, prediction in predictions.items()
    }


def _branches(tree: Tree, names: list[str], binary: bool) -> dict[int, tuple[str, str]]:
    """The wording of (left, right) at every inner node."""
    other_cuts = set(tree.feature[tree.threshold != 0.5].tolist())
    words: dict[int, tuple[str, str]] = {}
    for node in np.flatnonzero(tree.feature >= 0).tolist():
        feature, cut = int(tree.feature[node]), _exact(tree.threshold[node])
        name = _one_line(names[feature])
        words[node] = (f"{name} ≤ {cut}", f"{name} > {cut}")
        if binary and feature not in other_cuts:
            words[node] = (f"{name} absent", f"{name} present")
    return words


def _greater_branch_first(tree: Tree) -> list[int]:
    """Inner nodes in the order met when every right branch is followed before the left one."""
    order, pending = [], [0]
    while pending:
        node = pending.pop()
        if tree.feature[node] >= 0:
            order.append(node)
            pending += [int(tree.left[node]), int(tree.right[node])]
    return order


def _one_line(name: str) -> str:
    return " ".join(name.split())


def _exact(number: float) -> str:
    """The shortest decimal that reads back as the same number; no ``.0``, no minus zero."""
    return repr(float(number) + 0.0).removesuffix(".0")


def _rounded(number: float, precision: int = 3) -> str:
    """``precision`` significant digits, more where the integer part is longer."""
    whole = 1 + math.floor(math.log10(abs(number))) if number else 1
    return _exact(float(f"{number:.{min(max(precision, whole), 17)}g}"))


def _dot_quoted(text: str) -> str:
    for raw, escaped in _DOT_ESCAPES.items():
        text = text.replace(raw, escaped)
    return f'"{text}"'


def classes_named(tree: Tree) -> tuple[int, ...]:
    """The outputs that some leaf names (argmax of its value), ascending; T names no others."""
    return tuple(np.unique(tree.value[tree.leaves].argmax(axis=1)).tolist())


def merge_same_class(tree: Tree) -> Tree:
    """The tree with leaves for subtrees that name one class (argmax of the value) throughout.

    It names the same class for every input, but loses the class shares of the merged leaves.
    """
    return shorten(tree).tree
