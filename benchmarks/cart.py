"""Greedy trees on codes side by side with scikit-learn's DecisionTreeRegressor.

    python benchmarks/cart.py [--quick] [--out FILE]

Codes and soft labels of the sizes of four image data sets. Both fit in this process, in
turns; the training losses must agree to 1e-9. scikit-learn has no entropy of soft labels,
so ours is timed alone. The face is CodeTreeRegressor, on bytes and on float64; it must find
the tree that fit_cart finds. "float bins" are float64 with all values different.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table
from sklearn.tree import DecisionTreeRegressor

from irtheory.trees.cart.fit import fit_cart
from irtheory.trees.compile import warm_up
from irtheory.trees.estimators import CodeTreeRegressor

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
    """Least seconds of one case.

    Squared error with fit_cart (all threads and one) and scikit-learn; our entropy; squared
    error through the face, on bytes, on float64 codes and on float64 that must be binned.
    """

    case: str
    size: str
    depth: int
    ours: float
    ours_one_thread: float
    peer: float
    entropy: float
    face: float
    face_float64: float
    face_binned: float

    @property
    def ratios(self) -> dict[str, float]:
        """The peer's time over ours, the face's over ours, the peer's over the face's."""
        return {
            "speedup": self.peer / self.ours,
            "face / fit_cart": self.face / self.ours,
            "speedup_through_the_face": self.peer / self.face,
        }


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
    """Time one case; AssertionError if the losses or our trees differ."""
    codes, targets = soft_labels(m, d, bits, k)
    real = codes.astype(np.float32)
    whole = codes.astype(np.float64)
    all_different = codes + np.random.default_rng(0).normal(size=codes.shape)
    own = partial(fit_cart, codes, targets, depth, criterion="squared_error")
    fits: dict[str, Callable[[], Any]] = {
        "ours": own,
        "one": lambda: own(threads=1),
        "peer": lambda: DecisionTreeRegressor(max_depth=depth, random_state=0).fit(real, targets),
        "entropy": lambda: fit_cart(codes, targets, depth),
        "face": lambda: face(depth).fit(codes, targets),
        "face_float64": lambda: face(depth).fit(whole, targets),
        "face_binned": lambda: face(depth).fit(all_different, targets),
    }
    seconds: dict[str, list[float]] = {name: [] for name in fits}
    fitted: dict[str, Any] = {}
    for turn in range(TURNS):
        for name, fit in fits.items():
            if turn < 2 or name != "peer" or seconds["peer"][0] < SLOW:
                spent, fitted[name] = timed(fit)
                seconds[name].append(spent)
    trees = [fitted["one"], fitted["face"].tree_, fitted["face_float64"].tree_]
    assert all(tree == fitted["ours"] for tree in trees), case
    losses = [
        float(((model.predict(x) - targets) ** 2).sum())
        for model, x in ((fitted["ours"], codes), (fitted["peer"], real))
    ]
    assert np.isclose(*losses, rtol=1e-9, atol=0), (case, losses)
    least = [min(each) for each in seconds.values()]
    return Comparison(case, f"{m} × {d}, {bits} bit, k = {k}", depth, *least)


def face(depth: int) -> CodeTreeRegressor:
    """Our tree with scikit-learn's interface."""
    return CodeTreeRegressor(max_depth=depth)


def show(console: Console, compared: list[Comparison]) -> None:
    """Print the seconds of the searches, and those through the face."""
    head = ("case", "size", "depth", "ours", "1 thread", "scikit-learn", "entropy", "speed-up")
    searches = Table(*head, title="Seconds, least of several turns")
    through = ("case", "face", "float64", "float bins", "face / fit_cart", "speed-up")
    faces = Table(*through, title="Seconds through the face")
    for one in compared:
        seconds, ratios = list(asdict(one).values()), list(one.ratios.values())
        for table, cells in (
            (searches, [*seconds[:-3], ratios[0]]),
            (faces, [one.case, *seconds[-3:], *ratios[1:]]),
        ):
            table.add_row(*(f"{c:.3g}" if isinstance(c, float) else str(c) for c in cells))
    console.print(searches, faces)


def geometric_means(compared: list[Comparison]) -> dict[str, float]:
    """Of each ratio, over the cases."""
    return {
        name: float(np.exp(np.mean([np.log(one.ratios[name]) for one in compared])))
        for name in compared[0].ratios
    }


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
    means = geometric_means(compared)
    show(console, compared)
    for name, mean in means.items():
        console.print(f"geometric mean, {name}: {mean:.3g}")
    results = {
        "cores": os.cpu_count(),
        "python": platform.python_version(),
        "versions": {name: version(name) for name in ("numpy", "numba", "scikit-learn")},
        "compared": [{**asdict(one), **one.ratios} for one in compared],
        "geometric_means": means,
    }
    options.out.parent.mkdir(parents=True, exist_ok=True)
    temporary = options.out.with_suffix(".partial")
    temporary.write_text(json.dumps(results, indent=2) + "\n", encoding="utf-8")
    temporary.replace(options.out)


if __name__ == "__main__":
    main()
