"""Command-line options, each declared once, on the field of a settings dataclass.

    epochs: Annotated[int, Option("Number of epochs.", within=at_least(1))] = 20

From that line come the option of the command with its default and help (`irtheory.runs.commands`),
the check of its range, the check of its type where settings are read from a file, and its row in
`docs/commands.md`. This module loads neither Typer nor anything heavy.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import MISSING, dataclass, fields
from functools import cache
from types import NoneType
from typing import Annotated, Any, TypeVar, get_args, get_origin, get_type_hints

from irtheory.runs.files import InputError

Settings = TypeVar("Settings")


@dataclass(frozen=True)
class Interval:
    """The numbers from `low` to `high`, with or without each end; infinity is never inside."""

    low: float
    high: float = math.inf
    low_open: bool = False
    high_open: bool = False

    def __contains__(self, value: float) -> bool:
        """Whether the value lies in the interval."""
        above = value > self.low if self.low_open else value >= self.low
        below = value < self.high if self.high_open else value <= self.high
        return above and below and math.isfinite(value)

    def __str__(self) -> str:
        """In words, after "expected"."""
        low, high = _number(self.low), _number(self.high)
        if self.high == math.inf:
            return f"a number above {low}" if self.low_open else f"at least {low}"
        if not self.low_open and not self.high_open:
            return f"{low} … {high}"
        return f"a number in {'[('[self.low_open]}{low}, {high}{'])'[self.high_open]}"


def _number(value: float) -> str:
    """Whole numbers with all their digits."""
    return str(int(value)) if value == value // 1 and abs(value) < 2**53 else f"{value:g}"


def at_least(low: float) -> Interval:
    """[low, ∞)."""
    return Interval(low)


def between(low: float, high: float) -> Interval:
    """[low, high]."""
    return Interval(low, high)


@dataclass(frozen=True)
class Option:
    """What the command line shows of a field beside its name, type and default.

    Attributes:
        help: one sentence; names the unit where there is one.
        panel: heading under which `--help` lists the option.
        within: the values that are allowed.
        default: in words, a default that depends on other settings.
        defaults: the default under each condition, in words such as "--recipe paper"; the first
            condition is the usual one.
        flag: the spelling, where it is not the field's name with hyphens.
        metavar: what stands for the value in help.
        read: turns the text of the command line into the value of the field.
        argument: a positional argument instead of an option.
        negatable: a flag with its opposite, `--x` and `--no-x`.
        repeatable: may be given several times; `read` gets a list.
    """

    help: str
    panel: str | None = None
    within: Interval | None = None
    default: str | None = None
    defaults: Mapping[str, Any] | None = None
    flag: str | None = None
    metavar: str | None = None
    read: Callable[[Any], Any] | None = None
    argument: bool = False
    negatable: bool = False
    repeatable: bool = False


@dataclass(frozen=True)
class Declared:
    """A field of a settings dataclass that is an option.

    Attributes:
        name: of the field.
        hint: type of the field.
        default: of the field; `MISSING` where it has none or one that depends on others.
        option: what it declares.
    """

    name: str
    hint: Any
    default: Any
    option: Option

    @property
    def flag(self) -> str:
        """As users write it: `--batch-size`, or `RUN` for an argument."""
        if self.option.argument:
            return self.option.metavar or self.name.upper()
        return self.option.flag or "--" + self.name.replace("_", "-")

    @property
    def default_words(self) -> str | None:
        """The default as help shows it; None where there is nothing to show."""
        option, default = self.option, self.default
        if option.default is not None:
            return option.default
        if option.defaults is not None:
            return _conditional(option.defaults)
        if default is MISSING or default is None or default is False or default == ():
            return None
        return _word(default)


def _word(value: Any) -> str:
    words = {None: "none", True: "yes", False: "no"}
    if value is None or isinstance(value, bool):
        return words[value]
    return f"{value:g}" if isinstance(value, float) else str(value)


def _conditional(defaults: Mapping[str, Any]) -> str:
    """The usual value, then others with their conditions: "plain; pmg with --recipe pmg"."""
    (_, usual), *others = defaults.items()
    conditions: dict[str, list[str]] = {}
    for condition, value in others:
        if value != usual:
            conditions.setdefault(_word(value), []).append(condition)
    parts = [f"{value} with {' or '.join(when)}" for value, when in conditions.items()]
    return "; ".join([_word(usual), *parts])


@cache
def declared(settings: type) -> Mapping[str, Declared]:
    """The options that a dataclass declares, by the names of their fields, in order."""
    hints = get_type_hints(settings, include_extras=True)
    found = {}
    for field in fields(settings):
        hint = hints[field.name]
        if get_origin(hint) is Annotated:
            inner, *extras = get_args(hint)
            options = [extra for extra in extras if isinstance(extra, Option)]
            if options:
                found[field.name] = Declared(field.name, inner, field.default, options[0])
    return found


def flag_of(settings: type, name: str) -> str:
    """The option that sets a field, as users write it."""
    return declared(settings)[name].flag


def take(settings: type[Settings], given: Mapping[str, Any]) -> Settings:
    """The dataclass with the given values and its own defaults; other names are left alone."""
    return settings(**{name: given[name] for name in declared(settings) if name in given})


def check_range(found: Declared, value: Any) -> None:
    """Check that a value lies within the range of its field; None lies in every range.

    Raises:
        InputError: names the option, the range and what was found.
    """
    within = found.option.within
    if value is not None and within is not None and value not in within:
        raise InputError(f"{found.flag}: expected {within}, found {value}")


def check_ranges(settings: Any) -> None:
    """`check_range` for every declared field."""
    for name, found in declared(type(settings)).items():
        check_range(found, getattr(settings, name))


def from_content(settings: type[Settings], content: Mapping[str, Any], where: str) -> Settings:
    """The settings that a file holds, such as config.yaml; a field that came later may be missing.

    Raises:
        InputError: a field without a default is missing, or a value is not of its field's type.
    """
    values = {}
    for name, found in declared(settings).items():
        if name in content:
            values[name] = _typed(content[name], found.hint, f"{where}: {name}")
        elif found.default is MISSING:
            raise InputError(f"{where}: expected a line for {name}, found none")
    return settings(**values)


def _typed(value: Any, hint: Any, where: str) -> Any:
    """The value, if it is of the type of its field."""
    allowed = get_args(hint)
    if allowed and NoneType not in allowed:
        fits = value in allowed
    else:
        kinds = tuple(allowed) or (hint,)
        # YAML writes 1.0 as 1.0, but a person may write 1.
        kinds += (int,) if float in kinds else ()
        fits = isinstance(value, kinds) and (bool in kinds or not isinstance(value, bool))
    if not fits:
        words = " or ".join(getattr(kind, "__name__", str(kind)) for kind in allowed or (hint,))
        words = words.replace("NoneType", "null")
        raise InputError(f"{where}: expected {words}, found {value!r}")
    return value
