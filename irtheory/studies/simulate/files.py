"""The run folder of `ira simulate`: certificate, trajectory, figures, tree, columns."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from irtheory.problems.tables import tree_in_units
from irtheory.runs.files import json_text, write_json, write_text
from irtheory.studies.simulate.resolve import ResolvedSettings, content
from irtheory.studies.simulate.result import Result
from irtheory.trees.export import test_words
from irtheory.trees.keys.key import End, Key, key_of
from irtheory.trees.keys.stored import KEY, KEY_DATA, as_json
from irtheory.trees.keys.text import as_text
from irtheory.trees.writing import rounded, told_apart

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Say = Callable[[str], None]


@dataclass(frozen=True)
class FailedSeed:
    """A seed whose run ended in an error, and the error's message."""

    settings: ResolvedSettings
    message: str


def title_of(result: Result) -> str:
    """One line above the figures: the setting and the options that matter most."""
    s = result.settings
    parts: list[str] = [s.setting, s.algorithm]
    if s.network is not None:
        net = s.network
        parts[0] = f"ntk ({net.network} {net.width} × {net.layers}, {net.activation})"
    if s.algorithm == "alternating":
        parts += [s.order] if s.tree == "exact" else [s.order, "greedy tree"]
    return ", ".join([*parts, f"μβ = {s.step_size:g}", f"depth {s.depth}"])


def write_figures(folder: Path, result: Result, say: Say) -> list[Path]:
    """values, gaps and (Proposition 2 with a saddle) escape, as SVG and PNG.

    Those that cannot be drawn are left out, and `say` is told why.
    """
    from irtheory.runs.figures import draw  # loads matplotlib
    from irtheory.studies.simulate import figures

    s, title = result.settings, title_of(result)
    run, bound = result.trajectory, s.order == "gauss-seidel"
    drawings: dict[str, Callable[[], Figure]] = {
        "values": lambda: figures.values_figure(run, result.certificate.checkpoints, title),
        "gaps": lambda: figures.gaps_figure(run, result.beta, s.tolerance, bound, title),
    }
    if (surface := result.surface) is not None:
        above = f"start beside a strict saddle: {title}"
        drawings["escape"] = lambda: figures.escape_figure(surface, above)
    return [path for name, make in drawings.items() for path in draw(folder / name, make, say)]


def tree_key(result: Result) -> Key:
    """The last tree as a dichotomous key in the units of the table.

    A leaf names its largest output and the value.
    """
    problem, tree = result.problem, tree_in_units(result.tree, result.problem.columns)
    classes = told_apart(problem.class_names, "class")
    ends = {}
    for node in tree.leaves.tolist():
        value, note = tree.value[node], f"(n = {rounded(float(tree.count[node]))})"
        if len(value) == 1:
            ends[node] = End(f"T = {rounded(float(value[0]))}", note=note)
        else:
            best = int(value.argmax())
            ends[node] = End(classes[best], note=f"({rounded(float(value[best]))}) {note}")
    # Without a table of the user, codes are 0 and 1.
    binary = [column.kind in ("binary", "word") for column in problem.columns] or True
    words = test_words(tree, problem.feature_names, binary)
    return key_of(tree, words, ends, f"Key by {title_of(result)}")


def tree_json(result: Result) -> str:
    """The last tree on codes, with the names of the columns and, where T has them, the classes."""
    tree, problem = result.tree, result.problem
    named = tree.n_outputs == len(problem.class_names)
    return tree.to_json(problem.feature_names, problem.class_names if named else None)


def write_results(folder: Path, result: Result, say: Say = print) -> list[Path]:
    """Write certificate.json, tree.json, the key and the figures; returns what was written.

    `say` is told why a figure cannot be drawn.

    tree.json tests codes; with a table of the user, columns.json says what the codes mean.
    """
    key = tree_key(result)
    text = [
        (folder / "certificate.json", result.certificate.to_json() + "\n"),
        (folder / "tree.json", tree_json(result) + "\n"),
        (folder / KEY, as_text(key) + "\n"),
        (folder / KEY_DATA, as_json(key)),
    ]
    if result.problem.columns:
        columns = [asdict(column) for column in result.problem.columns]
        text.append((folder / "columns.json", json_text(columns) + "\n"))
    for path, words in text:
        write_text(path, words)
    return [path for path, _ in text] + write_figures(folder, result, say)


def write_ensemble(
    folder: Path, outcomes: Sequence[Result | FailedSeed], say: Say = print
) -> list[Path]:
    """Write seeds.json (settings and certificate, or error, of every seed) and the quantile figure.

    There is no figure if every seed failed, or where `say` is told why.
    """
    write_json(folder / "seeds.json", [_entry(outcome) for outcome in outcomes])
    results = [outcome for outcome in outcomes if isinstance(outcome, Result)]
    if not results:
        return [folder / "seeds.json"]
    from irtheory.runs.figures import draw  # loads matplotlib
    from irtheory.studies.simulate import figures

    title = f"{len(results)} problems, {title_of(results[0])}"
    runs = [result.trajectory for result in results]
    tolerance = results[0].settings.tolerance
    drawn = draw(folder / "bands", lambda: figures.bands_figure(runs, tolerance, title), say)
    return [folder / "seeds.json", *drawn]


def _entry(outcome: Result | FailedSeed) -> dict[str, Any]:
    entry = {"seed": outcome.settings.seed, "settings": content(outcome.settings)}
    if isinstance(outcome, FailedSeed):
        return {**entry, "holds": False, "error": outcome.message}
    certificate = json.loads(outcome.certificate.to_json())
    return {**entry, **certificate, "final": float(outcome.trajectory["value"][-1])}
