"""Greedy trees on codes side by side with scikit-learn's DecisionTreeRegressor.

    python benchmarks/cart.py [--quick] [--out FILE]

Codes and soft labels of the sizes of four image data sets. Both fit in this process, in
turns; the training losses must agree to 1e-9. scikit-learn has no entropy of soft labels,
so ours is timed alone.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table
from sklearn.tree import DecisionTreeRegressor

from irtheory.trees.cart.fit import fit_cart
from irtheory.trees.compile import warm_up

ROOT = Path(__file__).resolve().parents[1]
# Name, samples, columns, bits a code, classes, depth.
CASES = (
    ("AwA2", 26125, 512, 2, 50, 8),
    ("CUB", 5993, 512, 4, 200, 10),
    ("aPascal", 6340, 256, 2, 20, 7),
    ("aYahoo", 1850, 512, 1, 12, 6),
)
SLOW = 2.0  # seconds of the peer above which it is timed only twice
TURNS = 5


@dataclass(frozen=True)
class Comparison:
    """Least seconds of one case: squared error, ours and scikit-learn's, and our entropy."""

    case: str
    size: str
    depth: int
    ours: float
    ours_one_thread: float
    peer: float
    entropy: float

    @property
    def speedup(self) -> float:
        """The peer's time over ours."""
        return self.peer / self.ours


def soft_labels(m: int, d: int, bits: int, k: int) -> tuple[np.ndarray, np.ndarray]:
    """Codes m × d and the softmax of a random linear map of them, plus noise, m × k."""
    rng = np.random.default_rng([m, d, bits, k])
    codes = rng.integers(0, 2**bits, (m, d)).astype(np.uint8)
    scaled = (codes - codes.mean(axis=0)) / codes.std(axis=0)
    logits = scaled @ rng.normal(size=(d, k)) * 2 / np.sqrt(d) + 0.5 * rng.normal(size=(m, k))
    weights = np.exp(logits - logits.max(axis=1, keepdims=True))
    return codes, weights / weights.sum(axis=1, keepdims=True)


def timed(fit: Callable[[], Any]) -> tuple[float, Any]:
    """Seconds of one call, and its result."""
    start = time.perf_counter()
    result = fit()
    return time.perf_counter() - start, result


def compare(case: str, m: int, d: int, bits: int, k: int, depth: int) -> Comparison:
    """Time one case; AssertionError if the losses differ."""
    codes, targets = soft_labels(m, d, bits, k)
    real = codes.astype(np.float32)
    seconds: dict[str, list[float]] = {"ours": [], "one": [], "peer": [], "entropy": []}
    losses = {}
    for turn in range(TURNS):
        for name, threads in (("ours", None), ("one", 1)):
            spent, tree = timed(
                lambda threads=threads: fit_cart(
                    codes, targets, depth, criterion="squared_error", threads=threads
                )
            )
            seconds[name].append(spent)
            losses[name] = float(((tree.predict(codes) - targets) ** 2).sum())
        seconds["entropy"].append(timed(lambda: fit_cart(codes, targets, depth))[0])
        if turn < 2 or seconds["peer"][0] < SLOW:
            regressor = DecisionTreeRegressor(max_depth=depth, random_state=0)
            spent, fitted = timed(lambda regressor=regressor: regressor.fit(real, targets))
            seconds["peer"].append(spent)
            losses["peer"] = float(((fitted.predict(real) - targets) ** 2).sum())
    assert np.allclose(list(losses.values()), losses["peer"], rtol=1e-9, atol=0), (case, losses)
    least = [min(seconds[name]) for name in ("ours", "one", "peer", "entropy")]
    return Comparison(case, f"{m} × {d}, {bits} bit, k = {k}", depth, *least)


def show(console: Console, compared: list[Comparison]) -> None:
    """Print the table."""
    head = ("case", "size", "depth", "ours", "1 thread", "scikit-learn", "entropy", "speed-up")
    table = Table(*head, title="Seconds, least of several turns")
    for one in compared:
        cells = (*asdict(one).values(), one.speedup)
        table.add_row(*(f"{c:.3g}" if isinstance(c, float) else str(c) for c in cells))
    console.print(table)


def main() -> None:
    """Parse the options, run, and write the results as JSON."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--quick", action="store_true", help="only the two small sizes")
    parser.add_argument("--out", type=Path, default=ROOT / "benchmarks/results/cart.json")
    options = parser.parse_args()
    console = Console()
    spent, _ = timed(warm_up)
    console.print(f"kernels ready after {spent:.1f} s")
    compared = [compare(*case) for case in (CASES[2:] if options.quick else CASES)]
    mean = float(np.exp(np.mean([np.log(one.speedup) for one in compared])))
    show(console, compared)
    console.print(f"geometric mean of the speed-ups: {mean:.1f}")
    results = {
        "cores": os.cpu_count(),
        "python": platform.python_version(),
        "versions": {name: version(name) for name in ("numpy", "numba", "scikit-learn")},
        "compared": [{**asdict(one), "speedup": one.speedup} for one in compared],
        "geometric_mean": mean,
    }
    options.out.parent.mkdir(parents=True, exist_ok=True)
    temporary = options.out.with_suffix(".partial")
    temporary.write_text(json.dumps(results, indent=2) + "\n", encoding="utf-8")
    temporary.replace(options.out)


if __name__ == "__main__":
    main()
