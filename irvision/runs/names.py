"""Names of the files in the folder of a training run."""

from __future__ import annotations

WEIGHTS, TREE, KEY = "weights.safetensors", "tree.json", "key.txt"
CLASSES, RESULT = "classes.json", "result.json"
SAMPLES = "samples.csv"
METRICS, CHECKPOINTS, CODES = "metrics.jsonl", "checkpoints", "codes"
EVALUATION, ATTRIBUTES = "evaluation.json", "attributes.csv"
