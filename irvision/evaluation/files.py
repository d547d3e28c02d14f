"""Writes an evaluation to the folder of a run."""

from __future__ import annotations

import csv
import io
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
from irvision.runs.key import key_text
from irvision.runs.leaf_counts import readers_tree, write_leaf_counts
from irvision.runs.names import ATTRIBUTES, EVALUATION, KEY, TESTS


def write_evaluation(
    folder: Path, evaluation: Evaluation, subject: Subject, images: Mapping[Part, Sequence[str]]
) -> list[Path]:
    """Write all files of an evaluation; evaluation.json is the last.

    leaves.csv and key.txt are written again, with test images, and with the attributes that name
    tests. Without attributes, tables and figures of attributes of an earlier evaluation are
    removed.

    Args:
        folder: of the run.
        evaluation: the scores.
        subject: what was scored.
        images: names of the images of each part.

    Returns:
        The files.
    """
    written = [folder / EVALUATION, *write_predictions(folder, subject, images)]
    written += _write_tree(folder, evaluation.tests, subject)
    tables = {ATTRIBUTES: evaluation.attributes, TESTS: evaluation.tests}
    if evaluation.fidelity:
        write_attribute_table(folder / ATTRIBUTES, evaluation.attributes)
        write_tests(folder / TESTS, evaluation.tests)
        written += [folder / name for name in tables]
    else:
        for stale in (*tables, *(f"attributes.{kind}" for kind in ("svg", "png"))):
            (folder / stale).unlink(missing_ok=True)
    content = asdict(evaluation)
    del content["attributes"]
    write_json(folder / EVALUATION, content)
    return written


def _write_tree(folder: Path, tests: Sequence[NodeName], subject: Subject) -> list[Path]:
    """The counts of leaves and the key, with test images and names."""
    counts, classes = subject.counts(), subject.classes
    leaves = write_leaf_counts(folder, subject.tree, classes, counts)
    short = readers_tree(subject.tree, counts)
    named = {test.node: (test.attribute, test.present) for test in tests}
    key = key_text(short, counts, classes, subject.kept.tolist(), subject.bits == 1, named)
    write_text(folder / KEY, key + "\n")
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
