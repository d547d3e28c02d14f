"""The figures of a run, drawn from the files in its folder."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from irtheory.runs.figures import draw
from irtheory.runs.files import InputError
from irtheory.runs.folder import command_of
from irvision.figures.attributes import attributes_figure, comparison_figure
from irvision.figures.training import dynamics_figure
from irvision.figures.tree import NodeText, tree_figure
from irvision.runs.comparing import check_same_samples
from irvision.runs.epochs import restored_epoch, with_fidelity
from irvision.runs.named_tree import NamedTest, read_named_tree
from irvision.runs.names import ATTRIBUTES, EVALUATION, METRICS, RESULT, TREE
from irvision.runs.reader import (
    read_attributes,
    read_epoch_fidelity,
    read_metrics,
    read_result,
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
        rows, epoch = _epochs(run), restored_epoch(_result(run))
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
    check_same_samples(run, other)
    names = _name(run), _name(other)
    if names[0] == names[1]:
        names = str(run), str(other)
    tables = read_attributes(run), read_attributes(other)
    name = f"attributes-against-{_name(other)}.svg"
    return _drawn(run, {name: lambda: comparison_figure(*tables, names)}, print)


def _name(run: Path) -> str:
    return run.resolve().name


def _result(run: Path) -> dict[str, Any]:
    """The content of result.json; empty without the file, as during training."""
    return read_result(run) if (run / RESULT).is_file() else {}


def _epochs(run: Path) -> list[dict[str, Any]]:
    """The epochs, each with its feature fidelity if `ira evaluate` measured it."""
    rows = read_metrics(run)
    return with_fidelity(rows, read_epoch_fidelity(run)) if (run / EVALUATION).is_file() else rows


def _drawn_tree(run: Path) -> Figure:
    """The figure of T: with the numbers of images of leaves.csv, and the names of tests."""
    named = read_named_tree(run)
    remarks = list(named.remarks)
    if named.short.tree.n_leaves < named.tree.n_leaves:
        remarks = [
            f"of the {named.tree.n_leaves} leaves of T, those without images are left out, and "
            "those that name one class throughout are merged",
            *remarks,
        ]
    names = {node: _node_text(test) for node, test in named.tests.items()}
    title = f"T of {_name(run)}"
    return tree_figure(named.short, named.counts, names, named.classes, title, remarks)


def _node_text(test: NamedTest) -> NodeText:
    """Both lines of a test: its name, with the code below; or the code alone."""
    if test.named_by == "code":
        return NodeText(test.code_words())
    if test.expert is not None:
        return NodeText(test.expert.high or test.expert.words(True), test.code_words())
    assert test.attribute is not None
    found = test.attribute
    below = f"{test.code_words(found.present)}, F1 {found.f1:.2f} ({found.chance:.2f})"
    return NodeText(found.attribute, below, swapped=not found.present)
