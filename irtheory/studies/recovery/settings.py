"""Settings of `ira recover`: what is varied, what stays, what is refused."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from typing import Any, get_args

from irtheory.intersection.methods import METHODS
from irtheory.problems.worlds import Mixing, Structure
from irtheory.runs.files import InputError

REGIMES: tuple[str, ...] = get_args(Structure)
Point = tuple[tuple[str, float], ...]
# What --sweep may vary, and how its values are read.
SWEPT: dict[str, Callable[[str], float]] = {
    "depth": int,
    "attributes": int,
    "sparsity": int,
    "noise": float,
    "samples": int,
    "bits": int,
    "dim": int,
    "dropout": float,
    "lambda-tree": float,
    "lambda-sparsity": float,
    "lambda-route": float,
}
MOST_SWEEPS = 2


@dataclass(frozen=True)
class Sweep:
    """A setting that is varied: its name, one of `SWEPT`, and its values."""

    name: str
    values: tuple[float, ...]

    @property
    def field(self) -> str:
        """The field of `RecoverySettings` of that name."""
        return self.name.replace("-", "_")


@dataclass(frozen=True)
class RecoverySettings:
    """All settings of one run of `ira recover`.

    Attributes:
        regimes: structures of the labelling tree, of `irtheory.problems.worlds.Structure`.
        methods: names of `irtheory.intersection.methods.METHODS`.
        depth, attributes, sparsity, noise, samples, mixing: of the world.
        bits, dim, hidden, dropout, epochs: of the networks; T is as deep as t.
        lambda_tree, lambda_sparsity, lambda_route: replace a method's own weight where that
            is above 0; None keeps it.
        sweeps: what is varied beside, at most two settings.
        seeds: worlds of every regime.
        seed: the first; the others follow it.
    """

    regimes: tuple[str, ...] = ("every-path", "reused")
    methods: tuple[str, ...] = tuple(METHODS)
    depth: int = 3
    attributes: int = 8
    sparsity: int | None = None
    noise: float = 0.1
    samples: int = 4000
    mixing: Mixing = "linear"
    bits: int = 1
    dim: int = 16
    hidden: tuple[int, ...] = (128,)
    dropout: float = 0.3
    epochs: int = 20
    lambda_tree: float | None = None
    lambda_sparsity: float | None = None
    lambda_route: float | None = None
    sweeps: tuple[Sweep, ...] = ()
    seeds: int = 4
    seed: int = 0

    def __post_init__(self) -> None:
        """Refuse names that do not exist and options without effect."""
        _check_names("--regimes", self.regimes, REGIMES)
        _check_names("--methods", self.methods, tuple(METHODS))
        if self.seeds < 1:
            raise InputError(f"--seeds: expected at least 1, found {self.seeds}")
        if self.seed < 0:
            raise InputError(f"--seed: expected at least 0, found {self.seed}")
        if len(self.sweeps) > MOST_SWEEPS:
            raise InputError(
                f"--sweep: expected at most {MOST_SWEEPS} settings, found {len(self.sweeps)}"
            )
        _check_names("--sweep", tuple(sweep.name for sweep in self.sweeps), tuple(SWEPT))
        for term in ("tree", "sparsity", "route"):
            self._check_weight(term)

    def _check_weight(self, term: str) -> None:
        """Refuse a weight that none of the methods has."""
        name = f"lambda_{term}"
        swept = any(sweep.field == name for sweep in self.sweeps)
        given = getattr(self, name) is not None or swept
        if given and not any(getattr(METHODS[m].weights, term) for m in self.methods):
            raise InputError(
                f"--{name.replace('_', '-')}: without effect, this term is in none of the methods "
                f"{', '.join(self.methods)}"
            )


def _check_names(option: str, found: tuple[str, ...], known: tuple[str, ...]) -> None:
    if not found and option != "--sweep":
        raise InputError(f"{option}: expected one or more of {', '.join(known)}, found none")
    for i, name in enumerate(found):
        if name not in known:
            raise InputError(f"{option}: expected some of {', '.join(known)}, found {name!r}")
        if name in found[:i]:
            raise InputError(f"{option}: found {name} twice")


def name_list(text: str, every: tuple[str, ...] = ()) -> tuple[str, ...]:
    """The names of a comma list; "all" is `every`, where there is such a thing."""
    if every and text.strip() == "all":
        return every
    return tuple(part.strip() for part in text.split(",") if part.strip())


def widths(text: str) -> tuple[int, ...]:
    """Hidden widths of a comma list; "0" is none.

    Raises:
        InputError: a part that is not a whole number.
    """
    try:
        found = tuple(int(part) for part in name_list(text))
    except ValueError:
        raise InputError(
            f"--hidden: expected a comma list of whole numbers, found {text!r}"
        ) from None
    return () if found == (0,) else found


def read_sweep(text: str) -> Sweep:
    """NAME=v1,v2,… as a `Sweep`.

    Raises:
        InputError: no such name, no values, a value twice, or one that is not a number.
    """
    name, _, rest = text.partition("=")
    name, parts = name.strip().replace("_", "-"), name_list(rest)
    if name not in SWEPT:
        raise InputError(f"--sweep: expected one of {', '.join(SWEPT)}, found {name!r}")
    if not parts:
        raise InputError(f"--sweep {text}: expected NAME=V,V,…, found no values")
    kind = "whole numbers" if SWEPT[name] is int else "numbers"
    try:
        values = tuple(SWEPT[name](part) for part in parts)
    except ValueError:
        raise InputError(f"--sweep {name}: expected {kind}, found {rest}") from None
    if not all(math.isfinite(value) for value in values) or len(set(values)) < len(values):
        raise InputError(f"--sweep {name}: expected different, finite {kind}, found {rest}")
    return Sweep(name, tuple(sorted(values)))


def settings_of(options: Mapping[str, Any]) -> RecoverySettings:
    """The settings that the command line asks for, lists and sweeps read from their text.

    Raises:
        InputError: an option that cannot be used, named.
    """
    given = {f.name: options[f.name] for f in fields(RecoverySettings)}
    read = {
        "regimes": name_list(given["regimes"]),
        "methods": name_list(given["methods"], tuple(METHODS)),
        "hidden": widths(given["hidden"]),
        "sweeps": tuple(read_sweep(text) for text in given["sweeps"] or ()),
    }
    return RecoverySettings(**(given | read))
