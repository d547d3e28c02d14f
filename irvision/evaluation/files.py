"""Writes an evaluation to the folder of a run."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, fields
from pathlib import Path

from irtheory.runs.files import write_json, write_text
from irvision.data.examples import Part
from irvision.evaluation.node_names import NodeName
from irvision.evaluation.predictions import write_predictions
from irvision.evaluation.results import Evaluation
from irvision.evaluation.subject import Subject
from irvision.runs.attribute_table import write_attribute_table
from irvision.runs.code_names import read_code_names
from irvision.runs.key import key_text
from irvision.runs.leaf_counts import write_leaf_counts
from irvision.runs.named_tree import AttributeName, name_tree
from irvision.runs.names import ATTRIBUTES, EVALUATION, KEY, TESTS, path_of
from irvision.runs.reader import tree_digest
from irvision.runs.scored_images import scored_digest


def write_evaluation(
    run: Path,
    evaluation: Evaluation,
    subject: Subject,
    images: Mapping[Part, Sequence[str]],
    other: Path | None = None,
) -> list[Path]:
    """Write all files of an evaluation; evaluation.json is the last.

    leaves.csv and key.txt are written again, with test images, and with the attributes that name
    tests, unless some samples of the run were left out. Without attributes, tables and figures of
    attributes of an earlier evaluation are removed.

    Args:
        run: folder of the run.
        evaluation: the scores.
        subject: what was scored.
        images: names of the images of each part.
        other: another labelled set that was scored; the files then carry its name, and the key of
            the run stays as it is.

    Returns:
        The files, evaluation.json first.
    """
    name = "" if other is None else _name_of(run, other)
    result, attributes, tests = (
        path_of(run, file, name) for file in (EVALUATION, ATTRIBUTES, TESTS)
    )
    written = [result, *write_predictions(run, name, subject, images)]
    if other is None and not evaluation.left_out:
        written += _write_tree(run, evaluation.tests, subject)
    if evaluation.fidelity:
        write_attribute_table(attributes, evaluation.attributes)
        write_tests(tests, evaluation.tests)
        written += [attributes, tests]
    else:
        figures = [] if name else [run / f"attributes.{kind}" for kind in ("svg", "png")]
        for stale in (attributes, tests, *figures):
            stale.unlink(missing_ok=True)
    content = asdict(evaluation)
    del content["attributes"]
    content["tree"] = tree_digest(run)
    if other is None:
        content["scored"] = scored_digest(run)
    if other is not None:
        content["folder"] = str(other.resolve())
    write_json(result, content)
    return written


def _name_of(run: Path, other: Path) -> str:
    """The name of a labelled set, with a number if another one of that name was scored before."""
    name = plain = other.resolve().name or "root"
    number = 1
    while not _is_free(path_of(run, EVALUATION, name), other):
        number += 1
        name = f"{plain}-{number}"
    return name


def _is_free(file: Path, other: Path) -> bool:
    """Whether a file of results is missing, unreadable, or on the same labelled set."""
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return True
    return not isinstance(content, dict) or content.get("folder") == str(other.resolve())


def _write_tree(folder: Path, tests: Sequence[NodeName], subject: Subject) -> list[Path]:
    """The counts of leaves and the key, with test images and names."""
    counts, classes = subject.counts(), subject.classes
    leaves = write_leaf_counts(folder, subject.tree, classes, counts)
    attributes = {each.node: AttributeName(each.attribute, each.present) for each in tests}
    experts = read_code_names(folder, subject.test.codes.shape[1])
    kept = subject.kept.tolist()
    named = name_tree(subject.tree, counts, classes, kept, subject.bits, attributes, experts)
    write_text(folder / KEY, key_text(named) + "\n")
    return [leaves, folder / KEY]


def write_tests(path: Path, tests: Sequence[NodeName]) -> None:
    """tests.csv: a row for each named test of T, with the columns of `NodeName`."""
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    table.writerow(field.name for field in fields(NodeName))
    for test in tests:
        cells = asdict(test) | {"present": "present" if test.present else "absent"}
        table.writerow("" if cell is None else cell for cell in cells.values())
    write_text(path, text.getvalue())
