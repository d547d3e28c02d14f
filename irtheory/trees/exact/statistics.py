"""Node statistics and the depth-2 scan: the kernels every exact search is made of.

For a node (a set of merged rows) the statistics are, for every test i and every pair
i < j: the weight n of the rows where it is on and the sum S of their targets. The four
quadrants of a pair follow by inclusion and exclusion, so the best tree of depth 2 needs
no further pass over the rows (the idea behind the depth-2 solvers of MurTree and STreeD,
here with vector targets).

The quality of a leaf depends on n and S alone. `score` is to be maximised: ||S||²/n for
squared error (loss = sum of squares − score), −min_c S_c for a linear cost.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from irtheory.trees.kernels.kernel import kernel
from irtheory.trees.kernels.lanes import BAD, LANES, add_block, aligned_zeros

# Unsigned indices spare the check for negative ones. As numba makes uint64 + int64 a float64,
# the 1 that is added to them must be unsigned too.
_1 = np.uintp(1)
# The length of a tuple is part of its type, so loops over it have a constant number of turns
# and LLVM turns them into vector code.
_EIGHT = (0,) * LANES


class Statistics(NamedTuple):
    """Sums over one node, for p tests and targets of `width` doubles.

    All of them add up over disjoint sets of rows, which is what `subtract` rests on.
    """

    pair_n: np.ndarray  # [p(p-1)/2]
    pair_s: np.ndarray  # [p(p-1)/2 * width]
    n: np.ndarray  # [p] weight where the test is on
    s: np.ndarray  # [p * width]
    q: np.ndarray  # [p] sum of squares where the test is on
    total_n: np.ndarray  # [1]
    total_s: np.ndarray  # [width]
    total_q: np.ndarray  # [1]


def new_statistics(p: int, width: int, pairs: bool = True) -> Statistics:
    """Zeroed statistics; without pairs they serve depth 1 only."""
    n_pairs = p * (p - 1) // 2 if pairs else 0
    sizes = (n_pairs, n_pairs * width, p, p * width, p, 1, width, 1)
    return Statistics(*(aligned_zeros(size) for size in sizes))


@kernel(fast=True, inline=True)
def add_row(into, slot, y, row, blocks):
    """into[slot] += y[row] for rows of one double (blocks = 0) or of eight-wide blocks."""
    if blocks == 0:
        into[slot] += y[row]
    else:
        for b in range(blocks):
            add_block(into, slot * blocks + b, y, row * blocks + b)


@kernel(fast=True)
def _collect_singles(design, y, q, rows, blocks, out):
    indptr, indices, weight = design.indptr, design.indices, design.weight
    n, s, sq, total_n, total_s, total_q = out.n, out.s, out.q, out.total_n, out.total_s, out.total_q
    for t in range(np.uintp(len(rows))):
        r = rows[t]
        total_n[0] += weight[r]
        total_q[0] += q[r]
        add_row(total_s, np.uintp(0), y, r, blocks)
        # Only the tests that are on: their side is the rarer one (see `design`).
        for a in range(indptr[r], indptr[r + _1]):
            i = indices[a]
            n[i] += weight[r]
            sq[i] += q[r]
            add_row(s, i, y, r, blocks)


@kernel(fast=True)
def _collect_pairs(indptr, indices, offset, weight, y, rows, blocks, pair_n, pair_s):
    # Arrays come one by one: reading them from a tuple in the loop would cost a
    # reference count at every step, which is most of the time of such a loop.
    for t in range(np.uintp(len(rows))):
        r = rows[t]
        w = weight[r]
        end = indptr[r + _1]
        # Tests of a row are ascending, so each pair i < j that is on together is met once.
        # offset[0] is −1 modulo 2^64; adding j ≥ 1 wraps around to the right place.
        for a in range(indptr[r], end):
            base = offset[indices[a]]
            for b in range(a + _1, end):
                pair = base + indices[b]
                pair_n[pair] += w
                add_row(pair_s, pair, y, r, blocks)


@kernel(fast=True)
def collect(design, y, q, rows, blocks, pairs, out):
    """Fill `out` with the sums over `rows`; `pairs` False leaves the pair sums at 0."""
    for array in out:
        array[:] = 0.0
    _collect_singles(design, y, q, rows, blocks, out)
    if pairs:
        _collect_pairs(
            design.indptr, design.indices, design.offset, design.weight, y, rows, blocks,
            out.pair_n, out.pair_s,
        )  # fmt: skip


@kernel(fast=True)
def subtract(whole, part, out):
    """Statistics of the rows of `whole` that are not in `part`, without a pass over rows."""
    for k in range(8):  # all fields of Statistics
        a, b, c = whole[k], part[k], out[k]
        for e in range(len(c)):
            c[e] = a[e] - b[e]


@kernel(fast=True, inline=True)
def _combine(total, term, regret):
    # The padding of a row is 0 for squares and a copy of column 0 for a linear cost, so it
    # changes neither the sum of squares nor the maximum of −S_c.
    return total + term * term if regret is None else max(total, -term)


@kernel(fast=True, inline=True)
def _finish(total, n, regret, least):
    # An empty side has n = 0: no division by zero, and no branch.
    value = total / max(n, 1e-300) if regret is None else total
    return value if n >= least else BAD


@kernel(fast=True, inline=True)
def score(s, first, n, size, regret, least):
    """Score of a leaf whose target sum starts at s[first]; BAD below `least` rows.

    size: (lane, blocks): `lane` a tuple of 1 or 8 items, whose length the compiler knows.
    regret: None for squared error, 0 for a linear cost: a type, so that it is compiled in.
    """
    lane, blocks = size
    total = 0.0 if regret is None else BAD
    for b in range(np.uintp(blocks)):
        for c in range(np.uintp(len(lane))):
            total = _combine(total, s[first + b * np.uintp(len(lane)) + c], regret)
    return _finish(total, n, regret, least)


@kernel(fast=True, inline=True)
def score_rest(s, first, t, start, n, size, regret, least):
    """Score of the rows in t (sum at `start`) that are not in s (sum at `first`)."""
    lane, blocks = size
    total = 0.0 if regret is None else BAD
    for b in range(np.uintp(blocks)):
        for c in range(np.uintp(len(lane))):
            k = b * np.uintp(len(lane)) + c
            total = _combine(total, t[start + k] - s[first + k], regret)
    return _finish(total, n, regret, least)


@kernel(fast=True, inline=True)
def score_neither(pair_s, e, s, i, j, total_s, n, size, regret, least):
    """Score of the rows where neither test i nor test j is on."""
    lane, blocks = size
    total = 0.0 if regret is None else BAD
    for b in range(np.uintp(blocks)):
        for c in range(np.uintp(len(lane))):
            k = b * np.uintp(len(lane)) + c
            rest = total_s[k] - s[i + k] - s[j + k] + pair_s[e + k]
            total = _combine(total, rest, regret)
    return _finish(total, n, regret, least)


@kernel(fast=True)
def leaf_score(s, first, n, width, linear, least):
    """`score` for a rule known only at run time."""
    first = np.uintp(first)
    if linear:
        return score(s, first, n, ((0,), width), 0, least)
    return score(s, first, n, ((0,), width), None, least)


@kernel(fast=True)
def halves(stats, p, width, linear, least, best):
    """best[side, i] = score of the half of the node where test i is off (0) or on (1)."""
    n, s, total_s, total_n = stats.n, stats.s, stats.total_s, stats.total_n[0]
    size = ((0,), width)
    for i in range(p):
        a, rest = np.uintp(i * width), total_n - n[i]
        best[1, i] = leaf_score(s, a, n[i], width, linear, least)
        if linear:
            best[0, i] = score_rest(s, a, total_s, np.uintp(0), rest, size, 0, least)
        else:
            best[0, i] = score_rest(s, a, total_s, np.uintp(0), rest, size, None, least)


@kernel(fast=True)
def _scan_pairs(pair_n, pair_s, n, s, total_n, total_s, p, size, regret, least, off, on):
    width = np.uintp(len(size[0])) * np.uintp(size[1])
    # One pass over the pairs serves both orders: test i with j below it, and j with i below.
    # Pairs are stored in the order of these loops, so pair sums are read front to back.
    pair = np.uintp(0)
    for i in range(np.uintp(p)):
        n_i = n[i]
        best_off, best_on = off[i], on[i]
        for j in range(i + _1, np.uintp(p)):
            n11 = pair_n[pair]
            n10 = n_i - n11
            n01 = n[j] - n11
            n00 = total_n - n_i - n01
            e, a, b = pair * width, i * width, j * width
            pair += _1
            # S_10 = S_i − S_11, S_01 = S_j − S_11, S_00 = S − S_i − S_j + S_11.
            f11 = score(pair_s, e, n11, size, regret, least)
            f10 = score_rest(pair_s, e, s, a, n10, size, regret, least)
            f01 = score_rest(pair_s, e, s, b, n01, size, regret, least)
            f00 = score_neither(pair_s, e, s, a, b, total_s, n00, size, regret, least)
            best_on = max(best_on, f11 + f10)
            best_off = max(best_off, f01 + f00)
            on[j] = max(on[j], f11 + f01)
            off[j] = max(off[j], f10 + f00)
        off[i], on[i] = best_off, best_on


@kernel(fast=True)
def _scan_sized(stats, p, size, linear, least, best):
    pair_n, pair_s, n, s = stats.pair_n, stats.pair_s, stats.n, stats.s
    total_n, total_s, off, on = stats.total_n[0], stats.total_s, best[0], best[1]
    if linear:
        _scan_pairs(pair_n, pair_s, n, s, total_n, total_s, p, size, 0, least, off, on)
    else:
        _scan_pairs(pair_n, pair_s, n, s, total_n, total_s, p, size, None, least, off, on)


@kernel(fast=True)
def scan(stats, p, width, linear, least, best):
    """best[side, i] = best score of that half with at most one more split."""
    # Rows of one double and rows of blocks are compiled separately: the lane is a type.
    halves(stats, p, width, linear, least, best)
    if width == 1:
        _scan_sized(stats, p, ((0,), 1), linear, least, best)
    elif width == LANES:
        _scan_sized(stats, p, (_EIGHT, 1), linear, least, best)
    else:
        _scan_sized(stats, p, (_EIGHT, width // LANES), linear, least, best)


@kernel(fast=True)
def best_total(stats, p, width, linear, least, best):
    """Best score of the node: a leaf, or a split whose halves score best[0] + best[1]."""
    total = leaf_score(stats.total_s, 0, stats.total_n[0], width, linear, least)
    for i in range(p):
        n = stats.n[i]
        if n >= least and stats.total_n[0] - n >= least:
            total = max(total, best[0, i] + best[1, i])
    return total


@kernel(fast=True)
def first_split(stats, p, width, linear, least, best, slack):
    """First test whose split is within `slack` of the best score; -1 if a leaf is."""
    # Scores within `slack` of the best are ties: the leaf comes first, then the lowest test.
    aim = best_total(stats, p, width, linear, least, best) - slack
    if leaf_score(stats.total_s, 0, stats.total_n[0], width, linear, least) >= aim:
        return -1
    for i in range(p):
        n = stats.n[i]
        large = n >= least and stats.total_n[0] - n >= least
        if large and best[0, i] + best[1, i] >= aim:
            return i
    return -1
