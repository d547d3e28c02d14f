"""Finds equal and nearly equal pictures among the prints of decoded samples."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

import numpy as np
from jaxtyping import Bool, Int, UInt8, UInt64

from irvision.data.pixels.prints import Prints, digests

# Pictures are nearly equal if their hashes differ in at most so many of 64 bits, their mean colours
# on a 4 × 4 grid by at most so many levels, and their grey 16 × 16 images correlate at least so
# much. Saving as JPEG of quality 30 at half the size stays within; different photographs of one
# kind, drawn beetles and handwritten digits do not.
MOST_BITS, MOST_LEVELS, LEAST_CORRELATION = 8, 12, 0.98
# Hashes compared at a time, so that a block of comparisons fits into a few megabytes.
AT_ONCE = 1 << 19
# Every hash is compared with every other one, which takes some seconds for 30,000 samples; for more
# than these it would take minutes.
MOST_COMPARED = 60_000
MOST_PAIRS = 100_000
# Pairs with similar hashes, and of these with similar mean colours, that are looked at, at most:
# small drawings on an empty ground, such as letters, have many of them.
MOST_SIMILAR, MOST_DETAILED = 50_000_000, 2_000_000


def equal_groups(prints: Prints, usable: Bool[np.ndarray, " m"]) -> list[Int[np.ndarray, " n"]]:
    """Rows of each group of two or more usable samples with equal pixels, ascending."""
    groups: dict[str, list[int]] = defaultdict(list)
    named = digests(prints)
    for row in np.flatnonzero(usable).tolist():
        groups[named[row]].append(row)
    return [np.array(rows) for rows in groups.values() if len(rows) > 1]


def near_pairs(
    prints: Prints, usable: Bool[np.ndarray, " m"], limit: int = MOST_PAIRS
) -> Int[np.ndarray, "pairs 2"] | None:
    """Pairs of usable samples that look alike but are not equal, the first row below the second.

    The search ends early where it has found `limit` pairs or looked at so many similar ones
    that it would take minutes.

    Args:
        prints: of the m samples.
        usable: which of them to compare; nearly constant ones all look alike.
        limit: number of pairs.

    Returns:
        The pairs, ordered; None if there are too many samples to compare.
    """
    rows = np.flatnonzero(usable)
    if len(rows) > MOST_COMPARED:
        return None
    some = prints[rows]
    colours = some["thumbnail"].mean((1, 2), dtype=np.float32)
    found, count, similar, detailed = [np.zeros((0, 2), np.int64)], 0, 0, 0
    for first, second in _similar_hashes(some["hash"].astype(np.uint64)):
        similar += len(first)
        near = np.abs(colours[first] - colours[second]).max(1) <= MOST_LEVELS
        first, second = first[near], second[near]
        kept = _look_alike(some, first, second)
        found.append(np.stack([rows[first[kept]], rows[second[kept]]], axis=1))
        count, detailed = count + int(kept.sum()), detailed + len(first)
        if count >= limit or similar >= MOST_SIMILAR or detailed >= MOST_DETAILED:
            break
    return np.concatenate(found)[:limit]


def _similar_hashes(
    hashes: UInt64[np.ndarray, " n"],
) -> Iterator[tuple[Int[np.ndarray, " p"], Int[np.ndarray, " p"]]]:
    """Pairs of positions whose hashes differ in few bits, block by block."""
    step = max(1, AT_ONCE // max(1, len(hashes)))
    for start in range(0, len(hashes), step):
        rest = hashes[start:]
        differing = _bits(rest[:step, None] ^ rest[None])
        first, second = np.nonzero(differing <= MOST_BITS)
        later = first < second
        yield first[later] + start, second[later] + start


def _bits(words: UInt64[np.ndarray, "n p"]) -> UInt8[np.ndarray, "n p"]:
    """Number of ones in each word."""
    if hasattr(np, "bitwise_count"):  # NumPy 2
        return np.bitwise_count(words)
    table = np.array([bin(byte).count("1") for byte in range(256)], np.uint8)
    octets = np.ascontiguousarray(words).view(np.uint8)
    return table[octets].reshape(*words.shape, 8).sum(-1, dtype=np.uint8)


def _look_alike(
    prints: Prints, first: Int[np.ndarray, " p"], second: Int[np.ndarray, " p"]
) -> Bool[np.ndarray, " p"]:
    """Which pairs also agree in their colours and their luminance, but not in every pixel."""
    kept = np.zeros(len(first), dtype=bool)
    # In pieces: many frames of one video give many pairs.
    for start in range(0, len(first), 4096):
        piece = slice(start, start + 4096)
        one, other = prints[first[piece]], prints[second[piece]]
        levels = np.abs(one["thumbnail"].astype(np.int16) - other["thumbnail"]).max((1, 2, 3))
        equal = (one["digest"] == other["digest"]).all(1)
        alike = _correlation(one["grey"], other["grey"]) >= LEAST_CORRELATION
        kept[piece] = (levels <= MOST_LEVELS) & alike & ~equal
    return kept


def _correlation(
    one: UInt8[np.ndarray, "p 16 16"], other: UInt8[np.ndarray, "p 16 16"]
) -> np.ndarray:
    flat = [grey.reshape(len(grey), -1).astype(np.float64) for grey in (one, other)]
    a, b = (grey - grey.mean(1, keepdims=True) for grey in flat)
    norms = np.sqrt((a**2).sum(1) * (b**2).sum(1))
    return (a * b).sum(1) / np.maximum(norms, 1e-9)
