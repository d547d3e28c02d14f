"""Every method on frozen features of aPascal: fidelity, its references, accuracy, the tree.

    python benchmarks/apascal.py [--features FILE] [--seeds 5] [--first-seed 0] [--only NAME,…]

Needs the table that `benchmarks/frozen_features.py` writes. Mirrored crops are further training
samples; attributes are read after training only. Only some methods drop codes that are constant in
training, so that every method is scored twice, without such codes and with them. Prints a table,
writes it as JSON with every run.
"""

from __future__ import annotations

import argparse
import time
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from joblib import Parallel, delayed
from rich.console import Console
from rich.progress import track
from rich.table import Table
from scipy import stats
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from irtheory.fidelity import (
    class_oracle_fidelity,
    feature_fidelity,
    predicted_class_fidelity,
    within_class_recovery,
)
from irtheory.intersection.arrays import ArraySettings, fit_arrays
from irtheory.intersection.methods import METHODS, Method
from irtheory.intersection.quantize import binarize
from irtheory.runs.environment import environment
from irtheory.runs.files import write_json

ROOT = Path(__file__).resolve().parents[1]
FEATURES = ROOT / "runs/features/apascal.npz"
RESULTS = ROOT / "benchmarks/results/apascal.json"
NULL_DRAWS = 20
PROBE_C = 0.003
COMMON = ArraySettings(
    dim=512,
    bits=1,
    max_depth=7,
    hidden=(512,),
    epochs=6,
    learning_rate=1e-3,
    dropout=0.3,
)
COLUMNS = (
    "accuracy_g", "accuracy_t", "d_D_without_constant", "d_D_with_constant",
    "attributes_by_features", "features_by_attributes", "adjusted_without_constant",
    "adjusted_with_constant", "d_D_tree", "within_auc", "within_f1", "codes", "codes_tested",
    "leaves",
)  # fmt: skip


@dataclass(frozen=True)
class Part:
    """One part of the table: features [m, 1280], labels [m], attributes [m, 64]."""

    features: np.ndarray
    labels: np.ndarray
    attributes: np.ndarray


@dataclass(frozen=True)
class Variant:
    """A row of the table: a method with its settings."""

    name: str
    method: Method
    settings: ArraySettings


def variants() -> list[Variant]:
    """Every named method at 512 codes of one bit, and other sizes of the first and the last."""
    rows = [Variant(name, method, COMMON) for name, method in METHODS.items()]
    quantised, paper, ira = (METHODS[name] for name in ("quantised", "paper", "ira"))
    relu, two_bits = replace(COMMON, activation="relu"), replace(COMMON, dim=256, bits=2)
    relu_two_bits = replace(two_bits, activation="relu")
    alone = replace(ira, weights=replace(ira.weights, tree=0))
    lighter = replace(alone, weights=replace(alone.weights, sparsity=0.003))
    linear = replace(alone, head="linear")
    dense = replace(linear, weights=replace(alone.weights, sparsity=0))
    four_bits = replace(COMMON, bits=4)
    return [
        *rows,
        Variant("quantised, ReLU", quantised, relu),
        Variant("quantised, ReLU, 256 of 2 bits", quantised, relu_two_bits),
        Variant("paper, ReLU", paper, relu),
        Variant("paper, ReLU, 256 of 2 bits", paper, relu_two_bits),
        Variant("λ2 0", alone, COMMON),
        Variant("λ2 0, two-layer G", replace(alone, head="two-layer"), COMMON),
        Variant("λ2 0, linear G", linear, COMMON),
        Variant("λ2 0, refined trees", replace(alone, search="refined"), COMMON),
        Variant("λ2 0, all codes kept", replace(alone, prune=False), COMMON),
        Variant("λ2 0, λ3 0.003, 512 of 2 bits", lighter, replace(COMMON, bits=2)),
        Variant("λ2 0, λ3 0, linear G, 512 of 4 bits", dense, four_bits),
        Variant("quantised, 512 of 4 bits", quantised, four_bits),
    ]


