"""From the options of `ira simulate`, as asked for, to settings that say everything a run needs."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any, Literal, TypeVar

from irtheory.studies.simulate.check import check, width_list
from irtheory.studies.simulate.settings import Algorithm, Setting, SimulateSettings
from irtheory.tables.options import PLAIN, TableOptions

Value = TypeVar("Value")
RIDGES = {"convex": 0.0, "logistic": 1e-2, "agreement": 0.1, "ntk": 0.0}
# Hidden units, or channels, of a layer.
WIDTHS = {"mlp": 512, "cnn": 32}
# Largest numbers of steps: one by one, in closed form, and of a network of a width study.
MAX_STEPS, MAX_LEAP, STUDY_STEPS = 100_000, 10**12, 512
# Samples of a problem, and of a width study, of which half are held out.
SAMPLES, STUDY_SAMPLES = 240, 192


@dataclass(frozen=True)
class KeyLabels:
    """A drawn problem: attributes are fair coins, labels come from a random key, with noise."""

    samples: int
    attributes: int
    classes: int
    noise: float


@dataclass(frozen=True)
class ExclusiveOr:
    """A drawn problem: the label is the exclusive or of two attributes."""

    samples: int
    attributes: int


@dataclass(frozen=True)
class Table:
    """The user's own table: a CSV file, its column of classes, codes per real column.

    Attributes:
        options: how the file is read.
    """

    data: str
    label: str
    bins: int
    options: TableOptions = PLAIN


@dataclass(frozen=True)
class Digits:
    """Images of handwritten digits."""

    samples: int
    classes: int


ProblemSettings = KeyLabels | ExclusiveOr | Table | Digits


@dataclass(frozen=True)
class Linearised:
    """The network whose linearisation is the model.

    Attributes:
        width: hidden units, or channels, of a layer; in a width study those of the widest network.
        max_memory: GiB, of one process.
    """

    network: Literal["mlp", "cnn"]
    width: int
    layers: int
    activation: Literal["relu", "tanh", "gelu"]
    parametrisation: Literal["ntk", "standard"]
    max_memory: float
    device: str


@dataclass(frozen=True)
class ResolvedSettings:
    """All settings of one run, checked and with their defaults.

    Attributes:
        asked: the options as they were given.
        network: None unless the setting is ntk.
        widths: of a width study, ascending; empty without one.
        threads: None means all cores.
    """

    asked: SimulateSettings
    setting: Setting
    problem: ProblemSettings
    network: Linearised | None
    widths: tuple[int, ...]
    algorithm: Algorithm
    order: Literal["gauss-seidel", "jacobi"]
    tree: Literal["exact", "greedy"]
    depth: int
    min_samples_leaf: int
    ridge: float
    step_size: float
    tolerance: float
    max_steps: int
    start: Literal["random", "saddle"]
    offset: float
    reference: Literal["cvxpy", "closed-form"]
    joint: bool
    jump: bool
    seed: int
    threads: int | None

    @property
    def linearised(self) -> Linearised:
        """The network; ValueError for a setting without one."""
        if self.network is None:
            raise ValueError(f"setting: expected ntk, found {self.setting}")
        return self.network


def resolve(asked: SimulateSettings) -> ResolvedSettings:
    """Check the options and fill in the defaults of those that were not given.

    Raises:
        InputError: options that no run can use, or that would change nothing; names the option.
    """
    agreement = asked.setting == "agreement"
    algorithm = _algorithm(asked)
    check(asked, algorithm)
    widths = () if asked.widths is None else width_list(asked.widths)
    return ResolvedSettings(
        asked=asked,
        setting=asked.setting,
        problem=_problem(asked),
        network=_network(asked, widths) if asked.setting == "ntk" else None,
        widths=widths,
        algorithm=algorithm,
        order=asked.order,
        tree="exact" if asked.tree == "exact" else "greedy",
        depth=_or(asked.depth, 2 if agreement else 3),
        min_samples_leaf=asked.min_samples_leaf,
        ridge=_or(asked.ridge, RIDGES[asked.setting]),
        step_size=asked.step_size,
        tolerance=asked.tolerance,
        max_steps=_or(asked.max_steps, _most_steps(asked)),
        start=asked.start,
        offset=asked.offset,
        reference=asked.reference,
        joint=asked.joint,
        jump=asked.jump,
        seed=asked.seed,
        threads=asked.threads,
    )


def content(settings: ResolvedSettings) -> dict[str, Any]:
    """Every option with its value, in the order of `SimulateSettings`; None without a meaning.

    How a table is read comes last, where there is one.

    This is what config.yaml and seeds.json say. `tree` and `widths` are spelt as they were given.
    """
    values = vars(settings) | vars(settings.problem)
    if settings.network is not None:
        values |= vars(settings.network)
    if settings.widths:  # each network has its own
        values |= {"width": None}
    values |= {"tree": settings.asked.tree, "widths": settings.asked.widths}
    named = {f.name: values.get(f.name) for f in fields(SimulateSettings) if f.name != "reading"}
    return named | _reading(settings.problem)


def _reading(problem: ProblemSettings) -> dict[str, Any]:
    """How a table of the user was read."""
    if not isinstance(problem, Table):
        return {}
    found = vars(problem.options)
    return {name: list(v) if isinstance(v, tuple) else v for name, v in found.items()}


def _or(given: Value | None, default: Value) -> Value:
    """The value that was given, else the default."""
    return default if given is None else given


def _algorithm(asked: SimulateSettings) -> Algorithm:
    if asked.algorithm is not None:
        return asked.algorithm
    return "bcgd" if asked.setting == "agreement" else "alternating"


def _most_steps(asked: SimulateSettings) -> int:
    if asked.widths is not None:
        return STUDY_STEPS
    return MAX_LEAP if asked.jump else MAX_STEPS


def _problem(asked: SimulateSettings) -> ProblemSettings:
    # `check` refuses --data without --label.
    if asked.data is not None and asked.label is not None:
        return Table(asked.data, asked.label, _or(asked.bins, 8), asked.reading)
    samples = _or(asked.samples, SAMPLES if asked.widths is None else STUDY_SAMPLES)
    if asked.setting == "agreement":
        return ExclusiveOr(samples, _or(asked.attributes, 4))
    classes = _or(asked.classes, 4)
    if asked.network == "cnn":
        return Digits(samples, classes)
    return KeyLabels(samples, _or(asked.attributes, 12), classes, _or(asked.noise, 0.1))


def _network(asked: SimulateSettings, widths: tuple[int, ...]) -> Linearised:
    network: Literal["mlp", "cnn"] = "mlp" if asked.network is None else asked.network
    return Linearised(
        network=network,
        width=max(widths) if widths else _or(asked.width, WIDTHS[network]),
        layers=_or(asked.layers, 2),
        activation=_or(asked.activation, "relu"),
        parametrisation=_or(asked.parametrisation, "ntk"),
        max_memory=_or(asked.max_memory, 4.0),
        device=_or(asked.device, "cpu"),
    )
