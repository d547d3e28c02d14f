"""The figures of a run, drawn from the files in its folder."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from irtheory.runs.figures import save
from irtheory.runs.files import InputError
from irtheory.trees.tree import Tree
from irvision.figures.attributes import attributes_figure, comparison_figure
from irvision.figures.training import dynamics_figure
from irvision.figures.tree import NodeText, code_test, tree_figure
from irvision.runs.names import ATTRIBUTES, CLASSES, EVALUATION, METRICS, RESULT, TREE
from irvision.runs.reader import (
    read_attributes,
    read_classes,
    read_epoch_fidelity,
    read_kept,
    read_metrics,
    read_named_tests,
    read_result,
    read_tree,
)


def plot_run(run: Path, other: Path | None = None) -> list[Path]:
    """Draw what the files of a run allow: training, tree and attributes.

    The figure of training needs metrics.jsonl, that of the tree tree.json (it takes names of
    classes and tests from classes.json, result.json and evaluation.json if they exist), and that
    of attributes attributes.csv. With a second run, only the attributes of both are compared.

    Returns:
        The files, SVG and PNG in the folder of `run`.

    Raises:
        InputError: a file is missing or damaged; says which command makes it.
    """
    if other is not None:
        return _plot_comparison(run, other)
    written: list[Path] = []
    if (run / METRICS).is_file():
        rows = _with_fidelity(read_metrics(run), run)
        figure = dynamics_figure(rows, f"training of {_name(run)}", _restored_epoch(run))
        written += save(figure, run / "training")
    if (run / TREE).is_file():
        tree = read_tree(run)
        figure = tree_figure(
            tree, _test_names(run, tree), _classes(run, tree), f"T of {_name(run)}"
        )
        written += save(figure, run / "tree")
    if (run / ATTRIBUTES).is_file():
        figure = attributes_figure(read_attributes(run), f"attributes of {_name(run)}")
        written += save(figure, run / "attributes")
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
    figure = comparison_figure(read_attributes(run), read_attributes(other), names)
    return save(figure, run / f"attributes-against-{_name(other)}.svg")


def _check_same_samples(run: Path, other: Path) -> None:
    """InputError unless both runs were scored on the same images: a best F1 depends on them."""
    samples = [_result(each).get("samples") for each in (run, other)]
    if None not in samples and samples[0] != samples[1]:
        raise InputError(
            f"{run} and {other}: expected runs of the same data set and parts, found different "
            "ones, whose scores cannot be compared"
        )


def _name(run: Path) -> str:
    return run.resolve().name


def _result(run: Path) -> dict[str, Any]:
    """The content of result.json; empty without the file, as during training."""
    return read_result(run) if (run / RESULT).is_file() else {}


def _restored_epoch(run: Path) -> int | None:
    """The epoch whose network the stopping rule restored, if it stopped the run."""
    result = _result(run)
    return int(result["epochs"]) - 1 if result.get("stopped") is True else None


def _with_fidelity(rows: list[dict[str, Any]], run: Path) -> list[dict[str, Any]]:
    """The epochs, each with its feature fidelity if `ira evaluate` measured it."""
    if not (run / EVALUATION).is_file():
        return rows
    scored = read_epoch_fidelity(run)
    found = ((row, scored.get(row["epoch"])) for row in rows)
    return [row if more is None else {**row, **more} for row, more in found]


def _classes(run: Path, tree: Tree) -> tuple[str, ...]:
    """Names of the classes; numbers without the file."""
    if (run / CLASSES).is_file():
        return read_classes(run, tree.n_outputs)
    return tuple(f"class {index}" for index in range(tree.n_outputs))


def _test_names(run: Path, tree: Tree) -> dict[tuple[int, float], NodeText]:
    """Every test by the number of its code, and by an attribute if the evaluation found one."""
    size = tree.n_features
    kept = read_kept(run, size) if (run / RESULT).is_file() else range(size)
    inner = tree.feature >= 0
    tests = zip(tree.feature[inner].tolist(), tree.threshold[inner].tolist(), strict=True)
    names = {(f, t): NodeText(code_test(kept[f], t)) for f, t in tests}
    if not (run / EVALUATION).is_file():
        return names
    for test in read_named_tests(run):
        at = test["feature"], test["threshold"]
        if at in names:
            absent = not test["present"]
            words = code_test(kept[at[0]], at[1], fails=absent)
            below = f"{words}, F1 {test['f1']:.2f} ({test['chance']:.2f})"
            names[at] = NodeText(test["attribute"], below, absent)
    return names
