"""Rows of a node, and exact solutions of the small problems (depth ≤ 2) on them."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from irtheory.trees.exact.statistics import (
    add_row,
    best_total,
    collect,
    first_split,
    halves,
    leaf_score,
    scan,
)
from irtheory.trees.kernels.kernel import kernel
from irtheory.trees.kernels.lanes import BAD


class Shape(NamedTuple):
    """Sizes, leaf rule and limits of a search, for the kernels."""

    p: int  # tests
    width: int  # doubles in a padded target row
    blocks: np.uintp  # eight-wide blocks in it, 0 for a single double
    rule: int  # leaf rule, see `statistics`
    table: np.ndarray  # what the rule looks up
    alpha: float  # penalty of a leaf
    least: float  # fewest samples of a leaf
    depth: int  # largest depth of the tree
    stop: np.ndarray  # int64 [1], not 0 once time is up
    kinds: np.ndarray  # int64 [g, kinds] samples of each kind of target, empty if not counted
    values: np.ndarray  # [kinds * width] target row of each kind


@kernel
def rows_of(design, literal):
    """Merged rows of literal 2·test + side: the test is off (side 0) or on (side 1)."""
    test, side = literal // 2, literal % 2
    on = design.rows[design.colptr[test] : design.colptr[test + 1]]
    if side == 1:
        return on
    # Only the rows that are on are stored (the rarer side); the others are collected here.
    off = np.empty(len(design.weight) - len(on), np.uintp)
    t = 0
    for r in range(len(design.weight)):
        if design.bits[r, test] == 0:
            off[t] = np.uintp(r)
            t += 1
    return off


@kernel
def narrow(design, rows, literal):
    """Those of `rows` on which the literal holds, in order."""
    test, side = literal // 2, literal % 2
    kept = np.empty(len(rows), np.uintp)
    t = 0
    for r in rows:
        if design.bits[r, test] == side:
            kept[t] = r
            t += 1
    return kept[:t]


@kernel(fast=True)
def solve_small(design, y, q, rows, depth, shape, slack, stats, best):
    """Cost of the best tree of depth ≤ `depth` ≤ 2 on `rows`, and its root test.

    Returns:
        (cost, root): root −1 is a leaf; within `slack` of the best cost the leaf, then
        the lowest test, is taken. Rows lighter than the smallest leaf cost 1e300.
    """
    collect(design, y, q, rows, shape, depth == 2, stats)
    if depth == 0:
        return stats.total_q[0] - leaf_score(stats.total_s, 0, stats.total_n[0], shape), -1
    # `best` then holds the halves' best scores one level below; the root's choice follows.
    if depth == 2:
        scan(stats, shape, best)
    else:
        halves(stats, shape, best)
    total = best_total(stats, shape, best)
    return stats.total_q[0] - total, first_split(stats, shape, best, slack)


@kernel(fast=True)
def root_costs(design, y, q, rows, depth, shape, stats, best, costs):
    """costs[i] = of the best tree of depth ≤ `depth` ≤ 2 with root test i; costs[p] of a leaf."""
    collect(design, y, q, rows, shape, depth == 2, stats)
    if depth == 2:
        scan(stats, shape, best)
    else:
        halves(stats, shape, best)
    for i in range(shape.p):
        costs[i] = stats.total_q[0] - best[0, i] - best[1, i] + shape.alpha
    costs[shape.p] = stats.total_q[0] - leaf_score(stats.total_s, 0, stats.total_n[0], shape)


@kernel
def write_small(design, y, q, rows, depth, shape, slack, stats, best, heap, node):
    """Write the tests of the best tree of depth ≤ 2 on `rows` into heap[node] and below."""
    _, root = solve_small(design, y, q, rows, depth, shape, slack, stats, best)
    heap[node] = root
    if root < 0 or depth < 2:
        return
    # The scan keeps the scores of the halves and not their tests: a scan that kept both would
    # be slower for every problem, and only the few on the tree's path are solved again here.
    for side in range(2):
        part = narrow(design, rows, 2 * root + side)
        _, test = solve_small(design, y, q, part, depth - 1, shape, slack, stats, best)
        heap[2 * node + 1 + side] = test


@kernel
def route(design, heap, leaf_of):
    """leaf_of[r] = heap index of the leaf of every merged row; child on test off: 2i + 1."""
    inner = len(heap)
    for r in range(len(design.weight)):
        node = 0
        while node < inner and heap[node] >= 0:
            node = 2 * node + 1 + design.bits[r, heap[node]]
        leaf_of[r] = node


@kernel(fast=True)
def cost_of_partition(design, y, q, leaf_of, shape, sums, weights):
    """Cost of the leaves `leaf_of` refitted to y; fills their target sums and weights."""
    # Cost beyond the scatter within merged rows: Σ q − Σ_leaves score. One leaf is free.
    sums[:] = 0.0
    weights[:] = 0.0
    cost = -shape.alpha
    for r in range(np.uintp(len(leaf_of))):
        weights[leaf_of[r]] += design.weight[r]
        add_row(sums, np.uintp(leaf_of[r]), y, r, shape.blocks)
        cost += q[r]
    for leaf in range(len(weights)):
        if weights[leaf] > 0:
            value = leaf_score(sums, leaf * shape.width, weights[leaf], shape)
            if value == BAD:  # a leaf too light: this partition is not allowed
                return -BAD
            cost += shape.alpha - value
    return cost
