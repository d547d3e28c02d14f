"""The joint minimum against nested loops and scipy on tiny cases."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import minimize

from irtheory.propositions.certificates.enumeration import (
    check_size,
    count_trees,
    global_minimum,
    partitions,
)
from irtheory.propositions.objectives import AgreementObjective, LinearObjective, LogisticObjective
from irtheory.propositions.solvers import StopRule, TreeClass, alternate, run

M = 10
FAMILIES = ["convex", "logistic", "agreement"]


def objective_of(family: str, seed: int = 0):
    rng = np.random.default_rng(seed)
    Phi = np.hstack([np.ones((M, 1)), rng.normal(size=(M, 2))])
    if family == "convex":
        return LinearObjective(Phi, rng.normal(size=(M, 2)), 0.1)
    if family == "logistic":
        return LogisticObjective(Phi, np.eye(2)[rng.integers(0, 2, M)], 0.1)
    return AgreementObjective(Phi, rng.choice([-1.0, 1.0], (M, 1)), 0.1)


def codes_of(seed: int = 0, levels: int = 2) -> np.ndarray:
    return np.random.default_rng([seed, 9]).integers(0, levels, (M, 3))


def slow_trees(codes: np.ndarray, rows: tuple, depth: int, smallest: int) -> Iterator[tuple]:
    """Every tree as a tuple of leaves (tuples of rows), repetitions included."""
    yield (rows,)
    for j in range(codes.shape[1] if depth else 0):
        for cut in np.unique(codes[:, j])[:-1]:
            left = tuple(i for i in rows if codes[i, j] <= cut)
            right = tuple(i for i in rows if codes[i, j] > cut)
            if min(len(left), len(right)) >= smallest:
                below = [slow_trees(codes, side, depth - 1, smallest) for side in (left, right)]
                yield from (a + b for a, b in product(*map(list, below)))


def as_sets(leaf_of: np.ndarray) -> frozenset:
    return frozenset(
        frozenset(np.flatnonzero(leaf_of == leaf).tolist()) for leaf in range(leaf_of.max() + 1)
    )


@given(st.integers(0, 500), st.integers(0, 2), st.integers(1, 3))
def test_partitions_are_those_of_a_slow_recursion_each_once(seed: int, depth: int, least: int):
    codes = codes_of(seed)
    trees = slow_trees(codes, tuple(range(M)), depth, least)
    expected = {frozenset(frozenset(leaf) for leaf in tree) for tree in trees}
    found = [as_sets(leaf_of) for leaf_of in partitions(codes.astype(bool), depth, least)]
    assert len(found) == len(set(found)) and set(found) == expected


@pytest.mark.parametrize(("tests", "depth"), [(0, 3), (1, 2), (3, 0), (3, 1), (3, 2), (2, 3)])
def test_trees_are_counted_as_they_grow(tests: int, depth: int) -> None:
    def grow(levels: int) -> int:
        return 1 + sum(1 for _ in product(range(tests), range(grow(levels - 1)), range(
            grow(levels - 1)))) if levels else 1  # fmt: skip

    assert count_trees(tests, depth) == grow(depth)


def joint_descent(objective, leaves: tuple, start: np.ndarray) -> float:
    """Min over theta and free leaf values by BFGS."""
    A = np.array([[i in leaf for leaf in leaves] for i in range(M)], dtype=float)
    cut, k = start.size, objective.n_outputs

    def value(flat):
        T = A @ flat[cut:].reshape(-1, k)
        return objective.value(flat[:cut].reshape(start.shape), T)

    flat = np.concatenate([start.ravel(), np.zeros(len(leaves) * k)])
    return minimize(value, flat, options={"gtol": 1e-7}).fun


def theta_descent(objective, T: np.ndarray, start: np.ndarray) -> float:
    return minimize(
        lambda flat: objective.value(flat.reshape(start.shape), T),
        start.ravel(),
        jac=lambda flat: objective.grad_theta(flat.reshape(start.shape), T).ravel(),
    ).fun


@pytest.mark.parametrize(("family", "depth"), [(f, d) for f in FAMILIES for d in (0, 1, 2)])
def test_the_minimum_is_that_of_scipy_over_every_tree(family: str, depth: int) -> None:
    objective, codes = objective_of(family), codes_of()
    start = np.zeros(objective.theta_shape)
    trees = {frozenset(tree) for tree in slow_trees(codes, tuple(range(M)), depth, 2)}
    say = np.array([[-1.0], [1.0]]) if family == "agreement" else np.eye(2)
    lowest, tried = np.inf, 0
    for leaves in sorted(trees, key=sorted):
        if family == "convex":
            lowest, tried = min(lowest, joint_descent(objective, tuple(leaves), start)), tried + 1
            continue
        for choice in product(range(2), repeat=len(leaves)):
            T = np.zeros((M, objective.n_outputs))
            for leaf, c in zip(leaves, choice, strict=True):
                T[list(leaf)] = say[c]
            lowest, tried = min(lowest, theta_descent(objective, T, start)), tried + 1
    found = global_minimum(objective, codes, depth, 2)
    assert found.value == pytest.approx(lowest, abs=1e-8)
    assert found.trees == tried
    assert objective.value(found.theta, found.tree_outputs) == pytest.approx(found.value, abs=1e-12)


@pytest.mark.parametrize("family", FAMILIES)
def test_no_equilibrium_lies_below_the_global_minimum(family: str) -> None:
    above = []
    for seed in range(6):
        objective, codes = objective_of(family, seed), codes_of(seed)
        lowest = global_minimum(objective, codes, 2).value
        theta = np.random.default_rng(seed).normal(size=objective.theta_shape)
        mu = 0.9 / objective.smoothness().beta
        steps = alternate(objective, codes, theta, mu, trees=TreeClass(2, threads=1))
        above.append(run(steps, StopRule(1e-12, 5000), mu)["value"][-1] - lowest)
    assert min(above) >= -1e-11
    # An equilibrium need not be a global minimum: some start must end above it.
    assert max(above) > 1e-4


def test_too_many_trees_are_refused_with_their_number() -> None:
    codes = np.random.default_rng(0).integers(0, 2, (M, 12))
    count = count_trees(12, 3)
    with pytest.raises(ValueError, match=f"--global .* found {count:,}; use a smaller --depth"):
        global_minimum(objective_of("convex"), codes, 3)
    # The same trees, but every leaf of every tree has a choice of two columns.
    check_size(objective_of("convex"), codes, 2)
    with pytest.raises(ValueError, match="times leaf choices"):
        check_size(objective_of("logistic"), np.tile(codes, (2, 1))[:M], 3)
