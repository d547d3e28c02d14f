"""Choosing the best tree from a lattice: bounds first, exact small problems on demand."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from irtheory.trees.exact.lattice import HUGE, record
from irtheory.trees.exact.nodes import narrow, rows_of, solve_small, write_small
from irtheory.trees.exact.statistics import (
    LINEAR,
    SQUARES,
    WEIGHTED,
    collect,
    halves,
    leaf_score,
)
from irtheory.trees.kernels.kernel import kernel

_1 = np.uintp(1)


class Question(NamedTuple):
    """One solve: targets, tolerance and scratch space."""

    y: np.ndarray  # [g * width] target sums of the merged rows
    q: np.ndarray  # [g] the score of each merged row as a leaf of its own
    slack: float  # costs closer than this are ties
    version: int  # number of this solve
    most: int  # small problems solved on demand before giving up


@kernel(fast=True)
def shift(design, ask, old_y, old_q, shape, lattice, change):
    """Add to every literal's drift how far the targets of its rows moved.

    change: float64 [p + 1], scratch; the last entry is of all rows.
    """
    # A merged row of weight w and target sum y stands for w samples at y / w, whose squared
    # move is w ‖Δy / w‖² = ‖Δy‖² / w. Linear: the largest decrease of q + y, what a leaf costs
    # that picks the column, or of q, at least 0.
    change[:] = 0.0
    width, p, linear, y = shape.width, shape.p, shape.rule == LINEAR, ask.y
    for r in range(np.uintp(len(design.weight))):
        first = r * np.uintp(width)
        own = old_q[r] - ask.q[r] if linear else 0.0
        moved = max(own, 0.0)
        for c in range(np.uintp(width)):
            step = old_y[first + c] - y[first + c]
            moved = max(moved, own + step) if linear else moved + step * step
        if shape.rule == SQUARES:
            moved /= design.weight[r]
        elif shape.rule == WEIGHTED:
            moved /= y[first + np.uintp(width - 1)]
        change[p] += moved
        for a in range(design.indptr[r], design.indptr[r + _1]):
            change[design.indices[a]] += moved
    # Squared moves add up over rows, so the off side has what the on side leaves of them, and what
    # rounding may have taken from that difference.
    for i in range(p):
        on, off = change[i], max(change[p] - change[i], 0.0) + 1e-13 * change[p]
        lattice.drift[2 * i + 1] += on if linear else np.sqrt(on)
        lattice.drift[2 * i] += off if linear else np.sqrt(off)


@kernel
def bound(lattice, a, b, linear, version):
    """Lower bound on the cost of the pair (a, b); exact if solved in this version."""
    if lattice.stamp[a, b] == version:
        return lattice.cost[a, b]
    # See the inequality in `lattice`. A pair that was never solved has reach 0: bound 0.
    root = max(lattice.reach[a, b] - lattice.drift[a], 0.0)
    return root if linear else root * root


@kernel
def bound_side(lattice, literal, leaf, shape, version):
    """Lower bound on the cost of the rows of a literal, one level above the pairs."""
    # The best tree there is a leaf or splits by some test g, into two pairs.
    least, linear = leaf, shape.rule == LINEAR
    for g in range(shape.p):
        if lattice.split_ok[literal, g]:
            off = bound(lattice, literal, 2 * g, linear, version)
            on = bound(lattice, literal, 2 * g + 1, linear, version)
            least = min(least, off + on + shape.alpha)
    return least


@kernel
def exact(design, ask, shape, lattice, a, b, stats, best):
    """Exact cost of the pair (a, b), solved now unless it already was; HUGE if time is up."""
    if lattice.stamp[a, b] != ask.version:
        rows = narrow(design, rows_of(design, a), b)
        cost, _ = solve_small(
            design, ask.y, ask.q, rows, shape.depth - 2, shape, ask.slack, stats, best
        )
        if shape.stop[0]:
            return HUGE
        record(lattice, a, b, cost, shape.rule == LINEAR, ask.version)
    return lattice.cost[a, b]


@kernel
def resolve_side(design, ask, shape, lattice, literal, leaf, budget, stats, best):
    """Exact cost of a literal's rows if it is at most `budget`, else something above it."""
    value, alpha, linear = leaf, shape.alpha, shape.rule == LINEAR
    for g in range(shape.p):
        if not lattice.split_ok[literal, g]:
            continue
        off = bound(lattice, literal, 2 * g, linear, ask.version) + alpha
        on = bound(lattice, literal, 2 * g + 1, linear, ask.version)
        # Sums up to `slack` above the best are ties and must not be discarded by a bound.
        limit = min(value + ask.slack, budget)
        if off + on > limit:
            continue
        # The first exact cost often exceeds the limit already, which spares the second.
        off = exact(design, ask, shape, lattice, literal, 2 * g, stats, best) + alpha
        if off + on > limit:
            continue
        on = exact(design, ask, shape, lattice, literal, 2 * g + 1, stats, best)
        value = min(value, off + on)
    return value


