"""Decision trees: the class T, its globally optimal members, greedy ones, and written forms.

Each public name is imported when it is first used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from irtheory.lazy import lazy_names

if TYPE_CHECKING:
    from irtheory.trees.cart.fit import fit_cart
    from irtheory.trees.compile import kernels_compiled, warm_up
    from irtheory.trees.estimators import (
        CodeTreeClassifier,
        CodeTreeRegressor,
        OptimalTreeClassifier,
        OptimalTreeRegressor,
    )
    from irtheory.trees.exact.design import Pruning
    from irtheory.trees.exact.greedy import fit_greedy_tree
    from irtheory.trees.exact.near_optimal import NearOptimalTrees, near_optimal_trees
    from irtheory.trees.exact.path import OptimalPath, fit_exact_tree_of_size, optimal_tree_path
    from irtheory.trees.exact.solver import ExactFit, ExactTreeSolver, fit_exact_tree
    from irtheory.trees.export import gaps_of, merge_same_class, to_dot, to_key, to_text
    from irtheory.trees.refine.fit import refine_tree
    from irtheory.trees.routing import Routing
    from irtheory.trees.short_tree import ShortTree, class_counts, shorten
    from irtheory.trees.tree import Tree

__all__ = [
    "CodeTreeClassifier", "CodeTreeRegressor", "ExactFit", "ExactTreeSolver", "NearOptimalTrees",
    "OptimalPath", "OptimalTreeClassifier", "OptimalTreeRegressor", "Pruning", "Routing",
    "ShortTree", "Tree", "class_counts", "fit_cart", "fit_exact_tree", "fit_exact_tree_of_size",
    "fit_greedy_tree", "gaps_of", "kernels_compiled", "merge_same_class", "near_optimal_trees",
    "optimal_tree_path", "refine_tree", "shorten", "to_dot", "to_key", "to_text", "warm_up",
]  # fmt: skip
__getattr__ = lazy_names(
    __name__,
    {
        "irtheory.trees.cart.fit": ["fit_cart"],
        "irtheory.trees.compile": ["kernels_compiled", "warm_up"],
        "irtheory.trees.estimators": [
            "CodeTreeClassifier",
            "CodeTreeRegressor",
            "OptimalTreeClassifier",
            "OptimalTreeRegressor",
        ],
        "irtheory.trees.exact.design": ["Pruning"],
        "irtheory.trees.exact.greedy": ["fit_greedy_tree"],
        "irtheory.trees.exact.near_optimal": ["NearOptimalTrees", "near_optimal_trees"],
        "irtheory.trees.exact.path": [
            "OptimalPath",
            "fit_exact_tree_of_size",
            "optimal_tree_path",
        ],
        "irtheory.trees.exact.solver": ["ExactFit", "ExactTreeSolver", "fit_exact_tree"],
        "irtheory.trees.export": ["gaps_of", "merge_same_class", "to_dot", "to_key", "to_text"],
        "irtheory.trees.refine.fit": ["refine_tree"],
        "irtheory.trees.routing": ["Routing"],
        "irtheory.trees.short_tree": ["ShortTree", "class_counts", "shorten"],
        "irtheory.trees.tree": ["Tree"],
    },
)
