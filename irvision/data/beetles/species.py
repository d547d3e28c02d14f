"""The twelve species and the key that identifies them; for evaluation, never for training."""

from __future__ import annotations

from enum import IntEnum

import numpy as np

from irtheory.trees.tree import Tree
from irvision.data.beetles.hashing import words


class Trait(IntEnum):
    """The attributes of a beetle, as columns of the attribute table."""

    HORNS = 0
    LONG_ANTENNAE = 1
    CLUBBED_ANTENNAE = 2
    LARGE_EYES = 3
    PALE_HEAD = 4
    PALE_COLLAR = 5
    ROUND_BODY = 6
    POINTED_REAR = 7
    FORKED_TAIL = 8
    SPOTS = 9
    STRIPES = 10
    BAND = 11
    TWO_COLOURS = 12
    THICK_LEGS = 13
    TOOTHED_LEGS = 14
    PALE_LEGS = 15


TRAITS: tuple[str, ...] = tuple(trait.name.lower().replace("_", " ") for trait in Trait)

# (attribute, species or branch if it is absent, species or branch if it is present)
Branch = tuple[Trait, "Branch | str", "Branch | str"]
KEY: Branch = (
    Trait.ROUND_BODY,
    (
        Trait.SPOTS,
        (
            Trait.LONG_ANTENNAE,
            "Prolixa simplex",
            (Trait.STRIPES, "Prolixa longicornis", "Prolixa lineata"),
        ),
        (
            Trait.HORNS,
            "Guttula mitis",
            (Trait.PALE_LEGS, "Guttula cornuta", "Guttula pallipes"),
        ),
    ),
    (
        Trait.BAND,
        (
            Trait.HORNS,
            (Trait.STRIPES, "Orbella modesta", "Orbella striata"),
            "Orbella taurina",
        ),
        (
            Trait.LONG_ANTENNAE,
            (Trait.PALE_HEAD, "Cinctula nigriceps", "Cinctula alba"),
            "Cinctula antennata",
        ),
    ),
)


def _paths(
    branch: Branch | str, taken: tuple[tuple[Trait, int], ...] = ()
) -> dict[str, dict[Trait, int]]:
    if isinstance(branch, str):
        return {branch: dict(taken)}
    trait, without, having = branch
    return {
        **_paths(without, (*taken, (trait, 0))),
        **_paths(having, (*taken, (trait, 1))),
    }


# Attributes of each species that the key fixes: those on its path.
FIXED: dict[str, dict[Trait, int]] = _paths(KEY)
SPECIES: tuple[str, ...] = tuple(FIXED)


def true_key() -> Tree:
    """The key as a tree over the 16 attributes; leaves are one-hot over the 12 species."""
    return _grown(KEY)


def species(index: int, seed: int) -> int:
    """Species of a beetle; each occurs once in every 12 beetles, from a multiple of 12 on."""
    k = len(SPECIES)
    order = np.argsort(words(k, seed, index // k, 0), kind="stable")
    return int(order[index % k])


def _grown(branch: Branch | str) -> Tree:
    if isinstance(branch, str):
        one_hot = np.eye(len(SPECIES))[SPECIES.index(branch)]
        return Tree.leaf(one_hot, 1.0, len(TRAITS))
    left, right = _grown(branch[1]), _grown(branch[2])
    below = left.count[0] + right.count[0]
    mean = (left.value[0] * left.count[0] + right.value[0] * right.count[0]) / below
    return Tree.grow(int(branch[0]), 0.5, left, right, mean, below)
