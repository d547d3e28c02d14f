"""Scores of a trained network and its tree: accuracy, and fidelity to attributes."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from irtheory.fidelity import within_class_recovery
from irvision.data.examples import Attributes, Part
from irvision.evaluation.accuracy import accuracies
from irvision.evaluation.fidelity import Draws, score_fidelity
from irvision.evaluation.node_names import Annotated, name_tests
from irvision.evaluation.results import Evaluation, WithinClass
from irvision.evaluation.subject import Subject
from irvision.runs.leaf_counts import readers_tree


def evaluate(
    subject: Subject, null_draws: int = 20, bootstrap: int = 200, seed: int = 0
) -> Evaluation:
    """Score a network and its tree on test images.

    Args:
        subject: the network's predictions and its tree. Without annotation of the test images
            only accuracies are computed.
        null_draws: number of shuffles for the permutation nulls; 0 for no nulls.
        bootstrap: number of resamples for the intervals; 0 for no intervals.
        seed: seed of both.

    Raises:
        ValueError: codes out of range.
    """
    scored = accuracies(subject)
    attributes = subject.annotated("test")
    if attributes is None:
        return replace(scored, fidelity_note=_why_none(subject))
    draws = Draws(null_draws, bootstrap, seed)
    within = _within(subject, attributes, draws)
    short = readers_tree(subject.tree, subject.counts())
    tests = name_tests(short, _annotated(subject), attributes.names, subject.kept.tolist())
    rows, table = score_fidelity(subject, attributes, {t.attribute for t in tests}, draws)
    return replace(
        scored,
        fidelity=rows,
        fidelity_note="",
        within=within if isinstance(within, WithinClass) else None,
        within_note=within if isinstance(within, str) else "",
        tests=tests,
        inner=int((short.tree.feature >= 0).sum()),
        attributes=table,
    )


def _why_none(subject: Subject) -> str:
    """Why no attributes are scored."""
    if not subject.attributes:
        return "no attributes: accuracy and tree only"
    known = [part for part in subject.parts if subject.annotated(part) is not None]
    where = f" (only of {' and '.join(known)} images)" if known else ""
    return f"no annotation of the test images{where}: accuracy and tree only"


def _annotated(subject: Subject) -> dict[Part, Annotated]:
    """Kept codes and annotation of the parts that are annotated."""
    annotated: dict[Part, Annotated] = {}
    for part in subject.parts:
        if (found := subject.annotated(part)) is not None:
            annotated[part] = Annotated(subject.kept_codes(part), found.values)
    return annotated


def _within(subject: Subject, attributes: Attributes, draws: Draws) -> WithinClass | str:
    """Recovery of attributes within classes, or the reason why it cannot be computed."""
    if attributes.level == "class":
        return "attributes are annotated by class, so none varies inside one"
    fit_attributes = subject.annotated("train")
    if fit_attributes is None:
        return "no annotated training images to pick codes on"
    found = within_class_recovery(
        fit_attributes.values, subject.parts["train"].labels, subject.kept_codes("train"),
        attributes.values, subject.test.labels, subject.kept_codes("test"),
        bits=subject.bits, bootstrap=draws.bootstrap, seed=draws.seed,
    )  # fmt: skip
    if not len(found.auc):
        return "no attribute varies inside a class with enough images"
    return WithinClass(
        len(found.auc),
        len(np.unique(found.class_label)),
        len(np.unique(found.attribute)),
        found.mean_auc,
        found.auc_interval,
        found.mean_f1_excess,
        found.f1_excess_interval,
    )
