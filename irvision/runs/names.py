"""Names of the files in the folder of a training run."""

from __future__ import annotations

from pathlib import Path

WEIGHTS, TREE, KEY = "weights.safetensors", "tree.json", "key.txt"
CLASSES, RESULT = "classes.json", "result.json"
SAMPLES = "samples.csv"
METRICS, CHECKPOINTS, CODES = "metrics.jsonl", "checkpoints", "codes"
EVALUATION, ATTRIBUTES = "evaluation.json", "attributes.csv"
LEAVES, TESTS = "leaves.csv", "tests.csv"
# Written by `ira name` and filled in by people: no other command replaces or removes it.
NAMES = "names.csv"
PREDICTIONS, PREDICTIONS_CODES = "predictions.csv", "predictions.safetensors"
MODEL, CARD = "model.onnx", "README.md"
REPORT = "report.html"
GALLERY = "gallery.safetensors"
CONFUSION_G, CONFUSION_T = "confusion-G.csv", "confusion-T.csv"


def path_of(run: Path, file: str, other: str = "") -> Path:
    """Path of a file of results; those on another labelled set carry its name."""
    stem, dot, suffix = file.partition(".")
    return run / (f"{stem}-{other}{dot}{suffix}" if other else file)
