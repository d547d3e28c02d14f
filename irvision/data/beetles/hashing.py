"""Counter-based random numbers: the same on every machine and with every version of NumPy."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Words = npt.NDArray[np.uint64]

MASK = 2**64 - 1
STEP = 0x9E3779B97F4A7C15
FACTORS = (0xBF58476D1CE4E5B9, 0x94D049BB133111EB)


def words(n: int, *key: int) -> Words:
    """`n` uniform 64-bit words, determined by the integers in `key` (splitmix64)."""
    start = 0
    for part in key:
        start = _mixed((start + part * STEP + STEP) & MASK)
    counted = np.arange(1, n + 1, dtype=np.uint64) * np.uint64(STEP) + np.array([start], np.uint64)
    for shift, factor in zip((30, 27), FACTORS, strict=True):
        counted ^= counted >> np.uint64(shift)
        counted *= np.uint64(factor)
    return counted ^ (counted >> np.uint64(31))


def uniforms(n: int, *key: int) -> npt.NDArray[np.float64]:
    """`n` numbers in [0, 1), multiples of 2^-53."""
    return (words(n, *key) >> np.uint64(11)).astype(np.float64) * 2.0**-53


def _mixed(word: int) -> int:
    for shift, factor in zip((30, 27), FACTORS, strict=True):
        word = ((word ^ (word >> shift)) * factor) & MASK
    return word ^ (word >> 31)
