"""Information gain of the mean soft label, with a bound that spares most logarithms (numba).

A side of n_c rows and label sum S costs n_c H(S / n_c) = −Σ_j S_j log(S_j / n_c). What a split
gains is Σ_sides n_c KL(p_c ‖ p), p the node's mean label and p_c = S / n_c that of a side. Two
bounds hold for each side:

* KL(p_c ‖ p) = E_c log(p_c / p) ≤ log E_c(p_c / p) = log(1 + χ²) by Jensen's inequality, where
  χ² = Σ_j (p_cj − p_j)² / p_j = q / n_c², with the distance q of `irtheory.trees.cart.scatter`
  at weights 1 / p (q is the same for both sides);
* KL(p_c ‖ p) ≤ log(n / n_c), as a side's labels are part of the node's: n_c p_c ≤ n p.

In small nodes, where logarithms would be most of the work, only splits whose bound reaches the
best gain are measured: the bound takes two logarithms a split, the gain two for each output.
"""

from __future__ import annotations

import numpy as np
from llvmlite import ir
from numba import types

from irtheory.trees.cart.sums import sort_codes
from irtheory.trees.kernels.kernel import intrinsic, kernel
from irtheory.trees.kernels.lanes import BAD

_LN2 = 0.6931471805599453
# Bits of √½: mantissas are taken from √½ … √2, so that log keeps its relative accuracy at 1.
_ROOT_HALF = 0x3FE6A09E667F3BCD
_TINY = 1e-300
# Loops become vector code only without a check for division by zero (error_model) and
# without one for indices below zero (unsigned indices).


@intrinsic
def _bits(typing_context, x):
    def generate(context, builder, signature, args):
        return builder.bitcast(args[0], ir.IntType(64))

    return types.int64(types.float64), generate


@intrinsic
def _number(typing_context, bits):
    def generate(context, builder, signature, args):
        return builder.bitcast(args[0], ir.DoubleType())

    return types.float64(types.int64), generate


@kernel(fast=True, unchecked_division=True, inline=True)
def log(x):
    """Natural logarithm of normal x > 0, to a few units in the last place.

    Plain arithmetic, so that loops over it become vector code: with x = 2^e (1 + f) and
    s = f / (2 + f), log(1 + f) = 2 (s + s³/3 + s⁵/5 + …), where |s| < 0.172.
    """
    # e is the exponent of x, or one more where the mantissa is √2 or above: then 1 + f = x / 2^e
    # lies between √½ and √2.
    bits = _bits(x)
    e = (bits - _ROOT_HALF) >> 52
    f = _number(bits - (e << 52)) - 1.0
    s = f / (2.0 + f)
    z = s * s
    series = 1 / 15 + z * (1 / 17 + z * (1 / 19 + z * (1 / 21)))
    series = 1 / 7 + z * (1 / 9 + z * (1 / 11 + z * (1 / 13 + z * series)))
    series = z * (1 / 3 + z * (1 / 5 + z * series))
    return e * _LN2 + 2.0 * (s + s * series)


@kernel(fast=True, unchecked_division=True)
def entropy(s, n):
    """Entropy n H(s / n) = −Σ s log(s / n) of a label sum s of n rows; 0 log 0 = 0."""
    total, share = 0.0, 1.0 / n
    for c in range(np.uintp(len(s))):
        own = max(s[c], 0.0)  # a difference of sums may be a rounding below 0
        total -= own * log(max(own * share, _TINY))
    return total


@kernel
def row_entropies(targets, out):
    """H of every row of targets [m, k]."""
    for i in range(len(targets)):
        out[i] = entropy(targets[i], 1.0)


@kernel(fast=True, unchecked_division=True)
def _entropy_of_rest(s, total, n):
    lost, share = 0.0, 1.0 / n
    for c in range(np.uintp(len(s))):
        rest = max(total[c] - s[c], 0.0)
        lost -= rest * log(max(rest * share, _TINY))
    return lost


