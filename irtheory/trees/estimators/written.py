"""A tree as text and as a drawing for Graphviz, with the wording of its tests."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from irtheory.trees.tree import Tree

Wording = Mapping[int, tuple[str, str]]


def as_text(tree: Tree, wording: Wording, leaves: Mapping[int, str]) -> str:
    """Indented text: a line for each branch, with its leaf or its branches below."""
    lines: list[str] = []
    pending = [(0, 0, "")]
    while pending:
        node, indent, branch = pending.pop()
        if branch:
            lines.append("    " * (indent - 1) + branch)
        if node in leaves:
            lines.append("    " * indent + leaves[node])
        else:
            for child, words in zip(_children(tree, node)[::-1], wording[node][::-1], strict=True):
                pending.append((child, indent + 1, words))
    return "\n".join(lines)


def as_dot(tree: Tree, wording: Wording, leaves: Mapping[int, str]) -> str:
    """A digraph: the test in every inner node, answered by yes and no, the text in every leaf."""
    lines = ["digraph tree {", "  node [shape=box];"]
    for node in range(tree.n_nodes):
        label = (
            leaves[node] if node in leaves else f"{wording[node][0]}\nn = {count_of(tree, node)}"
        )
        lines.append(f"  {node} [label={_quoted(label)}];")
    for node in np.flatnonzero(tree.feature >= 0).tolist():
        for child, answer in zip(_children(tree, node), ("yes", "no"), strict=True):
            lines.append(f'  {node} -> {child} [label="{answer}"];')
    return "\n".join([*lines, "}"]) + "\n"


def count_of(tree: Tree, node: int) -> str:
    """The number of training samples at a node."""
    return f"{tree.count[node]:.0f}"


def _children(tree: Tree, node: int) -> tuple[int, int]:
    return int(tree.left[node]), int(tree.right[node])


def _quoted(text: str) -> str:
    """A DOT string; Graphviz reads entities such as &amp; in it."""
    for raw, escaped in (("\\", "\\\\"), ('"', '\\"'), ("&", "&amp;"), ("\n", "\\n")):
        text = text.replace(raw, escaped)
    return f'"{text}"'
