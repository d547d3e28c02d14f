"""Prepare targets for a search, and compute leaf values from its result (numba).

Searches add up sums of targets over rows, and costs are small differences of such sums. So targets
are centred and scaled first. Each step takes one or two passes in compiled code: a warm solve
takes a fraction of a millisecond, and a handful of numpy expressions would be most of that.

Samples have weights w [m], or all weight 1 where `weights` is empty.
"""

from __future__ import annotations

import numpy as np

from irtheory.trees.exact.statistics import ENTROPY, LINEAR, x_log_x
from irtheory.trees.kernels.kernel import kernel


@kernel
def spread_of(targets, linear):
    """The largest difference between targets of a column, or, if linear, of a row."""
    m, k = targets.shape
    widest = 0.0
    if linear:
        for i in range(m):
            for c in range(1, k):
                widest = max(widest, abs(targets[i, c] - targets[i, 0]))
        return widest
    for c in range(k):
        low = high = targets[0, c]
        for i in range(m):
            low, high = min(low, targets[i, c]), max(high, targets[i, c])
        widest = max(widest, high - low)
    return widest


@kernel
def sum_squares_rows(targets, weights, row_of, count, width, scale, y, q):
    """Centred and scaled target sums of the merged rows for squared error.

    Fills y [g * width] with the sums (padding 0; with weights, the last double of a row is the
    weight of its samples) and q [g] with ‖sum‖²/weight. Returns the scatter within merged rows,
    which every tree pays.
    """
    m, k = targets.shape
    # Costs do not depend on the centre, but ‖S‖²/n loses digits where it is far off. The first
    # target is subtracted before the mean is taken: that is exact where targets are large and
    # close to each other.
    mean, total = np.zeros(k), 0.0
    for i in range(m):
        w = weights[i] if len(weights) else 1.0
        total += w
        for c in range(k):
            mean[c] += w * (targets[i, c] - targets[0, c]) * scale
    mean /= total
    y[:] = 0.0
    for i in range(m):
        first = row_of[i] * width
        w = weights[i] if len(weights) else 1.0
        if len(weights):
            y[first + width - 1] += w
        for c in range(k):
            y[first + c] += w * ((targets[i, c] - targets[0, c]) * scale - mean[c])
    own = np.empty(len(count))
    for r in range(len(count)):
        own[r] = y[r * width + width - 1] if len(weights) else count[r]
        square = 0.0
        for c in range(k):
            square += y[r * width + c] ** 2
        q[r] = square / own[r]
    within = 0.0
    if len(count) < m:
        for i in range(m):
            w = weights[i] if len(weights) else 1.0
            r = row_of[i]
            for c in range(k):
                centred = (targets[i, c] - targets[0, c]) * scale - mean[c]
                within += w * (centred - y[r * width + c] / own[r]) ** 2
    return within


@kernel
def sum_regret_rows(targets, weights, row_of, width, scale, y, q):
    """Costs less that of the first column, summed over merged rows, for the linear cost.

    Fills y [g * width] with the sums of columns 1 … k − 1 (padding 0) and q [g] with the score of
    a leaf of its own. Returns the regret within merged rows, which every tree pays.
    """
    m, k = targets.shape
    y[:] = 0.0
    first_column = 0.0
    for i in range(m):
        first = row_of[i] * width
        w = weights[i] if len(weights) else 1.0
        least = 0.0
        for c in range(1, k):
            step = (targets[i, c] - targets[i, 0]) * scale
            least = min(least, step)
            y[first + c - 1] += w * step
        first_column -= w * least
    scores = 0.0
    for r in range(len(q)):
        best = 0.0
        for c in range(k - 1):
            best = max(best, -y[r * width + c])
        q[r] = best
        scores += best
    return max(first_column - scores, 0.0)


@kernel
def sum_class_rows(targets, weights, row_of, width, table, y, q):
    """Weights of the classes summed over merged rows, for the entropy.

    Fills y [g * width] (padding 0) and q [g] with the score of a leaf of its own; returns the
    entropy within merged rows, which every tree pays.
    """
    m, k = targets.shape
    y[:] = 0.0
    for i in range(m):
        first = row_of[i] * width
        w = weights[i] if len(weights) else 1.0
        for c in range(k):
            y[first + c] += w * targets[i, c]
    within = 0.0
    for r in range(len(q)):
        total, weight = 0.0, 0.0
        for c in range(k):
            weight += y[r * width + c]
            total += x_log_x(y[r * width + c], table)
        q[r] = total - x_log_x(weight, table)
        within -= q[r]
    return within


@kernel
def leaf_losses(targets, weights, leaf_of, rule, values, losses):
    """Fill the values [leaves, k] and losses [leaves] of the leaves; returns what all trees pay.

    A leaf predicts its mean target, or, for the linear cost, the column of least sum (the first
    of several) as a one-hot row. Its loss is Σ w‖y − mean‖², or for the linear cost the regret
    Σ w (C[i, c] − min C[i]), or Σ w Σ_c −y_c log mean_c. All trees pay Σ w min C[i], else 0.
    """
    # A target of the leaf itself is subtracted before the mean is taken: equal targets then have
    # a loss of exactly 0, and no digits are lost where a leaf is far from 0.
    (m, k), leaves = targets.shape, len(losses)
    shift, total, first = np.zeros((leaves, k)), np.zeros(leaves), np.full(leaves, -1)
    constant = 0.0
    values[:], losses[:] = 0.0, 0.0
    for i in range(m):
        leaf, w = leaf_of[i], weights[i] if len(weights) else 1.0
        low = targets[i].min() if rule == LINEAR else 0.0
        constant += w * low
        if first[leaf] < 0:
            first[leaf] = i
            if rule < LINEAR or rule > ENTROPY:
                shift[leaf] = targets[i]
        total[leaf] += w
        for c in range(k):
            values[leaf, c] += w * (targets[i, c] - low - shift[leaf, c])
    if rule == LINEAR:
        for leaf in range(leaves):
            best = np.argmin(values[leaf])
            losses[leaf] = values[leaf, best]
            values[leaf] = 0.0
            values[leaf, best] = 1.0
        return constant
    for leaf in range(leaves):
        values[leaf] /= max(total[leaf], 1e-300)
    for i in range(m):
        leaf, w = leaf_of[i], weights[i] if len(weights) else 1.0
        for c in range(k):
            if rule == ENTROPY:
                if targets[i, c] > 0 and values[leaf, c] < 1:
                    losses[leaf] -= w * targets[i, c] * np.log(values[leaf, c])
            else:
                losses[leaf] += w * (targets[i, c] - shift[leaf, c] - values[leaf, c]) ** 2
    values += shift
    return constant
