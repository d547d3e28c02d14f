"""Choosing the best tree from a lattice: bounds first, exact small problems on demand."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from irtheory.trees.exact.lattice import HUGE, record
from irtheory.trees.exact.nodes import narrow, rows_of, solve_small, write_small
from irtheory.trees.exact.statistics import collect, halves, leaf_score
from irtheory.trees.kernels.kernel import kernel

_1 = np.uintp(1)


class Question(NamedTuple):
    """One solve: targets, tolerance and scratch space."""

    y: np.ndarray  # [g * width] target sums of the merged rows
    q: np.ndarray  # [g] their sums of squares (0 for a linear cost)
    slack: float  # costs closer than this are ties
    version: int  # number of this solve
    most: int  # small problems solved on demand before giving up
    allowed: bool  # may small problems be solved (False once time is up)


@kernel(fast=True)
def shift(design, y, old_y, shape, lattice, change):
    """Add to every literal's drift how far the targets of its rows moved.

    change: float64 [p + 1], scratch; the last entry is of all rows.
    """
    # A merged row of weight w and target sum y stands for w samples at y / w, whose squared
    # move is w ‖Δy / w‖² = ‖Δy‖² / w. Linear: the largest decrease of an entry, at least 0.
    change[:] = 0.0
    width, p = shape.width, shape.p
    for r in range(np.uintp(len(design.weight))):
        moved = 0.0
        for c in range(np.uintp(width)):
            step = old_y[r * np.uintp(width) + c] - y[r * np.uintp(width) + c]
            moved = max(moved, step) if shape.linear else moved + step * step
        if not shape.linear:
            moved /= design.weight[r]
        change[p] += moved
        for a in range(design.indptr[r], design.indptr[r + _1]):
            change[design.indices[a]] += moved
    # Squared moves add up over rows, so the off side has what the on side leaves of them.
    for i in range(p):
        on, off = change[i], max(change[p] - change[i], 0.0)
        lattice.drift[2 * i + 1] += on if shape.linear else np.sqrt(on)
        lattice.drift[2 * i] += off if shape.linear else np.sqrt(off)


@kernel
def bound(lattice, a, b, linear, version):
    """Lower bound on the cost of the pair (a, b); exact if solved in this version."""
    if lattice.stamp[a, b] == version:
        return lattice.cost[a, b]
    # See the inequality in `lattice`. A pair that was never solved has reach 0: bound 0.
    root = max(lattice.reach[a, b] - lattice.drift[a], 0.0)
    return root if linear else root * root


@kernel
def bound_side(lattice, literal, leaf, linear, version):
    """Lower bound on the cost of the rows of a literal, one level above the pairs."""
    # The best tree there is a leaf or splits by some test g, into two pairs.
    least = leaf
    for g in range(lattice.split_ok.shape[1]):
        if lattice.split_ok[literal, g]:
            off = bound(lattice, literal, 2 * g, linear, version)
            on = bound(lattice, literal, 2 * g + 1, linear, version)
            least = min(least, off + on)
    return least


@kernel
def exact(design, ask, shape, lattice, a, b, stats, best):
    """Exact cost of the pair (a, b), solved now unless it already was."""
    if lattice.stamp[a, b] != ask.version:
        rows = narrow(design, rows_of(design, a), b)
        cost, _ = solve_small(
            design, ask.y, ask.q, rows, shape.depth - 2, shape, ask.slack, stats, best
        )
        record(lattice, a, b, cost, shape.linear, ask.version)
    return lattice.cost[a, b]


@kernel
def resolve_side(design, ask, shape, lattice, literal, leaf, budget, stats, best):
    """Exact cost of a literal's rows if it is at most `budget`, else something above it."""
    value = leaf
    for g in range(shape.p):
        if not lattice.split_ok[literal, g]:
            continue
        off = bound(lattice, literal, 2 * g, shape.linear, ask.version)
        on = bound(lattice, literal, 2 * g + 1, shape.linear, ask.version)
        # Sums up to `slack` above the best are ties and must not be discarded by a bound.
        limit = min(value + ask.slack, budget)
        if off + on > limit:
            continue
        # The first exact cost often exceeds the limit already, which spares the second.
        off = exact(design, ask, shape, lattice, literal, 2 * g, stats, best)
        if off + on > limit:
            continue
        on = exact(design, ask, shape, lattice, literal, 2 * g + 1, stats, best)
        value = min(value, off + on)
    return value


