"""Checks of settings that the estimators share."""

from __future__ import annotations

from typing import Any

import numpy as np


def check_alpha(found: Any) -> None:
    """Refuse a `ccp_alpha` that is no finite number ≥ 0 (ValueError)."""
    if not _is_number(found) or not np.isfinite(found) or found < 0:
        raise ValueError(f"ccp_alpha: expected a finite number ≥ 0, found {found!r}")


def check_share(name: str, found: Any) -> None:
    """Refuse a share that is no number from 0 to ½ (ValueError)."""
    if not _is_number(found) or not 0 <= found <= 0.5:
        raise ValueError(f"{name}: expected a number from 0 to 0.5, found {found!r}")


def _is_number(found: Any) -> bool:
    return isinstance(found, int | float | np.integer | np.floating) and not isinstance(found, bool)


def check_choice(name: str, found: Any, choices: tuple[str, ...]) -> None:
    """Refuse a setting that is not one of some words (ValueError)."""
    if not isinstance(found, str) or found not in choices:
        expected = " or ".join(map(repr, choices))
        raise ValueError(f"{name}: expected {expected}, found {found!r}")
