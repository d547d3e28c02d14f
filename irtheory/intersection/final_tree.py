"""T of the finished network, and the codes that count."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from jaxtyping import Int

from irtheory.intersection.growers import Grower
from irtheory.intersection.methods import Method
from irtheory.intersection.network import Collected
from irtheory.trees.tree import Tree


def final_tree(
    tree: Tree, seen: Collected, method: Method, grower: Grower
) -> tuple[Tree, Int[np.ndarray, " kept"]]:
    """T of the result over the kept codes, and which of the d codes these are, ascending.

    Its counts are those of `seen`: how many samples reach each node with the finished codes.

    Args:
        tree: T of the last epoch.
        seen: what the finished network says of the training set.
        method: says what T of the result is, and whether dead codes are left out.
        grower: grows T anew where the method wants that.
    """
    if method.final in ("refit", "last"):
        tree = _recounted(tree, seen, values=method.final == "refit")
    else:
        tree = replace(grower, targets=method.final)(seen, tree)
    kept = np.arange(seen.codes.shape[1])
    if method.prune:
        varies = (seen.codes != seen.codes[:1]).any(dim=0).cpu().numpy()
        varies[list(tree.used_features)] = True
        # A network that says the same of every sample keeps one code.
        kept = np.flatnonzero(varies) if varies.any() else kept[:1]
    place = np.where(tree.feature >= 0, np.searchsorted(kept, tree.feature), -1)
    return replace(tree, feature=place, n_features=len(kept)), kept


def _recounted(tree: Tree, seen: Collected, values: bool) -> Tree:
    """The same tests with the samples that reach each node now, and the mean of their outputs.

    Without `values` the values stay, as do those of nodes that no sample reaches.
    """
    visited = tree.decision_path(seen.codes.cpu().numpy()).astype(np.float64)
    count = visited.sum(axis=0)
    if not values:
        return replace(tree, count=count)
    outputs = seen.outputs.cpu().numpy().astype(np.float64)
    mean = visited.T @ outputs / np.maximum(count, 1)[:, None]
    return replace(tree, value=np.where(count[:, None] > 0, mean, tree.value), count=count)
