"""Choose the fastest way to score a node, by rough times per column in ns (numba).

The constants are rough timings of the kernels. They decide which kernel runs, and so how sums
are rounded, but not what is summed; the tolerance of ties is far above that rounding.
"""

from __future__ import annotations

import numpy as np

from irtheory.trees.cart.rows import REGISTERS, n_blocks
from irtheory.trees.kernels.kernel import kernel
from irtheory.trees.kernels.lanes import LANES

# Ways ≥ 0 use tables of joint codes of 2^way columns (`sums`). The others: from rows (`rows`),
# from rows made shorter by a rotation (`rows`), and from the parent's sums (`held`).
ROWS, ROTATED, SUBTRACTED = -1, -2, -3


@kernel
def _cheapest_table(n, levels, blocks, joints):
    """A rough time, and which joint codes take it."""
    # Joining columns divides the passes over rows, but a table has levels^joined entries to
    # clear and to halve. In a small table additions to the same entry wait for each other.
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


@kernel
def _time_of_rows(n, levels, blocks):
    # One code's rows are never added (see `rows`): a share of 1 / levels of them, roughly.
    read = 0.5 if blocks <= REGISTERS else 0.7
    return 20 + n * (2 + read * blocks * (1 - 1 / levels)) + 0.5 * blocks * min(n, levels)


@kernel
def _time_of_rotation(n, blocks):
    # Inner products of all pairs of rows, then Cholesky's method on them.
    return 0.5 * n * n * (3 + blocks) + 0.5 * n * n * (3 + n / LANES)


def time_of_subtraction(levels: int, blocks: int) -> float:
    """A rough time of a node whose sums are its parent's less its sibling's."""
    return 20 + 2.5 * blocks * (levels - 1)


@kernel
def choose_way(n, levels, joints, blocks, by_entropy, most_rows, most_rotated):
    """The quickest way to score a node of n rows and its time; then those that leave sums."""
    # A rotation is done once for all columns; its rows have n outputs at most.
    table, choice = _cheapest_table(n, levels, blocks, joints)
    plain, rotated = _time_of_rows(n, levels, blocks), 1e300
    if n <= most_rotated:
        once = _time_of_rotation(n, blocks) / len(joints[0])
        rotated = _time_of_rows(n, levels, n_blocks(n)) + once
    again = n * (3 + blocks) if by_entropy else 0.0  # to measure what a bound lets through
    way, time, held_way, held_time = choice, table, choice, table
    if n <= most_rows:
        if plain + 1.5 * blocks * (levels - 1) < table:
            held_way, held_time = ROWS, plain + 1.5 * blocks * (levels - 1)
        if min(plain, rotated) + again < table:
            way, time = ROTATED if rotated < plain else ROWS, min(plain, rotated) + again
    return way, time, held_way, held_time


@kernel
def choose_ways(joints, size, levels, blocks, by_entropy, most_rows, most_rotated, ways, times):
    """`choose_way` for every node of a level: ways and times [nodes, 2]."""
    for i in range(np.uintp(len(size))):
        ways[i, 0], times[i, 0], ways[i, 1], times[i, 1] = choose_way(
            size[i], levels, joints, blocks, by_entropy, most_rows, most_rotated
        )
