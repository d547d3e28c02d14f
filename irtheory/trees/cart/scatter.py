"""How far apart each split of a node moves its targets: weighted distances of sums (numba).

With S and n_L the target sum and size of the left side, T and n those of the node, and w
weights of the outputs, every split is measured by

    q = Σ_c w_c (S_c − (n_L / n) T_c)².

With w = 1, q n / (n_L n_R) is what the split takes off the squared error: with both sides' means
a and b, the gain is (n_L n_R / n) ‖a − b‖², and S − (n_L / n) T = (n_L n_R / n)(a − b). With
w = 1/p, p the mean label, q bounds the information gain (see `entropy`). Large nodes read S from
sums per code (see `sums`), small ones add up their rows, centred and weighted (see `rows`), and
some subtract their sibling's sums from their parent's (see `held`).
"""

from __future__ import annotations

from irtheory.trees.cart.entropy import allow, entropy, gains_of_sums
from irtheory.trees.cart.held import score, subtract
from irtheory.trees.cart.plan import ROTATED, ROWS, SUBTRACTED
from irtheory.trees.cart.rows import score_rows, sum_rows
from irtheory.trees.cart.sums import TABLES, sum_tables
from irtheory.trees.kernels.kernel import kernel
from irtheory.trees.kernels.lanes import BAD, LANES


@kernel
def _gain(below, sums, n, node, least, gains):
    """Information gain of every split of some columns."""
    total = node.total
    # Large nodes: logarithms of a few sums cost little beside the pass over the rows, so no bound.
    whole, levels = entropy(total, n), below.shape[1]
    for j in range(len(below)):
        allow(below[j], n, least, gains[j])
        gains_of_sums(below[j], sums, j * levels * len(total), n, total, whole, BAD, gains[j])


@kernel
def _by_tables(joint, joined, first, stop, rows, y, node, rule, space, scores):
    """Score columns first … stop − 1 from sums of `joined` columns at a time."""
    q, n_left, gains = scores
    least, by_entropy = rule
    blocks, n, sums = len(node.total) // LANES, len(rows), space.sums
    # Some groups at a time, so that their sums are still in the cache when they are scored.
    for begin in range(first // joined, stop // joined, TABLES):
        part = joint[begin : min(begin + TABLES, stop // joined)]
        start, end = begin * joined, (begin + len(part)) * joined
        below = space.below[: end - start]
        sum_tables(part, rows, y, blocks, joined, space, sums, below)
        if by_entropy:
            _gain(below, sums, n, node, least, gains[start:end])
        else:
            score(below, sums, n, node, q[start:end], n_left[start:end])


@kernel
def _hold_tables(joint, joined, first, stop, rows, y, blocks, space, sums, below):
    """Fill the sums of columns first … stop − 1 at one place of `Held`."""
    levels = below.shape[1]
    for begin in range(first // joined, stop // joined, TABLES):
        part = joint[begin : min(begin + TABLES, stop // joined)]
        start, end = begin * joined, (begin + len(part)) * joined
        own = sums[start * levels * blocks * LANES :]
        sum_tables(part, rows, y, blocks, joined, space, own, below[start:end])


@kernel
def _by_held(data, plan, i, codes, first, stop, rows, node, space, q, n_left):
    """Score columns first … stop − 1 of node i from sums that are held for its children."""
    way, held, width = plan.ways[i], plan.held, len(node.total)
    sums, below = held.sums[plan.place[i]], held.below[plan.place[i]]
    # The place of a subtracted node still holds its parent's sums, and `other` its sibling's:
    # siblings are scored one after the other, the smaller one first.
    if way == SUBTRACTED:
        other = plan.other[i]
        subtract(sums, below, held.sums[other], held.below[other], first, stop, width)
    elif way == ROWS:
        m = data.joints[0].shape[1]
        sum_rows(codes, first, stop, rows, data.y, m, node.total, space, sums, below)
    else:
        joint, blocks = data.joints[way], width // LANES
        _hold_tables(joint, 2**way, first, stop, rows, data.y, blocks, space, sums, below)
    own = sums[first * below.shape[1] * width :]
    score(below[first:stop], own, len(rows), node, q[first:stop], n_left[first:stop])


@kernel
def fill_scatter(data, plan, i, codes, first, stop, rows, node, space, scores):
    """Score the splits of node i in columns first … stop − 1; returns whether that gave gains.

    Fills q and n_L (0 where no split is), or, for entropy from tables, the gains. `codes`
    are the ranks of the node's rows where `plan` says they are read.
    """
    q, n_left, _ = scores
    q[first:stop] = 0.0
    n_left[first:stop] = 0.0
    way, by_entropy = plan.ways[i], len(data.row_entropy) > 0
    if plan.place[i] >= 0:  # the sums are kept for this node's children
        _by_held(data, plan, i, codes, first, stop, rows, node, space, q, n_left)
        return False
    if way < 0:
        m, rotated = data.joints[0].shape[1], way == ROTATED
        score_rows(codes, first, stop, rows, data.y, m, node, rotated, space, q, n_left)
        return False
    rule = (data.least, by_entropy)
    _by_tables(data.joints[way], 2**way, first, stop, rows, data.y, node, rule, space, scores)
    return by_entropy
