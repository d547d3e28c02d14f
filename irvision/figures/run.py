"""The figures of a run, drawn from the files of its folder alone."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from irtheory.runs.figures import save
from irtheory.runs.files import InputError
from irtheory.trees.tree import Tree
from irvision.figures.attributes import attributes_figure, comparison_figure
from irvision.figures.training import dynamics_figure
from irvision.figures.tree import NodeText, code_test, tree_figure
from irvision.runs.attribute_table import AttributeRow, read_attribute_table

METRICS, TREE, CLASSES, RESULT = "metrics.jsonl", "tree.json", "classes.json", "result.json"
EVALUATION, ATTRIBUTES = "evaluation.json", "attributes.csv"


def plot_run(run: Path, other: Path | None = None) -> list[Path]:
    """Draw what the files of a run allow: training, tree, attributes; with another run, both.

    Training needs metrics.jsonl, the tree tree.json (names of classes and of tests are taken from
    classes.json, result.json and evaluation.json where they are there), attributes attributes.csv.

    Returns:
        The files, SVG and PNG in the folder of `run`.

    Raises:
        InputError: a file is missing or damaged; says which command makes it.
    """
    if other is not None:
        return _plot_comparison(run, other)
    written: list[Path] = []
    if (run / METRICS).is_file():
        rows = _with_fidelity(read_metrics(run / METRICS), run)
        figure = dynamics_figure(rows, f"training of {_name(run)}", _went_back_to(run))
        written += save(figure, run / "training")
    if (run / TREE).is_file():
        tree = _read_tree(run / TREE)
        title = f"T of {_name(run)}"
        classes = _read_classes(run / CLASSES, tree.n_outputs)
        written += save(tree_figure(tree, _test_names(run, tree), classes, title), run / "tree")
    if (run / ATTRIBUTES).is_file():
        rows = _read_attributes(run)
        written += save(attributes_figure(rows, f"attributes of {_name(run)}"), run / "attributes")
    if not written:
        raise InputError(
            f"{run}: expected {METRICS} or {TREE}, which `ira train` writes, or {ATTRIBUTES}, "
            f"which `ira evaluate {run}` writes; found none"
        )
    return written


def _plot_comparison(run: Path, other: Path) -> list[Path]:
    _check_same_samples(run, other)
    names = _name(run), _name(other)
    if names[0] == names[1]:
        names = str(run), str(other)
    figure = comparison_figure(_read_attributes(run), _read_attributes(other), names)
    return save(figure, run / f"attributes-against-{_name(other)}.svg")


def _check_same_samples(run: Path, other: Path) -> None:
    """InputError unless both were scored on the same images, on which a best F1 depends."""
    samples = [_result(each).get("samples") for each in (run, other)]
    if None not in samples and samples[0] != samples[1]:
        raise InputError(
            f"{run} and {other}: expected runs of the same data set and parts, found different "
            "ones, whose scores cannot be compared"
        )


def _name(run: Path) -> str:
    return run.resolve().name


def read_metrics(path: Path) -> list[dict[str, Any]]:
    """The epochs of a run, one JSON object a line.

    Raises:
        InputError: no epoch yet, or a line that is not an object with an epoch and losses.
    """
    rows = []
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


def _went_back_to(run: Path) -> int | None:
    """The epoch whose network was kept, if a stopping rule went back to it."""
    result = _result(run)
    return int(result["epochs"]) - 1 if result.get("stopped") is True else None


def _result(run: Path) -> dict[str, Any]:
    """What training said at its end; nothing without the file."""
    content = _json(run / RESULT) if (run / RESULT).is_file() else {}
    return content if isinstance(content, dict) else {}


def _with_fidelity(rows: list[dict[str, Any]], run: Path) -> list[dict[str, Any]]:
    """The epochs, each with its fidelity if `ira evaluate` found one."""
    path = run / EVALUATION
    if not path.is_file():
        return rows
    try:
        scored = {
            each["epoch"]: {
                "images": int(each["images"]),
                "fidelity": float(each["fidelity"]),
                "fidelity_null": None if each["null"] is None else float(each["null"]),
            }
            for each in _json(path).get("epochs", [])
        }
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise _other_evaluation(run, error) from error
    return [{**row, **scored.get(row["epoch"], {})} for row in rows]


def _other_evaluation(run: Path, error: Exception) -> InputError:
    path = run / EVALUATION
    return InputError(f"{path}: expected what `ira evaluate {run}` writes ({error})")


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: cannot be read ({error})") from error


def _json(path: Path) -> Any:
    try:
        return json.loads(_text(path))
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path}: expected JSON ({error})") from error


def _read_tree(path: Path) -> Tree:
    try:
        return Tree.from_json(_text(path))
    except ValueError as error:
        raise InputError(f"{path}: {error}") from error


def _read_classes(path: Path, k: int) -> list[str]:
    """Names of the classes; numbers without the file."""
    if not path.is_file():
        return [f"class {index}" for index in range(k)]
    names = _json(path)
    if not isinstance(names, list) or len(names) != k or not all(isinstance(n, str) for n in names):
        raise InputError(f"{path}: expected a list of {k} names of classes, found {names!r:.60}")
    return names


def _test_names(run: Path, tree: Tree) -> dict[tuple[int, float], NodeText]:
    """Every test by the number of its code, and by an attribute where one matches it."""
    kept = _kept(run / RESULT, tree.n_features)
    inner = tree.feature >= 0
    tests = zip(tree.feature[inner].tolist(), tree.threshold[inner].tolist(), strict=True)
    names = {(f, t): NodeText(code_test(kept[f], t)) for f, t in tests}
    path = run / EVALUATION
    if not path.is_file():
        return names
    try:
        for found in _json(path)["tests"]:
            at = int(found["feature"]), float(found["threshold"])
            if at in names:
                absent = not found["present"]
                test = code_test(kept[at[0]], at[1], fails=absent)
                below = f"{test}, F1 {found['f1']:.2f} ({found['chance']:.2f})"
                names[at] = NodeText(found["attribute"], below, absent)
    except (KeyError, TypeError, ValueError) as error:
        raise _other_evaluation(run, error) from error
    return names


def _kept(path: Path, size: int) -> list[int]:
    """The numbers of the codes that the tree may test; 0, 1, … without the file."""
    if not path.is_file():
        return list(range(size))
    content = _json(path)
    kept = content.get("kept") if isinstance(content, dict) else None
    if (
        not isinstance(kept, list)
        or len(kept) != size
        or not all(isinstance(each, int) for each in kept)
    ):
        raise InputError(f"{path}: expected kept, a list of {size} codes, found {kept!r:.60}")
    return kept


def _read_attributes(run: Path) -> tuple[AttributeRow, ...]:
    path = run / ATTRIBUTES
    if not path.is_file():
        why = "the data set has no attributes" if (run / EVALUATION).is_file() else "not there"
        how = "" if (run / EVALUATION).is_file() else f"; `ira evaluate {run}` writes it"
        raise InputError(f"{path}: {why}{how}")
    return read_attribute_table(path)
