"""What a report is made of, read once from the folder of a run. Loads no torch."""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from irtheory.runs.files import InputError
from irtheory.runs.folder import ENVIRONMENT, command_of
from irtheory.trees.writing import told_apart
from irvision.runs.attribute_table import AttributeRow
from irvision.runs.gallery import Gallery, read_gallery
from irvision.runs.named_tree import NamedTree, read_named_tree
from irvision.runs.names import ATTRIBUTES, EVALUATION, GALLERY, METRICS, PREDICTIONS_CODES, RESULT
from irvision.runs.reader import (
    read_attributes,
    read_evaluation,
    read_metrics,
    read_result,
    read_settings_content,
)
from irvision.runs.scored_images import ScoredImages, read_scored_images, scored_digest


@dataclass(frozen=True, eq=False)
class ReportRun:
    """A finished run of `ira train` as a report sees it.

    Attributes:
        folder: of the run.
        name: of the folder.
        named: T with words for its tests.
        classes: names of the k classes, told apart where two look alike.
        result: content of result.json.
        settings: content of config.yaml, unchecked.
        environment: content of environment.json.
        evaluation: content of evaluation.json; None if the run was not evaluated.
        attributes: rows of attributes.csv; empty without attributes.
        scored: the images that were scored; None if the run was not evaluated.
        gallery: pictures; None if there are none for these images.
        metrics: a row for every epoch.
        notes: sentences on what is missing, and which command brings it.
    """

    folder: Path
    name: str
    named: NamedTree
    classes: tuple[str, ...]
    result: Mapping[str, Any]
    settings: Mapping[str, Any]
    environment: Mapping[str, Any]
    evaluation: Mapping[str, Any] | None
    attributes: tuple[AttributeRow, ...]
    scored: ScoredImages | None
    gallery: Gallery | None
    metrics: Sequence[Mapping[str, Any]]
    notes: tuple[str, ...]


def read_report_run(folder: Path) -> ReportRun:
    """Read a finished run.

    Raises:
        InputError: no such folder, a run that is not finished or of another command, or a file
            that is missing or damaged.
    """
    _check_run(folder)
    named = read_named_tree(folder)
    evaluation, scored, gallery, notes = _evaluated(folder, named)
    metrics: Sequence[Mapping[str, Any]] = ()
    if (folder / METRICS).is_file():
        metrics = read_metrics(folder)
    else:
        notes.append(f"The run has no {METRICS}: the course of training is not shown.")
    return ReportRun(
        folder=folder,
        name=folder.resolve().name,
        named=named,
        classes=tuple(told_apart(named.classes, "class")),
        result=read_result(folder),
        settings=read_settings_content(folder),
        environment=_environment(folder / ENVIRONMENT),
        evaluation=evaluation,
        attributes=read_attributes(folder) if (folder / ATTRIBUTES).is_file() else (),
        scored=scored,
        gallery=gallery,
        metrics=metrics,
        notes=(*named.remarks, *notes),
    )


def _check_run(folder: Path) -> None:
    if not folder.is_dir():
        what = "a file" if folder.exists() else "no such folder"
        raise InputError(f"{folder}: expected the folder of a run of ira train, found {what}")
    command = command_of(folder)
    if command != "train":
        what = "no run" if command is None else f"one of ira {command}"
        raise InputError(f"{folder}: expected a run of ira train, found {what}")
    if not (folder / RESULT).is_file():
        resume = shlex.join(["ira", "train", "--resume", str(folder)])
        raise InputError(f"{folder}: not finished; run `{resume}` first")


def _evaluated(
    folder: Path, named: NamedTree
) -> tuple[dict[str, Any] | None, ScoredImages | None, Gallery | None, list[str]]:
    """Evaluation, scored images, pictures, and sentences on those of them that are missing."""
    evaluate = f"`{shlex.join(['ira', 'evaluate', str(folder)])}`"
    if not (folder / EVALUATION).is_file():
        return None, None, None, [f"The run was not scored on test images: {evaluate} does so."]
    evaluation = read_evaluation(folder)
    if not (folder / PREDICTIONS_CODES).is_file():
        note = f"The run has no {PREDICTIONS_CODES}, hence no images: {evaluate} writes it."
        return evaluation, None, None, [note]
    scored = read_scored_images(folder)
    if evaluation.get("scored") not in (None, scored_digest(folder)):
        raise InputError(
            f"{folder / EVALUATION}: expected the scores of {PREDICTIONS_CODES}, found those of an "
            f"earlier evaluation; one since was interrupted: run {evaluate} again"
        )
    _check_scored(folder, scored, named)
    gallery = read_gallery(folder, scored_digest(folder))
    if gallery is None or not gallery.pictures:
        there = (
            "no pictures"
            if gallery is not None or not (folder / GALLERY).is_file()
            else ("only pictures of an earlier evaluation")
        )
        note = f"The run has {there} of its images: {evaluate} makes them."
        return evaluation, scored, None, [note]
    most = max(gallery.pictures)
    if most >= len(scored.names):
        raise InputError(
            f"{folder}: expected pictures of {len(scored.names)} images, found one of image {most}"
        )
    return evaluation, scored, gallery, []


def _check_scored(folder: Path, scored: ScoredImages, named: NamedTree) -> None:
    path, wrong = folder / PREDICTIONS_CODES, ""
    if scored.classes != named.classes:
        wrong = f"the {len(named.classes)} classes of the run, found {len(scored.classes)} others"
    elif scored.codes.shape[1] <= max(named.kept):
        wrong = f"code {max(named.kept)}, found {scored.codes.shape[1]} codes"
    elif not np.isin(scored.leaf, named.tree.leaves).all():
        wrong = "leaves of tree.json, found others"
    if wrong:
        raise InputError(f"{path}: expected {wrong}; run `ira evaluate {folder}` again")


def _environment(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise InputError(f"{path}: expected JSON ({error})") from None
    if not isinstance(content, dict):
        raise InputError(f"{path}: expected a JSON object, found {content!r:.60}")
    return content
