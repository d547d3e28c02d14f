"""A lower bound on the squared error of trees that looks at values and not at tests (numba).

A tree with K leaves cuts the merged rows into at most K parts. Per output, no partition into K
parts has a smaller scatter than the best one into K intervals of values, which a dynamic program
finds ("k-means on a line"). It is what is known before any small problem is solved, and is reported
when time runs out. A root test gives each of its halves K/2 leaves, so the least sum over all
root tests and both halves is a bound too, a better one.
"""

from __future__ import annotations

import numpy as np

from irtheory.trees.kernels.kernel import kernel


@kernel
def _fill_level(sums, before, cost, first, last, low, high):
    """cost[j] = min over i < j of before[i] + scatter of i … j − 1, for first ≤ j ≤ last.

    The best i rises with j, so half of the interval is known from its middle.
    """
    if first > last:
        return
    n, s, q = sums
    j = (first + last) // 2
    best, at = np.inf, low
    for i in range(low, min(high, j - 1) + 1):
        weight = n[j] - n[i]
        value = before[i] + max(q[j] - q[i] - (s[j] - s[i]) ** 2 / weight, 0.0)
        if value < best:
            best, at = value, i
    cost[j] = best
    _fill_level(sums, before, cost, first, j - 1, low, at)
    _fill_level(sums, before, cost, j + 1, last, at, high)


@kernel
def interval_scatter(value, weight, parts):
    """Least scatter of weighted values, in ascending order, cut into `parts` intervals."""
    g = len(value)
    if g <= parts:
        return 0.0
    n, s, q = np.zeros(g + 1), np.zeros(g + 1), np.zeros(g + 1)
    for i in range(g):
        n[i + 1] = n[i] + weight[i]
        s[i + 1] = s[i] + weight[i] * value[i]
        q[i + 1] = q[i] + weight[i] * value[i] * value[i]
    sums = (n, s, q)
    before = np.empty(g + 1)
    before[0] = 0.0
    for j in range(1, g + 1):
        before[j] = max(q[j] - s[j] ** 2 / n[j], 0.0)
    for part in range(1, parts):
        cost = np.full(g + 1, np.inf)
        _fill_level(sums, before, cost, part + 1, g, part, g - 1)
        for j in range(part + 1):
            cost[j] = 0.0
        before = cost
    return before[g]


@kernel
def scatter_of_halves(value, weight, on, parts):
    """The same for the values where a test is on and those where it is off, `parts` each."""
    total = 0.0
    for side in range(2):
        kept = np.empty(len(value), np.int64)
        n = 0
        for i in range(len(value)):
            if on[i] == side:
                kept[n] = i
                n += 1
        total += interval_scatter(value[kept[:n]], weight[kept[:n]], parts)
    return total
