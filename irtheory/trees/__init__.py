"""Decision trees: `Tree`; exact, greedy and refining searches; trees as text."""

from __future__ import annotations

from irtheory.trees.cart.fit import fit_cart
from irtheory.trees.compile import kernels_compiled, warm_up
from irtheory.trees.exact.design import Pruning
from irtheory.trees.exact.solver import ExactFit, ExactTreeSolver, fit_exact_tree
from irtheory.trees.export import to_dot, to_key, to_text
from irtheory.trees.refine.fit import refine_tree
from irtheory.trees.tree import Tree

__all__ = [
    "ExactFit",
    "ExactTreeSolver",
    "Pruning",
    "Tree",
    "fit_cart",
    "fit_exact_tree",
    "kernels_compiled",
    "refine_tree",
    "to_dot",
    "to_key",
    "to_text",
    "warm_up",
]
