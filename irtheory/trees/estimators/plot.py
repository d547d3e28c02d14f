"""A tree drawn with matplotlib."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from irtheory.trees.tree import Tree

_INCHES = (1.9, 1.3)  # for every leaf, and for every level

_CHARACTERS = 20  # of a line


def draw(
    tree: Tree, wording: Mapping[int, tuple[str, str]], leaves: Mapping[int, str], ax: Any
) -> Any:
    """Boxes for leaves, and above each branch what must hold to follow it; returns the axes."""
    x, y = places(tree)
    if ax is None:
        from matplotlib import pyplot

        size = (_INCHES[0] * max(tree.n_leaves, 2), _INCHES[1] * (tree.depth + 1))
        ax = pyplot.subplots(figsize=size, layout="constrained")[1]
    box = {"boxstyle": "round", "facecolor": "white", "edgecolor": "0.4"}
    for node in np.flatnonzero(tree.feature >= 0).tolist():
        for child, words in zip((tree.left[node], tree.right[node]), wording[node], strict=True):
            ax.plot([x[node], x[child]], [y[node], y[child]], color="0.6", zorder=1)
            # Nearer to the child, where siblings are further apart.
            place = (0.3 * x[node] + 0.7 * x[child], 0.3 * y[node] + 0.7 * y[child])
            ax.text(*place, _wrapped(words), ha="center", va="center", fontsize=8,
                    parse_math=False, backgroundcolor="white", zorder=2)  # fmt: skip
    for node, text in leaves.items():
        ax.text(x[node], y[node], _wrapped(text), ha="center", va="center", fontsize=8,
                parse_math=False, bbox=box, zorder=3)  # fmt: skip
    ax.set_xlim(-0.6, tree.n_leaves - 0.4)
    ax.set_ylim(-tree.depth - 0.5, 0.5)
    ax.set_axis_off()
    return ax


def places(tree: Tree) -> tuple[np.ndarray, np.ndarray]:
    """Leaves from left to right, a node over the middle of its children; one level a unit."""
    x, y = np.zeros(tree.n_nodes), np.zeros(tree.n_nodes)
    x[tree.leaves] = np.arange(tree.n_leaves)
    inner = np.flatnonzero(tree.feature >= 0)
    for node in inner:
        y[[tree.left[node], tree.right[node]]] = y[node] - 1
    for node in inner[::-1]:
        x[node] = (x[tree.left[node]] + x[tree.right[node]]) / 2
    return x, y


def _wrapped(text: str) -> str:
    """Lines of few characters, broken between words."""
    lines = [""]
    for word in text.split(" "):
        if lines[-1] and len(lines[-1]) + 1 + len(word) > _CHARACTERS:
            lines.append(word)
        else:
            lines[-1] = f"{lines[-1]} {word}" if lines[-1] else word
    return "\n".join(lines)