@kernel(fast=True, unchecked_division=True)
def _bound_column(q, n_left, n, least, gains):
    most = BAD
    for v in range(len(q)):
        # Where no split is, n_left is 0: the clamp keeps the loop without branches.
        low = max(n_left[v], 1.0)
        high = max(n - n_left[v], 1.0)
        bound = low * log(min(1.0 + q[v] / (low * low), n / low))
        bound += high * log(min(1.0 + q[v] / (high * high), n / high))
        allowed = (n_left[v] >= least) & (n - n_left[v] >= least)
        gains[v] = bound if allowed else BAD
        most = max(most, gains[v])
    return most


@kernel
def allow(below, n, least, gains):
    """0 for the splits of one column that part the rows and leave enough, BAD for the others."""
    # A code that no row has parts the rows just like the code before it: not a second split.
    before = 0
    for v in range(len(below)):
        low = below[v]
        gains[v] = 0.0 if low > before and low >= least and n - low >= least else BAD
        before = low


@kernel
def gains_of_sums(below, sums, first, n, total, whole, floor, gains):
    """Replace entries of one column that reach `floor` by gains, the others by BAD.

    Its sums, of the rows up to each code, start at `first`. Returns the largest gain.
    """
    best, width = BAD, len(total)
    for v in range(len(below)):
        if gains[v] < floor or gains[v] == BAD:
            gains[v] = BAD
            continue
        left = sums[first + v * width : first + (v + 1) * width]
        rest = _entropy_of_rest(left, total, n - below[v])
        gains[v] = whole - entropy(left, below[v]) - rest
        best = max(best, gains[v])
    return best


@kernel(fast=True, unchecked_division=True)
def _measure(codes, rows, targets, total, space, whole, floor, gains):
    """Replace the bounds of one column that reach `floor` by gains, the others by BAD."""
    n, k, levels = len(rows), targets.shape[1], len(gains)
    left, ends = space.left, space.ends
    sort_codes(codes, space.counts, ends, space.order)
    left[:] = 0.0
    begin, best = 0, BAD
    for v in range(levels):
        for t in range(begin, ends[v]):
            row = targets[rows[space.order[t]]]
            for c in range(np.uintp(k)):
                left[c] += row[c]
        begin = ends[v]
        if gains[v] < floor or gains[v] == BAD:
            gains[v] = BAD
        else:
            gains[v] = whole - entropy(left, begin) - _entropy_of_rest(left, total, n - begin)
            best = max(best, gains[v])
    return best


@kernel
def measure_gains(codes, first, stop, rows, targets, total, rule, space, scores, sums, below):
    """Information gains of columns first … stop − 1; BAD for splits that cannot be the best.

    From the rows and their codes, or, where they are held (not empty), from `sums` and `below`.

    Columns are measured from the largest bound down, until no bound reaches the best gain
    less `tie` and `slack` (per row): what rounding, and rows that do not quite sum to 1,
    may take from a bound. `rule` is (least samples in a leaf, tie, slack).
    """
    n, (least, tie, slack) = len(rows), rule
    whole, bounds = entropy(total, n), space.bounds
    for j in range(first, stop):
        bounds[j] = _bound_column(scores.q[j], scores.n_left[j], n, least, scores.gains[j])
    best = BAD
    for _ in range(first, stop):
        # Few columns are measured as a rule, so looking for the largest bound beats sorting.
        j = first
        for other in range(first, stop):
            j = other if bounds[other] > bounds[j] else j
        floor = best - tie - slack * (n + whole)
        if bounds[j] < floor or bounds[j] == BAD:
            break
        own = scores.gains[j]
        if len(sums):
            at = j * below.shape[1] * len(total)
            gain = gains_of_sums(below[j], sums, at, n, total, whole, floor, own)
        else:
            gain = _measure(codes[j], rows, targets, total, space, whole, floor, own)
        best, bounds[j] = max(best, gain), BAD
    for j in range(first, stop):
        if bounds[j] != BAD:
            scores.gains[j] = BAD
