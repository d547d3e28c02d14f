"""Classes that mirroring an image would exchange: named left and right, or looking so."""

from __future__ import annotations

import re
from itertools import permutations

import numpy as np
from jaxtyping import Float, Int

from irvision.data.examples import Examples
from irvision.data.pixels.prints import Prints

FEWEST_IMAGES = 8
# The mirrored mean of a class has to be so many times nearer to the mean of another class than to
# its own, and its own asymmetry so many times what chance gives the mean of as many images.
NEARER, BEYOND_CHANCE = 2.0, 3.0
# Words that mirroring exchanges.
SIDES = (
    ("left", "right"),
    ("l", "r"),
    ("leftward", "rightward"),
    ("leftwards", "rightwards"),
    ("clockwise", "counterclockwise"),
    ("clockwise", "anticlockwise"),
    ("west", "east"),
)
# Words of a name: at signs, at digits and at capitals.
WORDS = re.compile(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])|\d+|[^\W\d_a-zA-Z]+")


def mirrored_classes(
    examples: Examples, prints: Prints, rows: Int[np.ndarray, " n"]
) -> list[tuple[str, str]]:
    """Pairs of classes that mirroring would exchange, by their names or by their mean colours.

    Args:
        examples: the samples.
        prints: of all samples.
        rows: the training samples, whose mean colours are compared.
    """
    named = _by_name(examples.classes)
    seen = _by_colours(examples, prints, rows)
    pairs = dict.fromkeys((*named, *seen))
    return [(examples.classes[one], examples.classes[other]) for one, other in pairs]


def _by_name(classes: tuple[str, ...]) -> list[tuple[int, int]]:
    """Pairs whose names differ in one word, left in one and right in the other."""
    split = [tuple(word.casefold() for word in WORDS.findall(name)) for name in classes]
    number_of = {words: number for number, words in enumerate(split)}
    found = []
    for number, words in enumerate(split):
        for place, word in enumerate(words):
            for one, other in SIDES:
                if word == one:
                    twin = number_of.get((*words[:place], other, *words[place + 1 :]))
                    found += [] if twin is None else [(number, twin)]
    return found


def _by_colours(
    examples: Examples, prints: Prints, rows: Int[np.ndarray, " n"]
) -> list[tuple[int, int]]:
    """Pairs of which each is nearer to the mirrored mean of the other than the other itself is."""
    members = {
        label: rows[examples.labels[rows] == label] for label in range(len(examples.classes))
    }
    large = [label for label, some in members.items() if len(some) >= FEWEST_IMAGES]
    means = {label: prints["thumbnail"][members[label]].mean(0) for label in large}
    asymmetric = [
        label
        for label in large
        if _asymmetry(means[label])
        > BEYOND_CHANCE * _chance(prints["thumbnail"][members[label]].astype(np.float64))
    ]

    def points_to(one: int, other: int) -> bool:
        mirrored = means[one][:, ::-1]
        apart = _distance(mirrored, means[other])
        return NEARER * apart < _distance(mirrored, means[one])

    pairs = permutations(asymmetric, 2)
    return [(a, b) for a, b in pairs if a < b and points_to(a, b) and points_to(b, a)]


def _asymmetry(mean: Float[np.ndarray, "4 4 3"]) -> float:
    return _distance(mean[:, ::-1], mean)


def _distance(one: Float[np.ndarray, "4 4 3"], other: Float[np.ndarray, "4 4 3"]) -> float:
    return float(np.sqrt(((one - other) ** 2).sum()))


def _chance(images: Float[np.ndarray, "n 4 4 3"]) -> float:
    """The asymmetry that the mean of so many images has where their subject has none."""
    differences = images - images[:, :, ::-1]
    around = differences - differences.mean(0)
    return float(np.sqrt((around**2).sum())) / len(images)
