"""Figure of a tree: named tests, and the class mix and size of every leaf."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float, Int

from irtheory.runs.figures import BLUE, GREY
from irtheory.trees.short_tree import ShortTree
from irtheory.trees.tree import Tree
from irtheory.trees.writing import told_apart
from irvision.data.examples import Part
from irvision.figures.page import page, shortened

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Lengths in inches.
ROW, HEAD, MARGIN, COUNT, BAR = 0.25, 0.95, 0.15, 0.42, 0.95
# Widths of a letter: in the first and second line of a test, and in a leaf.
BOLD, SMALL, LETTER = 0.062, 0.05, 0.06
FONT, LONGEST_TEST, LONGEST_BELOW, LONGEST_CLASS = 7.0, 28, 40, 28
MOST_LEAVES, MOST_DEPTH = 96, 7
NARROWEST = 5.6
# Colours of the largest, second and third class of a leaf, and of all others.
SHADES = (BLUE, "#56B4E9", "#CC79A7", "#DDDDDD")
RANKS = ("class that T names", "largest other", "next", "all others")
# The largest other class of a leaf is named if its share is at least this.
LEAST_NAMED = 0.05


@dataclass(frozen=True)
class NodeText:
    """Label of a test code > threshold: two lines, the second empty without an attribute.

    `swapped` means that the first line is true if the test fails.
    """

    head: str
    below: str = ""
    swapped: bool = False


@dataclass(frozen=True)
class _Shape:
    """Layout: nodes drawn as leaves (`ends`), row and level of every drawn node.

    `step` is the width of a level.
    """

    tree: Tree
    ends: frozenset[int]
    row: dict[int, float]
    level: dict[int, int]
    step: float


@dataclass(frozen=True, eq=False)
class Mix:
    """What the images at every node of a tree are.

    Attributes:
        weights: images of each class at each node, [nodes, k]; without counts of images, the mean
            outputs of G.
        counted: whether the weights are numbers of training images.
        test: the same of test images, or None.
    """

    weights: Float[np.ndarray, "nodes k"]
    counted: bool
    test: Int[np.ndarray, "nodes k"] | None = None


def tree_figure(
    short: ShortTree,
    counts: Mapping[Part, Int[np.ndarray, "nodes k"]],
    names: Mapping[int, NodeText],
    classes: Sequence[str],
    title: str,
    remarks: Sequence[str] = (),
) -> Figure:
    """The tree from left to right, as readers see it.

    Args:
        short: T without what no image reaches and what changes no class.
        counts: images of each class at each node of T, by part. Without any, the class mixes are
            the values of T, mean outputs of G.
        names: labels of tests, by node of T.
        classes: names of the k classes.
        title: first line of the title; further lines say what was merged or cut.
        remarks: further lines below these.
    """
    tree, classes = short.tree, told_apart(classes, "class")
    labels_of = {
        node: names[int(short.nodes[node])] for node in np.flatnonzero(tree.feature >= 0).tolist()
    }
    mix = _mix_of(short, counts)
    shape = _shape(tree, labels_of)
    ends = [node for node in shape.row if node in shape.ends]
    labels = [_largest(tree, mix, node, classes) for node in ends]
    named = any(name.below for name in labels_of.values())
    lines = [title, *_notes(tree, len(ends), named), *remarks]
    top = HEAD + 0.16 * len(lines)
    leaf_at = MARGIN + max(1, *shape.level.values()) * shape.step
    width = leaf_at + COUNT + BAR + 0.1 + LETTER * max(map(len, (_heads(mix)[1], *labels))) + MARGIN
    with page(max(width, NARROWEST), top + len(ends) * ROW + MARGIN, FONT) as (figure, axes):
        axes.text(MARGIN, 0.1, lines[0], fontsize=10, va="top", parse_math=False)
        axes.text(MARGIN, 0.32, "\n".join(lines[1:]), va="top", color=GREY, linespacing=1.3)
        _legend(axes, top - 0.42)
        for node in shape.row:
            _node(axes, shape, node, labels_of, (leaf_at, top))
        _leaves(axes, tree, mix, ends, labels, (leaf_at, top))
    return figure


def _mix_of(short: ShortTree, counts: Mapping[Part, Int[np.ndarray, "nodes k"]]) -> Mix:
    test = counts["test"][short.nodes] if "test" in counts else None
    if "train" in counts:
        return Mix(counts["train"][short.nodes].astype(np.float64), True, test)
    return Mix(np.clip(short.tree.value, 0, None), False, test)


def _notes(tree: Tree, rows: int, named: bool) -> list[str]:
    codes = len(tree.used_features)
    notes = [f"depth {tree.depth}, {tree.n_leaves} leaves, {codes} codes tested"]
    if named:
        notes.append("F1 of a test with its attribute among the images there (in brackets: chance)")
    if rows < tree.n_leaves:
        notes.append(
            f"cut: {tree.n_leaves - rows} more leaves lie below leaves marked with *, "
            f"see tree.json and key.txt"
        )
    return notes


def _shape(tree: Tree, names: Mapping[int, NodeText]) -> _Shape:
    """Cut nodes below MOST_DEPTH, then the smallest branches, until the tree fits a page."""
    level = {0: 0}
    for node in np.flatnonzero(tree.feature >= 0).tolist():
        level[int(tree.left[node])] = level[int(tree.right[node])] = level[node] + 1
    ends = {n for n in level if tree.feature[n] < 0 or level[n] >= MOST_DEPTH}
    drawn = _preorder(tree, ends)
    leaves = sum(node in ends for node in drawn)
    while leaves > MOST_LEAVES:
        twigs = (n for n in drawn if n not in ends and {tree.left[n], tree.right[n]} <= ends)
        smallest = min(twigs, key=lambda n: (tree.count[n], n))
        drawn = [n for n in drawn if n not in (tree.left[smallest], tree.right[smallest])]
        ends.add(smallest)
        leaves -= 1
    row = {n: float(i) for i, n in enumerate(n for n in drawn if n in ends)}
    for node in reversed(drawn):
        if node not in ends:
            row[node] = (row[int(tree.left[node])] + row[int(tree.right[node])]) / 2
    inner = [n for n in drawn if n not in ends]
    labels = [_label(names[node]) for node in inner]
    widest = max((max(BOLD * len(a), SMALL * len(b)) for a, b in labels), default=0.5)
    return _Shape(tree, frozenset(ends), row, {n: level[n] for n in drawn}, widest + 0.22)


def _label(name: NodeText) -> tuple[str, str]:
    """Both lines of the label of a test, shortened."""
    return shortened(name.head, LONGEST_TEST), shortened(name.below, LONGEST_BELOW)


def _preorder(tree: Tree, ends: set[int]) -> list[int]:
    found, waiting = [], [0]
    while waiting:
        node = waiting.pop()
        found.append(node)
        if node not in ends:
            waiting += [int(tree.right[node]), int(tree.left[node])]
    return found


def _legend(axes: Axes, y: float) -> None:
    x = MARGIN
    for dash, label in (("-", "yes"), ((0, (2, 1.5)), "no")):
        axes.plot([x, x + 0.3], [y, y], color=BLUE if label == "yes" else GREY, ls=dash, lw=1.2)
        axes.text(x + 0.36, y, label, va="center")
        x += 0.75
    for shade, label in zip(SHADES, RANKS, strict=True):
        axes.barh(y, 0.14, left=x, height=0.11, color=shade)
        axes.text(x + 0.19, y, label, va="center")
        x += 0.36 + 0.05 * len(label)


def _node(
    axes: Axes,
    shape: _Shape,
    node: int,
    names: Mapping[int, NodeText],
    corner: tuple[float, float],
) -> None:
    """Draw a test with the lines to both branches, or the line from a leaf to its row."""
    tree = shape.tree
    leaf_at, top = corner
    x = MARGIN + shape.level[node] * shape.step
    y = top + (shape.row[node] + 0.5) * ROW
    if node in shape.ends:
        axes.plot([x, leaf_at], [y, y], color="#CCCCCC", lw=0.6, zorder=0)
        return
    (head, below), yes = _label(names[node]), tree.right
    if names[node].swapped:
        yes = tree.left
    if below:
        axes.text(x, y - 0.005, head, va="bottom", weight="bold", fontsize=6.5, parse_math=False)
        axes.text(x, y + 0.01, below, va="top", color=GREY, fontsize=6, parse_math=False)
    else:
        axes.text(x, y, head, va="center", parse_math=False)
    turn, end = x + shape.step - 0.14, x + shape.step
    for child in (tree.left, tree.right):
        colour, dash = (BLUE, "-") if child is yes else (GREY, (0, (2, 1.5)))
        child_y = top + (shape.row[int(child[node])] + 0.5) * ROW
        axes.plot([turn, turn, end - 0.03], [y, child_y, child_y], color=colour, ls=dash, lw=1.2)


def _leaves(
    axes: Axes,
    tree: Tree,
    mix: Mix,
    ends: Sequence[int],
    labels: Sequence[str],
    corner: tuple[float, float],
) -> None:
    """Draw number of samples, class mix and largest classes of every leaf, a row each."""
    left, heads = corner[0] + COUNT, _heads(mix)
    for text, x, side in (
        ("images", left - 0.06, "right"),
        (heads[0], left, "left"),
        (heads[1], left + BAR + 0.08, "left"),
    ):
        axes.text(x, corner[1] - 0.06, text, ha=side, va="bottom", color=GREY, fontsize=6.5)
    for row, (node, words) in enumerate(zip(ends, labels, strict=True)):
        y = corner[1] + (row + 0.5) * ROW
        shares, order = _shares(tree, mix, node)
        parts = [*shares[order], max(0.0, shares.sum() - shares[order].sum())]
        start = left
        for part, shade in zip(parts, (*SHADES[: len(order)], SHADES[3]), strict=True):
            axes.barh(y, part * BAR, left=start, height=0.15, color=shade)
            start += part * BAR
        images = mix.weights[node].sum() if mix.counted else tree.count[node]
        axes.text(left - 0.06, y, f"{images:g}", ha="right", va="center_baseline")
        axes.text(left + BAR + 0.08, y, words, va="center_baseline", parse_math=False)


def _heads(mix: Mix) -> tuple[str, str]:
    """Headings of the class mixes, and of the words beside them."""
    if not mix.counted:
        return "class mix, by G", "largest classes, by G"
    tested = "" if mix.test is None else "; T right on test images"
    return "class mix", f"classes, in training images{tested}"


def _shares(tree: Tree, mix: Mix, node: int) -> tuple[np.ndarray, np.ndarray]:
    """Shares of all classes at a node; the class that T names there and the two largest others."""
    weights = mix.weights[node]
    shares = weights / max(weights.sum(), 1e-12)
    named = int(tree.value[node].argmax())
    others = np.argsort(-shares, kind="stable")
    return shares, np.array([named, *others[others != named][:2]])


def _largest(tree: Tree, mix: Mix, node: int, classes: Sequence[str]) -> str:
    """The class that T names at a leaf with its images, and the largest other unless it is rare."""
    shares, order = _shares(tree, mix, node)
    named = [c for i, c in enumerate(order[:2].tolist()) if i == 0 or shares[c] >= LEAST_NAMED]
    words = ", ".join(
        f"{shortened(classes[int(c)], LONGEST_CLASS)} {_amount(mix, node, int(c), shares)}"
        for c in named
    )
    if mix.test is not None:
        here = mix.test[node]
        words += f"; {here[order[0]]} of {here.sum()}" if here.sum() else "; no test images"
    return words + (" *" if tree.feature[node] >= 0 else "")


def _amount(mix: Mix, node: int, label: int, shares: np.ndarray) -> str:
    return f"{mix.weights[node, label]:g}" if mix.counted else f"{shares[label]:.0%}"
