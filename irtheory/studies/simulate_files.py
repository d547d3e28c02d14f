"""The run folder of `ira simulate`: certificate, trajectory, figures, tree."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from irtheory import plots
from irtheory.runs import write_json, write_text
from irtheory.studies.simulate import Result
from irtheory.trees.export import to_key


def title_of(result: Result) -> str:
    """One line for the figures: what ran, on what, and how it ended."""
    s = result.settings
    parts = [s.setting, s.algorithm or "", f"μβ = {s.step_size:g}", f"depth {s.depth}"]
    if s.algorithm == "alternating":
        parts[2:2] = [s.order] + ([] if s.tree == "exact" else ["greedy tree"])
    return ", ".join(parts)


def write_figures(folder: Path, result: Result) -> list[Path]:
    """values, gaps and (Proposition 2 with a saddle) escape, as SVG and PNG."""
    s, title = result.settings, title_of(result)
    written = plots.save(
        plots.values_figure(result.trajectory, result.certificate.checkpoints, title),
        folder / "values",
    )
    bound = s.order == "gauss-seidel"
    gaps = plots.gaps_figure(result.trajectory, result.beta, s.tolerance, bound, title)
    written += plots.save(gaps, folder / "gaps")
    if result.surface is not None:
        figure = plots.escape_figure(result.surface, f"start beside a strict saddle: {title}")
        written += plots.save(figure, folder / "escape")
    return written


def tree_key(result: Result) -> str:
    """The last tree as a dichotomous key; a leaf names its largest output and the value."""
    values = result.tree.value[result.tree.leaves]
    if values.shape[1] == 1:
        names = [f"T = {v:.3g}" for v in values[:, 0]]
    else:
        best = values.argmax(axis=1)
        names = [
            f"{result.problem.class_names[c]} ({v[c]:.2f})"
            for c, v in zip(best, values, strict=True)
        ]
    return to_key(result.tree, result.problem.feature_names, leaf_names=names)


def write_results(folder: Path, result: Result) -> list[Path]:
    """Write certificate.json, tree.json, key.txt and the figures; returns what was written."""
    text = [
        (folder / "certificate.json", result.certificate.to_json() + "\n"),
        (folder / "tree.json", result.tree.to_json(result.problem.feature_names) + "\n"),
        (folder / "key.txt", tree_key(result) + "\n"),
    ]
    for path, content in text:
        write_text(path, content)
    return [path for path, _ in text] + write_figures(folder, result)


def write_ensemble(folder: Path, results: Sequence[Result]) -> list[Path]:
    """Write seeds.json (settings, certificates of every seed) and the quantile figure."""
    content = [
        {
            "seed": result.settings.seed,
            "steps": result.certificate.steps,
            "stopped": result.certificate.stopped,
            "holds": result.certificate.holds,
            "checks": [
                asdict(c) for c in (*result.certificate.assumptions, *result.certificate.promises)
            ],
            "final": float(result.trajectory["value"][-1]),
        }
        for result in results
    ]
    write_json(folder / "seeds.json", content)
    title = f"{len(results)} problems, {title_of(results[0])}"
    runs = [result.trajectory for result in results]
    figure = plots.bands_figure(runs, results[0].settings.tolerance, title)
    return [folder / "seeds.json", *plots.save(figure, folder / "bands")]
