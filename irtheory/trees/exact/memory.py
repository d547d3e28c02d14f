"""What a search allocates, planned before anything is allocated."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

# Share of the free memory that a search may take where no limit is given.
_SHARE = 0.6
_ALWAYS = 2**26
_NUMBER = 8  # bytes

Way = Literal["direct", "lattice", "branch"]


@dataclass(frozen=True)
class Plan:
    """How a search is done within the memory allowed.

    Attributes:
        way: "direct" for depths 0 to 2; "lattice" solves the small problems of all pairs of
            literals (depths 3 and 4); "branch" solves the halves of every root test one level
            lower, which takes less memory and more time, at any depth.
        reach: depth of the small problems that a greedy tree is made of: 2, or 1 where the sums
            of all pairs of tests do not fit.
        threads: threads of the search.
    """

    way: Way
    reach: int
    threads: int


def _fits(needed: float, allowed: int | None) -> bool:
    """Whether a search may allocate so many bytes; without a limit, a share of the free memory."""
    # What is free is read from a file: not for what every machine has.
    return (allowed is None and needed <= _ALWAYS) or needed <= _limit(allowed)


def _limit(allowed: int | None) -> int:
    return default_memory() if allowed is None else allowed


def _said(size: float) -> str:
    """A number of bytes for a message."""
    return f"{size / 2**20:,.1f} MiB" if size >= 2**20 else f"{size / 2**10:,.1f} KiB"


def default_memory() -> int:
    """Bytes that a search may allocate if no limit is given, a share of the free memory."""
    try:
        lines = Path("/proc/meminfo").read_text(encoding="ascii").splitlines()
        free = next(int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvail"))
    except (OSError, StopIteration, ValueError):
        free = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return int(_SHARE * free)


def bytes_of_statistics(p: int, width: int, pairs: bool = True) -> int:
    """Bytes of the sums of one node for p tests and rows of `width` doubles."""
    n_pairs = p * (p - 1) // 2 if pairs else 0
    return _NUMBER * ((n_pairs + p + 1) * (1 + width) + p)


def bytes_of_tests(m: int, p: int) -> int:
    """Bytes that p tests on m samples take at most while they are arranged for the kernels."""
    # A boolean and a byte for each bit, its packed copies, and two lists of the bits that are
    # on, at most half of all, with eight bytes an entry.
    return m * p * (2 + 1 + _NUMBER)


def check_tests(m: int, p: int, allowed: int | None) -> None:
    """ValueError if p tests on m samples need more than `allowed` bytes."""
    if not _fits(needed := bytes_of_tests(m, p), allowed):
        raise ValueError(
            f"max_memory: {p} tests on {m} samples need about {_said(needed)}, found"
            f" {_said(_limit(allowed))}; fewer bins or columns need less"
        )


def plan_search(p: int, depth: int, width: int, threads: int, allowed: int | None) -> Plan:
    """Choose the fastest way that needs at most `allowed` bytes.

    Raises:
        ValueError: not even single sums of the tests fit; names max_memory and the number.
    """
    pairs, singles = bytes_of_statistics(p, width), bytes_of_statistics(p, width, False)
    if not _fits(2 * singles, allowed):
        raise ValueError(
            f"max_memory: sums of {width} numbers for {p} tests need at least"
            f" {_said(2 * singles)}, found {_said(_limit(allowed))}"
        )
    reach = 2 if _fits(pairs, allowed) else 1
    if depth <= 2:
        return Plan("direct" if depth < 2 or reach == 2 else "branch", reach, 1)
    lattice = _NUMBER * 3 * (2 * p) ** 2 + 2 * p * p
    for used in range(threads, 0, -1) if depth <= 4 else ():
        stacked = pairs * (1 + 2 * used) if depth == 3 else pairs * (1 + p + 5 * used)
        if _fits(lattice + stacked, allowed):
            return Plan("lattice", 2, used)
    return Plan("branch", reach, threads)
