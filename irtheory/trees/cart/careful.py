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

from irtheory.trees.cart import split
from irtheory.trees.cart.codes import CodeColumns
from irtheory.trees.cart.split import LAST_PLACE, ROUNDING_OF_ENTROPY, TIE

# Rounding in a sum of weights.
_ROUNDING = 1e-12
# Doubles that the histograms of one column take at once.
_MOST = 2**22


class Weighted(NamedTuple):
    """Samples with weights, and the rules: least samples and least weight of a leaf."""

    rank: np.ndarray  # of codes, [d, m]
    targets: np.ndarray  # [m, k]
    weight: np.ndarray  # [m], above 0
    offset: np.ndarray  # [k], what was taken off the targets
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
        tie = TIE * loss + ROUNDING_OF_ENTROPY * n
        return Nodes(rows, place, size, n, mean, loss, tie, loss - kept > tie, off)
    off -= mean[place]
    scatter = np.add.reduceat(off * off * w[:, None], first)
    whole = y + data.offset
    squares = np.add.reduceat(whole * whole * w[:, None], first)
    scatter[scatter <= LAST_PLACE * squares] = 0.0
    loss = scatter.sum(axis=1)
    return Nodes(rows, place, size, n, shift + mean, loss, TIE * loss, loss > 0, off)


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


def careful_split(data: split.Data, codes: CodeColumns, step: split.Step, rows: np.ndarray) -> None:
    """Find the best split of every node of a level, and fill `step`."""
    rank, same = codes.rank[: len(codes.column)], np.ones(len(data.targets))
    own = Weighted(rank, data.targets, same, data.offset, data.least, 0.0, False)
    ranges = [rows[i:j] for i, j in zip(step.start, step.stop, strict=True)]
    place = np.repeat(np.arange(len(ranges)), step.stop - step.start)
    nodes = describe_nodes(own, np.concatenate(ranges).astype(np.int64), place)
    for i, (j, v) in enumerate(zip(*best_splits(own, nodes), strict=True)):
        if j >= 0:
            _divide(data, own.rank[j], v, rows, i, step)
            step.column[i], step.level[i] = j, v


def _divide(
    data: split.Data, rank: np.ndarray, level: int, rows: np.ndarray, i: int, step: split.Step
) -> None:
    """Part the rows of node i by ranks up to `level`; describe its children."""
    start, stop = int(step.start[i]), int(step.stop[i])
    mine = rows[start:stop]
    goes_left = rank[mine] <= level
    middle = start + int(goes_left.sum())
    rows[start:stop] = np.concatenate([mine[goes_left], mine[~goes_left]])
    step.middle[i] = middle
    for child, part in ((2 * i, rows[start:middle]), (2 * i + 1, rows[middle:stop])):
        described = split.describe(data, part, step.value[child])
        step.loss[child], step.mixed[child], step.tie_below[child] = described
