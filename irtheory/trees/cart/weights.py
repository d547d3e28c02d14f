"""Checks of the weights of samples."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from jaxtyping import Float


def check_weights(found: npt.ArrayLike, m: int) -> Float[np.ndarray, " m"]:
    """Weights of m samples as float64; one number is that of every sample.

    Raises:
        ValueError: not m finite numbers ≥ 0, or all of them 0.
    """
    raw = np.asarray(found)
    if raw.dtype.kind not in "biuf":
        try:
            raw = raw.astype(np.float64)
        except (TypeError, ValueError):
            raise ValueError(f"sample_weight: expected numbers, found {raw.dtype}") from None
    weight = raw.astype(np.float64)
    if weight.ndim == 0:
        weight = np.full(m, float(weight))
    if weight.shape != (m,):
        raise ValueError(f"sample_weight: expected {m} numbers, found shape {weight.shape}")
    for row in np.flatnonzero(~(np.isfinite(weight) & (weight >= 0)))[:1]:
        found = f"{weight[row]} in row {row}"
        raise ValueError(f"sample_weight: expected finite numbers ≥ 0, found {found}")
    if not weight.any():
        raise ValueError("sample_weight: expected a weight above zero, found that all are zero")
    return weight
