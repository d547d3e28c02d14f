"""The attributes of each beetle: those of its species are fixed, the others random."""

from __future__ import annotations

import numpy as np
from jaxtyping import UInt8

from irvision.data.beetles.hashing import uniforms
from irvision.data.beetles.species import FIXED, SPECIES, TRAITS, Trait, species

# Probability of each attribute in species that do not fix it.
PREVALENCE: dict[Trait, float] = {
    Trait.HORNS: 0.35,
    Trait.LONG_ANTENNAE: 0.40,
    Trait.CLUBBED_ANTENNAE: 0.30,
    Trait.LARGE_EYES: 0.45,
    Trait.PALE_HEAD: 0.30,
    Trait.PALE_COLLAR: 0.40,
    Trait.ROUND_BODY: 0.50,
    Trait.POINTED_REAR: 0.35,
    Trait.FORKED_TAIL: 0.25,
    Trait.SPOTS: 0.35,
    Trait.STRIPES: 0.30,
    Trait.BAND: 0.40,
    Trait.TWO_COLOURS: 0.50,
    Trait.THICK_LEGS: 0.45,
    Trait.TOOTHED_LEGS: 0.25,
    Trait.PALE_LEGS: 0.35,
}


def traits(index: int, seed: int) -> UInt8[np.ndarray, " n"]:
    """The 16 attributes of a beetle, 0 or 1, in the order of TRAITS."""
    drawn = uniforms(len(TRAITS), seed, index, 1) < np.array(list(PREVALENCE.values()))
    values = drawn.astype(np.uint8)
    for trait, value in FIXED[SPECIES[species(index, seed)]].items():
        values[trait] = value
    return values
