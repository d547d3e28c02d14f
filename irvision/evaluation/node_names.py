"""Names the tests of a tree by attributes, on the images that reach each test.

A test deep in a tree sees few of the images. An attribute that matches its code on all images may
make no difference there, or even the opposite one, so that names are sought, and compared with
chance, among the images that reach the node.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, UInt8
from scipy.stats import hypergeom

from irtheory.trees.short_tree import ShortTree
from irvision.data.examples import Part

# The images that names are sought on: those of the first pool with enough of them at a node. Test
# images come second, so that elsewhere they can show whether a name holds. Training images are not
# used: a code may have learned by heart which of them show something that it cannot see in others.
POOLS: tuple[tuple[Part, ...], ...] = (("validation",), ("validation", "test"))
# Enough: annotated images at the node, and on its rarer side.
FEWEST, FEWEST_ASIDE = 60, 10
# Probability that any of all tests of a tree is named by chance.
LEVEL = 0.05
# The attribute is at least this much more frequent on one side of a named test than on the other.
LEAST_DIFFERENCE = 0.25


@dataclass(frozen=True, eq=False)
class Annotated:
    """Images of one part: the kept codes, and the annotation (NaN where it is missing)."""

    codes: UInt8[np.ndarray, "m kept"]
    values: Float[np.ndarray, "m n"]


@dataclass(frozen=True)
class NodeName:
    """The attribute that a test of the tree matches best, on images that reach the test.

    Attributes:
        node: node of T, as in tree.json.
        feature: position of the code among the kept ones, as in the tree.
        threshold: the test is code > threshold.
        code: number of the code.
        attribute: the attribute with the largest excess of F1 over chance.
        present: True if passing the test means that the attribute is present, False if absent.
        part: the images on which it was found, such as "validation".
        images: number of these that reach the test and are annotated.
        f1: F1 of the test, or of its complement, with the attribute.
        chance: mean of that F1 over all shuffles of these images.
        p: probability of at least this overlap by chance among independent images, times the
            number of tests, attributes and directions that were tried.
        passed, failed: share of these images with the attribute, where the test is passed and
            where it is failed.
        test_images: number of annotated test images that reach the test; with the shares of the
            attribute among them. None where names were found on test images.
    """

    node: int
    feature: int
    threshold: float
    code: int
    attribute: str
    present: bool
    part: str
    images: int
    f1: float
    chance: float
    p: float
    passed: float
    failed: float
    test_images: int | None = None
    test_passed: float | None = None
    test_failed: float | None = None


def name_tests(
    short: ShortTree, parts: Mapping[Part, Annotated], names: Sequence[str], kept: Sequence[int]
) -> tuple[NodeName, ...]:
    """Name every test of a tree that some attribute matches better than by chance at its node.

    Among many attributes the best one matches any test to some degree. The exact probability of
    each overlap (hypergeometric, as in Fisher's test) is therefore multiplied by the number of
    tests, attributes and directions: if images were independent, a tree that is unrelated to all
    attributes would have a named test with probability `LEVEL` at most. Images of one class are
    alike, so that a name describes the images at the node, and not the class beyond them.

    Args:
        short: T for readers, over the kept codes.
        parts: images by part; parts without annotation may be left out.
        names: of the n attributes.
        kept: the number of each kept code.
    """
    tree = short.tree
    inner = np.flatnonzero(tree.feature >= 0).tolist()
    if not inner:
        return ()
    reach = {part: tree.decision_path(each.codes) for part, each in parts.items()}
    found = []
    for node in inner:
        feature, threshold = int(tree.feature[node]), float(tree.threshold[node])
        here: dict[Part, _AtNode] = {
            part: _AtNode.of(each, reach[part][:, node], feature, threshold)
            for part, each in parts.items()
        }
        best = _best(here, len(inner))
        if best is not None:
            where = int(short.nodes[node]), feature, threshold, int(kept[feature])
            found.append(_name(where, best, names, here.get("test")))
    return tuple(found)


@dataclass(frozen=True, eq=False)
class _AtNode:
    """Images at a node: whether each passes its test, and its annotation."""

    passes: Bool[np.ndarray, " m"]
    values: Float[np.ndarray, "m n"]

    @classmethod
    def of(
        cls, each: Annotated, reached: Bool[np.ndarray, " m"], feature: int, threshold: float
    ) -> _AtNode:
        return cls(each.codes[reached, feature] > threshold, each.values[reached])

    def enough(self) -> Bool[np.ndarray, " n"]:
        """The attributes that are annotated on enough of the images."""
        seen = ~np.isnan(self.values)
        total, on = seen.sum(0), seen[self.passes].sum(0)
        return (total >= FEWEST) & (np.minimum(on, total - on) >= FEWEST_ASIDE)

    def differences(self) -> Float[np.ndarray, " n"]:
        """How far the shares of each attribute differ where the test passes and where it fails."""
        seen = ~np.isnan(self.values)
        present = np.where(seen, self.values, 0.0)
        on, off = (
            present[side].sum(0) / np.maximum(seen[side].sum(0), 1)
            for side in (self.passes, ~self.passes)
        )
        return np.abs(on - off)

    def shares(self, column: int) -> tuple[int, float, float]:
        """Annotated images, and the shares with an attribute where the test passes and fails."""
        values = self.values[:, column]
        sides = [side[~np.isnan(side)] for side in (values[self.passes], values[~self.passes])]
        on, off = (float(side.mean()) if len(side) else float("nan") for side in sides)
        return sum(map(len, sides)), on, off


@dataclass(frozen=True)
class _Match:
    part: str
    at: _AtNode
    column: int
    absent: bool
    f1: float
    chance: float
    p: float


def _best(here: Mapping[Part, _AtNode], tests: int) -> _Match | None:
    """The best attribute on the first pool with enough images; None if none is significant."""
    for pool in POOLS:
        at = {part: here[part] for part in pool if part in here}
        if not at:
            continue
        joined = _AtNode(
            np.concatenate([each.passes for each in at.values()]),
            np.concatenate([each.values for each in at.values()]),
        )
        if (enough := joined.enough()).any():
            return _match(" and ".join(at), joined, enough, tests)
    return None


def _match(part: str, at: _AtNode, enough: Bool[np.ndarray, " n"], tests: int) -> _Match | None:
    f1, chance, p = _f1_chance_and_p(at)
    p = np.minimum(p * tests * 2 * enough.sum(), 1.0)
    # Rounded so that equal excesses are ties: "present" goes before "absent", then the first name.
    differs = at.differences() >= LEAST_DIFFERENCE
    excess = np.where(enough & differs & (p <= LEVEL), f1 - chance, -np.inf).round(12)
    absent, column = divmod(int(excess.argmax()), len(enough))
    if excess[absent, column] <= 0:
        return None
    where = absent, column
    scores = float(f1[where]), float(chance[where]), float(p[where])
    return _Match(part, at, column, bool(absent), *scores)


def _f1_chance_and_p(
    at: _AtNode,
) -> tuple[Float[np.ndarray, "2 n"], Float[np.ndarray, "2 n"], Float[np.ndarray, "2 n"]]:
    """F1 of the test and of its complement with each attribute, its mean and p over shuffles.

    Shuffles keep the numbers of positives of test and attribute, so the overlap has a
    hypergeometric distribution, whose mean is the product of both over the number of images.
    """
    seen = ~np.isnan(at.values)
    positive = np.where(seen, at.values, 0.0)
    size, present = seen.sum(0), positive.sum(0)
    both, on = positive[at.passes].sum(0), seen[at.passes].sum(0)
    overlap, positives = np.stack([both, present - both]), np.stack([on, size - on])
    mean = present * positives / np.maximum(size, 1)
    total = np.maximum(present + positives, 1)
    p = hypergeom.sf(overlap - 1, size, present.astype(np.int64), positives)
    return 2 * overlap / total, 2 * mean / total, p


def _name(
    where: tuple[int, int, float, int], best: _Match, names: Sequence[str], test: _AtNode | None
) -> NodeName:
    images, passed, failed = best.at.shares(best.column)
    on_test: tuple[int | None, float | None, float | None] = (None, None, None)
    if test is not None and "test" not in best.part:
        count, on, off = test.shares(best.column)
        on_test = count, _known(on), _known(off)
    return NodeName(
        *where, names[best.column], not best.absent, best.part, images,
        best.f1, best.chance, best.p, passed, failed, *on_test,
    )  # fmt: skip


def _known(share: float) -> float | None:
    """The share, or None on a side without annotated images."""
    return None if np.isnan(share) else share
