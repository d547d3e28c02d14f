"""Exact trees side by side with pystreed, and warm sequences against cold solves.

    python benchmarks/exact_trees.py [--quick] [--out FILE] [--data DIR]

Both solvers run in this process, on the same data, with compiled kernels, one after the
other; "face" is OptimalTreeRegressor. Every pair of losses must agree to 1e-9, every warm
solve must be proven optimal.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from pystreed import STreeDRegressor
from rich.console import Console
from rich.table import Table

from irtheory.trees.compile import warm_up
from irtheory.trees.estimators import OptimalTreeRegressor
from irtheory.trees.exact.solver import ExactFit, ExactTreeSolver, fit_exact_tree

ROOT = Path(__file__).resolve().parents[1]
SIZES = ((500, 32), (1000, 64), (2000, 64), (500, 128), (2000, 128))
FILES = ("anneal", "vote", "mushroom")
SEQUENCES = (
    (500, 32, 4, 3),
    (500, 32, 8, 4),
    (1000, 64, 4, 3),
    (1000, 64, 8, 4),
    (2000, 64, 4, 3),
    (2000, 128, 4, 3),
)
SLOW = 5.0  # seconds above which a case is timed once instead of thrice
STEPS = 300


@dataclass(frozen=True)
class Comparison:
    """Seconds of one problem: ours with one and eight outputs, pystreed and the face with one."""

    case: str
    depth: int
    ours: float
    ours_8: float
    pystreed: float
    face: float

    @property
    def to_peer(self) -> float:
        """Our time over the peer's."""
        return self.ours / self.pystreed

    @property
    def face_to_peer(self) -> float:
        """Our time through scikit-learn's interface over the peer's."""
        return self.face / self.pystreed

    @property
    def to_one_output(self) -> float:
        """Our time with eight outputs over that with one."""
        return self.ours_8 / self.ours


@dataclass(frozen=True)
class Sequence:
    """Seconds of a cold solve and of the median warm step of one gradient descent."""

    case: str
    depth: int
    cold: float
    step: float
    slowest_step: float
    optimal: bool

    @property
    def ratio(self) -> float:
        """Median warm step over cold solve."""
        return self.step / self.cold


def planted(rng: np.random.Generator, codes: np.ndarray, k: int) -> np.ndarray:
    """Values of a random tree of depth 3 on the first columns, plus noise of sd 0.5."""
    leaf = codes[:, 0] * 4 + np.where(codes[:, 0], codes[:, 1], codes[:, 2]) * 2 + codes[:, 3]
    return rng.normal(size=(8, k))[leaf] + 0.5 * rng.normal(size=(len(codes), k))


def problems(data: Path) -> Iterator[tuple[str, np.ndarray, np.ndarray]]:
    """(name, codes m × n, targets m × 8) of every case."""
    for m, n in SIZES:
        rng = np.random.default_rng([m, n])
        codes = rng.integers(0, 2, (m, n))
        yield f"noise {m} × {n}", codes, rng.normal(size=(m, 8))
        yield f"planted {m} × {n}", codes, planted(rng, codes, 8)
    for name in FILES:
        codes = np.loadtxt(data / f"{name}.txt", dtype=int)[:, 1:]
        rng = np.random.default_rng(0)
        linear = codes @ rng.normal(size=(codes.shape[1], 8))
        yield (
            f"{name} {len(codes)} × {codes.shape[1]}",
            codes,
            linear + rng.normal(size=linear.shape),
        )


def best_of_three(solve: Callable[[], Any]) -> tuple[float, Any]:
    """Least seconds of three calls (of one, if that is slow) and the last result."""
    seconds, result = [], None
    for _ in range(3):
        start = time.perf_counter()
        result = solve()
        seconds.append(time.perf_counter() - start)
        if seconds[0] > SLOW:
            break
    return min(seconds), result


def peer(depth: int) -> STreeDRegressor:
    """Pystreed on the same class of trees."""
    return STreeDRegressor(
        optimization_task="regression", max_depth=depth, max_num_nodes=2**depth - 1
    )


def compare(case: str, codes: np.ndarray, targets: np.ndarray, depth: int) -> Comparison:
    """Time both solvers on one problem; AssertionError if their losses differ."""
    single = targets[:, 0]
    ours, fit = best_of_three(lambda: fit_exact_tree(codes, single, depth))
    ours_8, _ = best_of_three(lambda: fit_exact_tree(codes, targets, depth))
    theirs, model = best_of_three(lambda: peer(depth).fit(codes, single))
    face, ours_again = best_of_three(lambda: OptimalTreeRegressor(depth).fit(codes, single))
    assert ours_again.tree_ == fit.tree, f"{case}, depth {depth}: the face finds another tree"
    loss = float(((model.predict(codes) - single) ** 2).sum())
    assert abs(fit.loss - loss) <= 1e-9 * loss, f"{case}, depth {depth}: {fit.loss} and {loss}"
    return Comparison(case, depth, ours, ours_8, theirs, face)


