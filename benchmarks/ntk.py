"""The kernel of a wide perceptron: layer by layer, from Jacobians, and by peers, side by side.

    python benchmarks/ntk.py [--quick] [--peer PYTHON] [--out FILE]

Every way runs in a process of its own, after a warm-up on eight samples, on the same weights and
samples in float64; memory is how far the process grew above that by the end of the first run.
PYTHON is an interpreter that has neural-tangents (see `benchmarks/ntk_peer.py`); the kernels of
all ways must agree to 1e-9 of the largest entry.
"""

from __future__ import annotations

import argparse
import json
import platform
import re
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from rich.console import Console
from rich.table import Table
from torch import Tensor, nn
from torch.func import functional_call, jacrev, vmap

from irtheory.propositions.tangent import KernelPlan, empirical_kernel, mlp, plan_kernel
from irtheory.propositions.tangent.networks import Affine

ROOT = Path(__file__).resolve().parents[1]
# samples, inputs, widths of hidden layers, outputs
FULL, QUICK = (256, 12, (1024, 1024), 4), (64, 12, (256, 256), 4)
AGREE = 1e-9
MIB = 2**20


@dataclass(frozen=True)
class Measured:
    """One way to the kernel: seconds, MiB, MiB that its plan announced, error to the first way."""

    way: str
    seconds: float
    memory: float
    planned: float | None
    error: float


def sizes(quick: bool) -> tuple[int, int, tuple[int, ...], int]:
    """The case to measure."""
    return QUICK if quick else FULL


def case(quick: bool) -> tuple[nn.Sequential, np.ndarray]:
    """The network and its samples, random signs."""
    m, inputs, hidden, outputs = sizes(quick)
    x = np.random.default_rng(0).choice([-1.0, 1.0], size=(m, inputs))
    return mlp(inputs, hidden, outputs, seed=0), x


def explicit(module: nn.Module, x: np.ndarray) -> np.ndarray:
    """Every Jacobian at once by torch.func, contracted: what one writes first."""

    def output(parameters: dict[str, Tensor], sample: Tensor) -> Tensor:
        return functional_call(module, parameters, (sample[None],))[0]

    theta = {name: p.detach() for name, p in module.named_parameters()}
    rows = vmap(jacrev(output), in_dims=(None, 0))(theta, torch.as_tensor(x))
    flat = [J.flatten(0, 1).flatten(1) for J in rows.values()]
    return torch.stack([J @ J.T for J in flat]).sum(0).numpy()


def planned(way: str, module: nn.Module, x: np.ndarray) -> KernelPlan | None:
    """How our own ways go about it; none for the explicit one."""
    if way == "explicit":
        return None
    budget = {"layers": 4.0, "jacobians, 1 GiB": 1.0}[way]
    return plan_kernel(module, x, max_memory=budget, method="layers" if budget > 1 else "jacobians")


def peak() -> float:
    """The largest size of this process since `fresh_peak`, MiB (Linux)."""
    found = re.search(r"VmHWM:\s+(\d+)", Path("/proc/self/status").read_text())
    return int(found[1]) / 1024 if found else float("nan")


def fresh_peak() -> float:
    """Forget the peak so far; the size now, MiB."""
    Path("/proc/self/clear_refs").write_text("5")
    return peak()


def child(way: str, quick: bool, out: Path) -> None:
    """Measure one way and write seconds, MiB and the kernel."""
    module, x = case(quick)

    def run(samples: np.ndarray) -> np.ndarray:
        plan = planned(way, module, samples)
        return (
            explicit(module, samples)
            if plan is None
            else empirical_kernel(module, samples, plan=plan)
        )

    run(x[:8])
    before, grown = fresh_peak(), []
    seconds, kernel = [], np.empty(0)
    for _ in range(5 if way == "layers" else 1):
        start = time.perf_counter()
        kernel = run(x)
        seconds.append(time.perf_counter() - start)
        grown.append(peak() - before)
    plan = planned(way, module, x)
    np.savez(
        out,
        kernel=kernel,
        seconds=np.median(seconds),
        memory=grown[0],
        planned=np.nan if plan is None else plan.memory / MIB,
    )


