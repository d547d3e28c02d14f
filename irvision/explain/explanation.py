"""The path of one image through T, what G says, and what would change the class."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, UInt8

from irtheory.runs.files import InputError
from irtheory.trees.keys.key import couplet_order
from irtheory.trees.writing import told_apart
from irvision.data.batches.augment import central_view
from irvision.explain.change import smallest_change
from irvision.models.localise import localise
from irvision.models.network import view_of
from irvision.runs.named_tree import NamedTest, NamedTree
from irvision.runs.trained import Trained

# Classes that G finds likeliest, at most.
MOST_CLASSES = 5
# Below this distance to the threshold, in steps of a code, a test could as well go the other way.
CLOSE = 0.1


@dataclass(frozen=True, eq=False)
class Step:
    """A test on the path.

    Attributes:
        test: with its words.
        couplet: number of its couplet in the key; None where the key leaves it out.
        passed: whether the image passes it.
        child: node of T where the image goes on.
        value: of the code.
        level: the feature in units of codes, before rounding.
        margin: how far the level lies on its side of the threshold, in steps of a code.
        map: where in the image the code comes from, 0 … 1.
    """

    test: NamedTest
    couplet: int | None
    passed: bool
    child: int
    value: int
    level: float
    margin: float
    map: Float[np.ndarray, "s s"]

    @property
    def label(self) -> str:
        """The lead of the key that the image follows, such as "5a"; "–" where the key has none."""
        return "–" if self.couplet is None else f"{self.couplet}{'a' if self.passed else 'b'}"

    @property
    def words(self) -> str:
        """The side on which the image lies."""
        return self.test.words(self.passed)


@dataclass(frozen=True)
class Move:
    """A code that must change for another class: the side of its test that it would get to."""

    code: int
    value: int
    to: int
    words: str


@dataclass(frozen=True, eq=False)
class Explanation:
    """Why T names a class for an image.

    Attributes:
        pixels: the central crop, which the network sees.
        steps: the tests on the path.
        leaf: of T, as in predictions.csv; the end of the key may stand for several leaves.
        as_trained: the path is one that images of the run went; otherwise T was grown without any
            image like this at its end.
        by_t: class that T names.
        mix: training images of each class at the end of the path, or shares of T without counts.
        counted: whether `mix` are numbers of training images.
        by_g: class that G names.
        likeliest: classes by falling probability of G, with it.
        moves: the smallest change of codes that changes the class of T; empty if none does.
        changed: the class that T would then name, or None.
    """

    pixels: UInt8[np.ndarray, "c c 3"]
    steps: tuple[Step, ...]
    leaf: int
    as_trained: bool
    by_t: str
    mix: Mapping[str, float]
    counted: bool
    by_g: str
    likeliest: tuple[tuple[str, float], ...]
    moves: tuple[Move, ...]
    changed: str | None

    @property
    def closest(self) -> Step | None:
        """The test that the image passes or fails by the least margin."""
        return min(self.steps, key=lambda step: step.margin, default=None)


def explain(
    trained: Trained,
    named: NamedTree,
    picture: UInt8[np.ndarray, "S S 3"],
    precision: Callable[[], AbstractContextManager[Any]] = nullcontext,
    dtype: torch.dtype = torch.float32,
) -> Explanation:
    """Explain what T names for one picture.

    Args:
        trained: the run, its network in eval mode.
        named: T of the run with its words.
        picture: resized to the side of the run, as `Photographs.read` gives it.
        precision: context of the pass, such as autocast, in which other passes of the run are made.
        dtype: of the input of F.

    Raises:
        InputError: another side, or features that are not finite.
    """
    settings, view = trained.settings, view_of(trained.settings)
    if picture.shape != (settings.resize, settings.resize, 3) or picture.dtype != np.uint8:
        raise InputError(
            f"picture: expected uint8 {settings.resize} × {settings.resize} × 3, found "
            f"{picture.dtype} {picture.shape}"
        )
    device = next(trained.network.parameters()).device
    pixels = torch.from_numpy(picture[None].copy()).to(device)
    images = central_view(pixels, view, dtype)
    codes, levels, outputs = _forward(trained, images, precision)
    nodes, as_trained = _path(named, codes[trained.kept])
    edge = (settings.resize - view.size) // 2
    steps = _steps(trained, named, nodes, codes, levels, images.float())
    label = int(trained.tree.predict(codes[None, trained.kept]).argmax())
    moves, changed = _moves(trained, named, codes, levels)
    counts = named.counts.get("train")
    end = nodes[-1]
    mix = counts[end] if counts is not None and counts[end].sum() else trained.tree.value[end]
    order = np.argsort(-outputs, kind="stable")[:MOST_CLASSES].tolist()
    names = told_apart(named.classes, "class")
    return Explanation(
        picture[edge : edge + view.size, edge : edge + view.size],
        steps,
        int(trained.tree.apply(codes[None, trained.kept])[0]),
        as_trained,
        names[label],
        {names[k]: float(mix[k]) for k in np.argsort(-mix, kind="stable").tolist() if mix[k] > 0},
        counts is not None and bool(counts[end].sum()),
        names[int(outputs.argmax())],
        tuple((names[k], float(outputs[k])) for k in order),
        moves,
        None if changed is None else names[changed],
    )


def _forward(
    trained: Trained,
    images: torch.Tensor,
    precision: Callable[[], AbstractContextManager[Any]],
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Codes, levels and probabilities of G for one image."""
    network = trained.network
    try:
        with torch.inference_mode(), precision():
            codes, levels = network.codes(images), network.levels(images)
            outputs = network.logits(codes).softmax(dim=1)
    except FloatingPointError as error:
        raise InputError(f"the network has no codes for this image ({error})") from error
    one = (codes[0].to(torch.int64), levels[0], outputs[0])
    found = [tensor.cpu().numpy() for tensor in one]
    return found[0], found[1], found[2]


