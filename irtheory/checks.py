"""Checks of arguments that every part of the package shares."""

from __future__ import annotations

import operator
from typing import Any


def check_whole(name: str, found: Any, least: int, most: int | None = None) -> int:
    """Return `found` as an int; numpy's whole numbers are accepted, booleans are not.

    Raises:
        ValueError: `found` is no whole number, or is below `least` or above `most`.
    """
    try:
        number = operator.index(found)
    except TypeError:
        number = None
    too_large = most is not None and number is not None and number > most
    if isinstance(found, bool) or number is None or number < least or too_large:
        bounds = f"≥ {least}" if most is None else f"from {least} to {most}"
        raise ValueError(f"{name}: expected a whole number {bounds}, found {found!r}")
    return number
