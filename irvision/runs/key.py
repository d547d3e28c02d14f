"""The key of a run of `ira train`: T with words for its tests and numbers of images."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from irtheory.runs.files import write_text
from irtheory.trees.keys.key import Count, End, Key, key_of
from irtheory.trees.keys.text import as_text
from irtheory.trees.writing import told_apart
from irvision.data.examples import Part
from irvision.runs.named_tree import NamedTree
from irvision.runs.names import KEY

# How the key calls the images of the parts that it counts.
COUNTED: dict[Part, str] = {"train": "training images", "test": "test images"}


def make_key(named: NamedTree, title: str = "") -> Key:
    """T as a key: at each leaf its class, and for how many of its images that is right."""
    tree = named.short.tree
    tests = {node: named.test_at(node) for node in np.flatnonzero(tree.feature >= 0).tolist()}
    words = {node: (test.words(False), test.words()) for node, test in tests.items()}
    classes = told_apart(named.classes, "class")
    ends = {leaf: _end(named, leaf, classes) for leaf in tree.leaves.tolist()}
    return key_of(tree, words, ends, title)


def key_text(named: NamedTree) -> str:
    """The text of key.txt, without the last line end."""
    return as_text(make_key(named))


def write_key_text(run: Path, named: NamedTree) -> Path:
    """Write key.txt."""
    write_text(run / KEY, key_text(named) + "\n")
    return run / KEY


def _end(named: NamedTree, leaf: int, classes: list[str]) -> End:
    label, counts = int(np.argmax(named.short.tree.value[leaf])), []
    for part, samples in COUNTED.items():
        if part in named.counts:
            here = named.counts[part][named.short.nodes[leaf]]
            counts.append(Count(int(here[label]), int(here.sum()), samples))
    return End(classes[label], tuple(counts))
