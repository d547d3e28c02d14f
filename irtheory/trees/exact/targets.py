"""Prepare targets for a search, and compute leaf values from its result (numba).

Each takes one or two passes in compiled code: a warm solve takes a fraction of a
millisecond, and a handful of numpy expressions would be most of that.
"""

from __future__ import annotations

import numpy as np

from irtheory.trees.kernels.kernel import kernel


@kernel
def sum_squares_rows(targets, row_of, weight, width, y, q):
    """Centred target sums of the merged rows for squared error.

    Fills y [g * width] with the sums (padding 0) and q [g] with ||sum||²/weight; returns
    the scatter within merged rows, which every tree pays.
    """
    m, k = targets.shape
    # Costs do not depend on the mean, but ‖S‖²/n loses digits where it is far from 0.
    mean = np.zeros(k)
    for i in range(m):
        for c in range(k):
            mean[c] += targets[i, c]
    mean /= m
    y[:] = 0.0
    total = 0.0
    for i in range(m):
        first = row_of[i] * width
        for c in range(k):
            centred = targets[i, c] - mean[c]
            y[first + c] += centred
            total += centred * centred
    # Σ‖y‖² = scatter within merged rows + Σ_r ‖sum_r‖² / weight_r.
    between = 0.0
    for r in range(len(weight)):
        square = 0.0
        for c in range(k):
            square += y[r * width + c] ** 2
        q[r] = square / weight[r]
        between += q[r]
    return max(total - between, 0.0)


@kernel
def sum_regret_rows(targets, row_of, width, y, q):
    """Regrets C[i, c] − min_c C[i, c] summed over merged rows, for the linear cost.

    Fills y [g * width] (padding copies column 0, which leaves a minimum unchanged) and q
    with 0; returns the sum of the minima, which every tree pays.
    """
    m, k = targets.shape
    y[:] = 0.0
    q[:] = 0.0
    # Regrets are ≥ 0, so partial sums of a cost are lower bounds on it.
    constant = 0.0
    for i in range(m):
        low = targets[i, 0]
        for c in range(1, k):
            low = min(low, targets[i, c])
        constant += low
        first = row_of[i] * width
        for c in range(width):
            y[first + c] += targets[i, c if c < k else 0] - low
    return constant


@kernel
def leaf_values(targets, leaf_of, nodes, linear, predictions):
    """Fill predictions [m, k] with each sample's leaf value; returns the cost.

    A leaf predicts its mean target, or, for the linear cost, the column of least sum (the
    first of several) as a one-hot row.
    """
    m, k = targets.shape
    sums, count = np.zeros((nodes, k)), np.zeros(nodes)
    for i in range(m):
        count[leaf_of[i]] += 1
        for c in range(k):
            sums[leaf_of[i], c] += targets[i, c]
    # Nodes without samples (inner ones, and leaves that do not exist) are skipped.
    loss = 0.0
    for leaf in range(nodes):
        if count[leaf] == 0:
            continue
        if linear:
            best = np.argmin(sums[leaf])
            loss += sums[leaf, best]
            sums[leaf] = 0.0
            sums[leaf, best] = 1.0
        else:
            sums[leaf] /= count[leaf]
    for i in range(m):
        for c in range(k):
            predictions[i, c] = sums[leaf_of[i], c]
            if not linear:
                loss += (targets[i, c] - predictions[i, c]) ** 2
    return loss
