"""The part of an evaluation that needs no attributes: accuracies, errors, and what looks wrong."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from jaxtyping import Int

from irtheory.trees.export import classes_named
from irvision.evaluation.results import (
    ClassAccuracy,
    Confused,
    Evaluation,
    Majority,
    Share,
)
from irvision.evaluation.subject import Subject
from irvision.runs.leaf_counts import readers_tree

# Errors that are listed, of each of T and G.
MOST_CONFUSED = 5


def accuracies(subject: Subject) -> Evaluation:
    """Score G and T on the test images."""
    test, names = subject.test, subject.classes
    by_g, by_t = subject.by_g("test"), subject.by_t("test")
    right_g, right_t = by_g == test.labels, by_t == test.labels
    classes = _by_class(names, test.labels, right_g, right_t)
    share_g, share_t = Share.of(right_g), Share.of(right_t)
    majority = _majority(subject)
    named = len(classes_named(readers_tree(subject.tree, subject.counts()).tree))
    return Evaluation(
        share_g,
        share_t,
        Share.of(by_g == by_t),
        balanced_g=float(np.mean([each.g for each in classes if each.g is not None])),
        balanced_t=float(np.mean([each.t for each in classes if each.t is not None])),
        majority=majority,
        codes=len(subject.kept),
        bits=subject.bits,
        codes_tested=len(subject.tree.used_features),
        leaves=subject.tree.n_leaves,
        classes=classes,
        confused=_confused(names, *confusion(subject)),
        classes_named=named,
        warnings=tuple(_warnings(subject, share_g, share_t, majority, named)),
    )


def confusion(subject: Subject) -> tuple[Int[np.ndarray, "k k"], Int[np.ndarray, "k k"]]:
    """Number of test images by true class (rows) and class named (columns), for G and for T."""
    k, labels = len(subject.classes), subject.test.labels
    by_g, by_t = (
        np.bincount(labels * k + named, minlength=k * k).reshape(k, k)
        for named in (subject.by_g("test"), subject.by_t("test"))
    )
    return by_g, by_t


def _by_class(
    names: Sequence[str], labels: np.ndarray, right_g: np.ndarray, right_t: np.ndarray
) -> tuple[ClassAccuracy, ...]:
    size, g, t = (
        np.bincount(labels, weights=hits, minlength=len(names)) for hits in (None, right_g, right_t)
    )
    return tuple(
        ClassAccuracy(name, int(n), float(g[i] / n), float(t[i] / n))
        if n
        else ClassAccuracy(name, 0, None, None)
        for i, (name, n) in enumerate(zip(names, size, strict=True))
    )


def _majority(subject: Subject) -> Majority:
    """The most frequent class of the training images, the first of equals."""
    known = subject.trained_on
    if known is None:
        labels = subject.parts.get("train", subject.test).labels
        known = np.bincount(labels, minlength=len(subject.classes))
    most = int(known.argmax())
    return Majority(subject.classes[most], float((subject.test.labels == most).mean()))


def _confused(
    names: Sequence[str], by_g: Int[np.ndarray, "k k"], by_t: Int[np.ndarray, "k k"]
) -> tuple[Confused, ...]:
    """The most frequent errors of T and of G, those of T first."""
    pairs: dict[tuple[int, int], None] = {}
    for table in (by_t, by_g):
        errors = np.where(np.eye(len(names), dtype=bool), 0, table).ravel()
        for place in np.argsort(-errors, kind="stable")[:MOST_CONFUSED].tolist():
            if errors[place]:
                pairs.setdefault(divmod(place, len(names)))
    return tuple(
        Confused(names[true], names[named], int(by_g[true, named]), int(by_t[true, named]))
        for true, named in pairs
    )


def _warnings(
    subject: Subject, g: Share, t: Share, majority: Majority, named: int
) -> Iterator[str]:
    """Sentences on a model that cannot be what the user wants."""
    constant, k = int(subject.constant().sum()), len(subject.classes)
    total = subject.test.codes.shape[1]
    if "train" in subject.parts and 2 * constant > total:
        yield f"{constant} of {total} codes are the same for all training images"
    several = len(np.unique(subject.test.labels)) > 1
    for name, share in (("G", g), ("T", t)) if several else ():
        if share.interval[0] <= majority.accuracy:
            yield (
                f"accuracy of {name} {share.value:.3f} ({share.interval[0]:.3f}–"
                f"{share.interval[1]:.3f}): not clearly better than naming {majority.name} for "
                f"every image ({majority.accuracy:.3f})"
            )
    empty = sum(not each for each in np.bincount(subject.test.labels, minlength=k))
    if empty:
        yield f"balanced accuracies are those of {k - empty} of {k} classes: others have no images"
    if named < k:
        yield f"T can name {named} of {k} classes; its leaves are too few or too large for the rest"
