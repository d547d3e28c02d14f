"""How far each split of a node parts its targets: weighted distances of sums (numba).

With S and n_L the target sum and size of the left side, T and n those of the node, and w
weights of the outputs, every split is measured by

    q = Σ_c w_c (S_c − (n_L / n) T_c)².

With w = 1, q n / (n_L n_R) is what the split takes off the squared error; with w = 1/p, p
the mean label, q bounds the information gain (see `_cart_entropy`). Large nodes read S from
sums per code. In small ones Gram products of the rows, centred and weighted, give q: they
cost less than to read a table, and nothing per split.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from irtheory.trees._cart_entropy import entropy, gains_of_sums
from irtheory.trees._cart_sums import TABLES, fill_joint_counts, fill_sums, sort_rows
from irtheory.trees._lanes import LANES, add_block
from irtheory.trees._statistics import FAST


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


@njit(nogil=True, cache=True, error_model="numpy", fastmath=FAST)
def _fill_gram(rows, y, m, node, z, gram, lanes):
    """Products of the rows less their mean, weighted: gram [n * lanes], padding 0."""
    n, width = np.uintp(len(rows)), np.uintp(len(node.total))
    size = np.uintp(LANES)
    for c in range(width):
        mean, scale = node.total[c] / n, np.sqrt(node.weight[c])
        first, lane = (c // size) * np.uintp(m), c % size
        for i in range(n):
            z[i * width + c] = (y[(first + rows[i]) * size + lane] - mean) * scale
    gram[: n * lanes] = 0.0
    for i in range(n):
        for j in range(i + np.uintp(1)):
            product = 0.0
            for c in range(width):
                product += z[i * width + c] * z[j * width + c]
            gram[i * lanes + j] = product
            gram[j * lanes + i] = product


@njit(nogil=True, cache=True, error_model="numpy", fastmath=FAST)
def _scan_gram(order, ends, gram, lanes, n, reach, q, n_left):
    """Scan with q = ‖Σ of rows‖², which a row adds 2 ⟨row, Σ⟩ + ‖row‖² to."""
    reach[:lanes] = 0.0
    begin, square, blocks = 0, 0.0, lanes // np.uintp(LANES)
    for v in range(len(ends) - 1):
        end = ends[v]
        if end == begin:
            continue
        if end == n:
            return
        for t in range(begin, end):
            i = np.uintp(order[t])
            square += 2.0 * reach[i] + gram[i * lanes + i]
            for b in range(blocks):
                add_block(reach, b, gram, i * blocks + b)  # pyright: ignore[reportCallIssue]
        q[v], n_left[v], begin = max(square, 0.0), end, end


@njit(nogil=True, cache=True)
def _by_gram(rank, first, stop, rows, y, node, space, q, n_left):
    n, levels = len(rows), q.shape[1]
    lanes = np.uintp(-(-n // LANES) * LANES)
    _fill_gram(rows, y, rank.shape[1], node, space.z, space.gram, lanes)
    ends, counts = space.ends[:levels], space.counts[0]
    for j in range(first, stop):
        sort_rows(rank[j], rows, counts, ends, space.order)
        _scan_gram(space.order, ends, space.gram, lanes, n, space.reach, q[j], n_left[j])


@njit(nogil=True, cache=True)
def _cheapest(n, levels, blocks, joints, columns, most_gram):
    """−1 for Gram products, else which joint codes to use, by a rough time per column in ns.

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
    gram = n * (14 + 0.2 * n) + 0.5 * n * n * blocks / columns
    return -1 if n <= most_gram and gram < best + 2 * blocks * levels else choice


@njit(nogil=True, cache=True)
def fill_scatter(joints, first, stop, rows, y, node, rule, space, scores):
    """Score the splits in columns first … stop − 1; returns whether that gave gains already.

    Fills q and n_L (0 where no split is), or, for entropy from sums, the gains. `rule` is
    (least samples in a leaf, whether by entropy).
    """
    q, n_left, _ = scores
    levels = q.shape[1]
    q[first:stop] = 0.0
    n_left[first:stop] = 0.0
    blocks, most = len(node.total) // LANES, len(space.order)
    choice = _cheapest(len(rows), levels, blocks, joints, stop - first, most)
    if choice < 0:
        _by_gram(joints[0], first, stop, rows, y, node, space, q, n_left)
        return False
    _by_sums(joints[choice], 2**choice, first, stop, rows, y, node, rule, space, scores)
    return rule[1]