def _path(named: NamedTree, codes: np.ndarray) -> tuple[list[int], bool]:
    """The nodes of T on the path of the image, and whether it is that of the tree for readers.

    The tree for readers leaves out what no image of the run reached. An image that goes there is
    explained by T itself.
    """
    short, full = named.short, named.tree
    in_short = np.flatnonzero(short.tree.decision_path(codes[None])[0])
    nodes = short.nodes[in_short].tolist()
    in_full = np.flatnonzero(full.decision_path(codes[None])[0]).tolist()
    same = short.tree.value[in_short[-1]].argmax() == full.value[in_full[-1]].argmax()
    if same and nodes[-1] in in_full:
        return nodes, True
    return in_full, False


def _steps(
    trained: Trained,
    named: NamedTree,
    nodes: list[int],
    codes: np.ndarray,
    levels: np.ndarray,
    images: torch.Tensor,
) -> tuple[Step, ...]:
    """The tests on a path, given as nodes of T from the root to the end."""
    short = named.short
    order = short.nodes[couplet_order(short.tree)].tolist()
    couplets = {node: number for number, node in enumerate(order, 1)}
    found = []
    for node, child in pairwise(nodes):
        test = named.tests.get(node) or _unread(named, node)
        value, level = int(codes[test.code]), float(levels[test.code])
        margin = abs(level - (test.lowest - 0.5))
        empty = np.zeros((1, 1))
        passed = value > test.threshold
        found.append(Step(test, couplets.get(node), passed, child, value, level, margin, empty))
    if not found:
        return ()
    asked = list(dict.fromkeys(step.test.code for step in found))
    maps = localise(trained.network.represent, images, asked)[0]
    by_code = dict(zip(asked, maps, strict=True))
    return tuple(replace(step, map=by_code[step.test.code]) for step in found)


def _unread(named: NamedTree, node: int) -> NamedTest:
    """A test of T that the tree for readers leaves out."""
    code = named.kept[int(named.tree.feature[node])]
    threshold = float(named.tree.threshold[node])
    return NamedTest(node, code, threshold, named.bits == 1, named.experts.get(code))


def _moves(
    trained: Trained, named: NamedTree, codes: np.ndarray, levels: np.ndarray
) -> tuple[tuple[Move, ...], int | None]:
    kept, largest = trained.kept, 2**trained.settings.bits - 1
    change = smallest_change(trained.tree, codes[kept], levels[kept], largest)
    if change is None:
        return (), None
    path = _tests_to(named, change.leaf)
    moves = []
    for column, value, to in change.codes:
        code = int(kept[column])
        # Of the tests that must come out otherwise, the one that asks for most.
        crossed = [
            test
            for test in path
            if test.code == code and (value > test.threshold) != (to > test.threshold)
        ]
        binding = max(crossed, key=lambda test: test.threshold if to > value else -test.threshold)
        moves.append(Move(code, value, to, binding.words(to > value)))
    return tuple(moves), change.label


def _tests_to(named: NamedTree, leaf: int) -> list[NamedTest]:
    """The tests of T on the way to a leaf."""
    tree, found, node = named.tree, [], 0
    while node != leaf:
        found.append(named.tests.get(node) or _unread(named, node))
        # Nodes are in preorder: what lies right of a node comes after all that lies left of it.
        node = int(tree.right[node] if leaf >= tree.right[node] else tree.left[node])
    return found
