"""What the benchmarks of exact trees print and write: tables, means, the machine, JSON."""

from __future__ import annotations

import json
import os
import platform
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = (
    *("numpy", "numba", "llvmlite", "scikit-learn"),
    *("pystreed", "pytrees-rs", "licketysplit", "imodels"),
)


def geometric_mean(ratios: list[float]) -> float:
    """Exponential of the mean logarithm; NaN for no ratios."""
    return float(np.exp(np.mean(np.log(ratios)))) if ratios else float("nan")


def installed(name: str) -> str:
    """Version of a package, or "not installed"."""
    try:
        return version(name)
    except PackageNotFoundError:
        return "not installed"


def environment() -> dict[str, Any]:
    """Processor, cores and versions."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    models = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return {
        "cpu": models[0] if models else platform.processor(),
        "cores": os.cpu_count(),
        "python": platform.python_version(),
        "versions": {name: installed(name) for name in PACKAGES},
    }


def show(console: Console, title: str, head: tuple[str, ...], rows: list[tuple]) -> None:
    """Print rows as a table, numbers to three significant digits."""
    table = Table(*head, title=title)
    for row in rows:
        table.add_row(*(f"{cell:.3g}" if isinstance(cell, float) else str(cell) for cell in row))
    console.print(table)


def write_json(path: Path, results: dict[str, Any]) -> None:
    """Replace the file in one step, so that an interrupted run leaves the one before."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_suffix(".partial")
    temporary.write_text(json.dumps(results, indent=2) + "\n", encoding="utf-8")
    temporary.replace(path)
