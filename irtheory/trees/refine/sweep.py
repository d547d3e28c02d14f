"""One sweep of alternating optimisation: the best test of each node, all else fixed (numba).

With every other test and all leaf values held, sample i costs a node c_left or c_right, its
squared distance to the leaf it would reach past either child. The test q_j ≤ t then costs

    Σ_i c_right(i) + Σ_{q_j(i) ≤ t} e(i),   e = c_left − c_right,

so one running sum of e per column and threshold ranks all tests (Carreira-Perpiñán &
Tavallali, 2018, "Alternating optimization of decision trees").
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from irtheory.trees.kernels.kernel import kernel
from irtheory.trees.kernels.lanes import BAD

# Up to this many thresholds a column, comparing every code with each is cheaper than to
# add at the place of the code: the comparisons of neighbouring columns are one instruction.
_FEW = 8


class Samples(NamedTuple):
    """What stays the same during a sweep: m samples and the rules of the search."""

    codes: np.ndarray  # uint8 [m, n]
    tested: np.ndarray  # uint8 [m, d], the columns that may be tested
    column: np.ndarray  # [d], their places in `codes`
    y: np.ndarray  # [m, k]
    least: int
    tie: float  # share of a node's Σ|e| that counts as no difference


class Tests(NamedTuple):
    """The tests of a tree, codes ≤ `level` of `feature` go left; −1 at leaves."""

    feature: np.ndarray
    level: np.ndarray
    left: np.ndarray
    right: np.ndarray
    above: np.ndarray  # [depth, nodes]: who stands at each depth over a node, or −1


class Leaves(NamedTuple):
    """Where samples end, what is predicted there and for how many."""

    leaf: np.ndarray  # [m]
    value: np.ndarray  # [nodes, k]
    count: np.ndarray  # [nodes]


class Space(NamedTuple):
    """Scratch memory of a sweep."""

    order: np.ndarray  # [m], rows by node
    start: np.ndarray  # [nodes + 1]
    ends: np.ndarray  # [m, 2], leaf reached past the left and the right child
    excess: np.ndarray  # [m + 3], read in fours
    cost: np.ndarray  # [levels, d]
    n_left: np.ndarray  # [levels, d]
    blank: np.ndarray  # [d], a row that goes left nowhere


def new_space(samples: Samples, nodes: int) -> Space:
    """Scratch memory for a tree of so many nodes."""
    m, d = samples.tested.shape
    shape = (int(samples.tested.max()) + 1, d)
    return Space(
        np.zeros(m, np.int64),
        np.zeros(nodes + 1, np.int64),
        np.zeros((m, 2), np.int64),
        np.zeros(m + 3),
        np.zeros(shape),
        np.zeros(shape, np.int32),
        np.full(d, 255, np.uint8),
    )


@kernel
def descend(codes, tests, node, row):
    """The leaf that a row reaches from a node."""
    while tests.feature[node] >= 0:
        goes_left = codes[row, tests.feature[node]] <= tests.level[node]
        node = tests.left[node] if goes_left else tests.right[node]
    return node


@kernel
def place(codes, tests, leaf):
    """Fill the leaf [m] of every sample."""
    for i in range(len(leaf)):
        leaf[i] = descend(codes, tests, 0, i)


@kernel
def refit(y, leaves):
    """Set leaf values to the mean of their samples; empty leaves and inner nodes keep theirs."""
    # Centred on one sample of the leaf: where samples hardly differ, their sum would lose more
    # than their differences.
    leaf, value, count = leaves
    count[:] = 0
    first = np.zeros(len(value), np.int64)
    for i in range(len(y)):
        node = leaf[i]
        if count[node] == 0:
            value[node] = 0.0
            first[node] = i
        count[node] += 1
        own, one = value[node], y[first[node]]
        for c in range(y.shape[1]):
            own[c] += y[i, c] - one[c]
    for node in range(len(value)):
        if count[node] > 0:
            own, one = value[node], y[first[node]]
            for c in range(y.shape[1]):
                own[c] = one[c] + own[c] / count[node]


@kernel(fast=True)
def squared_error(y, leaf, value):
    """Σ ‖y − T‖² over the samples."""
    total = 0.0
    for i in range(len(y)):
        own = value[leaf[i]]
        for c in range(y.shape[1]):
            total += (y[i, c] - own[c]) ** 2
    return total


@kernel(fast=True)
def _excess(y, low, high):
    """‖y − low‖² − ‖y − high‖², without the cancellation of the two."""
    # (y − l)² − (y − h)² = (h − l)(2y − l − h), one factor of which is small where l ≈ h.
    total = 0.0
    for c in range(len(y)):
        total += (high[c] - low[c]) * (2.0 * y[c] - low[c] - high[c])
    return total


@kernel
def _weigh(samples, tests, leaves, node, rows, ends, excess):
    """Fill both ends and the excess of the node's rows.

    Returns the sum over its left side, and the sum of all sizes.
    """
    # The sample's own leaf is known: only the way past the other child is walked.
    present, size = 0.0, 0.0
    for t in range(len(rows)):
        i = rows[t]
        here = leaves.leaf[i]
        if samples.codes[i, tests.feature[node]] <= tests.level[node]:
            low, high = here, descend(samples.codes, tests, tests.right[node], i)
        else:
            low, high = descend(samples.codes, tests, tests.left[node], i), here
        ends[t, 0], ends[t, 1] = low, high
        excess[t] = _excess(samples.y[i], leaves.value[low], leaves.value[high])
        size += abs(excess[t])
        if low == here:
            present += excess[t]
    return present, size


@kernel
def _row(tested, rows, t, blank):
    return tested[rows[t]] if t < len(rows) else blank


@kernel(fast=True)
def _compare_codes(tested, rows, excess, blank, cost, n_left):
    """Add the rows, four at a time, to the sums and counts [thresholds, d] of q ≤ v."""
    # Past the last row `blank` stands in: its code 255 is above every threshold, so whatever
    # is left in `excess` there is never added. The inner loops run over neighbouring columns
    # and have no branches, so that they become vector code.
    size = np.uintp(len(blank))
    for t in range(0, len(rows), 4):
        q0, e0 = _row(tested, rows, t, blank), excess[t]
        q1, e1 = _row(tested, rows, t + 1, blank), excess[t + 1]
        q2, e2 = _row(tested, rows, t + 2, blank), excess[t + 2]
        q3, e3 = _row(tested, rows, t + 3, blank), excess[t + 3]
        for level in range(len(cost)):
            v, sums, counts = np.uint8(level), cost[level], n_left[level]
            for j in range(size):
                first = (e0 if q0[j] <= v else 0.0) + (e1 if q1[j] <= v else 0.0)
                sums[j] += first + ((e2 if q2[j] <= v else 0.0) + (e3 if q3[j] <= v else 0.0))
            for j in range(size):
                first = np.uint8(q0[j] <= v) + np.uint8(q1[j] <= v)
                counts[j] += first + np.uint8(q2[j] <= v) + np.uint8(q3[j] <= v)


@kernel
def _scatter_codes(tested, rows, excess, cost, n_left):
    """The same by adding at the code itself; `cost` and `n_left` are [levels, d]."""
    levels, d = cost.shape
    flat_cost, flat_left, size = cost.ravel(), n_left.ravel(), np.uintp(d)
    for t in range(len(rows)):
        own, e = tested[rows[t]], excess[t]
        for j in range(size):
            at = np.uintp(own[j]) * size + j
            flat_cost[at] += e
            flat_left[at] += 1
    for v in range(1, levels):
        for j in range(d):
            cost[v, j] += cost[v - 1, j]
            n_left[v, j] += n_left[v - 1, j]


@kernel(fast=True)
def _bar_uneven(cost, n_left, n, least):
    """Bar the tests that leave a side fewer than `least` rows; returns the lowest cost."""
    best = -BAD
    for v in range(len(cost)):
        own, counts = cost[v], n_left[v]
        for j in range(np.uintp(len(own))):
            allowed = (counts[j] >= least) & (counts[j] <= n - least)
            own[j] = own[j] if allowed else -BAD
            best = min(best, own[j])
    return best


@kernel
def _lowest(cost, bound):
    """Lowest column, then lowest threshold, whose cost is at most `bound`."""
    # Thresholds outside, as `cost` is stored that way; columns that are not lower are skipped.
    column, threshold = cost.shape[1], 0
    for v in range(len(cost)):
        for j in range(column):
            if cost[v, j] <= bound:
                column, threshold = j, v
                break
    return column, threshold


@kernel
def _improve(samples, tests, leaves, node, rows, space):
    """Give a node its best test and move its rows; returns whether that changed it."""
    present, size = _weigh(samples, tests, leaves, node, rows, space.ends, space.excess)
    tested, tie = samples.tested, samples.tie * size
    # All codes are at most the last level, which is no threshold therefore.
    cost, n_left = space.cost[:-1], space.n_left[:-1]
    space.cost[:] = 0.0
    space.n_left[:] = 0
    if len(cost) <= _FEW:
        _compare_codes(tested, rows, space.excess, space.blank, cost, n_left)
    else:
        _scatter_codes(tested, rows, space.excess, space.cost, space.n_left)
    # Both costs leave out Σ c_right, which is the same for every test of this node.
    best = _bar_uneven(cost, n_left, len(rows), samples.least)
    if best >= present - tie:
        return False
    j, v = _lowest(cost, best + tie)
    tests.feature[node], tests.level[node] = samples.column[j], v
    for t in range(len(rows)):
        side = 0 if tested[rows[t], j] <= v else 1
        leaves.leaf[rows[t]] = space.ends[t, side]
    return True


@kernel
def _sort_rows(leaf, above, order, start):
    """Rows by the node they visit at one depth: `order` from start[node] to start[node + 1]."""
    # A counting sort. Filling a node's places moves its start to the next node's, so the starts
    # are moved back at the end.
    start[:] = 0
    for i in leaf:
        if above[i] >= 0:
            start[above[i] + 1] += 1
    for node in range(1, len(start)):
        start[node] += start[node - 1]
    for i in range(len(leaf)):
        node = above[leaf[i]]
        if node >= 0:
            order[start[node]] = i
            start[node] += 1
    for node in range(len(start) - 1, 0, -1):
        start[node] = start[node - 1]
    start[0] = 0


@kernel
def sweep(samples, tests, leaves, space):
    """Improve every node once, deepest first; returns whether any test changed.

    Nodes of one depth share no sample, so the leaf values are fitted again once a depth.
    """
    ever = False
    for depth in range(len(tests.above) - 1, -1, -1):
        _sort_rows(leaves.leaf, tests.above[depth], space.order, space.start)
        changed = False
        for node in range(len(tests.feature)):
            rows = space.order[space.start[node] : space.start[node + 1]]
            if len(rows) >= 2 * samples.least and tests.feature[node] >= 0:
                changed |= _improve(samples, tests, leaves, node, rows, space)
        if changed:
            refit(samples.y, leaves)
            ever = True
    return ever


@kernel
def hand_over(codes, tests, giver, taker, leaves):
    """Let the samples of one leaf descend from another node instead."""
    for i in range(len(leaves.leaf)):
        if leaves.leaf[i] == giver:
            leaves.leaf[i] = descend(codes, tests, taker, i)
            leaves.count[leaves.leaf[i]] += 1
    leaves.count[giver] = 0
