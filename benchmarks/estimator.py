"""Accuracy of IntersectionClassifier beside scikit-learn's tree and perceptron.

    python benchmarks/estimator.py [--quick] [--seeds N] [--zoo FILE] [--out FILE]

Stratified 70/30 splits, one a seed. T is held against DecisionTreeClassifier of the same
depth, G against MLPClassifier, both with their own defaults otherwise, on the same splits.
"""

from __future__ import annotations

import argparse
import csv
import json
import platform
import time
import warnings
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import torch
from rich.console import Console
from rich.table import Table
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from sklearn.neural_network import MLPClassifier
from sklearn.tree import DecisionTreeClassifier

from irtheory.estimators import IntersectionClassifier
from irtheory.intersection.array_settings import default_depth

ROOT = Path(__file__).resolve().parents[1]
METHODS = ("ira", "paper", "quantised+dt")


@dataclass(frozen=True)
class Row:
    """Test accuracy of one model on one data set: mean and sd over seeds.

    `tree` and `tree_sd` are None for a model without a tree, `network` and `network_sd` for one
    without a network; `seconds` is the mean time of a fit.
    """

    data: str
    model: str
    depth: int
    seeds: int
    network: float | None
    network_sd: float | None
    tree: float | None
    tree_sd: float | None
    leaves: float | None
    seconds: float


def read_zoo(path: Path) -> tuple[np.ndarray, np.ndarray]:
    """The animals of the UCI Zoo set: attributes, one indicator a number of legs, and types."""
    with path.open(encoding="utf-8", newline="") as file:
        animals = list(csv.DictReader(file))
    columns = [name for name in animals[0] if name not in ("name", "legs", "type")]
    binary = np.array([[float(animal[name]) for name in columns] for animal in animals])
    legs = np.array([int(animal["legs"]) for animal in animals])
    indicators = legs[:, None] == np.unique(legs)
    return np.hstack([binary, indicators]), np.array([animal["type"] for animal in animals])


def models(depth: int, seed: int) -> dict[str, Any]:
    """What is compared, by name."""
    own = {
        f"ira classifier, {method}": IntersectionClassifier(
            method=method, max_depth=depth, random_state=seed
        )
        for method in METHODS
    }
    return own | {
        "DecisionTreeClassifier": DecisionTreeClassifier(max_depth=depth, random_state=seed),
        "MLPClassifier": MLPClassifier(random_state=seed),
    }


def measure(model: Any, split: Sequence[Any]) -> list[float]:
    """Test accuracy of the network and of the tree, leaves, and seconds; NaN where none."""
    x, test_x, y, test_y = split
    start = time.perf_counter()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # not converged; codes constant over a few samples
        model.fit(x, y)
    seconds, score = time.perf_counter() - start, model.score(test_x, test_y)
    if isinstance(model, IntersectionClassifier):
        return [score, model.score_tree(test_x, test_y), model.tree_.n_leaves, seconds]
    if isinstance(model, DecisionTreeClassifier):
        return [np.nan, score, model.get_n_leaves(), seconds]
    return [score, np.nan, np.nan, seconds]


def compare(
    data: str, x: np.ndarray, y: np.ndarray, seeds: int, say: Callable[[str], None]
) -> list[Row]:
    """One row a model."""
    depth = default_depth(len(np.unique(y)))
    measured: dict[str, list[list[float]]] = {}
    for seed in range(seeds):
        say(f"{data}, seed {seed}")
        split = train_test_split(x, y, test_size=0.3, stratify=y, random_state=seed)
        for name, model in models(depth, seed).items():
            measured.setdefault(name, []).append(measure(model, split))
    return [row(data, name, depth, np.array(found)) for name, found in measured.items()]


def row(data: str, model: str, depth: int, measured: np.ndarray) -> Row:
    """Mean and sd of the rows of `measure`."""
    mean, sd = measured.mean(axis=0), measured.std(axis=0, ddof=min(1, len(measured) - 1))
    g, t, leaves, seconds = (None if np.isnan(value) else float(value) for value in mean)
    g_sd, t_sd = (None if np.isnan(value) else float(value) for value in sd[:2])
    return Row(data, model, depth, len(measured), g, g_sd, t, t_sd, leaves, seconds or 0.0)


def show(console: Console, rows: list[Row]) -> None:
    """The rows as a table."""
    names = ("data", "model", "depth", "network", "tree", "leaves", "seconds")
    table = Table(*names, box=None)
    for one in rows:
        network, tree = (
            "–" if mean is None else f"{mean:.3f} ± {sd:.3f}"
            for mean, sd in ((one.network, one.network_sd), (one.tree, one.tree_sd))
        )
        leaves = "–" if one.leaves is None else f"{one.leaves:.1f}"
        table.add_row(
            one.data, one.model, str(one.depth), network, tree, leaves, f"{one.seconds:.2f}"
        )
    console.print(table)


def main() -> None:
    """Parse the options, run, and write the results as JSON."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--quick", action="store_true", help="only the animals")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--zoo", type=Path, default=ROOT / "../shared/data/zoo/zoo.csv")
    parser.add_argument("--out", type=Path, default=ROOT / "benchmarks/results/estimator.json")
    options = parser.parse_args()
    torch.set_num_threads(1)
    console, rows = Console(), []
    if options.zoo.is_file():
        rows += compare("zoo", *read_zoo(options.zoo), options.seeds, console.print)
    else:
        console.print(f"no {options.zoo}: the animals are left out")
    if not options.quick:
        digits: Any = load_digits()
        rows += compare("digits", digits.data, digits.target, options.seeds, console.print)
    show(console, rows)
    results = {
        "python": platform.python_version(),
        "versions": {name: version(name) for name in ("numpy", "torch", "scikit-learn")},
        "rows": [asdict(one) for one in rows],
    }
    options.out.parent.mkdir(parents=True, exist_ok=True)
    temporary = options.out.with_suffix(".partial")
    temporary.write_text(json.dumps(results, indent=2) + "\n", encoding="utf-8")
    temporary.replace(options.out)


if __name__ == "__main__":
    main()
