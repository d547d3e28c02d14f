"""Weights of classes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

import numpy as np
from jaxtyping import Float, Int

ClassWeight = Mapping[Any, float] | Literal["balanced"] | None


def by_class(
    setting: ClassWeight,
    classes: np.ndarray,
    label: Int[np.ndarray, " m"],
    weight: Float[np.ndarray, " m"] | None,
) -> Float[np.ndarray, " m"] | None:
    """Weights of the samples times those of their classes.

    Args:
        setting: weights by class, 1 for those not named; or "balanced": every class gets the
            same total weight.
        classes: the labels, ascending.
        label: the class of each sample, as a place in `classes`.
        weight: of the samples; None is 1.

    Raises:
        ValueError: another setting, a class that is not in `classes`, or a weight that is no
            finite number ≥ 0.
    """
    if setting is None:
        return weight
    own = np.ones(len(label)) if weight is None else weight
    if isinstance(setting, str) and setting == "balanced":
        total = np.bincount(label, weights=own, minlength=len(classes))
        present = total > 0
        factor = np.where(present, own.sum() / np.where(present, total, 1) / present.sum(), 0.0)
    elif isinstance(setting, Mapping):
        factor = _factors(setting, classes)
    else:
        raise ValueError(f"class_weight: expected a dict, 'balanced' or None, found {setting!r}")
    product = own * factor[label]
    if not product.any():
        raise ValueError("class_weight: expected a weight above 0, found that all are zero")
    return product


def _factors(setting: Mapping[Any, float], classes: np.ndarray) -> Float[np.ndarray, " k"]:
    place = {label: i for i, label in enumerate(classes.tolist())}
    factor = np.ones(len(classes))
    for label, value in setting.items():
        if label not in place:
            known = ", ".join(map(repr, list(place)[:5]))
            raise ValueError(f"class_weight: expected classes such as {known}, found {label!r}")
        number = isinstance(value, int | float | np.integer | np.floating)
        if not number or not np.isfinite(value) or value < 0:
            found = f"{value!r} for {label!r}"
            raise ValueError(f"class_weight: expected finite numbers ≥ 0, found {found}")
        factor[place[label]] = value
    return factor