@kernel
def leaf_costs(design, ask, shape, stats, best, leaves):
    """leaves[literal] = cost of one leaf on its rows; leaves[2p] = of one on all rows."""
    rows = np.arange(len(design.weight)).astype(np.uintp)
    collect(design, ask.y, ask.q, rows, shape.blocks, False, stats)
    halves(stats, shape.p, shape.width, shape.linear, shape.least, best)
    for i in range(shape.p):
        leaves[2 * i + 1] = stats.q[i] - best[1, i]
        leaves[2 * i] = stats.total_q[0] - stats.q[i] - best[0, i]
    total = leaf_score(stats.total_s, 0, stats.total_n[0], shape.width, shape.linear, shape.least)
    leaves[2 * shape.p] = stats.total_q[0] - total


@kernel
def search_roots(design, ask, shape, lattice, upper, leaves, sides, stats, best):
    """Best cost over all trees, given that some tree costs `upper`.

    Returns:
        (cost, lower, finished): cost of the best tree found and a proven lower bound, which
        are equal unless ask.allowed is False; finished is False if more than ask.most small
        problems had to be solved. sides[literal] holds the costs of the halves.
    """
    linear, version = shape.linear, ask.version
    best_cost = min(upper, leaves[2 * shape.p])
    lower = best_cost
    # A root is passed over only where a lower bound on it exceeds the best cost known by more
    # than `slack`. That cost only falls, so no root passed over ties with the final best.
    for f in range(shape.p):
        sides[2 * f] = sides[2 * f + 1] = HUGE
        if not lattice.root_ok[f]:
            continue
        on = bound_side(lattice, 2 * f + 1, leaves[2 * f + 1], linear, version)
        off = bound_side(lattice, 2 * f, leaves[2 * f], linear, version)
        limit = best_cost + ask.slack
        if on + off > limit:
            continue
        if lattice.solved[0] > ask.most:
            return best_cost, 0.0, False
        if not ask.allowed:  # time is up: this root stays open with its bound
            lower = min(lower, on + off)
            continue
        # What the on side may cost: the limit less what the off side costs at least.
        on = resolve_side(
            design, ask, shape, lattice, 2 * f + 1, leaves[2 * f + 1], limit - off, stats, best
        )
        if on + off > limit:
            continue
        off = resolve_side(
            design, ask, shape, lattice, 2 * f, leaves[2 * f], limit - on, stats, best
        )
        sides[2 * f], sides[2 * f + 1] = off, on
        best_cost = min(best_cost, on + off)
    return best_cost, min(lower, best_cost), True


@kernel
def write_tree(design, ask, shape, lattice, cost, leaves, sides, stats, best, heap):
    """Write the canonical tree of that cost: fewest splits, then the lowest tests first."""
    heap[:] = -1
    aim = cost + ask.slack
    if leaves[2 * shape.p] <= aim:
        return True
    # Roots in ascending order: the first within `slack` of the best is the lowest test.
    for f in range(shape.p):
        if sides[2 * f] + sides[2 * f + 1] <= aim:
            heap[0] = f
            for side in range(2):
                write_side(
                    design,
                    ask,
                    shape,
                    lattice,
                    2 * f + side,
                    sides,
                    leaves,
                    stats,
                    best,
                    heap,
                    1 + side,
                )
            return True
    return False


@kernel
def write_side(design, ask, shape, lattice, literal, sides, leaves, stats, best, heap, node):
    """Write the subtree of one half of the root: its test and two small trees."""
    aim = sides[literal] + ask.slack
    if leaves[literal] <= aim:
        return
    for g in range(shape.p):
        if not lattice.split_ok[literal, g]:
            continue
        off = bound(lattice, literal, 2 * g, shape.linear, ask.version)
        on = bound(lattice, literal, 2 * g + 1, shape.linear, ask.version)
        if off + on > aim:
            continue
        off = exact(design, ask, shape, lattice, literal, 2 * g, stats, best)
        on = exact(design, ask, shape, lattice, literal, 2 * g + 1, stats, best)
        if off + on <= aim:
            heap[node] = g
            for side in range(2):
                rows = narrow(design, rows_of(design, literal), 2 * g + side)
                write_small(
                    design,
                    ask.y,
                    ask.q,
                    rows,
                    shape.depth - 2,
                    shape,
                    ask.slack,
                    stats,
                    best,
                    heap,
                    2 * node + 1 + side,
                )
            return
