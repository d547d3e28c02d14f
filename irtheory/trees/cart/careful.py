"""The best splits of a level, with weights, and exactly where targets hardly differ: numpy.

Targets are centred on each node: first on one of its samples, which loses nothing where they
are close, then on their mean. So sums round in proportion to the node's own scatter, however
far the node is from the others. That takes a pass over the targets for every column, where
the kernels of `irtheory.trees.cart.split` serve several columns with one.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int
from scipy.special import xlogy

from irtheory.trees.cart.levels import Growth

# Gains that differ by less than this share of the node's loss are ties.
_TIE = 1e-12
# Rounding in a sum of weights.
_ROUNDING = 1e-12
# Rounding in an entropy in nats, per unit of weight.
_ROUNDING_OF_ENTROPY = 1e-14
# An output differs among samples if its scatter is above this share of its squares: a unit
# in the last place of every value comes to half of it.
_LAST_PLACE = 1e-31
# Doubles that the histograms of one column take at once.
_MOST = 2**22


class Weighted(NamedTuple):
    """Samples with weights, and the rules: least samples and least weight of a leaf."""

    rank: np.ndarray  # of codes, [d, m]
    targets: np.ndarray  # [m, k]
    weight: np.ndarray  # [m], above 0
    least: int
    least_weight: float
    by_entropy: bool


@dataclass(frozen=True, eq=False)
class Nodes:
    """Nodes of a level, whose rows are sorted by node.

    Attributes:
        rows: the samples, [r].
        place: the node of each, ascending, [r].
        size: samples of each node; `weight` is their total weight.
        mean: mean target [n, k].
        loss: Σ w ‖y − mean‖², or n H(mean).
        tie: difference of gains that counts as none.
        mixed: whether its targets differ.
        centred: targets [r, k], less the node's mean; for entropy as they are.
    """

    rows: Int[np.ndarray, " r"]
    place: Int[np.ndarray, " r"]
    size: Int[np.ndarray, " n"]
    weight: Float[np.ndarray, " n"]
    mean: Float[np.ndarray, "n k"]
    loss: Float[np.ndarray, " n"]
    tie: Float[np.ndarray, " n"]
    mixed: Bool[np.ndarray, " n"]
    centred: Float[np.ndarray, "r k"]


def describe_nodes(data: Weighted, rows: np.ndarray, place: np.ndarray) -> Nodes:
    """Means and losses of nodes; `place` is ascending and leaves no node out."""
    size = np.bincount(place)
    first, w = np.cumsum(size) - size, data.weight[rows]
    y = data.targets[rows]
    n = np.bincount(place, w)
    shift = np.zeros((len(size), y.shape[1])) if data.by_entropy else y[first]
    off = y - shift[place]
    mean = np.add.reduceat(off * w[:, None], first) / n[:, None]
    if data.by_entropy:
        loss = n * _entropies(mean)
        kept = np.add.reduceat(w * _entropies(y), first)
        tie = _TIE * loss + _ROUNDING_OF_ENTROPY * n
        return Nodes(rows, place, size, n, mean, loss, tie, loss - kept > tie, off)
    off -= mean[place]
    scatter = np.add.reduceat(off * off * w[:, None], first)
    squares = np.add.reduceat(y * y * w[:, None], first)
    scatter[scatter <= _LAST_PLACE * squares] = 0.0
    loss = scatter.sum(axis=1)
    return Nodes(rows, place, size, n, shift + mean, loss, _TIE * loss, loss > 0, off)


def _entropies(p: Float[np.ndarray, "n k"]) -> Float[np.ndarray, " n"]:
    return -xlogy(p, np.where(p > 0, p, 1.0)).sum(axis=1)


def best_splits(data: Weighted, nodes: Nodes) -> tuple[np.ndarray, np.ndarray]:
    """Column and last code rank on the left of each node's best split; column −1 if none is.

    Equal gains go to the lowest column, then to the lowest rank.
    """
    n, d = len(nodes.size), len(data.rank)
    levels = int(data.rank.max(initial=0)) + 1
    column, level = np.full(n, -1), np.zeros(n, np.int64)
    step = max(1, _MOST // (levels * data.targets.shape[1]))
    stops = np.cumsum(nodes.size)
    for begin in range(0, n, step):
        end = min(begin + step, n)
        own = slice(begin, end)
        part = slice(stops[begin] - nodes.size[begin], stops[end - 1])
        scorer = _Scorer(data, nodes, own, part, levels)
        best = np.stack([scorer.gains(j).max(axis=1) for j in range(d)])
        floor = best.max(axis=0) - nodes.tie[own]
        allowed = best.max(axis=0) > -np.inf
        winner = np.argmax(best >= floor, axis=0)
        column[own] = np.where(allowed, winner, -1)
        for j in np.unique(winner[allowed]):
            mine = allowed & (winner == j)
            reached = scorer.gains(int(j))[mine] >= floor[mine, None]
            level[np.flatnonzero(mine) + begin] = np.argmax(reached, axis=1)
    return column, level


class _Scorer:
    """Gains of all splits of a column, in some nodes that follow each other."""

    def __init__(self, data: Weighted, nodes: Nodes, own: slice, part: slice, levels: int) -> None:
        self.data, self.levels = data, levels
        self.rows, self.start = nodes.rows[part], (nodes.place[part] - own.start) * levels
        self.size, self.weight = nodes.size[own], nodes.weight[own]
        self.w = data.weight[self.rows]
        self.y = nodes.centred[part] * self.w[:, None]
        self.loss = nodes.loss[own]
        n, k = len(self.size), self.y.shape[1]
        self.total = np.stack(
            [np.bincount(nodes.place[part] - own.start, self.y[:, c], n) for c in range(k)], axis=-1
        )

    def gains(self, j: int) -> Float[np.ndarray, "n levels"]:
        """−inf where the split parts nothing or leaves too few samples on a side."""
        slot, shape = self.start + self.data.rank[j, self.rows], (len(self.size), self.levels)
        cells = shape[0] * self.levels
        held = np.bincount(slot, minlength=cells).reshape(shape)
        low = held.cumsum(axis=1)
        high = self.size[:, None] - low
        least = max(self.data.least, 1)
        allowed = (held > 0) & (low >= least) & (high >= least)
        w = np.bincount(slot, self.w, cells).reshape(shape).cumsum(axis=1)
        if self.data.least_weight > 0:
            lighter = np.minimum(w, self.weight[:, None] - w)
            allowed &= lighter >= self.data.least_weight * (1 - _ROUNDING)
        left = np.stack(
            [np.bincount(slot, y, cells).reshape(shape).cumsum(axis=1) for y in self.y.T], axis=-1
        )
        with np.errstate(divide="ignore", invalid="ignore"):
            gain = (self._information if self.data.by_entropy else self._squares)(left, w)
        return np.where(allowed, gain, -np.inf)

    def _squares(self, left: np.ndarray, low: np.ndarray) -> np.ndarray:
        """‖S − (w_L / w) T‖² w / (w_L w_R): what a split takes off the squared error."""
        whole = self.weight[:, None]
        off = left - (low / whole)[..., None] * self.total[:, None]
        return np.einsum("nvk,nvk->nv", off, off) * whole / (low * (whole - low))

    def _information(self, left: np.ndarray, low: np.ndarray) -> np.ndarray:
        """W H(p) − w_L H(p_L) − w_R H(p_R), from label sums."""
        high = self.weight[:, None] - low
        right = np.maximum(self.total[:, None] - left, 0.0)
        return self.loss[:, None] - _unnormalised(left, low) - _unnormalised(right, high)


def _unnormalised(s: np.ndarray, n: np.ndarray) -> np.ndarray:
    share = s / n[..., None]
    return -xlogy(s, np.where(share > 0, share, 1.0)).sum(axis=-1)


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
    of_nodes = (nodes.size, nodes.weight, nodes.mean, nodes.loss, nodes.tie, nodes.mixed)
    return Nodes(nodes.rows[rows], place, *(a[kept] for a in of_nodes), nodes.centred[rows])


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
