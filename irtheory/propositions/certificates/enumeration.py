"""The joint minimum of Q over all trees and θ, by enumeration, for small cases.

Alternating descent ends in an equilibrium. No proposition says how far it lies above the global
minimum, so this is measured.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product

import numpy as np
from jaxtyping import Bool, Float, Int

from irtheory.propositions.objectives.contract import Objective
from irtheory.propositions.objectives.squared import SquaredLoss
from irtheory.propositions.solvers.dynamics import leaf_means, settling
from irtheory.trees.exact.design import binary_tests

# Largest number of trees, times choices of leaf values, that is enumerated.
LIMIT = 200_000


@dataclass(frozen=True, eq=False)
class GlobalMinimum:
    """Smallest Q over all trees and θ.

    Attributes:
        value: min_θ,ω Q.
        theta: minimiser in θ.
        tree_outputs: T of the minimiser, [m, k].
        trees: distinct partitions (times leaf choices) that were tried.
    """

    value: float
    theta: Float[np.ndarray, ...]
    tree_outputs: Float[np.ndarray, "m k"]
    trees: int


def count_trees(tests: int, depth: int) -> int:
    """Binary trees of depth ≤ `depth` over `tests` tests, repeated partitions included."""
    return 1 if depth == 0 else 1 + tests * count_trees(tests, depth - 1) ** 2


def partitions(
    bits: Bool[np.ndarray, "m p"], depth: int, min_samples_leaf: int = 1
) -> list[Int[np.ndarray, " m"]]:
    """Every distinct partition that a tree of depth ≤ `depth` makes, as leaf indices [m]."""
    m = len(bits)
    splits = [sum(1 << int(i) for i in np.flatnonzero(column)) for column in bits.T]
    known: dict[tuple[int, int], set[frozenset[int]]] = {}

    def of(rows: int, levels: int) -> set[frozenset[int]]:
        if (rows, levels) not in known:
            found = {frozenset([rows])}
            for split in splits if levels else []:
                on, off = rows & split, rows & ~split
                if min(on.bit_count(), off.bit_count()) >= min_samples_leaf:
                    pairs = product(of(on, levels - 1), of(off, levels - 1))
                    found |= {a | b for a, b in pairs}
            known[rows, levels] = found
        return known[rows, levels]

    return [_leaf_indices(leaves, m) for leaves in sorted(of((1 << m) - 1, depth), key=sorted)]


def _leaf_indices(leaves: frozenset[int], m: int) -> Int[np.ndarray, " m"]:
    index = np.zeros(m, np.int64)
    for number, rows in enumerate(sorted(leaves)):
        packed = np.frombuffer(rows.to_bytes(-(-m // 8), "little"), np.uint8)
        index[np.unpackbits(packed, count=m, bitorder="little") == 1] = number
    return index


def _squared_minimum(objective: SquaredLoss, leaf_of: Int[np.ndarray, " m"]):
    """Min over (θ, leaf values) of Q with squared loss: its gradient vanishes, ω = leaf means."""
    theta = settling(objective, leaf_of).limit.reshape(objective.theta_shape)
    T = leaf_means(objective.outputs(theta), leaf_of)
    return objective.value(theta, T), theta, T


def _choices(objective: Objective, leaf_of: Int[np.ndarray, " m"]) -> Iterator[np.ndarray]:
    """Tree outputs of every choice of a column per leaf, under the linear cost."""
    zero = np.zeros(objective.theta_shape)
    columns = np.eye(objective.targets(zero).shape[1])
    for choice in product(range(len(columns)), repeat=int(leaf_of.max()) + 1):
        yield objective.decode(columns[list(choice)])[leaf_of]


def check_size(objective: Objective, codes: Int[np.ndarray, "m n"], max_depth: int) -> None:
    """Raise ValueError if `global_minimum` would have to try more than `LIMIT` trees."""
    tests = binary_tests(codes).n_tests
    count = count_trees(tests, max_depth)
    if objective.leaf_cost == "linear":
        width = objective.targets(np.zeros(objective.theta_shape)).shape[1]
        count *= width ** min(2**max_depth, objective.n_samples)
    if count > LIMIT:
        raise ValueError(
            f"--global is for small cases: expected at most {LIMIT:,} trees (times leaf choices), "
            f"found {count:,}; use a smaller --depth or --attributes"
        )


def global_minimum(
    objective: Objective,
    codes: Int[np.ndarray, "m n"],
    max_depth: int,
    min_samples_leaf: int = 1,
) -> GlobalMinimum:
    """Minimise Q over all trees of depth ≤ `max_depth` and all θ.

    Raises:
        ValueError: see `check_size`.
    """
    check_size(objective, codes, max_depth)
    tests = binary_tests(codes, merge_rows=False)
    found = partitions(tests.design.bits.astype(bool), max_depth, min_samples_leaf)
    best, tried = None, 0
    for leaf_of in found:
        if not isinstance(objective, SquaredLoss):
            minima = [(objective.minimise_theta(T), T) for T in _choices(objective, leaf_of)]
            candidates = [(low.value, low.theta, T) for low, T in minima]
        else:
            candidates = [_squared_minimum(objective, leaf_of)]
        tried += len(candidates)
        cheapest = min(candidates, key=lambda candidate: candidate[0])
        if best is None or cheapest[0] < best[0]:
            best = cheapest
    if best is None:
        raise ValueError("codes: expected at least one sample")
    return GlobalMinimum(float(best[0]), best[1], best[2], tried)
