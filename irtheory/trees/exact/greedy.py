"""A greedy tree on the same tests and costs as the exact one, for an ω-step that is not global."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float, Num

from irtheory.trees.choices import Cost
from irtheory.trees.exact.solver import fit_exact_tree
from irtheory.trees.tree import Tree


def fit_greedy_tree(
    codes: Num[np.ndarray, "m n"],
    targets: Float[np.ndarray, "m k"],
    max_depth: int,
    *,
    cost: Cost = "squared_error",
    min_samples_leaf: int = 1,
) -> Tree:
    """Grow a tree from the root by the best single split of every node, as CART does.

    A node whose best split does not lower its cost stays a leaf. Arguments and errors are
    those of `irtheory.trees.exact.solver.fit_exact_tree`.
    """
    codes, targets = np.asarray(codes), np.asarray(targets, dtype=np.float64)

    def grow(samples: np.ndarray, depth: int) -> Tree:
        stump = fit_exact_tree(
            codes[samples],
            targets[samples],
            min(depth, 1),
            cost=cost,
            min_samples_leaf=min_samples_leaf,
            threads=1,
        ).tree
        if depth <= 1 or stump.n_leaves == 1:
            return stump
        feature, threshold = int(stump.feature[0]), float(stump.threshold[0])
        left = codes[samples, feature] <= threshold
        return Tree.grow(
            feature,
            threshold,
            grow(samples[left], depth - 1),
            grow(samples[~left], depth - 1),
            stump.value[0],
            len(samples),
        )

    return grow(np.arange(len(codes)), max_depth)