def descend(
    codes: np.ndarray, labels: np.ndarray, solve: Callable[[np.ndarray], ExactFit]
) -> Iterator[tuple[float, ExactFit, np.ndarray]]:
    """Alternate gradient steps on Q(θ, ω), squared loss and linear G, with exact trees.

    Yields seconds, fit and targets of every tree. The step is 0.9/β, β = 4 λ_max(ΦᵀΦ)/m.
    """
    m = len(codes)
    phi = np.column_stack([np.ones(m), 2 * codes - 1])
    beta = 4 * np.linalg.eigvalsh(phi.T @ phi / m)[-1]
    shape = (phi.shape[1], labels.shape[1])
    theta = 0.3 * np.random.default_rng(0).normal(size=shape)
    for _ in range(STEPS):
        outputs = phi @ theta
        start = time.perf_counter()
        fit = solve(outputs)
        yield time.perf_counter() - start, fit, outputs
        theta -= 0.9 / beta * 2 / m * (phi.T @ (2 * outputs - labels - fit.predictions))


def follow(m: int, n: int, k: int, depth: int) -> Sequence:
    """Solve one sequence warm, and its first problem cold."""
    codes = np.random.default_rng([m, n, k]).integers(0, 2, (m, n))
    leaf = codes[:, 0] * 4 + np.where(codes[:, 0], codes[:, 1], codes[:, 2]) * 2 + codes[:, 3]
    steps = list(descend(codes, np.eye(k)[leaf % k], ExactTreeSolver(codes, depth).solve))
    cold, _ = best_of_three(lambda: fit_exact_tree(codes, steps[0][2], depth))
    seconds = np.array([step[0] for step in steps[10:]])
    optimal = all(step[1].status == "optimal" for step in steps)
    assert optimal, f"{m} × {n}, k = {k}, depth {depth}: a step was not proven optimal"
    step, slowest = float(np.median(seconds)), float(seconds.max())
    return Sequence(f"{m} × {n}, k = {k}", depth, cold, step, slowest, optimal)


def geometric_mean(ratios: list[float]) -> float:
    """Exponential of the mean logarithm."""
    return float(np.exp(np.mean(np.log(ratios))))


def environment() -> dict[str, Any]:
    """Processor, cores and versions."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    models = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return {
        "cpu": models[0] if models else platform.processor(),
        "cores": os.cpu_count(),
        "python": platform.python_version(),
        "versions": {name: version(name) for name in ("numpy", "numba", "llvmlite", "pystreed")},
    }


def show(console: Console, title: str, head: tuple[str, ...], rows: list[tuple]) -> None:
    """Print rows as a table, numbers to three significant digits."""
    table = Table(*head, title=title)
    for row in rows:
        table.add_row(*(f"{cell:.3g}" if isinstance(cell, float) else str(cell) for cell in row))
    console.print(table)


def is_quick(depth: int, columns: int) -> bool:
    """Whether all solvers need less than about ten seconds in all."""
    return depth == 3 or columns <= 32


def run(quick: bool, data: Path, console: Console) -> dict[str, Any]:
    """Run every case (the quick ones, if asked), print the tables, return what to write."""
    compared = []
    for (case, codes, targets), depth in ((p, d) for p in problems(data) for d in (3, 4)):
        if not quick or is_quick(depth, codes.shape[1]):
            compared.append(compare(case, codes, targets, depth))
            console.print(f"{case}, depth {depth}: {compared[-1].to_peer:.3f} of pystreed's time")
    followed = []
    for m, n, k, depth in SEQUENCES:
        if not quick or is_quick(depth, n):
            followed.append(follow(m, n, k, depth))
            console.print(f"{followed[-1].case}, depth {depth}: step/cold {followed[-1].ratio:.4f}")
    means = {
        "ours / pystreed": geometric_mean([c.to_peer for c in compared]),
        "face / pystreed": geometric_mean([c.face_to_peer for c in compared]),
        "face / fit_exact_tree": geometric_mean([c.face / c.ours for c in compared]),
        "eight outputs / one": geometric_mean([c.to_one_output for c in compared]),
        "warm step / cold": geometric_mean([s.ratio for s in followed]),
    }
    show(
        console,
        "Seconds, best of three",
        (
            *("case", "depth", "ours, k=1", "ours, k=8", "pystreed", "face, k=1"),
            *("ours/pystreed", "face/pystreed", "k=8 / k=1"),
        ),
        [(*asdict(c).values(), c.to_peer, c.face_to_peer, c.to_one_output) for c in compared],
    )
    show(
        console,
        f"Seconds, {STEPS} gradient steps",
        ("case", "depth", "cold", "median step", "slowest step", "all optimal", "step/cold"),
        [(*asdict(s).values(), s.ratio) for s in followed],
    )
    show(console, "Geometric means", ("ratio", "value"), list(means.items()))
    return {
        "environment": environment(),
        "quick": quick,
        "compared": [asdict(c) for c in compared],
        "sequences": [asdict(s) for s in followed],
        "geometric_means": means,
    }


def main() -> None:
    """Parse the options, run, and write the results as JSON."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--quick", action="store_true", help="skip what takes over 10 s")
    parser.add_argument("--out", type=Path, default=ROOT / "benchmarks/results/exact_trees.json")
    parser.add_argument("--data", type=Path, default=ROOT / "../shared/data/binary")
    options = parser.parse_args()
    console = Console()
    console.print(f"kernels ready after {warm_up():.1f} s")
    results = run(options.quick, options.data, console)
    options.out.parent.mkdir(parents=True, exist_ok=True)
    temporary = options.out.with_suffix(".partial")
    temporary.write_text(json.dumps(results, indent=2) + "\n", encoding="utf-8")
    temporary.replace(options.out)
    console.print(f"wrote {options.out}")


if __name__ == "__main__":
    main()
