"""The problem that all trees share: merged rows, tests, and the sums that leaves cost.

Samples with equal codes are one row. Tests that part the rows alike, up to complement, are
one *split* with several members: they give different trees of equal cost.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int

from irtheory.trees.checks import check_codes, check_distributions, check_targets, check_weights
from irtheory.trees.choices import Cost
from irtheory.trees.exact.design import all_tests

# Codes up to here have floats half-way between them.
_LARGEST = 2**52


class Member(NamedTuple):
    """A test x[feature] <= threshold; `flipped` if the rows of its split go left."""

    feature: int
    threshold: float
    flipped: bool


@dataclass(frozen=True)
class Problem:
    """Rows, splits and targets.

    Attributes:
        codes, targets, weight: the samples of positive weight. Targets of the linear cost are
            what a choice costs beyond the sample's best one, so that no leaf costs less than 0.
        row_of: row of every sample, [m].
        parts: the rows that a split sends to its one side, [p, g].
        members: the tests of every split, lowest feature and threshold first.
        samples: samples of each row, [g].
        mass: their weight, [g].
        mean: their weighted mean target, [g, k].
        within: Σ w‖y − mean‖² in the row for squared error, else 0, [g].
        constant: what was taken off the costs of all trees.
    """

    codes: Float[np.ndarray, "m n"]
    targets: Float[np.ndarray, "m k"]
    weight: Float[np.ndarray, " m"]
    cost: Cost
    min_samples_leaf: int
    row_of: Int[np.ndarray, " m"]
    parts: Bool[np.ndarray, "p g"]
    members: tuple[tuple[Member, ...], ...]
    samples: Float[np.ndarray, " g"]
    mass: Float[np.ndarray, " g"]
    mean: Float[np.ndarray, "g k"]
    within: Float[np.ndarray, " g"]
    constant: float

    @property
    def n_rows(self) -> int:
        """Merged rows, g."""
        return len(self.samples)


def problem_of(
    codes: Any,
    targets: Any,
    sample_weight: Any,
    cost: Cost,
    min_samples_leaf: int,
    memory: int | None = None,
) -> Problem:
    """Merge what no tree can tell apart. Samples of weight 0 are left out.

    Raises:
        ValueError: bad codes, targets or weights, or tests that need more bytes than `memory`.
    """
    codes = check_codes(codes, -_LARGEST, _LARGEST, np.float64)
    targets = check_targets(targets, len(codes))
    if cost == "entropy":
        check_distributions(targets)
    weight = np.ones(len(codes))
    if sample_weight is not None:
        weight = check_weights(sample_weight, len(codes))
        kept = weight > 0
        codes, targets, weight = codes[kept], targets[kept], weight[kept]
    return _merged(codes, targets, weight, cost, int(min_samples_leaf), memory)


def _merged(
    codes: Float[np.ndarray, "m n"],
    targets: Float[np.ndarray, "m k"],
    weight: Float[np.ndarray, " m"],
    cost: Cost,
    min_samples_leaf: int,
    memory: int | None,
) -> Problem:
    constant = 0.0
    if cost == "linear":
        least = targets.min(axis=1, keepdims=True)
        targets, constant = targets - least, float(weight @ least[:, 0])
    bits, feature, threshold = all_tests(codes, memory)
    _, first, row_of = np.unique(
        np.packbits(bits, axis=1), axis=0, return_index=True, return_inverse=True
    )
    row_of = row_of.ravel()
    parts, members = _splits(bits[first].T, feature, threshold)
    g = len(first)
    mass = np.bincount(row_of, weight, g)
    mean = _means(targets, weight, row_of, mass)
    within = np.zeros(g)
    if cost == "squared_error":
        within = np.bincount(row_of, weight * ((targets - mean[row_of]) ** 2).sum(axis=1), g)
    samples = np.bincount(row_of, minlength=g).astype(np.float64)
    sizes = (samples, mass, mean, within, constant)
    shared = (cost, min_samples_leaf, row_of, parts, members)
    return Problem(codes, targets, weight, *shared, *sizes)


def _means(
    targets: Float[np.ndarray, "m k"],
    weight: Float[np.ndarray, " m"],
    row_of: Int[np.ndarray, " m"],
    mass: Float[np.ndarray, " g"],
) -> Float[np.ndarray, "g k"]:
    """Weighted mean of every row, exact where its targets are equal."""
    first = np.unique(row_of, return_index=True)[1]
    base = targets[first]
    moved = weight[:, None] * (targets - base[row_of])
    sums = np.stack([np.bincount(row_of, column, len(mass)) for column in moved.T], axis=1)
    return base + sums / mass[:, None]


def _splits(
    bits: Bool[np.ndarray, "tests g"],
    feature: Int[np.ndarray, " tests"],
    threshold: Float[np.ndarray, " tests"],
) -> tuple[Bool[np.ndarray, "p g"], tuple[tuple[Member, ...], ...]]:
    """Tests that part the rows alike, together; in the order of their first members."""
    flipped = bits[:, 0]
    canonical = bits ^ flipped[:, None]
    classes: dict[bytes, list[int]] = {}
    for test, row in enumerate(canonical):
        classes.setdefault(row.tobytes(), []).append(test)
    parts = canonical[[tests[0] for tests in classes.values()]]
    members = tuple(
        tuple(Member(int(feature[t]), float(threshold[t]), bool(flipped[t])) for t in tests)
        for tests in classes.values()
    )
    return parts.reshape(len(members), bits.shape[1]), members
