"""Names of the files in the folder of a training run."""

from __future__ import annotations

WEIGHTS, TREE, KEY = "weights.safetensors", "tree.json", "key.txt"
CLASSES, RESULT = "classes.json", "result.json"
METRICS, CHECKPOINTS, CODES = "metrics.jsonl", "checkpoints", "codes"
EVALUATION, ATTRIBUTES = "evaluation.json", "attributes.csv"
LEAVES, TESTS = "leaves.csv", "tests.csv"
PREDICTIONS, PREDICTIONS_CODES = "predictions.csv", "predictions.safetensors"
CONFUSION_G, CONFUSION_T = "confusion-G.csv", "confusion-T.csv"
