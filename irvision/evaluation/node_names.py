"""Which attribute each test of a tree stands for, as far as any does."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, UInt8

from irtheory.trees.tree import Tree
from irvision.data.examples import Attributes

Table = Float[np.ndarray, "tests n"]
# Shuffles of the images: a name needs a larger excess than the best of all attributes in any.
SHUFFLES = 20
# Keeps these shuffles apart from others of the same seed.
NAMES = 3


@dataclass(frozen=True)
class NodeName:
    """The attribute that a test of the tree matches best, on the scored images.

    Attributes:
        feature: the code among the kept ones, as the tree numbers it.
        threshold: the test is code > threshold.
        code: the number of the code.
        attribute: of the largest F1 above chance.
        present: whether a sample that passes the test has the attribute, or lacks it.
        f1: of the test, or of its complement, with the attribute.
        chance: mean of that F1 over all shuffles of the images.
    """

    feature: int
    threshold: float
    code: int
    attribute: str
    present: bool
    f1: float
    chance: float


def name_tests(
    tree: Tree,
    codes: UInt8[np.ndarray, "m kept"],
    attributes: Attributes,
    kept: Sequence[int],
    seed: int = 0,
) -> tuple[NodeName, ...]:
    """Name every test of a tree that some attribute matches better than by chance.

    With many attributes the best of them matches any test somewhat. So a test gets a name if its
    F1 exceeds its mean over shuffles by more than any attribute's does in `SHUFFLES` shuffles: a
    test of chance gets one at most 1 time in 21.

    Args:
        tree: over the kept codes.
        codes: of the images to name by.
        attributes: rows are those of `codes`.
        kept: the number of each kept code.
        seed: of the shuffles.
    """
    inner = tree.feature >= 0
    pairs = zip(tree.feature[inner].tolist(), tree.threshold[inner].tolist(), strict=True)
    tests = sorted(set(pairs))
    if not tests:
        return ()
    passed = np.stack([codes[:, f] > t for f, t in tests]).astype(np.float64)
    f1, chance = _both_ways(passed, attributes.values)
    needed = _best_by_chance(passed, attributes.values, seed)
    # Rounded, so that equal excesses are ties: the test as it stands, then the first attribute.
    best = (f1 - chance).round(12).transpose(1, 0, 2).reshape(len(tests), -1).argmax(1)
    names = []
    for row, (feature, threshold) in enumerate(tests):
        absent, column = divmod(int(best[row]), f1.shape[2])
        at = absent, row, column
        if f1[at] - chance[at] > needed[row] + 1e-9:
            name, number = attributes.names[column], int(kept[feature])
            scores = float(f1[at]), float(chance[at])
            names.append(NodeName(feature, threshold, number, name, not absent, *scores))
    return tuple(names)


def _best_by_chance(
    passed: Float[np.ndarray, "tests m"], values: Float[np.ndarray, "m n"], seed: int
) -> Float[np.ndarray, " tests"]:
    """The largest excess of F1 over its mean, of all attributes in all shuffles, at least 0."""
    rng, best = np.random.default_rng([seed, NAMES]), np.zeros(len(passed))
    for _ in range(SHUFFLES):
        f1, mean = _both_ways(passed, values[rng.permutation(len(values))])
        best = np.maximum(best, (f1 - mean).max(axis=(0, 2)))
    return best


def _both_ways(
    passed: Float[np.ndarray, "tests m"], values: Float[np.ndarray, "m n"]
) -> tuple[Float[np.ndarray, "2 tests n"], Float[np.ndarray, "2 tests n"]]:
    """F1 and its mean over shuffles, of the tests and of their complements.

    Shuffles keep both numbers of positives, so the mean overlap is their product over N.
    """
    seen = ~np.isnan(values)
    annotated, positive = seen.astype(np.float64), np.where(seen, values, 0.0)
    size, present = annotated.sum(0), positive.sum(0)
    both, on = passed @ positive, passed @ annotated
    overlap, positives = np.stack([both, present - both]), np.stack([on, size - on])
    mean = present * positives / np.maximum(size, 1)
    total = np.maximum(present + positives, 1)
    return 2 * overlap / total, 2 * mean / total
