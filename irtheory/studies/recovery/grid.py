"""The cells of a recovery study, each one world, one method and one training."""

from __future__ import annotations

import hashlib
import itertools
import json
import re
from collections.abc import Iterator
from dataclasses import asdict, dataclass, fields, replace
from typing import Any

from irtheory.intersection.arrays import ArraySettings
from irtheory.intersection.methods import METHODS, Method
from irtheory.intersection.quantize import check_bits
from irtheory.intersection.weights import Weights
from irtheory.problems.worlds import WorldSettings
from irtheory.runs.files import InputError
from irtheory.studies.recovery.settings import Point, RecoverySettings

# Part of every key: increase it when the computation of a cell changes.
VERSION = 2
HEAD_HIDDEN, BATCH_SIZE, LEARNING_RATE = 64, 128, 3e-3
# Names of options that differ from those of the settings of worlds and networks.
OPTIONS = {"max_depth": "depth", "structure": "regimes"}


@dataclass(frozen=True)
class Cell:
    """One training: everything that its result depends on.

    Attributes:
        name: of the method, before its weights were replaced.
        world, method, array: what is drawn, how it is trained.
        seed: of the world, the networks and the batches.
        dynamics: whether recovery is also measured after every epoch.
    """

    name: str
    world: WorldSettings
    method: Method
    array: ArraySettings
    seed: int
    dynamics: bool = False

    @property
    def key(self) -> str:
        """Hash of everything that the result depends on, so not of the name of the method."""
        text = json.dumps([VERSION, self.content()], sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:16]

    def content(self) -> dict[str, Any]:
        """The settings as plain data, without names and titles."""
        content = asdict(self)
        del content["method"]["title"]
        del content["name"]
        return content


@dataclass(frozen=True)
class Place:
    """Where a cell stands in the study; cells that compute the same share a key.

    Attributes:
        point: (name, value) of every swept setting.
    """

    regime: str
    method: str
    point: Point
    seed: int
    cell: Cell


def places(settings: RecoverySettings) -> list[Place]:
    """All cells of the study, seed by seed, all methods of a world together.

    Raises:
        InputError: a setting, swept or not, is out of range for a world or a network.
    """
    return list(_places(settings))


def _places(settings: RecoverySettings) -> Iterator[Place]:
    seeds = range(settings.seed, settings.seed + settings.seeds)
    axes = [[(sweep.name, value) for value in sweep.values] for sweep in settings.sweeps]
    points = list(itertools.product(*axes))
    for seed, regime, point in itertools.product(seeds, settings.regimes, points):
        changed = {name.replace("-", "_"): value for name, value in point}
        here = replace(settings, sweeps=(), **changed)
        first = seed == settings.seed and not point
        for name in settings.methods:
            yield Place(regime, name, point, seed, _cell(here, regime, name, seed, first))


def _cell(s: RecoverySettings, regime: str, name: str, seed: int, dynamics: bool) -> Cell:
    try:
        world = WorldSettings(
            attributes=s.attributes,
            depth=s.depth,
            structure=regime,  # pyright: ignore[reportArgumentType]
            sparsity=s.sparsity,
            mixing=s.mixing,
            noise=s.noise,
            samples=s.samples,
        )
        array = ArraySettings(
            dim=s.dim,
            bits=check_bits(s.bits),
            max_depth=s.depth,
            hidden=s.hidden,
            head_hidden=HEAD_HIDDEN,
            dropout=s.dropout,
            epochs=s.epochs,
            batch_size=BATCH_SIZE,
            learning_rate=LEARNING_RATE,
            range="running",
            seed=seed,
        )
        method = replace(METHODS[name], weights=_weights(METHODS[name].weights, s))
    except ValueError as error:
        raise InputError(_as_option(str(error))) from error
    return Cell(name, world, method, array, seed, dynamics)


def _weights(own: Weights, s: RecoverySettings) -> Weights:
    """The λ of the method; those above 0 are replaced if an option gives another value."""
    asked = {f.name: getattr(s, f"lambda_{f.name}", None) for f in fields(Weights)}
    new = {k: v for k, v in asked.items() if v is not None and getattr(own, k)}
    return replace(own, **new)


def _as_option(message: str) -> str:
    """The message with the argument at its start written as the option."""
    name, found, rest = message.partition(":")
    if not found or not re.fullmatch(r"[a-z_]+", name):
        return message
    return f"--{OPTIONS.get(name, name).replace('_', '-')}:{rest}"
