"""How fast image training is on a GPU: epochs with their trees, beside a bare loop.

    python benchmarks/gpu_training.py [--compile] [--profile] [--device cpu --quick] [--out FILE]

Trains by the engine and settings of `ira train --recipe paper`, with all images in the training
part and no stopping rule, on drawn squares that lie in memory: ResNet-50 with PMG's features, and
plain ResNet-50. Each case is told beside a bare loop: the same network and optimisers on one
batch that is on the card already, and the plain classification loss alone. So the bare loop has
no second pass of G, no tree terms, no loader and nothing to collect. Kernels are chosen in the
first epoch, which is told apart; it has no tree terms, so a second one is left out too.
"""

from __future__ import annotations

import argparse
import shlex
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from gpu_case import measure, profiled, release
from gpu_loops import matrix_rate
from gpu_squares import CLASSES, drawn
from rich.console import Console
from rich.table import Table

from irtheory.runs.environment import environment
from irtheory.runs.files import InputError, write_json, write_text
from irtheory.trees.compile import warm_up
from irvision.data.batches.material import Material
from irvision.runtime.device import Runtime, start_runtime
from irvision.settings.train import TrainSettings
from irvision.training.recipes import resolve

ROOT = Path(__file__).resolve().parents[1]
# Sizes of aYahoo and the paper, and what --quick sets; below, what else is small then.
FULL = {"images": 1850, "batch_size": 64, "crop": 448, "epochs": 5, "backbone": "resnet50"}
QUICK = {"images": 32, "batch_size": 16, "crop": 32, "epochs": 1, "backbone": "resnet10"}
QUICK_CODES, MATRIX, QUICK_MATRIX = 16, 8192, 128
WIDTH = 140
# Key of a number, what it is, how it is printed, and what was asked.
ROWS = (
    ("epoch_seconds", "seconds an epoch, tree included", ".3f", "≤ 4 (pmg)"),
    ("tree_seconds", "seconds of its tree", ".4f", ""),
    ("images_per_second", "images/s", ".0f", "1240–1700 (plain)"),
    ("bare_images_per_second", "images/s of the bare loop", ".0f", ""),
    ("pipeline_to_bare", "pipeline / bare", ".3f", "≥ 0.9"),
    ("pipeline_to_bare_without_tree", "the same without the tree", ".3f", ""),
    ("share_outside_passes", "share of time outside forward/backward", ".3f", "≤ 0.1"),
    ("teraflops", "TFLOP/s of forward/backward", ".3g", ""),
    ("share_of_matrix_rate", "share of the matrix rate", ".3f", ""),
    ("bare_share_of_matrix_rate", "the same of the bare loop", ".3f", ""),
    ("saved_epoch_seconds", "seconds an epoch, checkpoint beside", ".3f", ""),
    ("peak_mib", "peak memory, MiB", ".0f", ""),
    ("first_peak_mib", "the same while kernels are chosen", ".0f", ""),
    ("first_epoch_seconds", "seconds of the first epoch", ".2f", ""),
    ("checkpoint_seconds", "seconds of a checkpoint alone", ".2f", ""),
)


def settings_of(options: argparse.Namespace, features: str, method: str) -> TrainSettings:
    """Those of the recipe "paper" but for what the benchmark leaves out.

    Raises:
        InputError: a method, backbone or size that cannot be.
    """
    asked = {
        "dataset": "synthetic",
        "recipe": "paper",
        "weights": "none",
        "features": features,
        "method": method,
        "backbone": options.backbone,
        "batch_size": options.batch_size,
        "crop": options.crop,
        # As PMG has 550 pixels for crops of 448.
        "resize": round(options.crop * 550 / 448),
    }
    if options.quick:
        asked["dim"] = QUICK_CODES
    settings = resolve(asked, on_gpu=True, classes=CLASSES)
    return replace(settings, validation=0.0, drops=None)


def cases(options: argparse.Namespace) -> dict[str, TrainSettings]:
    """Settings of every case by its name: PMG by each method, plain features by the first."""
    which = [("pmg", method) for method in options.methods] + [("plain", options.methods[0])]
    named = {f"{kind}, {name}": settings_of(options, kind, name) for kind, name in which}
    if options.compile:
        both = named.items()
        named |= {f"{name}, compiled": replace(case, compile=True) for name, case in both}
    return named


