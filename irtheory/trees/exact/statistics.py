"""Node statistics and the depth-2 scan: the kernels every exact search is made of.

For a node (a set of merged rows) the statistics are, for every test i and every pair
i < j: the weight n of the rows where it is on and the sum S of their targets. The four
quadrants of a pair follow by inclusion and exclusion, so the best tree of depth 2 needs
no further pass over the rows (the idea behind the depth-2 solvers of MurTree and STreeD,
here with vector targets).

The quality of a leaf depends on n and S alone. `score` is to be maximised, and the cost of a
leaf is Σ q − score, where q is the score of a merged row that has a leaf of its own:

* squared error: ‖S‖²/n;
* linear: max(0, max_c −S_c), where S are costs less those of the first column, which has
  therefore cost 0 and needs no place in a row;
* entropy: Σ_c S_c log S_c − W log W, S the weights of the classes and W their sum;
* weighted squares: Σ_c S_c²/W, where the last double of a row is the weight W of its samples,
  as n then only counts them.

A split costs `alpha` more, the penalty of a leaf.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from irtheory.trees.exact.packed import count_pairs, packing_pays
from irtheory.trees.kernels.kernel import kernel
from irtheory.trees.kernels.lanes import BAD, LANES, add_block, aligned_zeros

# Unsigned indices spare the check for negative ones. As numba makes uint64 + int64 a float64,
# the 1 that is added to them must be unsigned too.
_1 = np.uintp(1)
# The length of a tuple is part of its type, so loops over it have a constant number of turns
# and LLVM turns them into vector code.
_EIGHT = (0,) * LANES
# Leaf rules by number. In kernels a rule is a pair of None and 0: the choice between them is
# one of types, so that it is compiled in.
SQUARES, LINEAR, ENTROPY, WEIGHTED = range(4)


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
def _collect_singles(design, y, q, rows, blocks, stop, out):
    indptr, indices, weight = design.indptr, design.indices, design.weight
    n, s, sq, total_n, total_s, total_q = out.n, out.s, out.q, out.total_n, out.total_s, out.total_q
    for t in range(np.uintp(len(rows))):
        if stop[0]:
            return
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
def _collect_pairs(indptr, indices, offset, weight, y, rows, blocks, stop, pair_n, pair_s):
    # Arrays come one by one: reading them from a tuple in the loop would cost a
    # reference count at every step, which is most of the time of such a loop.
    for t in range(np.uintp(len(rows))):
        if stop[0]:
            return
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
def collect(design, y, q, rows, shape, pairs, out):
    """Fill `out` with the sums over `rows`; `pairs` False leaves the pair sums at 0.

    Once shape.stop is set the sums are left unfinished: see `irtheory.trees.kernels.deadline`.
    """
    for array in out:
        array[:] = 0.0
    _collect_singles(design, y, q, rows, shape.blocks, shape.stop, out)
    if not pairs:
        return
    if len(shape.kinds) and packing_pays(design, rows, shape):
        count_pairs(design, rows, shape, out.pair_n, out.pair_s)
    else:
        _collect_pairs(
            design.indptr, design.indices, design.offset, design.weight, y, rows, shape.blocks,
            shape.stop, out.pair_n, out.pair_s,
        )  # fmt: skip


@kernel(fast=True)
def subtract(whole, part, out):
    """Statistics of the rows of `whole` that are not in `part`, without a pass over rows."""
    for k in range(8):  # all fields of Statistics
        a, b, c = whole[k], part[k], out[k]
        for e in range(len(c)):
            c[e] = a[e] - b[e]


@kernel(inline=True)
def x_log_x(x, table):
    """X log x: from the table of whole numbers if there is one, 0 for x ≤ 0."""
    if len(table) > 1:
        return table[np.uintp(max(x, 0.0) + 0.5)]
    return x * np.log(x) if x > 0 else 0.0


@kernel(fast=True, inline=True)
def _combine(total, term, last, rule, table):
    # The padding of a row is 0: the cost of the first column under the linear rule, and nothing
    # to a sum of squares or of x log x.
    regret, other = rule
    if other is None:
        return total + term * term if regret is None else max(total, -term)
    if regret is None:
        return total + x_log_x(term, table)
    return total if last else total + term * term


@kernel(fast=True, inline=True)
def _weigh(weight, term, last, rule):
    # The weight of a leaf, where it is not its number of samples.
    regret, other = rule
    if other is None:
        return weight
    if regret is None:
        return weight + term
    return term if last else weight


@kernel(fast=True, inline=True)
def _finish(total, weight, n, rule, table, least):
    # An empty side has n = 0: no division by zero, and no branch.
    regret, other = rule
    value = total
    if other is None:
        if regret is None:
            value = total / max(n, 1e-300)
    elif regret is None:
        value = total - x_log_x(weight, table)
    else:  # table[0] is the least weight of a merged row: less is rounding
        value = total / max(weight, table[0])
    return value if n >= least else BAD


@kernel(fast=True, inline=True)
def score(s, first, n, size, rule, table, least):
    """Score of a leaf whose target sum starts at s[first]; BAD below `least` samples.

    size: (lane, blocks): `lane` a tuple of 1 or 8 items, whose length the compiler knows.
    rule: two of None and 0: (None, None) squares, (0, None) linear, (None, 0) entropy, (0, 0)
        weighted squares.
    table: of x log x; [least weight] for weighted squares.
    """
    lane, blocks = size
    total = weight = 0.0
    for b in range(np.uintp(blocks)):
        for c in range(np.uintp(len(lane))):
            k = b * np.uintp(len(lane)) + c
            term, last = s[first + k], k + _1 == np.uintp(blocks) * np.uintp(len(lane))
            total = _combine(total, term, last, rule, table)
            weight = _weigh(weight, term, last, rule)
    return _finish(total, weight, n, rule, table, least)


@kernel(fast=True, inline=True)
def score_rest(s, first, t, start, n, size, rule, table, least):
    """Score of the rows in t (sum at `start`) that are not in s (sum at `first`)."""
    lane, blocks = size
    total = weight = 0.0
    for b in range(np.uintp(blocks)):
        for c in range(np.uintp(len(lane))):
            k = b * np.uintp(len(lane)) + c
            term = t[start + k] - s[first + k]
            last = k + _1 == np.uintp(blocks) * np.uintp(len(lane))
            total = _combine(total, term, last, rule, table)
            weight = _weigh(weight, term, last, rule)
    return _finish(total, weight, n, rule, table, least)


@kernel(fast=True, inline=True)
def score_neither(pair_s, e, s, i, j, total_s, n, size, rule, table, least):
    """Score of the rows where neither test i nor test j is on."""
    lane, blocks = size
    total = weight = 0.0
    for b in range(np.uintp(blocks)):
        for c in range(np.uintp(len(lane))):
            k = b * np.uintp(len(lane)) + c
            term = total_s[k] - s[i + k] - s[j + k] + pair_s[e + k]
            last = k + _1 == np.uintp(blocks) * np.uintp(len(lane))
            total = _combine(total, term, last, rule, table)
            weight = _weigh(weight, term, last, rule)
    return _finish(total, weight, n, rule, table, least)


@kernel(fast=True)
def leaf_score(s, first, n, shape):
    """`score` for a rule known only at run time."""
    first, size = np.uintp(first), ((0,), shape.width)
    rule, table, least = shape.rule, shape.table, shape.least
    if rule == SQUARES:
        return score(s, first, n, size, (None, None), table, least)
    if rule == LINEAR:
        return score(s, first, n, size, (0, None), table, least)
    if rule == ENTROPY:
        return score(s, first, n, size, (None, 0), table, least)
    return score(s, first, n, size, (0, 0), table, least)


@kernel(fast=True)
def _rest_score(s, first, total_s, n, shape):
    """`score_rest` of a node for a rule known only at run time."""
    _0, size = np.uintp(0), ((0,), shape.width)
    rule, table, least = shape.rule, shape.table, shape.least
    if rule == SQUARES:
        return score_rest(s, first, total_s, _0, n, size, (None, None), table, least)
    if rule == LINEAR:
        return score_rest(s, first, total_s, _0, n, size, (0, None), table, least)
    if rule == ENTROPY:
        return score_rest(s, first, total_s, _0, n, size, (None, 0), table, least)
    return score_rest(s, first, total_s, _0, n, size, (0, 0), table, least)


@kernel(fast=True)
def halves(stats, shape, best):
    """best[side, i] = score of the half of the node where test i is off (0) or on (1)."""
    n, s, total_s, total_n = stats.n, stats.s, stats.total_s, stats.total_n[0]
    for i in range(shape.p):
        a = np.uintp(i * shape.width)
        best[1, i] = leaf_score(s, a, n[i], shape)
        best[0, i] = _rest_score(s, a, total_s, total_n - n[i], shape)


@kernel(fast=True)
def _scan_pairs(pair_n, pair_s, n, s, total_n, total_s, p, size, rule, table, least, stop, off, on):
    width = np.uintp(len(size[0])) * np.uintp(size[1])
    # One pass over the pairs serves both orders: test i with j below it, and j with i below.
    # Pairs are stored in the order of these loops, so pair sums are read front to back.
    pair = np.uintp(0)
    for i in range(np.uintp(p)):
        if stop[0]:
            return
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
            f11 = score(pair_s, e, n11, size, rule, table, least)
            f10 = score_rest(pair_s, e, s, a, n10, size, rule, table, least)
            f01 = score_rest(pair_s, e, s, b, n01, size, rule, table, least)
            f00 = score_neither(pair_s, e, s, a, b, total_s, n00, size, rule, table, least)
            best_on = max(best_on, f11 + f10)
            best_off = max(best_off, f01 + f00)
            on[j] = max(on[j], f11 + f01)
            off[j] = max(off[j], f10 + f00)
        off[i], on[i] = best_off, best_on


@kernel(fast=True)
def _scan_sized(stats, shape, size, best):
    # Squares and linear costs of rows of one double or of eight-wide blocks.
    pair_n, pair_s, n, s = stats.pair_n, stats.pair_s, stats.n, stats.s
    total_n, total_s, off, on = stats.total_n[0], stats.total_s, best[0], best[1]
    p, table, least, stop = shape.p, shape.table, shape.least, shape.stop
    if shape.rule == SQUARES:
        _scan_pairs(
            pair_n, pair_s, n, s, total_n, total_s, p, size, (None, None), table, least, stop,
            off, on,
        )  # fmt: skip
    else:
        _scan_pairs(
            pair_n, pair_s, n, s, total_n, total_s, p, size, (0, None), table, least, stop,
            off, on,
        )  # fmt: skip


@kernel(fast=True)
def _scan_blocks(stats, shape, best):
    # Entropy and weighted squares always have rows of eight-wide blocks.
    pair_n, pair_s, n, s = stats.pair_n, stats.pair_s, stats.n, stats.s
    total_n, total_s, off, on = stats.total_n[0], stats.total_s, best[0], best[1]
    p, table, least, stop = shape.p, shape.table, shape.least, shape.stop
    size = (_EIGHT, shape.width // LANES)
    if shape.rule == ENTROPY:
        _scan_pairs(
            pair_n, pair_s, n, s, total_n, total_s, p, size, (None, 0), table, least, stop,
            off, on,
        )  # fmt: skip
    else:
        _scan_pairs(
            pair_n, pair_s, n, s, total_n, total_s, p, size, (0, 0), table, least, stop,
            off, on,
        )  # fmt: skip


@kernel(fast=True)
def _shift(best, p, step):
    for i in range(p):
        best[0, i] += step
        best[1, i] += step


@kernel(fast=True)
def scan(stats, shape, best):
    """best[side, i] = best score of that half with at most one more split."""
    # Rows of one double and rows of blocks are compiled separately: the lane is a type.
    halves(stats, shape, best)
    # max(leaf, split − alpha) = max(leaf + alpha, split) − alpha: nothing to do for every pair.
    _shift(best, shape.p, shape.alpha)
    if shape.rule > LINEAR:
        _scan_blocks(stats, shape, best)
    elif shape.width == 1:
        _scan_sized(stats, shape, ((0,), 1), best)
    elif shape.width == LANES:
        _scan_sized(stats, shape, (_EIGHT, 1), best)
    else:
        _scan_sized(stats, shape, (_EIGHT, shape.width // LANES), best)
    _shift(best, shape.p, -shape.alpha)


@kernel(fast=True)
def best_total(stats, shape, best):
    """Best score of the node: a leaf, or a split whose halves score best[0] + best[1]."""
    total = leaf_score(stats.total_s, 0, stats.total_n[0], shape)
    for i in range(shape.p):
        n = stats.n[i]
        if n >= shape.least and stats.total_n[0] - n >= shape.least:
            total = max(total, best[0, i] + best[1, i] - shape.alpha)
    return total


@kernel(fast=True)
def first_split(stats, shape, best, slack):
    """First test whose split is within `slack` of the best score; -1 if a leaf is."""
    # Scores within `slack` of the best are ties: the leaf comes first, then the lowest test.
    aim = best_total(stats, shape, best) - slack
    if leaf_score(stats.total_s, 0, stats.total_n[0], shape) >= aim:
        return -1
    for i in range(shape.p):
        n = stats.n[i]
        large = n >= shape.least and stats.total_n[0] - n >= shape.least
        if large and best[0, i] + best[1, i] - shape.alpha >= aim:
            return i
    return -1
