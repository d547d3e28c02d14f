"""Pair sums of targets of a few kinds, by counting bits (numba).

Where the targets of all samples are of a few kinds, as class labels are, the sum over the samples
where two tests are on is Σ_v c_v · value_v, and c_v is the number of ones in the conjunction of two
columns of bits: sixty-four samples at a time. The samples of a node are packed anew, so that the
columns are short, and each kind begins a word of its own.
"""

from __future__ import annotations

import numpy as np

from irtheory.trees.kernels.kernel import kernel
from irtheory.trees.kernels.lanes import popcount

_1 = np.uintp(1)
# Kinds of targets up to which counting may pay.
MOST_KINDS = 8
# Rough times in ns: to add a row of one double or a block of eight, to count a word of a pair, to
# finish a kind of a pair, to set a bit.
_ADD, _BLOCK, _WORD, _KIND, _BIT = 0.7, 1.5, 0.5, 1.0, 1.0


@kernel
def find_kinds(targets, kinds):
    """Fill kinds [m] with the number of the kind of every target row; returns their number.

    Stops at more than `MOST_KINDS` with MOST_KINDS + 1. Kinds are in the order of appearance.
    """
    first = np.empty(MOST_KINDS, np.int64)
    n = 0
    for i in range(len(targets)):
        kinds[i] = -1
        for v in range(n):
            same = True
            for c in range(targets.shape[1]):
                same &= targets[i, c] == targets[first[v], c]
            if same:
                kinds[i] = v
                break
        if kinds[i] < 0:
            if n == MOST_KINDS:
                return n + 1
            first[n] = i
            kinds[i] = n
            n += 1
    return n


@kernel
def packing_pays(design, rows, shape):
    """Whether counting bits should take less time than adding up the rows of a node."""
    kinds, blocks = shape.kinds, shape.blocks
    adds, bits, words = 0.0, 0.0, 0.0
    for r in rows:
        on = float(design.indptr[r + _1] - design.indptr[r])
        adds += on * on / 2
        bits += on * design.weight[r]
        words += design.weight[r]
    add = _ADD if blocks == 0 else _BLOCK * blocks
    v = kinds.shape[1]
    pair = _WORD * (words / 64 + v / 2) + v * _KIND * max(blocks, 1)
    return add * adds > shape.p * (shape.p - 1) / 2 * pair + _BIT * bits


@kernel
def _pack(design, rows, kinds, start, bits):
    """Set the bits [p * words] of the tests that are on, kind by kind from its first word."""
    words, place = start[-1], start[:-1] * 64
    for r in rows:
        for v in range(kinds.shape[1]):
            for _ in range(kinds[r, v]):
                word, bit = np.uintp(place[v] // 64), np.uint64(1) << np.uint64(place[v] % 64)
                place[v] += 1
                for a in range(design.indptr[r], design.indptr[r + _1]):
                    bits[design.indices[a] * np.uintp(words) + word] |= bit


@kernel(fast=True)
def count_pairs(design, rows, shape, pair_n, pair_s):
    """Fill the pair sums over `rows`, which are 0; see `statistics.Statistics`."""
    kinds, values, width = shape.kinds, shape.values, np.uintp(shape.width)
    n_kinds = kinds.shape[1]
    start = np.zeros(n_kinds + 1, np.int64)
    for v in range(n_kinds):
        samples = 0
        for r in rows:
            samples += kinds[r, v]
        start[v + 1] = start[v] + (samples + 63) // 64
    words = np.uintp(start[n_kinds])
    bits = np.zeros(np.uintp(shape.p) * words, np.uint64)
    _pack(design, rows, kinds, start, bits)
    pair = np.uintp(0)
    for i in range(np.uintp(shape.p)):
        if shape.stop[0]:
            return
        for j in range(i + _1, np.uintp(shape.p)):
            n = 0.0
            for v in range(np.uintp(n_kinds)):
                count = np.uint64(0)
                for w in range(np.uintp(start[v]), np.uintp(start[v + _1])):
                    count += popcount(bits[i * words + w] & bits[j * words + w])
                share = float(count)
                n += share
                for c in range(width):
                    pair_s[pair * width + c] += share * values[v * width + c]
            pair_n[pair] = n
            pair += _1
