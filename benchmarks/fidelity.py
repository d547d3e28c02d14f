"""Feature fidelity at the size of CUB-200-2011 with 512 codes of 4 bits: seconds and memory.

    python benchmarks/fidelity.py [--quick] [--out FILE]

Every case runs in a process of its own, so that its peak of resident memory is its own; the peak
is over what is resident once the input is made. Cases: the features u = (u¹ ‖ 1 − u¹) that the
binarisation gives, the same with every row shuffled (no structure to use), and within-class
recovery at the size of aPascal with 1280 units.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import platform
import resource
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path

import numpy as np
import torch
from rich.console import Console
from rich.table import Table

from irtheory.fidelity import feature_fidelity, within_class_recovery

ROOT = Path(__file__).resolve().parents[1]
SAMPLES, ATTRIBUTES, CODES, LEVELS = 5794, 312, 512, 16
QUICK_SAMPLES = 600
MIB = 2**10  # ru_maxrss is in KiB on Linux


@dataclass(frozen=True)
class Timing:
    """One call: wall-clock and processor seconds, and peak memory above the input in MiB."""

    case: str
    seconds: float
    processor_seconds: float
    peak_mib: float


def binarised(m: int, shuffled: bool) -> tuple[np.ndarray, np.ndarray]:
    """Attributes m × 312 and features m × 16384, (u¹ ‖ 1 − u¹) or with every row shuffled."""
    rng = np.random.default_rng(0)
    attributes = (rng.random((m, ATTRIBUTES)) < 0.2).astype(np.uint8)
    codes = rng.integers(0, LEVELS, (m, CODES), dtype=np.uint8)
    half = CODES * LEVELS
    u = np.empty((m, 2 * half), dtype=np.uint8)
    np.equal(codes[:, :, None], np.arange(LEVELS), out=u[:, :half].reshape(m, CODES, LEVELS))
    np.subtract(1, u[:, :half], out=u[:, half:])
    return attributes, rng.permuted(u, axis=1, out=u) if shuffled else u


def score(m: int, shuffled: bool, null_draws: int) -> Callable[[], object]:
    """The score, with or without a null."""
    attributes, u = binarised(m, shuffled)
    return lambda: feature_fidelity(attributes, u, null_draws=null_draws)


def within(m: int, bits: int | None) -> Callable[[], object]:
    """Within-class recovery of 64 attributes from 1280 units in 20 classes of unequal size."""
    rng = np.random.default_rng(0)
    share = rng.beta(0.3, 1.5, (20, 64))
    halves = []
    for _ in range(2):
        y = rng.choice(20, m, p=np.arange(1, 21) / 210)
        v = rng.normal(size=(m, 1280)) if bits is None else rng.integers(0, 2**bits, (m, 1280))
        halves += [(rng.random((m, 64)) < share[y]).astype(float), y, v]
    return lambda: within_class_recovery(*halves, bits=bits)


def cases(m: int) -> dict[str, Callable[[], Callable[[], object]]]:
    """What makes the input of each case and gives the call to time."""
    return {
        "score, (u, 1 - u)": lambda: score(m, False, 0),
        "score and 20 null draws, (u, 1 - u)": lambda: score(m, False, 20),
        "score, unpaired columns": lambda: score(m, True, 0),
        "score and 20 null draws, unpaired columns": lambda: score(m, True, 20),
        "within-class, 1280 reals": lambda: within(m, None),
        "within-class, 1280 codes of 2 bits": lambda: within(m, 2),
    }


def peak() -> float:
    """Peak resident memory of this process so far, MiB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / MIB


def resident() -> float:
    """Resident memory of this process now, MiB (Linux)."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize() / 2**20


def measure(case: str, m: int) -> Timing:
    """Time one case, after a small call that loads what is loaded once."""
    score(50, False, 2)()
    call = cases(m)[case]()
    before = resident()
    wall, processor = time.perf_counter(), time.process_time()
    call()
    return Timing(
        case, time.perf_counter() - wall, time.process_time() - processor, peak() - before
    )


def measure_apart(case: str, m: int) -> Timing:
    """`measure` in a fresh process."""
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return pool.apply(measure, (case, m))


def environment() -> dict[str, object]:
    """What the numbers depend on."""
    return {
        "python": platform.python_version(),
        "machine": platform.machine(),
        "cores": os.cpu_count(),
        "threads": torch.get_num_threads(),
        **{name: version(name) for name in ("numpy", "torch")},
    }


def main() -> None:
    """Run all cases, print the table and write the JSON."""
    parser = argparse.ArgumentParser(description="Time feature fidelity.")
    parser.add_argument("--quick", action="store_true", help=f"{QUICK_SAMPLES} samples only")
    parser.add_argument("--out", type=Path, default=ROOT / "benchmarks/results/fidelity.json")
    options = parser.parse_args()
    m = QUICK_SAMPLES if options.quick else SAMPLES
    table = Table("case", "seconds", "processor s", "peak MiB over input", title=f"{m} samples")
    timings = []
    for case in cases(m):
        timing = measure_apart(case, m)
        timings.append(asdict(timing))
        table.add_row(
            case,
            f"{timing.seconds:.2f}",
            f"{timing.processor_seconds:.2f}",
            f"{timing.peak_mib:.0f}",
        )
    Console().print(table)
    results = {"environment": environment(), "samples": m, "timings": timings}
    options.out.write_text(json.dumps(results, indent=2) + "\n")


if __name__ == "__main__":
    main()
