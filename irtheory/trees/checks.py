"""Checks of codes and targets that the exact, greedy and refining searches share."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from jaxtyping import Float

# Sums of squares must stay well below the 1e300 that stands for "not allowed" in the kernels.
LARGEST_TARGET = 1e140


def check_codes(codes: npt.ArrayLike, low: int, high: int, dtype: type[np.generic]) -> np.ndarray:
    """Codes [m, n] in `dtype`, which must hold every whole number from `low` to `high`.

    Raises:
        ValueError: not two-dimensional, empty, not finite, not whole, or outside the range.
    """
    codes = np.asarray(codes)
    if codes.ndim != 2 or codes.size == 0:
        raise ValueError(f"codes: expected samples × features, found shape {codes.shape}")
    if codes.dtype.kind not in "biuf":
        raise ValueError(f"codes: expected whole numbers, found dtype {codes.dtype}")
    if codes.dtype.kind == "f" and not np.isfinite(codes).all():
        raise ValueError("codes: expected finite whole numbers, found NaN or infinity")
    if codes.dtype not in (np.uint8, np.bool_):  # these are in both searches' range
        for extreme in (codes.min(), codes.max()):
            if not low <= extreme <= high:
                raise ValueError(f"codes: expected {low} … {high}, found {extreme}")
    if codes.dtype.kind == "f" and (codes != np.rint(codes)).any():
        raise ValueError("codes: expected whole numbers, found fractions; bin floats first")
    return _as_kernels_read(codes, dtype)


def check_targets(targets: npt.ArrayLike, m: int) -> Float[np.ndarray, "m k"]:
    """Targets as float64 [m, k]; a vector becomes one column.

    Raises:
        ValueError: no finite numbers below 1e140 in size (`LARGEST_TARGET`), or not m rows.
    """
    targets = np.asarray(targets)
    if targets.dtype.kind not in "biuf":
        raise ValueError(f"targets: expected numbers, found dtype {targets.dtype}")
    targets = _as_kernels_read(targets, np.float64)
    if targets.ndim == 1:
        targets = targets[:, None]
    if targets.ndim != 2 or len(targets) != m or targets.shape[1] == 0:
        raise ValueError(f"targets: expected {m} × k numbers, found shape {targets.shape}")
    largest = max(-targets.min(), targets.max())
    if not largest < LARGEST_TARGET:  # also true for NaN
        raise ValueError(f"targets: expected finite numbers below 1e140, found {largest}")
    return targets


def check_distributions(targets: Float[np.ndarray, "m k"]) -> None:
    """ValueError where a row is negative somewhere or does not sum to 1 within 1e-6."""
    if targets.min() < 0:
        row, column = np.argwhere(targets < 0)[0]
        found = f"{targets[row, column]} in row {row}"
        raise ValueError(f"targets: expected no negative share for entropy, found {found}")
    total = targets.sum(axis=1)
    if (off := np.abs(total - 1)).max() > 1e-6:
        row = int(np.argmax(off > 1e-6))
        found = f"{total[row]} in row {row}"
        raise ValueError(f"targets: expected rows that sum to 1 for entropy, found {found}")


def check_weights(weights: npt.ArrayLike, m: int) -> Float[np.ndarray, " m"]:
    """Weights of m samples as float64.

    Raises:
        ValueError: not m finite numbers ≥ 0 below 1e140, or all of them below 1e-140.
    """
    weights = np.asarray(weights)
    if weights.dtype.kind not in "biuf" or weights.shape != (m,):
        found = f"dtype {weights.dtype}, shape {weights.shape}"
        raise ValueError(f"sample_weight: expected {m} numbers, found {found}")
    weights = _as_kernels_read(weights, np.float64)
    wrong = np.flatnonzero(~((weights >= 0) & (weights < LARGEST_TARGET)))
    if len(wrong):
        found = f"{weights[wrong[0]]} for sample {wrong[0]}"
        raise ValueError(f"sample_weight: expected finite weights ≥ 0, found {found}")
    if not (largest := weights.max()) >= 1 / LARGEST_TARGET:
        found = "only 0" if largest == 0 else f"at most {largest}"
        raise ValueError(f"sample_weight: expected a weight of at least 1e-140, found {found}")
    return weights


def _as_kernels_read(array: np.ndarray, dtype: type[np.generic]) -> np.ndarray:
    """The array in rows and writable: numba compiles kernels anew for other layouts."""
    return np.require(array, dtype, ["C", "W"])
