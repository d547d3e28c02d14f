"""Beetles as a data set: pictures and species for training, attributes for evaluation."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import UInt8

from irtheory.runs.files import InputError
from irvision.data.beetles.draw import VERSION, draw
from irvision.data.beetles.species import SPECIES, TRAITS, species
from irvision.data.beetles.traits import traits
from irvision.data.datasets.splits import make_parts
from irvision.data.examples import Attributes, Examples
from irvision.settings.data import DataOptions

# Ten of each species, so that every part gets some of each.
FEWEST = 10 * len(SPECIES)


@dataclass(frozen=True)
class Drawn:
    """The first `count` beetles of a seed, each drawn when it is read."""

    seed: int
    count: int

    def __len__(self) -> int:
        """Number of beetles."""
        return self.count

    def read(self, index: int, size: int) -> UInt8[np.ndarray, "size size 3"]:
        """The picture of a beetle."""
        return draw(index, self.seed, size)

    def name(self, index: int) -> str:
        """Its number and the seed."""
        return f"beetle {index} of seed {self.seed}"

    def stamp(self, index: int) -> str:
        """The version of the drawing and the seed."""
        return f"drawing {VERSION}, seed {self.seed}"


def load_examples(options: DataOptions) -> Examples:
    """Pictures, species and stratified parts (70% training) of `options.beetles` beetles.

    Raises:
        InputError: too few beetles, or an option of the split out of range.
    """
    m, seed = options.beetles, options.split_seed
    if m < FEWEST:
        raise InputError(f"beetles: expected at least {FEWEST}, found {m}")
    labels = np.array([species(index, seed) for index in range(m)], dtype=np.int64)
    pixels = Drawn(seed, m)
    names = [pixels.name(index) for index in range(m)]
    return Examples("beetles", SPECIES, labels, make_parts(labels, names, options), pixels)


def load_attributes(options: DataOptions, examples: Examples) -> Attributes:
    """The 16 attributes of every beetle of `examples`."""
    seed = options.split_seed
    values = [traits(index, seed) for index in range(len(examples.pixels))]
    return Attributes(TRAITS, np.array(values, dtype=np.float64))
