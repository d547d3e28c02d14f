"""Exact trees of depth 3 and 4 from all pairs of literals.

A tree of depth D ≥ 3 is a root test, a test in each half, and four trees of depth D − 2,
each on the rows of a pair of literals. `fill_depth3` and `fill_depth4` solve those small
problems for every pair (one pass over the rows of a pair of tests serves all four sign
combinations); `irtheory.trees.exact.select` combines them. Between two solves on the same
codes each pair keeps a lower bound that `select.shift` weakens by how far the targets moved,
so that only the pairs that could be part of a better tree are solved again.

For squared error the cost of a tree on a row set R is dist(Y, V)², V its subspace of
piecewise constant targets. A distance is 1-Lipschitz, |dist(Y', V) − dist(Y, V)| ≤
‖Y' − Y‖_R, and so is the least distance over all trees. With drift[a] the sum of ‖Y' − Y‖
on the rows of literal a over all moves so far, and R within those rows,

    √cost now ≥ √cost then − (drift[a] now − drift[a] then) = reach[a, b] − drift[a] now,

where reach[a, b] = √cost then + drift[a] then is stored once, when the pair is solved. For a
linear cost the same holds without roots: no tree gets cheaper by more than the sum over rows
of the largest decrease of an entry.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from irtheory.trees.exact.nodes import narrow, rows_of
from irtheory.trees.exact.statistics import (
    LINEAR,
    Statistics,
    best_total,
    collect,
    scan,
    subtract,
)
from irtheory.trees.kernels.kernel import kernel

_1 = np.uintp(1)
HUGE = 1e300


class Lattice(NamedTuple):
    """What is known of every ordered pair of literals (a literal is 2·test + side)."""

    cost: np.ndarray  # [2p, 2p] exact cost, where stamp is the current version
    reach: np.ndarray  # [2p, 2p] √cost (or cost, if linear) when solved + drift then
    stamp: np.ndarray  # int64 [2p, 2p] version at which the pair was solved
    drift: np.ndarray  # [2p] accumulated drift of the rows of a literal
    split_ok: np.ndarray  # bool [2p, p] both parts of the literal's rows are large enough
    root_ok: np.ndarray  # bool [p]
    solved: np.ndarray  # int64 [2] small problems solved, pairs skipped by a bound


def new_lattice(p: int) -> Lattice:
    """Nothing known: every bound is 0."""
    return Lattice(
        np.zeros((2 * p, 2 * p)),
        np.zeros((2 * p, 2 * p)),
        np.full((2 * p, 2 * p), -1, np.int64),
        np.zeros(2 * p),
        np.zeros((2 * p, p), np.bool_),
        np.zeros(p, np.bool_),
        np.zeros(2, np.int64),
    )


@kernel
def mark_feasible(stats, least, lattice):
    """Fill split_ok and root_ok from the pair weights of the whole problem."""
    p = len(stats.n)
    total = stats.total_n[0]
    lattice.split_ok[:] = False
    for i in range(p):
        lattice.root_ok[i] = stats.n[i] >= least and total - stats.n[i] >= least
        for j in range(p):
            if i == j:
                continue
            a, b = min(i, j), max(i, j)
            # Weights of the four quadrants of (i, j), by inclusion and exclusion.
            both = stats.pair_n[a * p - a * (a + 1) // 2 - a - 1 + b]
            on, off = stats.n[i] - both, stats.n[j] - both
            rest = total - stats.n[i] - off
            lattice.split_ok[2 * i + 1, j] = both >= least and on >= least
            lattice.split_ok[2 * i, j] = off >= least and rest >= least


@kernel
def record(lattice, a, b, cost, linear, version):
    """Store the exact cost of the pair (a, b) in both orders."""
    cost = max(cost, 0.0)  # a difference of sums may be a rounding below 0
    root = cost if linear else np.sqrt(cost)
    lattice.cost[a, b] = lattice.cost[b, a] = cost
    lattice.stamp[a, b] = lattice.stamp[b, a] = version
    lattice.reach[a, b] = root + lattice.drift[a]
    lattice.reach[b, a] = root + lattice.drift[b]
    lattice.solved[0] += 1


@kernel(fast=True)
def fill_depth3(design, y, q, test, shape, whole, budget, prune, version, work, lattice):
    """Solve depth 1 on every pair (test, j): one scan of each half of `test`."""
    part, rest, best = work
    p, linear = shape.p, shape.rule == LINEAR
    collect(design, y, q, rows_of(design, 2 * test + 1), shape, True, part)
    subtract(whole, part, rest)
    # Below the root literal and a test j, depth 1 is left on every pair: scanning the pairs
    # (j, i) of a half gives the best score of each of its quarters for all j at once.
    for side in (1, 0):
        stats = part if side == 1 else rest
        scan(stats, shape, best)
        if shape.stop[0]:
            return
        literal = 2 * test + side
        for j in range(p):
            if lattice.split_ok[literal, j]:
                off = stats.total_q[0] - stats.q[j] - best[0, j]
                record_one(lattice, literal, 2 * j, off, linear, version)
                record_one(lattice, literal, 2 * j + 1, stats.q[j] - best[1, j], linear, version)
        total = best_total(stats, shape, best)
        # The best tree of depth 2 on this half alone costs too much, so no tree with this
        # root is better: the pairs of the other half, which only such trees use, are skipped.
        if prune and stats.total_q[0] - total > budget:
            lattice.solved[1] += side * p
            return


@kernel
def record_one(lattice, a, b, cost, linear, version):
    """Store the exact cost of the pair (a, b) in this order only."""
    cost = max(cost, 0.0)
    lattice.cost[a, b] = cost
    lattice.stamp[a, b] = version
    lattice.reach[a, b] = (cost if linear else np.sqrt(cost)) + lattice.drift[a]
    lattice.solved[0] += 1


@kernel(fast=True)
def _solve_scanned(stats, shape, best):
    scan(stats, shape, best)
    return stats.total_q[0] - best_total(stats, shape, best)


@kernel
def _wanted(lattice, a, b):
    return lattice.split_ok[a, b // 2] or lattice.split_ok[b, a // 2]


@kernel(fast=True)
def fill_depth4(design, y, q, f, shape, ons, whole, budget, prune, version, work, lattice):
    """Solve depth 2 on the four sign combinations of (f, g) for every g > f.

    `ons` stacks the statistics of the rows where each test is on along axis 0; `work` is
    five Statistics (both on; f on, g off; f off, g on; f off; both off) and a score table.
    """
    both, f_only, g_only, f_off, neither, best = work
    linear, p, stop = shape.rule == LINEAR, shape.p, shape.stop
    rows = rows_of(design, 2 * f + 1)
    on_f = _row(ons, f)
    subtract(whole, on_f, f_off)
    # Rows are read once, for (on, on); the other three follow by subtraction.
    for g in range(f + 1, p):
        a1, a0, b1, b0 = 2 * f + 1, 2 * f, 2 * g + 1, 2 * g
        cheap11 = cheap00 = True
        if not (_wanted(lattice, a1, b1) or _wanted(lattice, a0, b0)):
            continue
        collect(design, y, q, narrow(design, rows, b1), shape, True, both)
        if _wanted(lattice, a1, b1):
            cost = _solve_scanned(both, shape, best)
            if stop[0]:
                return
            record(lattice, a1, b1, cost, linear, version)
            cheap11 = not prune or cost <= budget
        subtract(_row(ons, g), both, g_only)
        if _wanted(lattice, a0, b0):
            subtract(f_off, g_only, neither)
            cost = _solve_scanned(neither, shape, best)
            if stop[0]:
                return
            record(lattice, a0, b0, cost, linear, version)
            cheap00 = not prune or cost <= budget
        # A mixed pair is the sibling of (on, on) in one tree and of (off, off) in the
        # other; when both of those alone exceed the budget no tree needs it.
        if not (cheap11 or cheap00):
            lattice.solved[1] += 2
            continue
        if _wanted(lattice, a0, b1):
            cost = _solve_scanned(g_only, shape, best)
            if stop[0]:
                return
            record(lattice, a0, b1, cost, linear, version)
        if _wanted(lattice, a1, b0):
            subtract(on_f, both, f_only)
            cost = _solve_scanned(f_only, shape, best)
            if stop[0]:
                return
            record(lattice, a1, b0, cost, linear, version)


@kernel
def _row(stack, i):
    return Statistics(
        stack.pair_n[i],
        stack.pair_s[i],
        stack.n[i],
        stack.s[i],
        stack.q[i],
        stack.total_n[i],
        stack.total_s[i],
        stack.total_q[i],
    )


@kernel
def collect_on(design, y, q, test, shape, ons):
    """ons[test] = statistics of the rows where `test` is on."""
    rows = rows_of(design, 2 * test + 1)
    collect(design, y, q, rows, shape, True, _row(ons, test))
