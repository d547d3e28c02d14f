"""Decision trees: the class T, its globally optimal members, and their written forms."""

from __future__ import annotations

from irtheory.trees.exact import (
    ExactFit,
    ExactTreeSolver,
    Pruning,
    fit_exact_tree,
    kernels_compiled,
    warm_up,
)
from irtheory.trees.export import to_dot, to_key, to_text
from irtheory.trees.tree import Tree

__all__ = [
    "ExactFit",
    "ExactTreeSolver",
    "Pruning",
    "Tree",
    "fit_exact_tree",
    "kernels_compiled",
    "to_dot",
    "to_key",
    "to_text",
    "warm_up",
]
