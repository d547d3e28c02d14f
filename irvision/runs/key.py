"""key.txt: T as a dichotomous key with numbers of images."""

from __future__ import annotations

import numpy as np

from irtheory.trees.export import to_key
from irtheory.trees.writing import told_apart
from irvision.data.examples import Part
from irvision.runs.named_tree import NamedTree

# How the key calls the images of the parts that it counts.
COUNTED: dict[Part, str] = {"train": "training", "test": "test"}


def key_text(named: NamedTree) -> str:
    """T as a key: at each leaf its class, and for how many of its images that is right."""
    tree = named.short.tree
    tests = {node: named.test_at(node) for node in np.flatnonzero(tree.feature >= 0).tolist()}
    words = {node: (test.words(False), test.words()) for node, test in tests.items()}
    leaves = [leaf_words(named, leaf) for leaf in tree.leaves.tolist()]
    return to_key(tree, leaf_texts=leaves, test_names=words)


def leaf_words(named: NamedTree, leaf: int) -> str:
    """Class of a leaf of the short tree, such as "Orbella taurina: 154 of 156 training images"."""
    label = int(np.argmax(named.short.tree.value[leaf]))
    found = []
    for part, word in COUNTED.items():
        if part in named.counts:
            here = named.counts[part][named.short.nodes[leaf]]
            found.append(f"{here[label]} of {here.sum()} {word} images")
    name = told_apart(named.classes, "class")[label]
    return f"{name}: {', '.join(found)}" if found else name