def spawn(command: list[str], out: Path) -> dict[str, np.ndarray]:
    """Run one child; what it wrote."""
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT)
    if done.returncode:
        sys.exit(f"{' '.join(command)}\n{done.stdout}{done.stderr}")
    with np.load(out, allow_pickle=False) as found:
        return dict(found)


def measure(quick: bool, peer: str | None, folder: Path) -> list[Measured]:
    """All ways, one after the other."""
    flags = ["--quick"] if quick else []
    commands = {
        way: [sys.executable, __file__, "--way", way, *flags, "--result"]
        for way in ("layers", "jacobians, 1 GiB", "explicit")
    }
    if peer:
        module, x = case(quick)
        given = folder / "network.npz"
        arrays: dict[str, Any] = {n: p.detach().numpy() for n, p in module.named_parameters()}
        affine = [part for part in module if isinstance(part, Affine)]
        scales = np.array([[part.weight_scale, part.bias_scale] for part in affine])
        np.savez(given, x=x, scales=scales, **arrays)
        script = str(ROOT / "benchmarks" / "ntk_peer.py")
        for way in ("structured", "contraction"):
            commands[f"neural-tangents, {way}"] = [peer, script, way, str(given)]
    rows: list[Measured] = []
    first = np.empty(0)
    for number, (way, command) in enumerate(commands.items()):
        out = folder / f"{number}.npz"
        found = spawn([*command, str(out)], out)
        first = found["kernel"] if not rows else first
        error = float(np.abs(found["kernel"] - first).max() / np.abs(first).max())
        plan = float(found["planned"])
        rows.append(
            Measured(
                way,
                float(found["seconds"]),
                float(found["memory"]),
                None if np.isnan(plan) else plan,
                error,
            )
        )
    return rows


def table(rows: list[Measured]) -> Table:
    """Seconds and memory, and both as multiples of the first row's."""
    shown = Table(box=None)
    for head in ("way", "seconds", "×", "MiB", "×", "planned MiB", "error"):
        shown.add_column(head, justify="left" if head == "way" else "right")
    for row in rows:
        shown.add_row(
            row.way,
            f"{row.seconds:.3f}",
            f"{row.seconds / rows[0].seconds:.1f}",
            f"{row.memory:,.0f}",
            f"{row.memory / rows[0].memory:.1f}",
            "–" if row.planned is None else f"{row.planned:,.0f}",
            f"{row.error:.1e}",
        )
    return shown


def main() -> None:
    """Measure, print, write JSON."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="a small case")
    parser.add_argument("--peer", help="a Python that has neural-tangents")
    parser.add_argument("--out", type=Path, default=ROOT / "benchmarks" / "results" / "ntk.json")
    parser.add_argument("--way", help=argparse.SUPPRESS)
    parser.add_argument("--result", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.way:
        return child(options.way, options.quick, options.result)
    with tempfile.TemporaryDirectory() as folder:
        rows = measure(options.quick, options.peer, Path(folder))
    console = Console()
    console.print(table(rows))
    shape = sizes(options.quick)
    content = {
        "case": dict(zip(("samples", "inputs", "hidden", "outputs"), shape, strict=True)),
        "machine": platform.processor() or platform.machine(),
        "threads": torch.get_num_threads(),
        "ways": [asdict(row) for row in rows],
    }
    options.out.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
    console.print(f"wrote {options.out}")
    worst = max(row.error for row in rows)
    if worst > AGREE:
        sys.exit(f"the kernels differ by {worst:.1e} of the largest entry, expected ≤ {AGREE:g}")


if __name__ == "__main__":
    main()
