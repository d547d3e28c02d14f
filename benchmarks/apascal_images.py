"""Methods on photographs through `ira train` and `ira evaluate`, several seeds.

    python benchmarks/apascal_images.py [--data DIR] [--weights FILE] [--seeds 5]
        [--first-seed 100] [--runs DIR]

Objects of aPascal (256 codes of two bits) and white blood cells (128 codes of one bit), each with a
frozen MobileNetV2 and all else as `ira train` sets it. Only `ira` drops codes that are constant in
training, so that every method is scored without such codes and with them. Prints both tables, and
the differences between `ira` and the others with intervals that hold for all comparisons of a data
set together; writes them as JSON. Runs that are there are not made again. The reference rows come
from the network of the same run.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table
from scipy import stats

from irtheory.runs.environment import environment
from irtheory.runs.files import write_json

ROOT = Path(__file__).resolve().parents[1]
SHARED = ROOT / "../shared/data"
RESULTS = ROOT / "benchmarks/results/apascal_images.json"
SETS, METHODS = ("aPascal", "cells"), ("quantised", "paper", "ira")
# What `ira` is compared with the others in.
COMPARED = (
    "d_D_without_constant", "d_D_with_constant", "adjusted_without_constant", "within_auc",
)  # fmt: skip
COLUMNS = (
    "accuracy_g", "accuracy_t", "d_D_without_constant", "d_D_with_constant",
    "adjusted_without_constant", "adjusted_with_constant", "d_D_tree", "within_auc", "within_f1",
    "predicted_class", "predicted_class_adjusted", "class_oracle", "constant",
)  # fmt: skip


def options(name: str, data: Path, weights: Path, method: str, seed: int) -> list[str]:
    """Of `ira train`, on one of SETS."""
    sets = {
        "aPascal": [
            "aPascal",
            "--data-dir",
            str(data / "apascal-384"),
            "--dim",
            "256",
            "--bits",
            "2",
        ],
        "cells": [str(data / "wbcatt-1000")],
    }
    return [
        "--dataset", *sets[name], "--backbone", "mobilenet_v2", "--weights", str(weights),
        "--freeze-backbone", "--method", method, "--seed", str(seed),
    ]  # fmt: skip


def ira(*arguments: str) -> None:
    """Run a command of `ira` in this process."""
    from cli import app

    app(list(arguments), standalone_mode=False)


def one_run(run: Path, chosen: list[str]) -> dict[str, float]:
    """Train and evaluate unless the run is there; the numbers of the table."""
    if not (run / "result.json").is_file():
        ira("train", *chosen, "--out", str(run), "--overwrite")
    if not (run / "evaluation.json").is_file():
        ira("evaluate", str(run))
    found = json.loads((run / "evaluation.json").read_text(encoding="utf-8"))
    rows = {row["name"]: row for row in found["fidelity"]}
    return {
        "accuracy_g": found["accuracy_g"]["value"],
        "accuracy_t": found["accuracy_t"]["value"],
        "d_D_without_constant": rows["all codes"]["score"],
        "d_D_with_constant": rows["all codes"]["score_with_constant"],
        "adjusted_without_constant": rows["all codes"]["adjusted"],
        "adjusted_with_constant": rows["all codes"]["adjusted_with_constant"],
        "d_D_tree": rows["codes T tests"]["score"],
        "within_auc": found["within"]["auc"],
        "within_f1": found["within"]["f1_excess"],
        "predicted_class": rows["predicted class"]["score"],
        "predicted_class_adjusted": rows["predicted class"]["adjusted"],
        "class_oracle": rows["class oracle"]["attributes_by_features"],
        "constant": rows["all codes"]["constant"],
    }


def interval(values: list[float], comparisons: int = 1) -> dict[str, float]:
    """Mean, sd and the half width of a 95% t-interval, after Bonferroni."""
    n, sd = len(values), float(np.std(values, ddof=1)) if len(values) > 1 else 0.0
    quantile = float(stats.t.ppf(1 - 0.025 / comparisons, n - 1)) if n > 1 else 0.0
    half = quantile * sd / n**0.5
    return {"mean": float(np.mean(values)), "sd": sd, "half_width": half, "n": n}


def leads(runs: dict[str, list[dict[str, float]]]) -> dict[str, dict[str, Any]]:
    """`ira` minus each other method, paired by seed; intervals that hold for all together."""
    others = [method for method in METHODS if method != "ira"]
    comparisons = len(others) * len(COMPARED)
    return {
        other: {
            column: interval(
                [a[column] - b[column] for a, b in zip(runs["ira"], runs[other], strict=True)],
                comparisons,
            )
            for column in COMPARED
        }
        for other in others
    }


def print_table(table: dict[str, dict[str, Any]]) -> None:
    """One row a method."""
    columns = list(next(iter(table.values())))
    shown = Table("method", *columns, box=None, pad_edge=False)
    for method, row in table.items():
        cells = (f"{row[c]['mean']:.3f} ± {row[c]['half_width']:.3f}" for c in columns)
        shown.add_row(method, *cells)
    Console(width=260).print(shown)


def one_set(name: str, asked: argparse.Namespace) -> dict[str, Any]:
    """Every method and seed on one data set: table, leads and runs."""
    runs: dict[str, list[dict[str, float]]] = {}
    for method in METHODS:
        for seed in range(asked.first_seed, asked.first_seed + asked.seeds):
            chosen = options(name, asked.data, asked.weights, method, seed)
            found = one_run(asked.runs / f"{name}-{method}-{seed}", chosen)
            runs.setdefault(method, []).append(found)
    table = {
        method: {column: interval([run[column] for run in found]) for column in COLUMNS}
        for method, found in runs.items()
    }
    ahead = leads(runs)
    print(name)
    print_table(table)
    print("ira minus")
    print_table(ahead)
    return {"table": table, "ira_minus": ahead, "runs": runs}


def main() -> None:
    """Run what the options say."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--data", type=Path, default=SHARED)
    weights = SHARED / "mobilenet_v2/mobilenet_v2_imagenet.npz"
    parser.add_argument("--weights", type=Path, default=weights)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--first-seed", type=int, default=100)
    parser.add_argument("--runs", type=Path, default=ROOT / "runs/apascal-images")
    parser.add_argument("--out", type=Path, default=RESULTS)
    asked = parser.parse_args()
    content = {name: one_set(name, asked) for name in SETS}
    command = "python benchmarks/apascal_images.py"
    write_json(asked.out, {"command": command, **content, "environment": environment(0)})
    print(f"wrote {asked.out}")


if __name__ == "__main__":
    sys.path.insert(0, str(ROOT))
    main()
