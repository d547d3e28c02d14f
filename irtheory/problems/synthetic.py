"""Problems of known truth: binary attributes, and labels that a shallow tree of them gives."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from jaxtyping import Float, Int

from irtheory.checks import check_whole
from irtheory.trees.tree import Tree


@dataclass(frozen=True)
class Column:
    """What the codes of one column of a table mean.

    Attributes:
        name: of the code column.
        kind: "binary" is 0 or 1, "word" is 1 where the table has that word, "whole" are the
            whole numbers of the table, "binned" is the number of cut points below the value.
        cuts: ascending cut points of a binned column, in its own units: code ≤ c where the
            number is ≤ cuts[c]. None for the others.
    """

    name: str
    kind: Literal["binary", "word", "whole", "binned"]
    cuts: tuple[float, ...] | None = None


@dataclass(frozen=True, eq=False)
class Problem:
    """A sample S for the propositions.

    Attributes:
        codes: m × n whole numbers that trees split on.
        classes: class index of every sample, [m].
        feature_names, class_names: for printing.
        notes: what was done to the data, one sentence each.
        truth: the tree that made the labels, if known.
        columns: how the codes read in the units of a table; empty where all are 0 or 1.
        inputs: what a network sees of every sample [m, …], where that is not Φ (images).
    """

    codes: Int[np.ndarray, "m n"]
    classes: Int[np.ndarray, " m"]
    feature_names: tuple[str, ...]
    class_names: tuple[str, ...]
    notes: tuple[str, ...]
    truth: Tree | None = None
    columns: tuple[Column, ...] = ()
    inputs: Float[np.ndarray, "m ..."] | None = None

    @property
    def one_hot(self) -> Float[np.ndarray, "m k"]:
        """Labels y as rows of the identity."""
        return np.eye(len(self.class_names))[self.classes]

    @property
    def signs(self) -> Float[np.ndarray, "m 1"]:
        """Labels as ±1; ValueError unless there are two classes."""
        if len(self.class_names) != 2:
            raise ValueError(
                f"labels: the agreement loss takes 2 classes, found {len(self.class_names)}"
            )
        return 2.0 * self.classes[:, None] - 1.0

    @property
    def features(self) -> Float[np.ndarray, "m P"]:
        """Φ: a column of ones, then every code scaled to [−1, 1]."""
        low, high = self.codes.min(axis=0), self.codes.max(axis=0)
        span = np.where(high > low, high - low, 1)
        scaled = 2.0 * (self.codes - low) / span - 1.0
        return np.hstack([np.ones((len(self.codes), 1)), scaled])


def _check_sizes(**sizes: int) -> None:
    for name, value in sizes.items():
        check_whole(name, value, 1)


def random_key(depth: int, attributes: int, classes: int, rng: np.random.Generator) -> Tree:
    """A full tree of that depth with distinct attributes on every path.

    Leaves, in order, take the classes in turn, so that no class is missing when there are at
    least as many leaves as classes; values are one-hot [k].
    """
    leaf = iter(range(2**depth))

    def grow(level: int, free: np.ndarray) -> Tree:
        if level == 0:
            return Tree.leaf(np.eye(classes)[next(leaf) % classes], 0.0, attributes)
        attribute = int(rng.choice(free))
        rest = free[free != attribute]
        left, right = grow(level - 1, rest), grow(level - 1, rest)
        mean = (left.value[0] + right.value[0]) / 2
        return Tree.grow(attribute, 0.5, left, right, mean, 0.0)

    return grow(depth, np.arange(attributes))


def key_problem(
    samples: int = 240,
    attributes: int = 12,
    classes: int = 4,
    depth: int = 3,
    noise: float = 0.1,
    seed: int = 0,
) -> Problem:
    """Attributes from fair coins, labels from a random key, a share of the labels redrawn.

    Args:
        samples: m.
        attributes: n.
        classes: k.
        depth: depth of the key, ≤ attributes.
        noise: probability that a label is replaced by a random class, in [0, 1].
        seed: of all random draws.

    Raises:
        ValueError: a size below 1, depth > attributes or noise outside [0, 1].
    """
    _check_sizes(samples=samples, attributes=attributes, classes=classes, depth=depth)
    if depth > attributes:
        raise ValueError(f"depth: expected at most {attributes} (the attributes), found {depth}")
    if not 0 <= noise <= 1:
        raise ValueError(f"noise: expected a probability, found {noise}")
    rng = np.random.default_rng(seed)
    codes = rng.integers(0, 2, (samples, attributes))
    truth = random_key(depth, attributes, classes, rng)
    labels = truth.predict(codes).argmax(axis=1)
    redrawn = rng.random(samples) < noise
    labels[redrawn] = rng.integers(0, classes, int(redrawn.sum()))
    notes = (
        f"{samples} samples of {attributes} fair-coin attributes, {classes} classes from a "
        f"random key of depth {depth}, {int(redrawn.sum())} labels redrawn, seed {seed}",
    )
    return Problem(codes, labels, _names("f", attributes), _names("class ", classes), notes, truth)


def _names(prefix: str, n: int) -> tuple[str, ...]:
    return tuple(f"{prefix}{i}" for i in range(n))


def xor_problem(samples: int = 240, attributes: int = 4, seed: int = 0) -> Problem:
    """Every attribute pattern equally often; the label is the exclusive or of two attributes.

    The label is uncorrelated with every attribute (and with the intercept), exactly, so the
    origin is a critical point of the agreement objective of a linear network.

    Args:
        samples: rounded up to a multiple of the 2^attributes patterns.
        attributes: n, between 2 and 12.
        seed: draws the two attributes, and the attributes whose codes 0 and 1 are swapped.
            Seed 0 takes the first two attributes and swaps nothing.

    Raises:
        ValueError: sizes out of range or a seed below 0.
    """
    _check_sizes(samples=samples)
    if not 2 <= attributes <= 12:
        raise ValueError(
            f"attributes: expected 2 to 12 for exclusive-or labels, found {attributes}"
        )
    patterns = 2**attributes
    repeats = -(-samples // patterns)
    index = np.tile(np.arange(patterns), repeats)
    codes = (index[:, None] >> np.arange(attributes)) & 1
    first, second, swapped = _xor_draw(attributes, seed)
    classes = codes[:, first] ^ codes[:, second]
    codes = codes ^ swapped
    notes = (
        f"{len(codes)} samples: each of {patterns} patterns of {attributes} attributes "
        f"{repeats} times, label = exclusive or of f{first} and f{second}",
        *(f"f{j}: codes 0 and 1 swapped" for j in np.flatnonzero(swapped)),
    )
    return Problem(codes, classes, _names("f", attributes), ("even", "odd"), notes)


def _xor_draw(attributes: int, seed: int) -> tuple[int, int, Int[np.ndarray, " n"]]:
    """The two attributes that make the label, and 1 for every attribute to recode."""
    if seed == 0:
        return 0, 1, np.zeros(attributes, dtype=np.int64)
    rng = np.random.default_rng(seed)
    first, second = sorted(rng.choice(attributes, 2, replace=False).tolist())
    return first, second, rng.integers(0, 2, attributes)
