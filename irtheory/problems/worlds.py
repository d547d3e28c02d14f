"""Worlds with known attributes: f sparse, labels t(f) from a shallow tree, x mixed from f."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Literal, get_args

import numpy as np
import numpy.typing as npt
from jaxtyping import Bool, Float, Float32, Int
from numpy.random import Generator

from irtheory.checks import check_whole
from irtheory.problems.synthetic import random_key
from irtheory.trees.tree import Tree

Structure = Literal["distinct", "every-path", "reused"]
Mixing = Literal["linear", "mlp"]
Array = npt.NDArray[np.float64]
Probabilities = Float[np.ndarray, " n"]
Attributes = Bool[np.ndarray, "m n"]
Labels = Int[np.ndarray, " m"]
Mix = Callable[[Array], Array]
Draw = tuple[Attributes, Array, Array]

OUTPUT_GAIN = 1.8  # an MLP then predicts attributes from x with half the errors of a linear probe


@dataclass(frozen=True)
class WorldSettings:
    """How a world is drawn.

    Attributes:
        attributes: n, how many binary attributes f there are.
        depth: D of the labelling tree t, 1 … min(10, n); its 2^D leaves are the classes.
        structure: which attributes the nodes of t test, never one twice on a path.
            "every-path": one attribute a level, the same in all nodes of the level.
            "distinct": every node draws from all n, so branches share attributes only by chance.
            "reused": every node draws from one small pool, so attributes recur in different
            branches, at different levels; with a pool of all n it is the law of "distinct".
        pool: size of the pool of "reused", D … n; None is the smaller of D + 1 and n.
        marginals: P(f_i = 1), one number for all or one each, strictly between 0 and 1.
        sparsity: d0. If None, attributes are independent; if not, they follow the independent law
            given that at most d0 are on, and are rarer than ``marginals`` (``World.marginals``).
        mixing: "linear" or "mlp" (a random network of two tanh layers).
        dimension: p, width of x.
        nuisance: how many standard normal factors z are mixed in beside the attributes.
        noise: sd of the white noise, in units of the sd of each mixed coordinate.
        label_noise: share of training labels redrawn at random; test labels are t(f).
        samples, test_samples: m of the training and of the test sample.

    Raises:
        ValueError: a setting is out of range; the message names it.
    """

    attributes: int = 8
    depth: int = 3
    structure: Structure = "every-path"
    pool: int | None = None
    marginals: float | tuple[float, ...] = 0.5
    sparsity: int | None = None
    mixing: Mixing = "linear"
    dimension: int = 32
    nuisance: int = 4
    noise: float = 0.1
    label_noise: float = 0.0
    samples: int = 4000
    test_samples: int = 2000

    def __post_init__(self) -> None:
        """Refuse settings from which no world can be drawn."""
        _check(self)

    @property
    def probabilities(self) -> Probabilities:
        """P(f_i = 1) before sparsity, [n]."""
        return np.broadcast_to(np.asarray(self.marginals, dtype=np.float64), self.attributes)

    @property
    def most_on(self) -> int:
        """The largest number of attributes that may be on together."""
        return self.attributes if self.sparsity is None else self.sparsity


@dataclass(frozen=True, eq=False)
class Sample:
    """Draws from a world.

    Attributes:
        x: float32 [m, p]; the training sample has mean 0 and sd 1 in every coordinate.
        attributes: f, bool [m, n].
        labels: class of every sample, int64 [m].
    """

    x: Float32[np.ndarray, "m p"]
    attributes: Attributes
    labels: Labels


@dataclass(frozen=True, eq=False)
class World:
    """Samples together with everything that determines them.

    Attributes:
        settings, seed: from which the world was drawn.
        train, test: samples; x of both is standardised by the statistics of train.
        truth: t, a tree over the attributes, whose leaves are the classes from left to right.
        marginals: P(f_i = 1) given the sparsity, exact, [n].
        observability: probability that a sample reaches a node of t that tests attribute i,
            exact, [n]; 0 for an attribute that t does not use.
    """

    settings: WorldSettings
    seed: int
    train: Sample
    test: Sample
    truth: Tree
    marginals: Probabilities
    observability: Probabilities

    @property
    def used(self) -> tuple[int, ...]:
        """The attributes that t tests, ascending."""
        return self.truth.used_features

    @property
    def n_classes(self) -> int:
        """Number k = 2^D of classes; one that no sample reaches counts too."""
        return self.truth.n_outputs


def draw_world(settings: WorldSettings, seed: int = 0) -> World:
    """Draw t, the mixing and both samples; the same settings and seed give the same world.

    Each part has its own random stream. Worlds that differ only in ``noise`` or ``label_noise``
    share t, mixing and attributes; worlds that differ only in ``samples``, ``dimension`` or
    ``mixing`` share t and the test attributes.

    Raises:
        ValueError: seed below 0, or a training sample with fewer than two classes.
    """
    check_whole("seed", seed, 0)
    p, most = settings.probabilities, settings.most_on
    tree_rng, mixing_rng, label_rng, *sample_rngs = np.random.default_rng(seed).spawn(5)
    truth, mix = _draw_truth(settings, tree_rng), _mixing(settings, mixing_rng)
    sizes = (settings.samples, settings.test_samples)
    draws = [_draw(settings, mix, m, rng) for m, rng in zip(sizes, sample_rngs, strict=True)]
    attributes, signals, white = zip(*draws, strict=True)
    labels = [truth.value.argmax(axis=1)[truth.apply(f)] for f in attributes]
    labels[0] = _redraw(labels[0], settings.label_noise, truth.n_outputs, label_rng)
    noisy = [s + settings.noise * w for s, w in zip(_standardised(*signals), white, strict=True)]
    x = [array.astype(np.float32) for array in _standardised(*noisy)]
    marginals = np.array([_chance(p, most, {i: True}) for i in range(len(p))])
    train, test = (Sample(*parts) for parts in zip(x, attributes, labels, strict=True))
    return World(settings, seed, train, test, truth, marginals, _reached(truth, p, most))


def observability(tree: Tree, attributes: npt.ArrayLike) -> Probabilities:
    """Share of the samples ``attributes`` [m, n] that reach a test of attribute i, [n].

    Raises:
        ValueError: no samples, or the width is not that of the tree.
    """
    visited = tree.decision_path(attributes)
    if not len(visited):
        raise ValueError("attributes: expected at least one sample, found none")
    columns = range(tree.n_features)
    return np.array([visited[:, tree.feature == i].any(axis=1).mean() for i in columns])


def _draw_truth(settings: WorldSettings, rng: Generator) -> Tree:
    n, depth = settings.attributes, settings.depth
    if settings.structure == "distinct":
        return random_key(depth, n, 2**depth, rng)
    every = settings.structure == "every-path"
    size = depth if every else settings.pool or min(depth + 1, n)
    drawn, key = rng.choice(n, size, replace=False), random_key(depth, size, 2**depth, rng)
    # In preorder the 2^h − 1 nodes of the left subtree part the children of a node of height h.
    height = np.log2(key.right - key.left + 1).astype(np.int64)
    place = height - 1 if every else key.feature
    return replace(key, feature=np.where(key.feature >= 0, drawn[place], -1), n_features=n)


def _at_most(p: Probabilities, most: int) -> Float[np.ndarray, "n+1 most+1"]:
    """Entry [i, r]: P(at most r of the attributes i … n − 1 are on), were they independent."""
    table = np.ones((len(p) + 1, most + 1))
    for i in reversed(range(len(p))):
        table[i] = (1 - p[i]) * table[i + 1]
        table[i, 1:] += p[i] * table[i + 1, :-1]
    return table


def _draw_attributes(p: Probabilities, most: int, samples: int, rng: Generator) -> Attributes:
    """Draw one attribute after the other, given how many of the ``most`` may still be on."""
    table, coins = _at_most(p, most), rng.random((samples, len(p)))
    on, free = np.zeros(coins.shape, dtype=np.bool_), np.full(samples, most)
    for i in range(len(p)):
        chance = p[i] * table[i + 1, free - 1] / table[i, free]
        on[:, i] = (coins[:, i] < chance) & (free > 0)
        free -= on[:, i]
    return on


def _chance(p: Probabilities, most: int, known: dict[int, bool]) -> float:
    """P(f agrees with ``known``) given that at most ``most`` attributes are on."""
    weight = math.prod(float(p[i] if on else 1 - p[i]) for i, on in known.items())
    free = most - sum(known.values())
    if most >= len(p) or free < 0:
        return weight if free >= 0 else 0.0
    rest = np.delete(p, list(known))
    return float(weight * _at_most(rest, free)[0, -1] / _at_most(p, most)[0, -1])


def _reached(tree: Tree, p: Probabilities, most: int) -> Probabilities:
    """Probability that a sample reaches a test of attribute i, [n].

    The probabilities of the nodes that test i add up, as no path tests an attribute twice.
    """
    seen = np.zeros(len(p))

    def visit(node: int, known: dict[int, bool]) -> None:
        if (i := int(tree.feature[node])) >= 0:
            seen[i] += _chance(p, most, known)
            visit(int(tree.left[node]), known | {i: False})
            visit(int(tree.right[node]), known | {i: True})

    visit(0, {})
    return seen


def _mixing(settings: WorldSettings, rng: Generator) -> Mix:
    """The map from (2f − 1, z), [m, n + nuisance], to the signal, [m, p]."""
    width = settings.attributes + settings.nuisance
    if settings.mixing == "linear":
        a = rng.standard_normal((settings.dimension, width))
        a /= np.linalg.norm(a, axis=0)
        return lambda s: s @ a.T
    w = rng.standard_normal((width, 4 * width)) / math.sqrt(width)
    bias = rng.standard_normal(4 * width)
    v = rng.standard_normal((4 * width, settings.dimension)) / math.sqrt(4 * width)
    return lambda s: np.tanh(OUTPUT_GAIN * np.tanh(s @ w + bias) @ v)


def _draw(settings: WorldSettings, mix: Mix, samples: int, rng: Generator) -> Draw:
    """Attributes, the signal [m, p] mixed from them and white noise [m, p] of sd 1."""
    f = _draw_attributes(settings.probabilities, settings.most_on, samples, rng)
    z = rng.standard_normal((samples, settings.nuisance))
    signal = mix(np.hstack([2.0 * f - 1.0, z]))
    return f, signal, rng.standard_normal(signal.shape)


def _standardised(train: Array, test: Array) -> tuple[Array, Array]:
    mean, sd = train.mean(axis=0), train.std(axis=0)
    return (train - mean) / sd, (test - mean) / sd


def _redraw(labels: Labels, share: float, classes: int, rng: Generator) -> Labels:
    """Redraw a share of the training labels; a single class, before or after, is refused."""
    redrawn = rng.random(len(labels)) < share
    noisy = np.where(redrawn, rng.integers(0, classes, len(labels)), labels)
    if min(np.ptp(labels), np.ptp(noisy)) == 0:
        raise ValueError(f"samples: expected two classes, found one in {len(labels)} labels")
    return noisy


def _check(settings: WorldSettings) -> None:
    n, depth = settings.attributes, settings.depth
    check_whole("depth", depth, 1, 10)
    check_whole("attributes", n, depth)
    for name, least in (("dimension", 1), ("nuisance", 0), ("samples", 2), ("test_samples", 1)):
        check_whole(name, getattr(settings, name), least)
    for name, kinds in (("structure", Structure), ("mixing", Mixing)):
        if (found := getattr(settings, name)) not in get_args(kinds):
            raise ValueError(f"{name}: expected one of {get_args(kinds)}, found {found!r}")
    for name, least in (("sparsity", 1), ("pool", depth)):
        if getattr(settings, name) is not None:
            check_whole(name, getattr(settings, name), least, n)
    if settings.pool is not None and settings.structure != "reused":
        raise ValueError(f"pool: expected None unless 'reused', found {settings.pool}")
    _check_law(settings)
    if not 0 <= settings.noise < math.inf:
        raise ValueError(f"noise: expected a finite number ≥ 0, found {settings.noise}")
    if not 0 <= settings.label_noise <= 1:
        raise ValueError(f"label_noise: expected a probability, found {settings.label_noise}")


def _check_law(settings: WorldSettings) -> None:
    marginals, n, most = np.asarray(settings.marginals), settings.attributes, settings.most_on
    if marginals.shape not in ((), (n,)):
        raise ValueError(f"marginals: expected one number or {n}, found shape {marginals.shape}")
    for found in marginals[~((marginals > 0) & (marginals < 1))]:
        raise ValueError(f"marginals: expected numbers between 0 and 1, found {found}")
    if (chance := _at_most(settings.probabilities, most)[0, -1]) < 1e-200:
        raise ValueError(f"sparsity: expected more, found {most}, of probability {chance:.0e}")