def read(file: Path) -> tuple[Part, Part, Part]:
    """Train, mirrored train and test parts."""
    with np.load(file, allow_pickle=False) as table:
        parts = [
            Part(
                table[f"{part}_features{view}"],
                table[f"{part}_labels"],
                table[f"{part}_attributes"],
            )
            for part, view in (("train", ""), ("train", "_flipped"), ("test", ""))
        ]
    return parts[0], parts[1], parts[2]


def within(train: Part, test: Part, values: np.ndarray, test_values: np.ndarray, bits: int | None):
    """Within-class recovery, picked on train and scored on test."""
    return within_class_recovery(
        train.attributes, train.labels, values, test.attributes, test.labels, test_values, bits=bits
    )


def one_run(file: Path, variant: Variant, seed: int) -> dict[str, float | int | str]:
    """Train one variant with one seed and measure it on the test part."""
    torch.set_num_threads(1)
    train, mirrored, test = read(file)
    settings = replace(variant.settings, seed=seed)
    start = time.perf_counter()
    x = np.concatenate([train.features, mirrored.features])
    y = np.concatenate([train.labels, mirrored.labels])
    fitted = fit_arrays(x, y, 20, variant.method, settings)
    seconds = time.perf_counter() - start
    codes, _ = fitted.apply(train.features)
    test_codes, outputs = fitted.apply(test.features)
    every, test_every = fitted.codes(train.features), fitted.codes(test.features)
    varies = (every != every[:1]).any(axis=0)
    fidelity, both = (
        feature_fidelity(
            test.attributes, binarize(g, settings.bits), null_draws=NULL_DRAWS, seed=seed
        )
        for g in (test_every[:, varies], test_every)
    )
    tested = list(fitted.tree.used_features)
    own = binarize(test_codes[:, tested], settings.bits)
    inside = within(train, test, codes, test_codes, settings.bits)
    by_tree = fitted.tree.predict(test_codes).argmax(axis=1)
    assert fidelity.adjusted is not None and both.adjusted is not None
    return {
        "variant": variant.name,
        "seed": seed,
        "accuracy_g": float((outputs.argmax(axis=1) == test.labels).mean()),
        "accuracy_t": float((by_tree == test.labels).mean()),
        "d_D_without_constant": fidelity.score,
        "d_D_with_constant": both.score,
        "attributes_by_features": fidelity.attributes_by_features,
        "features_by_attributes": fidelity.features_by_attributes,
        "adjusted_without_constant": fidelity.adjusted,
        "adjusted_with_constant": both.adjusted,
        "d_D_tree": feature_fidelity(test.attributes, own).score if tested else float("nan"),
        "within_auc": inside.mean_auc,
        "within_f1": inside.mean_f1_excess,
        "codes": int(varies.sum()),
        "codes_tested": len(tested),
        "leaves": fitted.tree.n_leaves,
        "seconds": seconds,
    }


def references(file: Path) -> dict[str, dict[str, float]]:
    """What knows the class alone, or every unit of the backbone, scores."""
    train, mirrored, test = read(file)
    probe = make_pipeline(StandardScaler(), LogisticRegression(C=PROBE_C, max_iter=500))
    x = np.concatenate([train.features, mirrored.features])
    probe.fit(x, np.concatenate([train.labels, mirrored.labels]))
    predicted = probe.predict(test.features)
    rows = {}
    for name, classes in (("predicted class", predicted), ("true class", test.labels)):
        found = predicted_class_fidelity(
            test.attributes, classes, 20, complement=True, null_draws=NULL_DRAWS
        )
        rows[name] = {
            "accuracy_g": float((classes == test.labels).mean()),
            "d_D_without_constant": found.score,
            "attributes_by_features": found.attributes_by_features,
            "features_by_attributes": found.features_by_attributes,
            "adjusted_without_constant": float(found.adjusted or 0.0),
        }
        plain = predicted_class_fidelity(test.attributes, classes, 20)
        rows[f"{name}, without complements"] = {"d_D_without_constant": plain.score}
    oracle = class_oracle_fidelity(test.attributes, test.labels)
    rows["class oracle"] = {"attributes_by_features": oracle.mean}
    inside = within(train, test, train.features, test.features, None)
    rows["best raw unit"] = {"within_auc": inside.mean_auc, "within_f1": inside.mean_f1_excess}
    return rows


