"""key.txt: T as a dichotomous key with numbers of images."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np

from irtheory.trees.export import to_key
from irtheory.trees.short_tree import ShortTree
from irtheory.trees.writing import told_apart
from irvision.data.examples import Part
from irvision.runs.leaf_counts import Counts

# How the key calls the images of the parts that it counts.
COUNTED: dict[Part, str] = {"train": "training", "test": "test"}


def key_text(
    short: ShortTree,
    counts: Mapping[Part, Counts],
    classes: Sequence[str],
    kept: Sequence[int],
    binary: bool,
    attributes: Mapping[int, tuple[str, bool]] | None = None,
) -> str:
    """T as a key: at each leaf its class, and for how many of its images that is right.

    Args:
        short: T for readers.
        counts: images of each class at each node of T, by part.
        classes: names of the k classes.
        kept: the number of each kept code.
        binary: codes have one bit: a code is present or absent.
        attributes: by node of T, the attribute that names its test, and whether passing the test
            means that it is present.
    """
    tree, named, classes = short.tree, attributes or {}, told_apart(classes, "class")
    words: dict[int, tuple[str, str]] = {}
    for node in np.flatnonzero(tree.feature >= 0).tolist():
        at = kept[tree.feature[node]], float(tree.threshold[node]), binary
        low, high = code_test(*at, passed=False), code_test(*at)
        if (name := named.get(int(short.nodes[node]))) is not None:
            attribute, present = name
            sides = ("absent", "present") if present else ("present", "absent")
            low, high = f"{attribute} {sides[0]} ({low})", f"{attribute} {sides[1]} ({high})"
        words[node] = low, high
    leaves = [leaf_words(short, leaf, counts, classes) for leaf in tree.leaves.tolist()]
    return to_key(tree, leaf_texts=leaves, test_names=words)


def code_test(code: int, threshold: float, binary: bool, passed: bool = True) -> str:
    """Words for the test code > threshold of a whole-numbered code, or for its failure.

    Args:
        code: number of the code.
        threshold: of the test.
        binary: the code has one bit.
        passed: whether the test is passed.
    """
    if binary:
        return f"code {code} {'present' if passed else 'absent'}"
    return f"code {code} {'≥' if passed else '<'} {math.floor(threshold) + 1}"


def leaf_words(
    short: ShortTree, leaf: int, counts: Mapping[Part, Counts], classes: Sequence[str]
) -> str:
    """Class of a leaf, such as "Orbella taurina: 154 of 156 training images"."""
    label = int(np.argmax(short.tree.value[leaf]))
    found = []
    for part, word in COUNTED.items():
        if part in counts:
            here = counts[part][short.nodes[leaf]]
            found.append(f"{here[label]} of {here.sum()} {word} images")
    return f"{classes[label]}: {', '.join(found)}" if found else classes[label]
