"""One step of greedy growth: find the best split of a node and divide its rows (numba)."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from irtheory.trees.cart.codes import LEVELS, CodeColumns
from irtheory.trees.cart.entropy import entropy, measure_gains
from irtheory.trees.cart.held import Held
from irtheory.trees.cart.scatter import fill_scatter
from irtheory.trees.cart.sums import TABLES
from irtheory.trees.kernels.kernel import kernel
from irtheory.trees.kernels.lanes import BAD, LANES, add_block, aligned_zeros

# Rows that are gathered at most, bytes they take at most, and rows that are rotated at most.
_MOST_ROWS = 4096
_MOST_GATHERED = 2**23
_MOST_ROTATED = 256
# Gains that differ by less than this share of the node's loss are ties.
TIE = 1e-12
# Rounding in a gain of squared error: (√(L q), q) times these, with L the scatter of the node's
# targets about their mean, and q that about the mean of all.
_ROUNDING = (1e-15, 1e-31)
# Rounding in an entropy in nats, per row.
ROUNDING_OF_ENTROPY = 1e-14
# An output differs among rows if its scatter is above this share of its squares: one unit in
# the last place of every value comes to half of it.
LAST_PLACE = 1e-31
# Label sums below it weigh nothing: their weight would overflow, and they bring no gain.
_LEAST_LABEL = 1e-290


class Data(NamedTuple):
    """What a fit reads: joint codes, targets [m, k], the same in blocks, entropy per row."""

    joints: tuple[np.ndarray, ...]
    targets: np.ndarray
    y: np.ndarray  # [blocks * m * 8]; centred for squared error
    row_entropy: np.ndarray  # [m]; empty for squared error
    centre: np.ndarray  # [k], mean of all targets
    offset: np.ndarray  # [k], what was taken off the targets
    least: int
    slack: float


class Plan(NamedTuple):
    """How the nodes of a level are scored."""

    ways: np.ndarray
    place: np.ndarray  # of a node's sums in `held`; −1 for none
    other: np.ndarray  # the place of the sibling's sums, which come off those at `place`
    held: Held
    codes: np.ndarray  # [columns, m]: ranks of the rows in their order, where they are read


class Node(NamedTuple):
    """Target sum and output weights of the node being split, [blocks * 8]."""

    total: np.ndarray
    weight: np.ndarray


class Scores(NamedTuple):
    """Distance, rows on the left and gain of every split, [columns, levels]."""

    q: np.ndarray
    n_left: np.ndarray
    gains: np.ndarray


class Space(NamedTuple):
    """Scratch memory of one thread."""

    tables: np.ndarray
    spare: np.ndarray
    sums: np.ndarray
    left: np.ndarray
    table_counts: np.ndarray
    below: np.ndarray
    bounds: np.ndarray
    z: np.ndarray
    gram: np.ndarray
    rest: np.ndarray
    counts: np.ndarray
    order: np.ndarray
    ends: np.ndarray
    rows: np.ndarray


class Step(NamedTuple):
    """Nodes of one level, as ranges of rows, and what becomes of them."""

    start: np.ndarray
    stop: np.ndarray
    tie: np.ndarray  # difference of gains that counts as none
    column: np.ndarray  # −1 where no split is allowed
    level: np.ndarray
    middle: np.ndarray
    value: np.ndarray  # [2 * nodes, k]: of the left and right children
    loss: np.ndarray
    mixed: np.ndarray
    tie_below: np.ndarray


def new_space(codes: CodeColumns, width: int) -> Space:
    """Scratch memory for the columns of `codes` and target rows of `width` doubles."""
    padded, m = codes.rank.shape
    levels, joined = codes.levels, codes.joined
    cells, most = levels**joined, min(m, _MOST_ROWS, _MOST_GATHERED // (8 * width))
    rotated = min(most, width, _MOST_ROTATED)
    return Space(
        aligned_zeros(TABLES * max(cells, LEVELS) * LANES),
        aligned_zeros(max(cells, LEVELS) * LANES),
        np.zeros(TABLES * joined * levels * width),
        aligned_zeros(width),
        np.zeros(LEVELS, np.int64),
        np.zeros((TABLES * joined, levels), np.int64),
        np.zeros(padded),
        aligned_zeros(most * width),
        np.zeros(rotated**2),
        np.zeros(rotated),
        np.zeros(levels, np.int64),
        np.zeros(levels * most, np.uint32),
        np.zeros(levels, np.int64),
        np.zeros(m, np.uint32),
    )


def new_scores(codes: CodeColumns) -> Scores:
    """Room for the scores of every split of every column."""
    shape = (codes.rank.shape[0], codes.levels)
    return Scores(np.zeros(shape), np.zeros(shape), np.zeros(shape))


def new_node(width: int) -> Node:
    """Room for the sums of a node."""
    return Node(aligned_zeros(width), np.zeros(width))


def new_step(start: np.ndarray, stop: np.ndarray, tie: np.ndarray, k: int) -> Step:
    """Room for the outcome of a level whose nodes hold the rows start … stop − 1."""
    n = len(start)
    places = (np.full(n, -1, np.int64), np.zeros(n, np.int64), np.zeros(n, np.int64))
    below = (np.zeros((2 * n, k)), np.zeros(2 * n), np.zeros(2 * n, np.bool_), np.zeros(2 * n))
    return Step(start, stop, tie, *places, *below)


@kernel
def _enter_node(data, rows, node):
    """Sum the targets of `rows` and weigh the outputs: 1, or for entropy 1 / mean label."""
    # A label that no row of the node has gets weight 0: it cannot add to the gain.
    total, weight = node
    m, n = len(data.targets), len(rows)
    total[:] = 0.0
    for b in range(np.uintp(len(total) // LANES)):
        for t in range(np.uintp(n)):
            add_block(total, b, data.y, b * np.uintp(m) + rows[t])
    weight[:] = 1.0
    if len(data.row_entropy):
        for c in range(len(total)):
            weight[c] = n / total[c] if total[c] > _LEAST_LABEL else 0.0


@kernel(fast=True, unchecked_division=True)
def _squared_gains(q, n_left, n, least, gains):
    # Where no split is, n_L = 0 is below every `least`; no branches, so that it is vector code.
    for j in range(len(q)):
        for v in range(q.shape[1]):
            low, high = n_left[j, v], n - n_left[j, v]
            gain = q[j, v] * n / max(low * high, 1.0)
            gains[j, v] = gain if (low >= least) & (high >= least) else BAD


@kernel
def _score_columns(data, plan, i, codes, first, stop, rows, node, space, scores, tie):
    """Fill the gains of columns first … stop − 1 (multiples of 8) of node i."""
    q, n_left, gains = scores
    known = fill_scatter(data, plan, i, codes, first, stop, rows, node, space, scores)
    if known:
        return
    if len(data.row_entropy):
        rule, held, place = (data.least, tie, data.slack), plan.held, plan.place[i]
        sums = held.sums[place] if place >= 0 else held.sums[0][:0]
        below = held.below[max(place, 0)]
        measure_gains(
            codes, first, stop, rows, data.targets, node.total, rule, space, scores, sums, below
        )
    else:
        n = len(rows)
        _squared_gains(q[first:stop], n_left[first:stop], n, data.least, gains[first:stop])


@kernel
def _pick(gains, tie):
    """Lowest column, then lowest level, among the splits within `tie` of the best gain."""
    # Two passes, so that a tie is measured from the best gain of all, in any order of columns.
    best = BAD
    for j in range(len(gains)):
        for v in range(gains.shape[1]):
            best = max(best, gains[j, v])
    if best > BAD:
        for j in range(len(gains)):
            for v in range(gains.shape[1]):
                if gains[j, v] >= best - tie and gains[j, v] > BAD:
                    return j, v
    return -1, 0


@kernel
def _part(rank, level, rows, spare):
    """Move the rows with codes up to `level` to the front, both sides in order."""
    # In order, so that the rows of every node stay ascending: its targets are then read from
    # memory front to back, and sums do not depend on the path that led to the node.
    n_left, n_right = 0, 0
    for t in range(len(rows)):
        r = rows[t]
        if rank[r] <= level:
            rows[n_left] = r
            n_left += 1
        else:
            spare[n_right] = r
            n_right += 1
    for t in range(n_right):  # numba compiles a slice assignment for seconds
        rows[n_left + t] = spare[t]
    return n_left


@kernel
def _describe_labels(targets, row_entropy, rows, mean):
    n, k = len(rows), len(mean)
    mean[:] = 0.0
    for t in range(n):
        own = targets[rows[t]]
        for c in range(k):
            mean[c] += own[c]
    loss, kept = entropy(mean, n), 0.0
    for t in range(n):
        kept += row_entropy[rows[t]]
    mean /= n
    tie = TIE * loss + ROUNDING_OF_ENTROPY * n
    return loss, loss - kept > tie, tie


@kernel
def _describe_values(data, rows, mean):
    # Centred on the first row before anything is added up: rows that are equal have exactly
    # their value as mean, and rows that hardly differ lose no digit of their differences.
    targets, n, k = data.targets, len(rows), len(mean)
    first = targets[rows[0]]
    mean[:] = 0.0
    for t in range(n):
        own = targets[rows[t]]
        for c in range(k):
            mean[c] += own[c] - first[c]
    for c in range(k):
        mean[c] = first[c] + mean[c] / n
    scatter, squares = np.zeros(k), np.zeros(k)
    for t in range(n):
        own = targets[rows[t]]
        for c in range(k):
            off, whole = own[c] - mean[c], own[c] + data.offset[c]
            scatter[c] += off * off
            squares[c] += whole * whole
    loss, away = 0.0, 0.0
    for c in range(k):
        loss += scatter[c] if scatter[c] > LAST_PLACE * squares[c] else 0.0
        away += (mean[c] - data.centre[c]) ** 2
    far = loss + n * away
    tie = TIE * loss + _ROUNDING[0] * np.sqrt(loss * far) + _ROUNDING[1] * far
    return loss, loss > 0.0, tie


@kernel
def describe(data, rows, mean):
    """Fill the mean target [k]; returns the node's loss, whether its targets differ, and its tie.

    The loss is Σ‖y − mean‖², or for entropy n H(mean), of which Σ H(y) no split takes off.
    """
    # Two passes, as Σ‖y‖² − n ‖mean‖² would lose digits.
    if len(data.row_entropy):
        return _describe_labels(data.targets, data.row_entropy, rows, mean)
    return _describe_values(data, rows, mean)


@kernel
def divide(data, rows, i, column, level, spare, step):
    """Part the rows of node i by codes up to `level` of `column`; describe its children."""
    start, stop = step.start[i], step.stop[i]
    middle = start + _part(data.joints[0][column], level, rows[start:stop], spare)
    step.column[i], step.level[i], step.middle[i] = column, level, middle
    for side in range(2):
        own = rows[start:middle] if side == 0 else rows[middle:stop]
        child = 2 * i + side
        loss, mixed, tie = describe(data, own, step.value[child])
        step.loss[child], step.mixed[child], step.tie_below[child] = loss, mixed, tie


@kernel
def _settle(data, rows, i, space, scores, step):
    """Divide node i by the best split, if there is one."""
    column, level = _pick(scores.gains, step.tie[i])
    if column >= 0:
        divide(data, rows, i, column, level, space.rows, step)


@kernel
def split_nodes(data, plan, nodes, first, stop, rows, node, space, scores, step):
    """Score columns first … stop − 1 in some nodes of a level, one after the other.

    If those are all columns the nodes are split too. An empty range of columns splits
    nodes whose columns were scored piece by piece.
    """
    for i in nodes:
        start, end = step.start[i], step.stop[i]
        own = rows[start:end]
        if stop > first:
            _enter_node(data, own, node)
            codes = plan.codes[:, start:end]
            tie = step.tie[i]
            _score_columns(data, plan, i, codes, first, stop, own, node, space, scores, tie)
        if stop == first or stop - first == len(scores.q):
            _settle(data, rows, i, space, scores, step)
