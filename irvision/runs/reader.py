"""Reads the tables and JSON files of a training run's folder.

Loads no torch, so that `ira plot` starts quickly; settings and weights, which need the networks of
`irvision.models`, are read by `irvision.runs.trained`. Every error is one line that names the
file, what was expected in it and what was found.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import yaml

from irtheory.runs.files import InputError
from irtheory.runs.folder import CONFIG
from irtheory.trees.tree import Tree
from irvision.runs.attribute_table import AttributeRow, read_attribute_table
from irvision.runs.names import ATTRIBUTES, CLASSES, EVALUATION, METRICS, RESULT, TREE


def read_tree(run: Path) -> Tree:
    """T over the kept codes, from tree.json."""
    path = run / TREE
    text = _text(path)
    try:
        return Tree.from_json(text)
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise InputError(f"{path}: expected a tree ({error})") from None


def read_classes(run: Path, count: int) -> tuple[str, ...]:
    """Names of the k = `count` classes, from classes.json."""
    path = run / CLASSES
    names = _json(path)
    good = isinstance(names, list) and all(isinstance(name, str) for name in names)
    if not good or len(names) != count:
        raise InputError(
            f"{path}: expected a list of {count} names of classes, found {names!r:.60}"
        )
    return tuple(names)


def read_settings_content(run: Path) -> dict[str, Any]:
    """The settings of a run as config.yaml holds them, unchecked; empty without the file."""
    path = run / CONFIG
    if not path.is_file():
        return {}
    try:
        content = yaml.safe_load(_text(path))
    except (yaml.YAMLError, RecursionError) as error:
        raise InputError(f"{path}: expected the settings of a run ({error})") from None
    if not isinstance(content, dict):
        raise InputError(f"{path}: expected the settings of a run, found {content!r:.60}")
    return content


def read_result(run: Path) -> dict[str, Any]:
    """The fields of `irvision.runs.trained.Result`, from result.json."""
    return _object(run / RESULT)


def read_kept(run: Path, count: int) -> tuple[int, ...]:
    """Numbers of the `count` kept codes, ascending, from result.json."""
    kept: Any = read_result(run).get("kept")
    codes = isinstance(kept, list) and all(type(code) is int and code >= 0 for code in kept)
    if not codes or len(kept) != count or kept != sorted(set(kept)):
        raise InputError(
            f"{run / RESULT}: expected kept, a list of {count} codes, ascending, found {kept!r:.60}"
        )
    return tuple(kept)


def read_metrics(run: Path) -> list[dict[str, Any]]:
    """A row for every epoch, from metrics.jsonl; each has an epoch and a dictionary of losses."""
    path, rows = run / METRICS, []
    for number, line in enumerate(_text(path).splitlines(), 1):
        try:
            row = json.loads(line)
        except (ValueError, RecursionError):
            row = None
        if not isinstance(row, dict) or not _is_epoch(row):
            raise InputError(
                f"{path}:{number}: expected the numbers of an epoch, found {line!r:.60}"
            )
        rows.append(row)
    if not rows:
        raise InputError(f"{path}: expected at least one epoch, found none; go on with `ira train`")
    return rows


def _is_epoch(row: dict[str, Any]) -> bool:
    losses = row.get("losses")
    if not isinstance(row.get("epoch"), int) or not isinstance(losses, dict):
        return False
    cells = [*losses.values(), *(value for key, value in row.items() if key != "losses")]
    return all(cell is None or isinstance(cell, int | float) for cell in cells)


def read_epoch_fidelity(run: Path) -> dict[int, dict[str, Any]]:
    """By epoch: images, fidelity and null (which may be None), from evaluation.json."""
    content = read_evaluation(run)
    try:
        return {
            int(row["epoch"]): {
                "images": int(row["images"]),
                "fidelity": float(row["fidelity"]),
                "null": None if row["null"] is None else float(row["null"]),
            }
            for row in content.get("epochs", [])
        }
    except (KeyError, TypeError, ValueError) as error:
        raise _bad_evaluation(run, error) from None


def check_finished(run: Path) -> None:
    """InputError for a run without result.json, which alone says which codes T tests."""
    if not (run / RESULT).is_file():
        raise InputError(
            f"{run}: expected a finished run, found no {RESULT}; run `ira train --resume {run}`"
        )


def read_evaluation(run: Path) -> dict[str, Any]:
    """The fields of `irvision.evaluation.results.Evaluation`, from evaluation.json.

    Raises:
        InputError: the file is damaged, or that of another run.
    """
    content = _object(run / EVALUATION)
    check_of_tree(run, run / EVALUATION, content.get("tree"))
    named = content.get("classes")
    if isinstance(named, list) and (run / CLASSES).is_file():
        classes = [row.get("name") for row in named if isinstance(row, dict)]
        if classes != list(read_classes(run, len(named))):
            raise InputError(
                f"{run / EVALUATION}: expected the classes of {run / CLASSES}, found others; run "
                f"`ira evaluate {run}`"
            )
    return content


def tree_digest(run: Path) -> str | None:
    """Digest of tree.json, by which results say what they are results of; None without one."""
    path = run / TREE
    return hashlib.sha256(path.read_bytes()).hexdigest()[:32] if path.is_file() else None


def check_of_tree(run: Path, file: Path, digest: object) -> None:
    """InputError if a file of results says that it belongs to another tree than that of the run.

    Args:
        run: folder of the run.
        file: of results.
        digest: that it gives; None in files of earlier releases, which give none.
    """
    found = tree_digest(run)
    if digest is not None and found is not None and digest != found:
        raise InputError(
            f"{file}: expected results of {run / TREE}, found those of another tree; run "
            f"`ira evaluate {run}`"
        )


def read_left_out(run: Path) -> int:
    """Number of samples that the evaluation left out, from evaluation.json."""
    found = _object(run / EVALUATION).get("left_out", 0)
    if type(found) is not int:
        raise InputError(
            f"{run / EVALUATION}: left_out: expected a whole number, found {found!r:.60}"
        )
    return found


def read_named_tests(run: Path) -> list[dict[str, Any]] | None:
    """Node, attribute, present, f1 and chance of every test of T with a name.

    From evaluation.json; see `irvision.evaluation.node_names.NodeName`. None for an evaluation of
    version 0.1, which named tests without regard to the images that reach them.
    """
    kinds = {"node": int, "present": bool, "f1": float, "chance": float}
    content = read_evaluation(run)
    try:
        if any("node" not in test for test in content["tests"]):
            return None
        return [
            {
                "attribute": test["attribute"],
                **{key: kind(test[key]) for key, kind in kinds.items()},
            }
            for test in content["tests"]
        ]
    except (KeyError, TypeError, ValueError) as error:
        raise _bad_evaluation(run, error) from None


def _bad_evaluation(run: Path, error: Exception) -> InputError:
    why = f"no {error}" if isinstance(error, KeyError) else error
    return InputError(f"{run / EVALUATION}: expected what `ira evaluate {run}` writes ({why})")


def read_attributes(run: Path) -> tuple[AttributeRow, ...]:
    """The rows of attributes.csv."""
    path = run / ATTRIBUTES
    if not path.is_file():
        why = f"not there; `ira evaluate {run}` writes it"
        if (run / EVALUATION).is_file():
            note = _object(run / EVALUATION).get("fidelity_note")
            why = "the data set has no attributes" if note is None else f"not there; {note}"
        raise InputError(f"{path}: {why}")
    return read_attribute_table(path)


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise InputError(f"{path}: expected a file of a finished run, found none") from None
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: expected a text file ({error})") from None


def _json(path: Path) -> Any:
    text = _text(path)
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path}: expected JSON ({error})") from None


def _object(path: Path) -> dict[str, Any]:
    content = _json(path)
    if not isinstance(content, dict):
        raise InputError(f"{path}: expected a JSON object, found {content!r:.60}")
    return content
