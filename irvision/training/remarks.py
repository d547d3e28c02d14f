"""Warnings on a result: codes that never change, guessing, classes that T cannot name."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from irtheory.intersection.growers import Grower
from irtheory.intersection.network import Collected
from irtheory.intervals import wilson_interval
from irtheory.trees.export import classes_named
from irtheory.trees.tree import Tree

# Share of constant codes from which most of them are.
MOST = 0.5
# Names shown of classes that T cannot name.
TOLD = 3


def remarks(
    tree: Tree,
    in_key: Tree,
    constant: float,
    scored: Collected,
    classes: Sequence[str],
    grower: Grower,
) -> tuple[str, ...]:
    """Warnings on the result of a run, each with what to try; none if all is well.

    Args:
        tree: T over the codes of `scored`.
        in_key: T as its key shows it, without what no image reaches.
        constant: share of all codes that have one value for all training images.
        scored: codes and outputs for the images that accuracies are measured on.
        classes: names of the classes.
        grower: that T was grown with.
    """
    found = []
    if constant > MOST:
        found.append(
            f"{constant:.0%} of the codes have one value for all training images; try a smaller "
            "--lambda-sparsity, more --epochs, or another --learning-rate, and look at the images "
            "(ira data check)"
        )
    if in_key.n_leaves == 1:
        name = classes[int(in_key.value[0].argmax())]
        found.append(
            f"T is a single leaf, which names {name} for every image: no code helped to tell "
            "classes apart; try a smaller --min-samples-leaf or more --epochs"
        )
    else:
        found += _unnamed(in_key, classes, grower)
    return (*found, *_guessing(tree, scored, classes))


def _unnamed(tree: Tree, classes: Sequence[str], grower: Grower) -> list[str]:
    named = set(classes_named(tree))
    without = [name for number, name in enumerate(classes) if number not in named]
    if not without:
        return []
    more = f" and {len(without) - TOLD} more" if len(without) > TOLD else ""
    leaf = f"a smaller --min-samples-leaf (now {grower.min_samples_leaf}), "
    ways = f"{leaf if grower.min_samples_leaf > 1 else ''}a larger --depth (now {grower.max_depth})"
    return [
        f"T can name {len(named)} of {len(classes)} classes, not {', '.join(without[:TOLD])}"
        f"{more}; try {ways} or more --epochs"
    ]


def _guessing(tree: Tree, scored: Collected, classes: Sequence[str]) -> list[str]:
    """A warning for G and for T if naming the largest class alone would be as accurate."""
    counts = np.bincount(scored.labels.cpu().numpy(), minlength=len(classes))
    largest, images = int(counts.argmax()), int(counts.sum())
    share = counts[largest] / images
    g, t, _ = scored.accuracies(tree)
    bad = [
        name
        for name, hits in (("G", g * images), ("T", t * images))
        if wilson_interval(round(hits), images)[0] <= share
    ]
    if not bad:
        return []
    who = " and ".join(bad)
    verb = "are" if len(bad) > 1 else "is"
    return [
        f"{who} {verb} not clearly better than always naming the largest class, "
        f"{classes[largest]} ({share:.3f} of these {images} images); try trained --weights, more "
        "--epochs, more images, or --balance where one class is large"
    ]