def run(options: argparse.Namespace) -> dict[str, Any]:
    """Measure all cases; the JSON is written after each, and the profile if asked for.

    Raises:
        InputError: no such device, or a setting that cannot be.
    """
    _check(options)
    runtime, named = start_runtime(options.device, options.precision), cases(options)
    # Or the first epoch would take the minute that kernels of trees take to compile.
    warm_up()
    side = next(iter(named.values())).resize
    material = drawn(options.images, side, runtime, options.on_host)
    rate = matrix_rate(runtime, *((QUICK_MATRIX, 5) if options.quick else (MATRIX, 50)))
    results = _circumstances(options, material, runtime)
    results |= {"matrix_teraflops": rate / 1e12, "cases": {}}
    texts = []
    for name, settings in named.items():
        print(f"· {name} …", flush=True)
        found = measure(settings, material, runtime, options.epochs, rate)
        results["cases"][name] = found
        write_json(options.out, results)
        release(runtime.device)
        if options.profile:
            texts.append(f"{name}, one epoch: {profiled(settings, material, runtime)}")
            write_text(options.out.with_name(f"{options.out.stem}_profile.txt"), "\n".join(texts))
            release(runtime.device)
    return results


def _check(options: argparse.Namespace) -> None:
    for name in ("images", "epochs"):
        if (found := getattr(options, name)) < 1:
            raise InputError(f"--{name}: expected at least 1, found {found}")
    if not options.out.parent.is_dir():
        raise InputError(f"--out {options.out}: expected a file in a folder that is there")


def _circumstances(
    options: argparse.Namespace, material: Material, runtime: Runtime
) -> dict[str, Any]:
    """What the numbers depend on."""
    on_gpu = runtime.device.type == "cuda"
    return {
        "command": shlex.join(["python", "benchmarks/gpu_training.py", *sys.argv[1:]]),
        "device": torch.cuda.get_device_name(runtime.device) if on_gpu else "cpu",
        "cuda": torch.version.cuda,
        "cudnn": torch.backends.cudnn.version(),
        "precision": runtime.precision,
        "pictures_on_gpu": material.pictures.resident,
        "pictures_mib": material.cache.pixels.nbytes / 2**20,
        **{name: getattr(options, name) for name in FULL},
        "environment": environment(0),
    }


def table_of(results: dict[str, Any]) -> Table:
    """Numbers down, cases across."""
    title = f"{results['device']}, {results['precision']}: matrices "
    title += f"{results['matrix_teraflops']:.3g} TFLOP/s"
    table = Table("", *results["cases"], "asked", title=title)
    for key, label, form, asked in ROWS:
        table.add_row(label, *(f"{case[key]:{form}}" for case in results["cases"].values()), asked)
    return table


def parse() -> argparse.Namespace:
    """The options of the command line; --quick sets those of sizes that were not given."""
    parser = argparse.ArgumentParser(description="Time image training on a GPU.")
    add = parser.add_argument
    add("--device", default="cuda", help="cuda, cuda:NUMBER or cpu")
    add("--precision", help="bf16 or fp32; the default is the device's own")
    add("--methods", nargs="+", default=["paper", "ira"], metavar="NAME", help="with PMG features")
    add("--backbone", help="default resnet50")
    add("--images", type=int, help="default 1850, as aYahoo has")
    add("--batch-size", type=int, help="default 64")
    add("--crop", type=int, help="pixels a side, default 448; squares have 550/448 of it")
    add("--epochs", type=int, help="epochs to time after two of warm-up, default 5")
    add("--on-host", action="store_true", help="leave pixels in the memory of the host")
    add("--compile", action="store_true", help="every case with torch.compile, too")
    add("--profile", action="store_true", help="write the longest kernels beside --out")
    add("--quick", action="store_true", help="tiny sizes, to try it on a CPU")
    add("--out", type=Path, default=ROOT / "benchmarks/results/gpu_training.json")
    options = parser.parse_args()
    for name, value in (QUICK if options.quick else FULL).items():
        if getattr(options, name) is None:
            setattr(options, name, value)
    return options


def main() -> None:
    """Measure, print the table and write the JSON."""
    options = parse()
    try:
        results = run(options)
    except InputError as error:
        print(error, file=sys.stderr)
        sys.exit(2)
    except torch.OutOfMemoryError:
        print(f"out of memory with --batch-size {options.batch_size}", file=sys.stderr)
        sys.exit(2)
    # A file or a pipe has no width of its own; rich would take 80 columns.
    Console(width=None if sys.stdout.isatty() else WIDTH).print(table_of(results))


if __name__ == "__main__":
    main()
