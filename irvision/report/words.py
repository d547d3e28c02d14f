"""Numbers of a run's files as words of a report; what is missing or no number is a dash."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

DASH = "–"


@dataclass(frozen=True)
class Estimate:
    """A number with its 95% interval; each is None where it was not measured."""

    value: float | None
    low: float | None = None
    high: float | None = None


def as_number(value: Any) -> float | None:
    """A finite number, or None for anything else."""
    fits = isinstance(value, int | float) and not isinstance(value, bool)
    return float(value) if fits and math.isfinite(value) else None


def as_content(value: Any) -> Mapping[str, Any]:
    """A JSON object, or an empty one for anything else."""
    return value if isinstance(value, Mapping) else {}


def estimate(value: Any, interval: Any = None) -> Estimate:
    """A number and its interval, as evaluation.json holds them.

    Args:
        value: a number, or an object with `value` and `interval`.
        interval: two numbers.
    """
    if isinstance(value, Mapping):
        value, interval = value.get("value"), value.get("interval")
    ends = interval if isinstance(interval, list | tuple) and len(interval) == 2 else (None, None)
    return Estimate(as_number(value), *map(as_number, ends))


def percent(value: float | None) -> str:
    """0.992 → "99.2%"; all and none only where that is exact."""
    if value is None:
        return DASH
    shown = f"{100 * value:.1f}%"
    if shown == "100.0%":
        return "100%" if value >= 1 else ">99.9%"
    if shown == "0.0%":
        return "0%" if value <= 0 else "<0.1%"
    return shown


def decimal(value: float | None, digits: int = 3, signed: bool = False) -> str:
    """0.76693 → "0.767"; with a sign "+0.767", "−0.767"."""
    if value is None:
        return DASH
    rounded = round(value, digits) + 0.0
    return f"{rounded:{'+' if signed else ''}.{digits}f}".replace("-", "−")


def between(found: Estimate, form: Any = decimal) -> str:
    """The interval, such as "0.763–0.771"; empty without one."""
    if found.low is None or found.high is None:
        return ""
    return f"{form(found.low)}–{form(found.high)}"


def whole(value: Any) -> str:
    """12000 → "12,000"."""
    found = as_number(value)
    return DASH if found is None else f"{found:,.0f}"


def count(number: int, noun: str, nouns: str = "") -> str:
    """A number with its noun: 1 image, 2 images."""
    return f"{number:,} {noun if number == 1 else nouns or noun + 's'}"
