"""The short tree as the couplets of a key: their numbers, and the images on either side."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Int

from irtheory.trees.keys.key import couplet_order
from irvision.data.examples import PARTS
from irvision.report.source import ReportRun
from irvision.runs.named_tree import NamedTree

# Pictures on a side of a test; at a leaf, of its class and of others.
ASIDE, OF_CLASS, OF_OTHERS = 4, 6, 2


@dataclass(frozen=True, eq=False)
class Couplets:
    """What both the key and the atlas need to know of the short tree.

    Attributes:
        number: of the couplet at each inner node of the short tree, as in key.txt.
        parent: couplet above each couplet, by number; 0 above the first one.
        of_code: numbers of the couplets that test a code.
    """

    number: Mapping[int, int]
    parent: Mapping[int, int]
    of_code: Mapping[int, tuple[int, ...]]


def number_couplets(named: NamedTree) -> Couplets:
    """The couplets of a key as key.txt numbers them."""
    tree = named.short.tree
    number = {node: place for place, node in enumerate(couplet_order(tree), start=1)}
    parent = {1: 0} if number else {}
    of_code: dict[int, list[int]] = {}
    for node, here in number.items():
        of_code.setdefault(named.test_at(node).code, []).append(here)
        for child in (int(tree.left[node]), int(tree.right[node])):
            if child in number:
                parent[number[child]] = here
    return Couplets(number, parent, {code: tuple(found) for code, found in of_code.items()})


def pictures_at(run: ReportRun) -> dict[int, list[int]]:
    """By node of the short tree, rows of pictures that reach it: few, and of many classes."""
    if run.scored is None or run.gallery is None:
        return {}
    scored, tree = run.scored, run.named.short.tree
    rows = np.array(sorted(run.gallery.pictures), np.int64)
    reached = tree.decision_path(scored.codes[rows][:, list(run.named.kept)])
    found: dict[int, list[int]] = {}
    for node in range(tree.n_nodes):
        here = rows[reached[:, node]]
        if tree.feature[node] >= 0:
            found[node] = spread(run, here, ASIDE)
        else:
            found[node] = _at_leaf(run, here, int(tree.value[node].argmax()))
    return found


def _at_leaf(run: ReportRun, rows: Int[np.ndarray, " n"], label: int) -> list[int]:
    """Mostly images of the class of a leaf, as most that come there are; errors in between."""
    assert run.scored is not None
    own = run.scored.labels[rows] == label
    right, wrong = spread(run, rows[own], OF_CLASS), spread(run, rows[~own], OF_OTHERS)
    return [*right[: ASIDE - 1], *wrong[:1], *right[ASIDE - 1 :], *wrong[1:]]


def spread(run: ReportRun, rows: Int[np.ndarray, " n"], most: int) -> list[int]:
    """Up to `most` of the rows: frequent classes first, each once before any of them twice.

    Within a class come images that G and T get right, then those that training has not seen.
    """
    scored = run.scored
    assert scored is not None
    labels, by_g = scored.labels[rows], scored.outputs[rows].argmax(1)
    wrong = (by_g != labels).astype(int) + (scored.by_t[rows] != labels)
    seen = scored.parts[rows] == PARTS.index("train")
    counts = np.bincount(labels, minlength=len(scored.classes))
    places: dict[int, int] = {}
    ranked: list[tuple[int, int, int]] = []
    for place in np.lexsort((seen, wrong)).tolist():
        label = int(labels[place])
        places[label] = places.get(label, -1) + 1
        ranked.append((places[label], -int(counts[label]), int(rows[place])))
    return [row for *_, row in sorted(ranked)[:most]]


def mixes(counts: Int[np.ndarray, "nodes k"], nodes: Sequence[int]) -> list[list[int]]:
    """At each of some nodes, classes and their numbers of images: [class, images, class, …]."""
    found = []
    for node in nodes:
        labels = np.flatnonzero(counts[node])
        found.append(np.stack([labels, counts[node][labels]], 1).ravel().tolist())
    return found
