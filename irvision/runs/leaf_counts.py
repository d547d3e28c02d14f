"""leaves.csv: how many images of each class reach each leaf of T, by part."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from jaxtyping import Int

from irtheory.runs.files import InputError, write_text
from irtheory.trees.short_tree import ShortTree, shorten
from irtheory.trees.tree import Tree
from irvision.data.examples import PARTS, Part
from irvision.runs.names import LEAVES

Counts = Int[np.ndarray, "nodes k"]
HEADER = ("leaf", "class", *PARTS)
# Digits of a number of images.
MOST_DIGITS = 12


def write_leaf_counts(
    run: Path, tree: Tree, classes: Sequence[str], counts: Mapping[Part, Counts]
) -> Path:
    """Write a row for each leaf and class that some image has; parts not counted stay empty.

    Args:
        run: folder of the run.
        tree: T; leaves are named by their node in tree.json.
        classes: names of the k classes.
        counts: images of each class at each node, for the parts that were counted.
    """
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    table.writerow(HEADER)
    for leaf in tree.leaves.tolist():
        for label, name in enumerate(classes):
            cells = [int(counts[part][leaf, label]) if part in counts else "" for part in PARTS]
            if any(cells):
                table.writerow((leaf, name, *cells))
    write_text(run / LEAVES, text.getvalue())
    return run / LEAVES


def read_leaf_counts(run: Path, tree: Tree, classes: Sequence[str]) -> dict[Part, Counts]:
    """Images of each class at each node of T, for the parts that were counted.

    A run of an earlier version has no such file: the result is then empty.

    Raises:
        InputError: the file does not fit the tree and the classes.
    """
    path = run / LEAVES
    if not path.is_file():
        return {}
    number_of = {name: number for number, name in enumerate(classes)}
    leaves = set(tree.leaves.tolist())
    at_leaf = np.zeros((len(PARTS), tree.n_nodes, len(classes)), np.int64)
    known: set[str] = set()
    for line, row in _rows(path):
        leaf = _whole(row["leaf"], f"{path}:{line}: leaf")
        if leaf not in leaves or row["class"] not in number_of:
            found = f"{row['leaf']!r} and {row['class']!r:.60}"
            raise InputError(
                f"{path}:{line}: expected a leaf of tree.json and a class, found {found}"
            )
        for place, part in enumerate(PARTS):
            if row[part]:
                known.add(part)
                images = _whole(row[part], f"{path}:{line}: {part}")
                at_leaf[place, leaf, number_of[row["class"]]] = images
    return {
        part: _of_nodes(tree, at_leaf[place]) for place, part in enumerate(PARTS) if part in known
    }


def readers_tree(tree: Tree, counts: Mapping[Part, Counts]) -> ShortTree:
    """T as keys and figures show it: nothing that no image reaches, no test without effect.

    Args:
        tree: T.
        counts: images of each class at each node, by part; without any, the counts of the tree
            say what training images reach.
    """
    seen = [found.sum(1) for found in counts.values()] or [tree.count]
    return shorten(tree, np.sum(seen, axis=0) > 0)


def _rows(path: Path) -> list[tuple[int, dict[str, str]]]:
    try:
        with path.open(encoding="utf-8", newline="") as stream:
            reader = csv.reader(stream)
            header = tuple(next(reader, []))
            lines = [(reader.line_num, cells) for cells in reader]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"{path}: expected a CSV text file ({error})") from error
    if header != HEADER:
        raise InputError(f"{path}:1: expected {','.join(HEADER)}, found {','.join(header):.60}")
    for line, cells in lines:
        if len(cells) != len(HEADER):
            raise InputError(f"{path}:{line}: expected {len(HEADER)} cells, found {len(cells)}")
    return [(line, dict(zip(HEADER, cells, strict=True))) for line, cells in lines]


def _whole(cell: str, where: str) -> int:
    if not (cell.isascii() and cell.isdigit() and len(cell) <= MOST_DIGITS):
        raise InputError(f"{where}: expected a whole number, found {cell!r:.60}")
    return int(cell)


def _of_nodes(tree: Tree, at_leaf: Counts) -> Counts:
    """Counts of all nodes from those of the leaves: an inner node has those of its branches."""
    counts = at_leaf.copy()
    # Nodes are in preorder, so children come after their parent.
    for node in np.flatnonzero(tree.feature >= 0)[::-1]:
        counts[node] = counts[tree.left[node]] + counts[tree.right[node]]
    return counts
