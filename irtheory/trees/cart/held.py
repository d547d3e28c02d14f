"""Target sums on the left of every split, kept from a node for its children (numba).

Each row of a node goes to one of its two children. So the larger child's sums are the
parent's less the smaller child's, which takes the same time however many rows it has.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from irtheory.trees.kernels.kernel import kernel


class Held(NamedTuple):
    """Sums over the rows whose code is at most v, for each column and v, of some nodes.

    Each node has a place. The sums of the last level, which are those of all rows, are not
    kept up to date.
    """

    sums: np.ndarray  # [places, columns * levels * width]
    below: np.ndarray  # rows, [places, columns, levels]


@kernel(fast=True, unchecked_division=True)
def accumulate(sums, first, width, below):
    """Turn sums and rows per code of one column into those of all codes up to each."""
    # A column's sums are stored code by code: each is added to the next one in memory.
    size = np.uintp(width)
    for v in range(1, len(below)):
        at = np.uintp(first + v * width)
        for c in range(size):
            sums[at + c] += sums[at - size + c]
        below[v] += below[v - 1]


@kernel(fast=True, unchecked_division=True)
def subtract(sums, below, other_sums, other_below, first, stop, width):
    """Take another node's sums off columns first … stop − 1."""
    # In place: what was the parent's room becomes the larger child's. Sums up to a code are
    # as additive as sums per code, so they need not be accumulated again.
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
            if low == n:  # all rows are on the left: no split from here on
                break
            # Where no row has code v, the split is the one before: q and n_L stay 0.
            if low > before:
                first = np.uintp((j * levels + v) * len(total))
                q[j, v] = _distance(sums, first, total, low / n, weight)
                n_left[j, v] = low
            before = low
