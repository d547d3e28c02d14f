"""T of the trained network, and the codes that are kept."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from jaxtyping import Int
from torch import Tensor

from irtheory.intersection.balance import class_weights
from irtheory.intersection.growers import Grower, targets_of
from irtheory.intersection.methods import Method
from irtheory.intersection.network import Collected
from irtheory.trees.tree import Tree


def final_tree(
    tree: Tree, seen: Collected, method: Method, grower: Grower
) -> tuple[Tree, Int[np.ndarray, " kept"]]:
    """T of the result over the kept codes, and the numbers of these codes, ascending.

    T of the last epoch was grown on codes that the network gave while it was still learning. The
    counts of the result are therefore taken from `seen`, with the codes of the trained network.

    Args:
        tree: T of the last epoch.
        seen: codes and outputs of the trained network for the training set.
        method: `final` says what T of the result is, `prune` whether constant codes are dropped.
        grower: grows a new T if the method asks for one. If it is balanced, so are the values of
            T: each class has the same weight in them. Counts are numbers of samples in any case.
    """
    if method.final in ("refit", "last"):
        outputs = seen.outputs if method.final == "refit" else None
        tree = _recounted(tree, seen, outputs, grower.balanced)
    else:
        tree = replace(grower, targets=method.final)(seen, tree)
        if grower.balanced:
            tree = _recounted(tree, seen, targets_of(seen, method.final), balanced=True)
    kept = np.arange(seen.codes.shape[1])
    if method.prune:
        varies = (seen.codes != seen.codes[:1]).any(dim=0).cpu().numpy()
        varies[list(tree.used_features)] = True
        # Without any varying code one is kept, as trees need at least one feature.
        kept = np.flatnonzero(varies) if varies.any() else kept[:1]
    # Tests refer to positions among the kept codes from here on; leaves have feature −1.
    position = np.where(tree.feature >= 0, np.searchsorted(kept, tree.feature), -1)
    return replace(tree, feature=position, n_features=len(kept)), kept


def _recounted(tree: Tree, seen: Collected, targets: Tensor | None, balanced: bool) -> Tree:
    """The same tests with the counts of `seen` and, if given, the mean targets [m, k] there.

    Nodes that no sample reaches keep their values.
    """
    visited = tree.decision_path(seen.codes.cpu().numpy()).astype(np.float64)
    count = visited.sum(axis=0)
    if targets is None:
        return replace(tree, count=count)
    outputs = targets.cpu().numpy().astype(np.float64)
    if balanced:
        weights = class_weights(seen.labels, outputs.shape[1])[seen.labels]
        visited *= weights.cpu().numpy().astype(np.float64)[:, None]
    total = visited.sum(axis=0)
    mean = visited.T @ outputs / np.where(total > 0, total, 1)[:, None]
    return replace(tree, value=np.where(count[:, None] > 0, mean, tree.value), count=count)
