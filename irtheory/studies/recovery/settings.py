"""Settings of `ira recover`: what is varied, what stays, what is refused."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, get_args

from irtheory.intersection.methods import METHODS
from irtheory.problems.worlds import Mixing, Structure
from irtheory.runs.files import InputError
from irtheory.runs.folder import RunFiles, register_run_files
from irtheory.runs.options import Interval, Option, at_least, between, check_ranges

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
# Headings of the options in --help.
WORLD, TRAINING, STUDY, RUN, OUTPUT = "World", "Training", "Study", "Run", "Output"


@dataclass(frozen=True)
class Sweep:
    """A setting that is varied: its name, one of `SWEPT`, and its values."""

    name: str
    values: tuple[float, ...]

    @property
    def field(self) -> str:
        """The field of `RecoverySettings` of that name."""
        return self.name.replace("-", "_")


def name_list(text: str) -> tuple[str, ...]:
    """The names of a comma list."""
    return tuple(part.strip() for part in text.split(",") if part.strip())


def method_list(text: str) -> tuple[str, ...]:
    """The methods of a comma list; "all" is every one."""
    return tuple(METHODS) if text.strip() == "all" else name_list(text)


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


def read_sweeps(texts: Sequence[str]) -> tuple[Sweep, ...]:
    """`read_sweep` of each."""
    return tuple(map(read_sweep, texts))


@dataclass(frozen=True)
class RecoverySettings:
    """All settings of one run of `ira recover`. Each field is the option of the same name.

    None is a value of its own in four fields: no limit (`sparsity`), and each method's own weight
    (`lambda_tree`, `lambda_sparsity`, `lambda_route`).
    """

    regimes: Annotated[
        tuple[str, ...],
        Option(
            "Structures of the labelling tree: comma list of every-path, reused, distinct.",
            WORLD,
            default="every-path,reused",
            metavar="A,B",
            read=name_list,
        ),
    ] = ("every-path", "reused")
    methods: Annotated[
        tuple[str, ...],
        Option(
            "Methods to train: a comma list, or all.",
            TRAINING,
            default="all",
            metavar="A,B",
            read=method_list,
        ),
    ] = tuple(METHODS)
    depth: Annotated[
        int, Option("Depth of the labelling tree t, and of the learned T.", WORLD, at_least(1))
    ] = 3
    attributes: Annotated[int, Option("Number of attributes of a world.", WORLD, at_least(1))] = 8
    sparsity: Annotated[
        int | None,
        Option(
            "Largest number d0 of attributes that are 1 in a sample.",
            WORLD,
            at_least(1),
            default="no limit",
        ),
    ] = None
    noise: Annotated[
        float,
        Option("White noise on x, in standard deviations of the signal.", WORLD, at_least(0)),
    ] = 0.1
    samples: Annotated[int, Option("Number of training samples.", WORLD, at_least(1))] = 4000
    mixing: Annotated[
        Mixing, Option("How attributes and nuisance variables are mixed into x.", WORLD)
    ] = "linear"
    bits: Annotated[int, Option("Bits r of a code.", TRAINING, between(1, 8))] = 1
    dim: Annotated[int, Option("Number of codes d.", TRAINING, at_least(1))] = 16
    hidden: Annotated[
        tuple[int, ...],
        Option(
            "Units of the hidden layers of F: a comma list; 0 for a linear F.",
            TRAINING,
            default="128",
            metavar="N,N",
            read=widths,
        ),
    ] = (128,)
    dropout: Annotated[
        float,
        Option("Dropout rate in every layer of F.", TRAINING, Interval(0, 1, high_open=True)),
    ] = 0.3
    epochs: Annotated[int, Option("Number of epochs.", TRAINING, at_least(1))] = 20
    lambda_tree: Annotated[
        float | None,
        Option(
            "Weight λ2 of L[G, T], in the methods that have this term.",
            TRAINING,
            at_least(0),
            default="the method's own",
        ),
    ] = None
    lambda_sparsity: Annotated[
        float | None,
        Option(
            "Weight λ3 of the L1 norm, in the methods that have this term.",
            TRAINING,
            at_least(0),
            default="the method's own",
        ),
    ] = None
    lambda_route: Annotated[
        float | None,
        Option(
            "Weight λ4 of L[T, y], in the methods that have this term.",
            TRAINING,
            at_least(0),
            default="the method's own",
        ),
    ] = None
    sweeps: Annotated[
        tuple[Sweep, ...],
        Option(
            "Also vary a setting: depth, attributes, sparsity, noise, samples, bits, dim, "
            "dropout, lambda-tree, lambda-sparsity or lambda-route. Given twice, it makes a phase "
            "diagram.",
            STUDY,
            default="none",
            flag="--sweep",
            metavar="NAME=V,V",
            read=read_sweeps,
            repeatable=True,
        ),
    ] = ()
    seeds: Annotated[int, Option("Number of worlds of every regime.", STUDY, at_least(1))] = 4
    seed: Annotated[
        int, Option("Seed of the first world; others count up.", STUDY, at_least(0))
    ] = 0

    def __post_init__(self) -> None:
        """Check ranges, names and options without effect; InputError names the option."""
        check_ranges(self)
        _check_names("--regimes", self.regimes, REGIMES)
        _check_names("--methods", self.methods, tuple(METHODS))
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


register_run_files(
    "recover",
    RunFiles(
        "results.json results.csv cells.csv attributes.csv epochs.csv cells/*.json *.svg *.png",
        folders="cells",
        resume="--resume",
    ),
)


@dataclass(frozen=True)
class RecoverRequest:
    """What `ira recover` takes beside the settings of the study."""

    threads: Annotated[
        int | None,
        Option("Processes that train side by side.", STUDY, at_least(1), default="all cores"),
    ] = None
    out: Annotated[
        Path | None, Option("Run folder to make.", RUN, default="runs/recover-REGIMES-TIME")
    ] = None
    overwrite: Annotated[bool, Option("Replace an earlier run in --out.", RUN)] = False
    resume: Annotated[
        bool, Option("Go on in --out; cells that are finished are not run again.", RUN)
    ] = False
    as_json: Annotated[
        bool, Option("Print results.json and nothing else.", OUTPUT, flag="--json")
    ] = False
