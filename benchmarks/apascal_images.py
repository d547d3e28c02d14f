"""Methods on the photographs of aPascal through `ira train` and `ira evaluate`, several seeds.

    python benchmarks/apascal_images.py [--data DIR] [--weights FILE] [--seeds 5] [--runs DIR]

A frozen MobileNetV2, 256 codes of two bits, all else as `ira train` sets it. Prints a table and
writes it as JSON; the reference rows come from the network of the same run.
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
METHODS = ("quantised", "paper", "ira")
COLUMNS = (
    "accuracy_g", "accuracy_t", "d_D_without_constant", "d_D_with_constant",
    "adjusted_without_constant", "adjusted_with_constant", "d_D_tree", "within_auc", "within_f1",
    "predicted_class", "predicted_class_adjusted", "class_oracle",
)  # fmt: skip


def options(data: Path, weights: Path, method: str, seed: int) -> list[str]:
    """Of `ira train`."""
    return [
        "--dataset", "aPascal", "--data-dir", str(data), "--backbone", "mobilenet_v2",
        "--weights", str(weights), "--freeze-backbone", "--dim", "256", "--bits", "2",
        "--method", method, "--seed", str(seed),
    ]  # fmt: skip


def ira(*arguments: str) -> None:
    """Run a command of `ira` in this process."""
    from cli import app

    app(list(arguments), standalone_mode=False)


def one_run(run: Path, chosen: list[str]) -> dict[str, float]:
    """Train unless the run is there, evaluate; the numbers of the table."""
    if not (run / "result.json").is_file():
        ira("train", *chosen, "--out", str(run), "--overwrite")
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
    }


def interval(values: list[float]) -> dict[str, float]:
    """Mean, sd and the half width of a 95% t-interval."""
    n, sd = len(values), float(np.std(values, ddof=1)) if len(values) > 1 else 0.0
    half = float(stats.t.ppf(0.975, n - 1) * sd / np.sqrt(n)) if n > 1 else 0.0
    return {"mean": float(np.mean(values)), "sd": sd, "half_width": half, "n": n}


def print_table(table: dict[str, dict[str, Any]]) -> None:
    """One row a method."""
    shown = Table("method", *COLUMNS, box=None, pad_edge=False)
    for method, row in table.items():
        cells = (f"{row[c]['mean']:.3f} ± {row[c]['half_width']:.3f}" for c in COLUMNS)
        shown.add_row(method, *cells)
    Console(width=220).print(shown)


def main() -> None:
    """Run what the options say."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--data", type=Path, default=SHARED / "apascal-384")
    weights = SHARED / "mobilenet_v2/mobilenet_v2_imagenet.npz"
    parser.add_argument("--weights", type=Path, default=weights)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--runs", type=Path, default=ROOT / "runs/apascal-images")
    parser.add_argument("--out", type=Path, default=RESULTS)
    asked = parser.parse_args()
    runs: dict[str, list[dict[str, float]]] = {}
    for method in METHODS:
        for seed in range(asked.seeds):
            chosen = options(asked.data, asked.weights, method, seed)
            found = one_run(asked.runs / f"{method}-{seed}", chosen)
            runs.setdefault(method, []).append(found)
    table = {
        method: {column: interval([run[column] for run in found]) for column in COLUMNS}
        for method, found in runs.items()
    }
    print_table(table)
    command = "python benchmarks/apascal_images.py"
    content = {"command": command, "table": table, "runs": runs, "environment": environment(0)}
    write_json(asked.out, content)
    print(f"wrote {asked.out}")


if __name__ == "__main__":
    sys.path.insert(0, str(ROOT))
    main()
