"""Synthetic beetles: any number of pictures from a seed, with every attribute known."""

from irvision.data.beetles.draw import VERSION, draw
from irvision.data.beetles.source import Drawn, load_attributes, load_examples
from irvision.data.beetles.species import SPECIES, TRAITS, species, true_key
from irvision.data.beetles.traits import PREVALENCE, traits

__all__ = [
    "PREVALENCE",
    "SPECIES",
    "TRAITS",
    "VERSION",
    "Drawn",
    "draw",
    "load_attributes",
    "load_examples",
    "species",
    "traits",
    "true_key",
]
