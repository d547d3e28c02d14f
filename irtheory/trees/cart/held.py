"""Target sums left of every split, held from a node for its children (numba).

Two siblings share out their parent's rows. So the larger one's sums are the parent's less the
smaller one's, however many rows it has.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from irtheory.trees.kernels.kernel import kernel


class Held(NamedTuple):
    """Sums of some nodes, each at a place: of the rows whose code is at most v, per column and v.

    The last level, where that is all rows, is not kept up.
    """

    sums: np.ndarray  # [places, columns * levels * width]
    below: np.ndarray  # rows, [places, columns, levels]


@kernel(fast=True, unchecked_division=True)
def accumulate(sums, first, width, below):
    """Turn sums and rows per code of one column into those of all codes up to each."""
    size = np.uintp(width)
    for v in range(1, len(below)):
        at = np.uintp(first + v * width)
        for c in range(size):
            sums[at + c] += sums[at - size + c]
        below[v] += below[v - 1]


@kernel(fast=True, unchecked_division=True)
def subtract(sums, below, other_sums, other_below, first, stop, width):
    """Take another node's sums off columns first … stop − 1."""
    levels = below.shape[1]
    for j in range(first, stop):
        start = np.uintp(j * levels * width)
        for c in range(np.uintp((levels - 1) * width)):
            sums[start + c] -= other_sums[start + c]
        for v in range(levels):
            below[j, v] -= other_below[j, v]


@kernel(fast=True, unchecked_division=True)
def _distance(sums, first, total, share, weight):
    q = 0.0
    for c in range(np.uintp(len(total))):
        off = sums[first + c] - share * total[c]
        q += weight[c] * off * off
    return q


@kernel
def score(below, sums, n, node, q, n_left):
    """Fill q and n_L of every split of some columns; they are 0 on entry."""
    columns, levels = below.shape
    total, weight = node
    for j in range(columns):
        before = 0
        for v in range(levels - 1):
            low = below[j, v]
            if low == n:
                break
            if low > before:
                first = np.uintp((j * levels + v) * len(total))
                q[j, v] = _distance(sums, first, total, low / n, weight)
                n_left[j, v] = low
            before = low