def interval(values: list[float], comparisons: int = 1) -> dict[str, float]:
    """Mean, sd, n and the 95% t-interval, after Bonferroni for a number of comparisons."""
    mean, n = float(np.mean(values)), len(values)
    sd = float(np.std(values, ddof=1)) if n > 1 else 0.0
    half = (
        float(stats.t.ppf(1 - 0.025 / comparisons, n - 1)) * sd / n**0.5 if n > 1 else float("nan")
    )
    return {"mean": mean, "sd": sd, "low": mean - half, "high": mean + half, "n": n}


def summary(runs: list[dict], names: list[str]) -> dict[str, dict[str, dict[str, float]]]:
    """Per variant and column, over seeds."""
    return {
        name: {c: interval([r[c] for r in runs if r["variant"] == name]) for c in COLUMNS}
        for name in names
    }


def differences(
    runs: list[dict], name: str, base: str, comparisons: int
) -> dict[str, dict[str, float]]:
    """`name` minus `base`, paired by seed; intervals that hold for all comparisons together."""
    by = {(r["variant"], r["seed"]): r for r in runs}
    seeds = sorted(seed for variant, seed in by if variant == name and (base, seed) in by)
    return {
        c: interval([by[name, s][c] - by[base, s][c] for s in seeds], comparisons) for c in COLUMNS
    }


def show(console: Console, table: dict, rows: dict[str, dict[str, float]]) -> None:
    """The table, and the reference rows below it."""
    shown = Table(*("", *COLUMNS), box=None)
    for name, cells in table.items():
        shown.add_row(
            name, *(f"{cells[c]['mean']:.3f} ± {cells[c]['sd']:.3f}" if cells[c]["mean"] < 2
                    else f"{cells[c]['mean']:.0f}" for c in COLUMNS)
        )  # fmt: skip
    for name, cells in rows.items():
        shown.add_row(name, *(f"{cells[c]:.3f}" if c in cells else "" for c in COLUMNS))
    console.print(shown)


def main() -> None:
    """Run, print, write."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--features", type=Path, default=FEATURES)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--first-seed", type=int, default=0)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--only", default="", help="comma-separated names of rows")
    parser.add_argument("--out", type=Path, default=RESULTS)
    options = parser.parse_args()
    if not options.features.is_file():
        parser.error(
            f"--features {options.features}: no such file; run benchmarks/frozen_features.py first"
        )
    chosen = [v for v in variants() if not options.only or v.name in options.only.split(",")]
    if not chosen:
        parser.error(f"--only: expected some of {'; '.join(v.name for v in variants())}")
    console = Console(width=220)
    rows = references(options.features)
    seeds = range(options.first_seed, options.first_seed + options.seeds)
    jobs = [(v, seed) for seed in seeds for v in chosen]
    pool = Parallel(n_jobs=options.jobs, return_as="generator")
    made: Any = pool(delayed(one_run)(options.features, v, seed) for v, seed in jobs)
    runs = list(track(made, total=len(jobs), description="training", console=console))
    table = summary(runs, [v.name for v in chosen])
    show(console, table, rows)
    against = [v.name for v in chosen if v.name != "ira"]
    paired = (
        {base: differences(runs, "ira", base, len(against)) for base in against}
        if "ira" in table
        else {}
    )
    settings = {v.name: {"method": asdict(v.method), **asdict(v.settings)} for v in chosen}
    content = {"table": table, "references": rows, "ira_minus": paired, "runs": runs}
    write_json(options.out, {**content, "settings": settings, "environment": environment(0)})
    console.print(f"wrote {options.out}")


if __name__ == "__main__":
    main()
