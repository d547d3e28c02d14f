from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
from matplotlib.figure import Figure

from irtheory.trees.short_tree import shorten
from irtheory.trees.tree import Tree
from irvision.data.examples import Part
from irvision.figures.run import plot_run
from irvision.figures.tree import NodeText, tree_figure


def deep_tree(depth: int, rng: np.random.Generator, d: int = 64) -> Tree:
    """Full, every leaf another class than its neighbour."""
    if not depth:
        return Tree.leaf(rng.dirichlet(np.ones(9) * 0.2), int(rng.integers(1, 99)), d)
    left, right = deep_tree(depth - 1, rng), deep_tree(depth - 1, rng)
    value, count = rng.dirichlet(np.ones(9)), float(left.count[0] + right.count[0])
    return Tree.grow(int(rng.integers(d)), 0.5, left, right, value, count)


def counts_of(tree: Tree) -> dict[Part, np.ndarray]:
    """Numbers of images near the values of the tree."""
    train = (tree.value * tree.count[:, None] + 100).astype(np.int64)
    return {"train": train, "test": train // 2}


def texts(path: Path) -> list[str]:
    """Every text of an SVG file."""
    root = ElementTree.parse(path).getroot()
    found = root.iter("{http://www.w3.org/2000/svg}text")
    return ["".join(each.itertext()).strip() for each in found]


@pytest.mark.parametrize("depth", [6, 9])
def test_a_large_tree_is_cut_and_says_how_much(tmp_path: Path, depth: int) -> None:
    tree = deep_tree(depth, np.random.default_rng(0))
    (tmp_path / "tree.json").write_text(tree.to_json())
    plot_run(tmp_path)
    found = texts(tmp_path / "tree.svg")
    leaves = [text for text in found if text.startswith("class ") and "%" in text]
    cut = [text for text in found if text.startswith("cut: ")]
    assert len(leaves) <= 96
    assert bool(cut) == (depth == 9) == any(text.endswith(" *") for text in leaves)


def test_no_texts_overlap_in_a_large_tree_of_long_names(
    check_apart: Callable[[Figure], None],
) -> None:
    tree = deep_tree(7, np.random.default_rng(1))
    below = "code 123 ≥ 1, F1 0.88"
    names = {n: NodeText(f"has_crown_color::{n}", below) for n in range(tree.n_nodes)}
    classes = [f"{i}.Mourning_Warbler" for i in range(9)]
    for counts in ({}, counts_of(tree)):
        check_apart(tree_figure(shorten(tree), counts, names, classes, "title", ["remark"]))


def test_headings_stay_on_the_page() -> None:
    ant, bee = Tree.leaf([1.0, 0.0], 5, 1), Tree.leaf([0.0, 1.0], 5, 1)
    tree = Tree.grow(0, 0.5, ant, bee, [0.5, 0.5], 10)
    figure = tree_figure(shorten(tree), counts_of(tree), {0: NodeText("x")}, ["a", "b"], "title")
    figure.draw_without_rendering()
    for text in figure.axes[0].texts:
        assert text.get_window_extent().x1 <= figure.bbox.x1, text.get_text()


def branches(name: NodeText) -> dict[str, float]:
    """How far down the lines "yes" and "no" of a tree of one test lead."""
    ant, bee = Tree.leaf([1.0, 0.0], 5, 1), Tree.leaf([0.0, 1.0], 5, 1)
    tree = Tree.grow(0, 0.5, ant, bee, [0.5, 0.5], 10)
    figure = tree_figure(shorten(tree), {}, {0: name}, ["ant", "bee"], "title")
    lines = [line for line in figure.axes[0].lines if len(line.get_xdata()) == 3]
    styles = {"-": "yes", "--": "no"}
    return {styles[str(line.get_linestyle())]: float(line.get_ydata()[1]) for line in lines}


def test_yes_leads_to_where_the_attribute_is() -> None:
    """The upper branch is where the test fails."""
    plain = branches(NodeText("wings", "code 0 ≥ 1"))
    swapped = branches(NodeText("wings", "code 0 < 1", swapped=True))
    assert plain["no"] < plain["yes"]
    assert swapped == {"yes": plain["no"], "no": plain["yes"]}
