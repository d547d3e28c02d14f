"""Names the tests of a tree by the attributes that they match better than by chance."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, UInt8

from irtheory.trees.tree import Tree
from irvision.data.examples import Attributes

Table = Float[np.ndarray, "tests n"]
# Number of shuffles of the images. A test is named only if its excess of F1 is larger than that
# of every attribute in every shuffle.
SHUFFLES = 20
# Random stream of these shuffles, different from others with the same seed.
NAMES = 3


@dataclass(frozen=True)
class NodeName:
    """The attribute that a test of the tree matches best on the scored images.

    Attributes:
        feature: position of the code among the kept ones, as in the tree.
        threshold: the test is code > threshold.
        code: number of the code.
        attribute: the attribute with the largest excess of F1 over chance.
        present: True if passing the test means that the attribute is present, False if absent.
        f1: F1 of the test, or of its complement, with the attribute.
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

    Among many attributes the best one matches any test to some degree. A test is therefore named
    only if its F1 exceeds the mean over shuffles by more than that of any attribute does in any of
    `SHUFFLES` shuffles. A test unrelated to all attributes is named with probability 1/21 at most.

    Args:
        tree: T over the kept codes.
        codes: kept codes of the scored images.
        attributes: rows are those of `codes`.
        kept: the number of each kept code.
        seed: seed of the shuffles.
    """
    inner = tree.feature >= 0
    pairs = zip(tree.feature[inner].tolist(), tree.threshold[inner].tolist(), strict=True)
    tests = sorted(set(pairs))
    if not tests:
        return ()
    passed = np.stack([codes[:, f] > t for f, t in tests]).astype(np.float64)
    f1, chance = _f1_and_chance(passed, attributes.values)
    needed = _best_by_chance(passed, attributes.values, seed)
    # Rounded so that equal excesses are ties: "present" goes before "absent", then the first name.
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
    """The largest excess of F1 over its mean among all attributes and shuffles, at least 0."""
    rng, best = np.random.default_rng([seed, NAMES]), np.zeros(len(passed))
    for _ in range(SHUFFLES):
        f1, mean = _f1_and_chance(passed, values[rng.permutation(len(values))])
        best = np.maximum(best, (f1 - mean).max(axis=(0, 2)))
    return best


def _f1_and_chance(
    passed: Float[np.ndarray, "tests m"], values: Float[np.ndarray, "m n"]
) -> tuple[Float[np.ndarray, "2 tests n"], Float[np.ndarray, "2 tests n"]]:
    """F1 and its mean over all shuffles, for the tests and for their complements.

    Shuffles keep the numbers of positives of test and attribute, so the mean overlap is the
    product of both divided by the number of annotated images.
    """
    seen = ~np.isnan(values)
    annotated, positive = seen.astype(np.float64), np.where(seen, values, 0.0)
    size, present = annotated.sum(0), positive.sum(0)
    both, on = passed @ positive, passed @ annotated
    overlap, positives = np.stack([both, present - both]), np.stack([on, size - on])
    mean = present * positives / np.maximum(size, 1)
    total = np.maximum(present + positives, 1)
    return 2 * overlap / total, 2 * mean / total
