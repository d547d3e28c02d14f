"""Growth of a tree whose samples have weights."""

from __future__ import annotations

import numpy as np
from jaxtyping import Bool

from irtheory.trees.cart.careful import Nodes, Weighted, best_splits, describe_nodes
from irtheory.trees.cart.levels import Growth

_OF_NODES = ("size", "weight", "mean", "loss", "tie", "mixed")


def grow_weighted(data: Weighted, max_depth: int) -> Growth:
    """Grow a tree level by level, every split the best of its node."""
    growth, m = Growth(), len(data.targets)
    nodes = describe_nodes(data, np.arange(m), np.zeros(m, np.int64))
    names = np.array([growth.add(nodes.mean[0], nodes.loss[0], m, nodes.tie[0])])
    for _ in range(max_depth if len(data.rank) else 0):
        wide = nodes.mixed & (nodes.size >= 2 * data.least)
        nodes, names = selected(nodes, wide), names[wide]
        if not len(names):
            break
        column, level = best_splits(data, nodes)
        parted = column >= 0
        nodes, names = selected(nodes, parted), names[parted]
        if not len(names):
            break
        names, nodes = _divided(growth, data, names, nodes, column[parted], level[parted])
    return growth


def selected(nodes: Nodes, kept: Bool[np.ndarray, " n"]) -> Nodes:
    """Some of the nodes."""
    rows = kept[nodes.place]
    place = (np.cumsum(kept) - 1)[nodes.place[rows]]
    own = {name: getattr(nodes, name)[kept] for name in _OF_NODES}
    return Nodes(rows=nodes.rows[rows], place=place, centred=nodes.centred[rows], **own)


def _divided(
    growth: Growth, data: Weighted, names: np.ndarray, nodes: Nodes, column: np.ndarray,
    level: np.ndarray,
) -> tuple[np.ndarray, Nodes]:  # fmt: skip
    """Record the splits of some nodes; returns the children, two by two, and their names."""
    rank = data.rank[column[nodes.place], nodes.rows]
    child = 2 * nodes.place + (rank > level[nodes.place])
    order = np.argsort(child, kind="stable")
    below = describe_nodes(data, nodes.rows[order], child[order])
    added = []
    for i, name in enumerate(names.tolist()):
        growth.column[name], growth.level[name] = int(column[i]), int(level[i])
        growth.left[name] = len(growth.left)
        for c in (2 * i, 2 * i + 1):
            size, loss, tie = int(below.size[c]), float(below.loss[c]), float(below.tie[c])
            added.append(growth.add(below.mean[c], loss, size, tie))
    return np.array(added), below
