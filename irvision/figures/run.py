"""The figures of a run, drawn from the files in its folder."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from irtheory.runs.figures import draw
from irtheory.runs.files import InputError
from irtheory.runs.folder import command_of
from irtheory.trees.short_tree import ShortTree
from irtheory.trees.tree import Tree
from irvision.figures.attributes import attributes_figure, comparison_figure
from irvision.figures.training import dynamics_figure
from irvision.figures.tree import NodeText, tree_figure
from irvision.runs.key import code_test
from irvision.runs.leaf_counts import read_leaf_counts, readers_tree
from irvision.runs.names import ATTRIBUTES, CLASSES, EVALUATION, METRICS, RESULT, TREE
from irvision.runs.reader import (
    read_attributes,
    read_classes,
    read_epoch_fidelity,
    read_kept,
    read_left_out,
    read_metrics,
    read_named_tests,
    read_result,
    read_tree,
)

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def plot_run(
    run: Path, other: Path | None = None, say: Callable[[str], None] = print
) -> list[Path]:
    """Draw what the files of a run allow: training, tree and attributes.

    The figure of training needs metrics.jsonl, that of the tree tree.json (it takes names of
    classes and tests from classes.json, result.json and evaluation.json if they exist), and that
    of attributes attributes.csv. With a second run, only the attributes of both are compared. Of
    several figures, one that cannot be drawn is left out, and `say` is told why.

    Returns:
        The files, SVG and PNG in the folder of `run`.

    Raises:
        InputError: a file is missing or damaged (says which command makes it), or no figure can
            be drawn.
    """
    for folder in (run, other) if other is not None else (run,):
        _check_command(folder)
    if other is not None:
        return _plot_comparison(run, other)
    drawings: dict[str, Callable[[], Figure]] = {}
    if (run / METRICS).is_file():
        rows, epoch = _with_fidelity(read_metrics(run), run), _restored_epoch(run)
        drawings["training"] = lambda: dynamics_figure(rows, f"training of {_name(run)}", epoch)
    if (run / TREE).is_file():
        drawings["tree"] = lambda: _drawn_tree(run)
    if (run / ATTRIBUTES).is_file():
        attributes = read_attributes(run)
        drawings["attributes"] = lambda: attributes_figure(
            attributes, f"attributes of {_name(run)}"
        )
    if not drawings:
        raise InputError(
            f"{run}: expected {METRICS} or {TREE}, which `ira train` writes, or {ATTRIBUTES}, "
            f"which `ira evaluate {run}` writes; found none"
        )
    return _drawn(run, drawings, say)


def _drawn(
    run: Path, drawings: Mapping[str, Callable[[], Figure]], say: Callable[[str], None]
) -> list[Path]:
    """Files of the figures that can be drawn; InputError if none can."""
    notes: list[str] = []
    written = [
        path for name, make in drawings.items() for path in draw(run / name, make, notes.append)
    ]
    if not written:
        raise InputError(f"{run}: {'; '.join(notes)}")
    for note in notes:
        say(note)
    return written


def _check_command(run: Path) -> None:
    """InputError for a run of another command, whose trees have other names and values."""
    command = command_of(run)
    if command not in (None, "train"):
        drawn = sorted(path.name for path in run.glob("*.png"))
        there = f", which has drawn {', '.join(drawn)} there" if drawn else ""
        raise InputError(f"{run}: expected a run of ira train, found one of ira {command}{there}")


def _plot_comparison(run: Path, other: Path) -> list[Path]:
    _check_same_samples(run, other)
    names = _name(run), _name(other)
    if names[0] == names[1]:
        names = str(run), str(other)
    tables = read_attributes(run), read_attributes(other)
    name = f"attributes-against-{_name(other)}.svg"
    return _drawn(run, {name: lambda: comparison_figure(*tables, names)}, print)


def _check_same_samples(run: Path, other: Path) -> None:
    """InputError unless both runs were scored on the same images: a best F1 depends on them."""
    samples = [_result(each).get("samples") for each in (run, other)]
    if None not in samples and samples[0] != samples[1]:
        raise InputError(
            f"{run} and {other}: expected runs of the same data set and parts, found different "
            "ones, whose scores cannot be compared"
        )
    for each in (run, other):
        if (each / EVALUATION).is_file() and read_left_out(each):
            raise InputError(
                f"{each}: expected a score of all images, found one without those that have "
                f"changed (--only-known); bring them back and run `ira evaluate {each}`"
            )


def _name(run: Path) -> str:
    return run.resolve().name


def _result(run: Path) -> dict[str, Any]:
    """The content of result.json; empty without the file, as during training."""
    return read_result(run) if (run / RESULT).is_file() else {}


def _restored_epoch(run: Path) -> int | None:
    """The epoch that was kept, if it is not the last one."""
    result = _result(run)
    if isinstance(kept := result.get("kept_epoch"), int):
        return kept if kept != result.get("epochs") else None
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


def _drawn_tree(run: Path) -> Figure:
    """The figure of T: with the numbers of images of leaves.csv, and the names of tests."""
    tree = read_tree(run)
    classes = _classes(run, tree)
    counts = read_leaf_counts(run, tree, classes)
    short = readers_tree(tree, counts)
    kept = read_kept(run, tree.n_features) if (run / RESULT).is_file() else range(tree.n_features)
    names, remarks = _test_names(run, short, kept)
    if short.tree.n_leaves < tree.n_leaves:
        remarks = [
            f"of the {tree.n_leaves} leaves of T, those without images are left out, and those "
            "that name one class throughout are merged",
            *remarks,
        ]
    return tree_figure(short, counts, names, classes, f"T of {_name(run)}", remarks)


def _test_names(
    run: Path, short: ShortTree, kept: Sequence[int]
) -> tuple[dict[int, NodeText], list[str]]:
    """By node of T: every test by the number of its code, or its attribute; and remarks."""
    names, codes = {}, {}
    # A run of version 0.1 does not say how many bits its codes have.
    binary = _result(run).get("bits") == 1
    for node in np.flatnonzero(short.tree.feature >= 0).tolist():
        code, threshold = kept[short.tree.feature[node]], float(short.tree.threshold[node])
        codes[int(short.nodes[node])] = code, threshold, binary
        names[int(short.nodes[node])] = NodeText(code_test(code, threshold, binary))
    if not (run / EVALUATION).is_file():
        return names, []
    tests = read_named_tests(run)
    if tests is None:
        return names, [f"no names: those of an earlier version; run `ira evaluate {run}` again"]
    for test in tests:
        if test["node"] in names:
            absent = not test["present"]
            words = code_test(*codes[test["node"]], passed=not absent)
            below = f"{words}, F1 {test['f1']:.2f} ({test['chance']:.2f})"
            names[test["node"]] = NodeText(test["attribute"], below, absent)
    return names, []