@kernel
def leaf_costs(design, ask, shape, stats, best, leaves):
    """leaves[literal] = cost of one leaf on its rows; leaves[2p] = of one on all rows."""
    rows = np.arange(len(design.weight)).astype(np.uintp)
    collect(design, ask.y, ask.q, rows, shape, False, stats)
    halves(stats, shape, best)
    for i in range(shape.p):
        leaves[2 * i + 1] = stats.q[i] - best[1, i]
        leaves[2 * i] = stats.total_q[0] - stats.q[i] - best[0, i]
    leaves[2 * shape.p] = stats.total_q[0] - leaf_score(stats.total_s, 0, stats.total_n[0], shape)


@kernel
def search_roots(design, ask, shape, lattice, upper, leaves, sides, stats, best):
    """Best cost over all trees, given that some tree costs `upper`.

    Returns:
        (cost, lower, finished): cost of the best tree found and a proven lower bound, which
        are equal unless time is up; finished is False if more than ask.most small problems had
        to be solved. sides[literal] holds the costs of the halves.
    """
    version, alpha = ask.version, shape.alpha
    best_cost = min(upper, leaves[2 * shape.p])
    lower = best_cost
    # A root is passed over only where a lower bound on it exceeds the best cost known by more
    # than `slack`. That cost only falls, so no root passed over ties with the final best.
    for f in range(shape.p):
        sides[2 * f] = sides[2 * f + 1] = HUGE
        if not lattice.root_ok[f]:
            continue
        on = bound_side(lattice, 2 * f + 1, leaves[2 * f + 1], shape, version)
        off = bound_side(lattice, 2 * f, leaves[2 * f], shape, version) + alpha
        limit, least = best_cost + ask.slack, on + off
        if least > limit:
            continue
        if lattice.solved[0] > ask.most:
            return best_cost, 0.0, False
        # What the on side may cost: the limit less what the off side costs at least.
        if not shape.stop[0]:
            on = resolve_side(
                design, ask, shape, lattice, 2 * f + 1, leaves[2 * f + 1], limit - off, stats, best
            )
            if on + off > limit and not shape.stop[0]:
                continue
        if not shape.stop[0]:
            off = alpha + resolve_side(
                design, ask, shape, lattice, 2 * f, leaves[2 * f], limit - on, stats, best
            )
        if shape.stop[0]:  # time is up: this root stays open with its bound
            lower = min(lower, least)
            continue
        sides[2 * f], sides[2 * f + 1] = off - alpha, on
        best_cost = min(best_cost, on + off)
    return best_cost, min(lower, best_cost), True


@kernel
def known_sides(shape, lattice, leaves, version, sides):
    """Least cost of a tree made of pairs that are solved; fills the costs of the halves."""
    cost = leaves[2 * shape.p]
    for f in range(shape.p):
        sides[2 * f] = sides[2 * f + 1] = HUGE
        if not lattice.root_ok[f]:
            continue
        for literal in (2 * f, 2 * f + 1):
            sides[literal] = leaves[literal]
            for g in range(shape.p):
                off, on = lattice.cost[literal, 2 * g], lattice.cost[literal, 2 * g + 1]
                if is_known(lattice, literal, g, version):
                    sides[literal] = min(sides[literal], off + on + shape.alpha)
        cost = min(cost, sides[2 * f] + sides[2 * f + 1] + shape.alpha)
    return cost


@kernel
def is_known(lattice, literal, g, version):
    """Whether the rows of a literal may be split by test g, and both parts are solved."""
    solved = lattice.stamp[literal, 2 * g] == version == lattice.stamp[literal, 2 * g + 1]
    return lattice.split_ok[literal, g] and solved


@kernel
def write_tree(design, ask, shape, lattice, cost, leaves, sides, stats, best, heap):
    """Write the canonical tree of that cost: fewest splits, then the lowest tests first.

    Only pairs that are solved are used if ask.most is 0.
    """
    heap[:] = -1
    aim = cost + ask.slack
    if leaves[2 * shape.p] <= aim:
        return True
    # Roots in ascending order: the first within `slack` of the best is the lowest test.
    for f in range(shape.p):
        if sides[2 * f] + sides[2 * f + 1] + shape.alpha <= aim:
            heap[0] = f
            for side in range(2):
                write_side(
                    design, ask, shape, lattice, 2 * f + side, sides, leaves, stats, best, heap,
                    1 + side,
                )  # fmt: skip
            return True
    return False


@kernel
def write_side(design, ask, shape, lattice, literal, sides, leaves, stats, best, heap, node):
    """Write the subtree of one half of the root: its test and two small trees."""
    aim, linear = sides[literal] + ask.slack, shape.rule == LINEAR
    if leaves[literal] <= aim:
        return
    for g in range(shape.p):
        if not lattice.split_ok[literal, g]:
            continue
        if ask.most == 0 and not is_known(lattice, literal, g, ask.version):
            continue
        off = bound(lattice, literal, 2 * g, linear, ask.version) + shape.alpha
        on = bound(lattice, literal, 2 * g + 1, linear, ask.version)
        if off + on > aim:
            continue
        off = exact(design, ask, shape, lattice, literal, 2 * g, stats, best) + shape.alpha
        on = exact(design, ask, shape, lattice, literal, 2 * g + 1, stats, best)
        if off + on <= aim:
            heap[node] = g
            for side in range(2):
                rows = narrow(design, rows_of(design, literal), 2 * g + side)
                write_small(
                    design, ask.y, ask.q, rows, shape.depth - 2, shape, ask.slack, stats, best,
                    heap, 2 * node + 1 + side,
                )  # fmt: skip
            return
