"""Files with what G and T name for every image, and how often which class is taken for which."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Int
from safetensors.torch import save

from irtheory.runs.files import write_bytes, write_text
from irvision.data.examples import PARTS, Part
from irvision.evaluation.accuracy import confusion
from irvision.evaluation.subject import Subject
from irvision.runs.names import (
    CONFUSION_G,
    CONFUSION_T,
    PREDICTIONS,
    PREDICTIONS_CODES,
    path_of,
)
from irvision.runs.reader import tree_digest
from irvision.runs.samples import CODING
from irvision.runs.scored_images import ScoredImages

COLUMNS = ("image", "part", "class", "G", "T", "leaf")


def write_predictions(
    run: Path, other: str, subject: Subject, images: Mapping[Part, Sequence[str]]
) -> list[Path]:
    """Write predictions.csv, predictions.safetensors and the two tables of confusion.

    Both files of predictions have a row for each image in the same order: test images first, and
    in each part those first that G or T gets wrong, most of all those where the class is least
    probable to G.

    Args:
        run: folder of the run.
        other: name of another labelled set, which is then part of the names; or an empty word.
        subject: the predictions and the tree.
        images: names of the images of each part.
    """
    order = order_of(subject)
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    table.writerow((*COLUMNS, *(f"p({name})" for name in subject.classes)))
    for part, rows in order.items():
        table.writerows(_rows(subject, part, rows, images[part]))
    files = PREDICTIONS, PREDICTIONS_CODES, CONFUSION_G, CONFUSION_T
    written = [path_of(run, file, other) for file in files]
    # Names of files need not be UTF-8; samples.csv keeps them in the same way.
    write_bytes(written[0], text.getvalue().encode(**CODING))
    about = {"images": json.dumps(_names(order, images)), "classes": json.dumps(subject.classes)}
    about["parts"] = json.dumps(PARTS)
    if (tree := tree_digest(run)) is not None:
        about["tree"] = tree
    write_bytes(written[1], save(_tensors(subject, order), about))
    for path, counts in zip(written[2:], confusion(subject), strict=True):
        _write_confusion(path, subject.classes, counts)
    return written


def scored_images(subject: Subject, images: Mapping[Part, Sequence[str]]) -> ScoredImages:
    """All scored images in the order of both files of predictions.

    Args:
        subject: the predictions and the tree.
        images: names of the images of each part.
    """
    order = order_of(subject)
    columns = {name: tensor.numpy() for name, tensor in _tensors(subject, order).items()}
    names = tuple(_names(order, images))
    return ScoredImages(
        names, subject.classes, columns["part"], columns["labels"], columns["codes"],
        columns["outputs"], columns["named_by_t"], columns["leaf"], columns.get("levels"),
    )  # fmt: skip


def order_of(subject: Subject) -> dict[Part, Int[np.ndarray, " m"]]:
    """The parts in the order of the files, each with its rows in that order."""
    return {part: _order(subject, part) for part in reversed(PARTS) if part in subject.parts}


def _names(
    order: Mapping[Part, Int[np.ndarray, " m"]], images: Mapping[Part, Sequence[str]]
) -> list[str]:
    names: list[str] = []
    for part, rows in order.items():
        of_part = list(images[part])
        names += [of_part[row] for row in rows]
    return names


def _order(subject: Subject, part: Part) -> Int[np.ndarray, " m"]:
    """Rows of a part, wrong ones first."""
    labels = subject.parts[part].labels
    right = (subject.by_g(part) == labels).astype(int) + (subject.by_t(part) == labels)
    of_class = subject.parts[part].outputs[np.arange(len(labels)), labels]
    return np.lexsort((of_class, right))


def _rows(
    subject: Subject, part: Part, rows: Int[np.ndarray, " m"], images: Sequence[str]
) -> Iterator[tuple]:
    names, each = subject.classes, subject.parts[part]
    by_g, by_t = subject.by_g(part), subject.by_t(part)
    leaf = subject.tree.apply(subject.kept_codes(part))
    for row in rows.tolist():
        classes = (names[label[row]] for label in (each.labels, by_g, by_t))
        probabilities = (f"{p:.4g}" for p in each.outputs[row].tolist())
        yield images[row], part, *classes, leaf[row], *probabilities


def _tensors(
    subject: Subject, order: Mapping[Part, Int[np.ndarray, " m"]]
) -> dict[str, torch.Tensor]:
    """Codes, levels, outputs, classes, leaves and parts (an index into PARTS) of all rows."""
    columns: dict[str, list[np.ndarray]] = {}
    for part, rows in order.items():
        each = subject.parts[part]
        for name, values in (
            ("codes", each.codes),
            ("outputs", each.outputs),
            ("labels", each.labels),
            ("named_by_t", subject.by_t(part)),
            ("leaf", subject.tree.apply(subject.kept_codes(part))),
            ("part", np.full(len(rows), PARTS.index(part), np.uint8)),
            ("levels", each.levels),
        ):
            if values is not None:
                columns.setdefault(name, []).append(values[rows])
    return {name: torch.from_numpy(np.concatenate(parts)) for name, parts in columns.items()}


def _write_confusion(path: Path, classes: Sequence[str], counts: Int[np.ndarray, "k k"]) -> None:
    """Test images by true class (rows) and class named (columns)."""
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    table.writerow(("class", *classes))
    table.writerows((name, *row) for name, row in zip(classes, counts.tolist(), strict=True))
    write_text(path, text.getvalue())
