"""A tree as indented text and as a drawing for Graphviz, given the words for its nodes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from irtheory.trees.tree import Tree

Wording = Mapping[int, tuple[str, str]]
# Graphviz reads entities such as &amp; in its strings.
_DOT_ESCAPES = {"\\": "\\\\", '"': '\\"', "&": "&amp;", "\r\n": "\\n", "\n": "\\n", "\r": "\\n"}


def as_text(tree: Tree, wording: Wording, leaves: Mapping[int, str]) -> str:
    """Indented text: a line for each branch, with its leaf or its branches below.

    Args:
        tree: the tree.
        wording: the words for (left, right) at every inner node.
        leaves: the text of every leaf.
    """
    lines: list[str] = []
    pending = [(0, 0, "")]
    while pending:
        node, indent, branch = pending.pop()
        if branch:
            lines.append("    " * (indent - 1) + branch)
        if node in leaves:
            lines.append("    " * indent + leaves[node])
        else:
            low, high = wording[node]
            pending.append((int(tree.right[node]), indent + 1, high))
            pending.append((int(tree.left[node]), indent + 1, low))
    return "\n".join(lines)


def as_dot(tree: Tree, labels: Sequence[str]) -> str:
    """A digraph with one of ``labels`` [nodes] in every node; tests are answered by yes and no."""
    lines = ["digraph tree {", "  node [shape=box];"]
    lines += [f"  {node} [label={dot_quoted(label)}];" for node, label in enumerate(labels)]
    for node in np.flatnonzero(tree.feature >= 0):
        lines.append(f'  {node} -> {tree.left[node]} [label="yes"];')
        lines.append(f'  {node} -> {tree.right[node]} [label="no"];')
    return "\n".join([*lines, "}"]) + "\n"


def dot_labels(tree: Tree, wording: Wording, leaves: Mapping[int, str]) -> list[str]:
    """Labels for ``as_dot``: the words for left and the samples, or the text of the leaf."""
    return [
        leaves[node] if node in leaves else f"{wording[node][0]}\nn = {count_of(tree, node)}"
        for node in range(tree.n_nodes)
    ]


def count_of(tree: Tree, node: int) -> str:
    """The number of training samples at a node."""
    return f"{tree.count[node]:.0f}"


def dot_quoted(text: str) -> str:
    """A text as a string of DOT; line ends stay line ends."""
    for raw, escaped in _DOT_ESCAPES.items():
        text = text.replace(raw, escaped)
    return f'"{text}"'
