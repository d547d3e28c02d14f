"""Exact trees for a sequence of targets: warm steps against cold solves.

    python benchmarks/exact_sequences.py [--quick] [--out FILE]

Gradient descent on Q(θ, ω) asks for the best tree after every step. Every warm solve must be
proven optimal.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from exact_report import ROOT, environment, geometric_mean, show, write_json
from rich.console import Console

from irtheory.trees.compile import warm_up
from irtheory.trees.exact.solver import ExactFit, ExactTreeSolver, fit_exact_tree

SEQUENCES = (
    (500, 32, 4, 3),
    (500, 32, 8, 4),
    (1000, 64, 4, 3),
    (1000, 64, 8, 4),
    (2000, 64, 4, 3),
    (2000, 128, 4, 3),
)
STEPS = 300


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


def best_of_three(solve: Callable[[], ExactFit]) -> float:
    """Least seconds of three calls."""
    seconds = []
    for _ in range(3):
        start = time.perf_counter()
        solve()
        seconds.append(time.perf_counter() - start)
    return min(seconds)


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
    cold = best_of_three(lambda: fit_exact_tree(codes, steps[0][2], depth))
    seconds = np.array([step[0] for step in steps[10:]])
    optimal = all(step[1].status == "optimal" for step in steps)
    assert optimal, f"{m} × {n}, k = {k}, depth {depth}: a step was not proven optimal"
    step, slowest = float(np.median(seconds)), float(seconds.max())
    return Sequence(f"{m} × {n}, k = {k}", depth, cold, step, slowest, optimal)


def main() -> None:
    """Parse the options, run, and write the results as JSON."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--quick", action="store_true", help="depth 3 and the smallest case")
    parser.add_argument(
        "--out", type=Path, default=ROOT / "benchmarks/results/exact_sequences.json"
    )
    options = parser.parse_args()
    console = Console()
    console.print(f"kernels ready after {warm_up():.1f} s")
    followed = []
    for m, n, k, depth in SEQUENCES:
        if not options.quick or depth == 3 or n <= 32:
            followed.append(follow(m, n, k, depth))
            console.print(f"{followed[-1].case}, depth {depth}: step/cold {followed[-1].ratio:.4f}")
    show(
        console,
        f"Seconds, {STEPS} gradient steps",
        ("case", "depth", "cold", "median step", "slowest step", "all optimal", "step/cold"),
        [(*asdict(s).values(), s.ratio) for s in followed],
    )
    mean = geometric_mean([s.ratio for s in followed])
    console.print(f"geometric mean of step/cold: {mean:.4f}")
    sequences = [asdict(s) for s in followed]
    results = {"environment": environment(), "sequences": sequences, "step/cold": mean}
    write_json(options.out, results)
    console.print(f"wrote {options.out}")


if __name__ == "__main__":
    main()
