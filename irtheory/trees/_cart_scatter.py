"""How far each split of a node parts its targets: weighted distances of sums (numba).

With S and n_L the target sum and size of the left side, T and n those of the node, and w
weights of the outputs, every split is measured by

    q = Σ_c w_c (S_c − (n_L / n) T_c)².

With w = 1, q n / (n_L n_R) is what the split takes off the squared error; with w = 1/p, p
the mean label, q bounds the information gain (see `_cart_entropy`). Large nodes read S from
sums per code, small ones add up their rows, centred and weighted (see `_cart_rows`).
"""

from __future__ import annotations

import numpy as np
from numba import njit

from irtheory.trees._cart_entropy import entropy, gains_of_sums
from irtheory.trees._cart_rows import REGISTERS, n_blocks, score_rows
from irtheory.trees._cart_sums import TABLES, fill_joint_counts, fill_sums
from irtheory.trees._lanes import LANES
from irtheory.trees._statistics import FAST

# Ways to score a node other than by tables of joint codes: see `_cart_rows`.
ROWS, ROTATED = -1, -2


@njit(nogil=True, cache=True, error_model="numpy", fastmath=FAST)
def _distance(s, first, total, share, weight, left):
    """Add the sum at `first` to `left` [width]; the weighted distance q of the result."""
    q = 0.0
    start = np.uintp(first)
    for c in range(np.uintp(len(left))):
        value = left[c] + s[start + c]
        left[c] = value
        off = value - share * total[c]
        q += weight[c] * off * off
    return q


@njit(nogil=True, cache=True)
def _scan_sums(counts, sums, first, n, total, weight, left, q, n_left):
    """Fill q and n_L of every split of one column whose sums start at `first`."""
    left[:] = 0.0
    below = 0
    for v in range(len(counts) - 1):
        if counts[v] == 0:
            continue
        below += counts[v]
        if below == n:
            return
        q[v] = _distance(sums, first + v * len(left), total, below / n, weight, left)
        n_left[v] = below


@njit(nogil=True, cache=True)
def _by_sums(joint, joined, first, stop, rows, y, node, rule, space, scores):
    """Score columns first … stop − 1 from sums of `joined` columns at a time."""
    q, n_left, gains = scores
    total, weight, levels = node.total, node.weight, q.shape[1]
    width, n, left = len(total), len(rows), space.left
    least, by_entropy = rule
    whole = entropy(total, n) if by_entropy else 0.0
    group = np.arange(first // joined, stop // joined)
    for begin in range(0, len(group), TABLES):
        some = group[begin : begin + TABLES]
        part = joint[some[0] : some[-1] + 1]
        fill_sums(
            part, rows, y, width // LANES, joined, levels, space.tables, space.spare, space.sums
        )
        for g in range(len(some)):
            counts = space.counts[:joined]
            fill_joint_counts(part[g], rows, joined, levels, space.table_counts, counts)
            for j in range(joined):
                column = some[g] * joined + j
                at = (g * joined + j) * levels * width
                own = counts[j]
                if by_entropy:
                    gains_of_sums(own, space.sums, at, n, total, whole, least, left, gains[column])
                else:
                    _scan_sums(
                        own, space.sums, at, n, total, weight, left, q[column], n_left[column]
                    )


@njit(nogil=True, cache=True)
def _cheapest_table(n, levels, blocks, joints):
    """Which joint codes to use, and a rough time per column in ns.

    In a small table, additions to the same place wait for each other.
    """
    best, choice = 1e300, 0
    for s in range(len(joints)):
        if len(joints[s]) == 0:
            break
        joined = 2.0**s
        cells = levels**joined
        add = 1.7 if cells >= 16 else 3.5
        cost = (n * (2 + add * blocks) + (3 * cells + 28 * joined) * blocks) / joined
        if cost < best:
            best, choice = cost, s
    return best + 2 * blocks * levels, choice


@njit(nogil=True, cache=True)
def _time_of_rows(n, levels, blocks):
    """Rough time of a column from gathered rows, in ns."""
    read = 0.5 if blocks <= REGISTERS else 0.7
    return 20 + n * (2 + read * blocks * (1 - 1 / levels)) + 0.5 * blocks * min(n, levels)


@njit(nogil=True, cache=True)
def _time_of_rotation(n, blocks):
    return 0.5 * n * n * (3 + blocks) + 0.5 * n * n * (3 + n / LANES)


@njit(nogil=True, cache=True)
def choose_way(n, levels, joints, blocks, by_entropy, most_rows, most_rotated):
    """How a node of n rows is scored: ROWS, ROTATED, or by tables, of which joint codes."""
    table, choice = _cheapest_table(n, levels, blocks, joints)
    plain, rotated = _time_of_rows(n, levels, blocks), 1e300
    if n <= most_rotated:
        once = _time_of_rotation(n, blocks) / len(joints[0])
        rotated = _time_of_rows(n, levels, n_blocks(n)) + once
    again = n * (3 + blocks) if by_entropy else 0.0  # to measure what a bound lets through
    if n <= most_rows and min(plain, rotated) + again < table:
        return ROTATED if rotated < plain else ROWS
    return choice


@njit(nogil=True, cache=True)
def fill_scatter(joints, codes, way, first, stop, rows, y, node, rule, space, scores):
    """Score the splits in columns first … stop − 1; returns whether that gave gains already.

    Fills q and n_L (0 where no split is), or, for entropy from tables, the gains. `codes`
    are the ranks of the rows, `way` is that of `choose_way`, and `rule` (least samples in a leaf,
    whether by entropy).
    """
    q, n_left, _ = scores
    q[first:stop] = 0.0
    n_left[first:stop] = 0.0
    if way < 0:
        m, rotated = joints[0].shape[1], way == ROTATED
        score_rows(codes, first, stop, rows, y, m, node, rotated, space, q, n_left)
        return False
    _by_sums(joints[way], 2**way, first, stop, rows, y, node, rule, space, scores)
    return rule[1]
