from __future__ import annotations

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
import torch

from irtheory.intersection.growers import Grower
from irtheory.intersection.network import Collected
from irtheory.trees.cart.fit import fit_cart
from irtheory.trees.export import classes_named
from irtheory.trees.tree import Tree
from irvision.data.batches.augment import View
from irvision.data.batches.loader import training_batches
from irvision.data.batches.pictures import Pictures, place_pictures
from irvision.models.frozen import FrozenFeatures, feature_batches
from irvision.runtime.device import Runtime
from irvision.training.balance import balance_lines, smallest_leaf
from irvision.training.recipes import resolve
from irvision.training.remarks import remarks

CPU = Runtime(torch.device("cpu"))
LABELS = np.repeat([0, 1, 2], [30, 6, 3])
VIEW = View(4, 0, 0.5, (0.5, 0.5, 0.5), (0.5, 0.5, 0.5))


def settings_of(**given: object):
    return resolve({"dataset": "photos", **given}, False, 3)


@pytest.mark.parametrize(
    ("sizes", "given", "expected"),
    [
        ([157] * 12, {}, 9),
        ([5] * 300, {}, 2),
        ([314] * 12, {}, 18),
        ([1000] * 9 + [4], {}, 2),
        ([1000] * 19 + [4], {}, 95),
        ([1] * 20, {}, 1),
        ([5] * 300, {"min_samples_leaf": 7}, 7),
        ([5] * 300, {"recipe": "paper"}, 1),
        ([997] * 9 + [7], {"balance": "sampler"}, 44),
    ],
)
def test_leaves_fit_the_smaller_classes(sizes: list[int], given: dict, expected: int) -> None:
    labels = np.repeat(np.arange(len(sizes)), sizes)
    assert smallest_leaf(settings_of(**given), labels) == expected


def many_classes(k: int, each: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    labels = np.repeat(np.arange(k), each)
    codes = rng.integers(0, 2, (k, 128))[labels] ^ (rng.random((k * each, 128)) < 0.02)
    return codes.astype(np.uint8), labels


def test_t_can_name_three_hundred_small_classes() -> None:
    codes, labels = many_classes(300, 5)
    settings = settings_of()
    named = [
        len(classes_named(fit_cart(codes, np.eye(300)[labels], 11, min_samples_leaf=leaf)))
        for leaf in (len(labels) // 200, smallest_leaf(settings, labels))
    ]
    assert named == [155, 300]


def test_what_is_said_of_unequal_classes_and_shallow_trees() -> None:
    names = ("ash", "birch", "cedar")
    said = balance_lines(LABELS, names, settings_of())
    assert said[0] == ("class balance: from 3 training images (cedar) to 30 (ash), ratio 10.0")
    assert "--balance weights or --balance sampler" in said[1] and len(said) == 2
    assert len(balance_lines(LABELS, names, settings_of(balance="weights"))) == 1
    equal = balance_lines(np.repeat([0, 1, 2], 9), names, settings_of())
    assert equal == ["class balance: 9 training images of every class"]
    assert len(balance_lines(np.repeat([0, 1, 2], 9), names, settings_of(depth=2))) == 1
    said = balance_lines(np.repeat([0, 1, 2], 9), names, settings_of(depth=1))
    assert "it can name at most 2 of 3 classes; --depth 2 is the least" in said[1]


def pictures(runtime: Runtime = CPU) -> Pictures:
    pixels = np.arange(len(LABELS), dtype=np.uint8)[:, None, None, None]
    return place_pictures(pixels * np.ones((4, 4, 3), np.uint8), LABELS, runtime)


def labels_of(epoch: int, runtime: Runtime = CPU) -> list[int]:
    rows = np.arange(len(LABELS))
    batches = training_batches(pictures(runtime), rows, VIEW, 8, 5, balanced=True)
    return torch.cat([labels for _, labels in batches(epoch)]).tolist()


def test_a_sampler_draws_classes_equally_often_the_same_way_again() -> None:
    first = labels_of(1)
    assert Counter(first) == {0: 13, 1: 13, 2: 13}
    assert first == labels_of(1) and first != labels_of(2)
    halves = [labels_of(1, replace(CPU, rank=rank, world=2)) for rank in (0, 1)]
    # Each process gets every second sample of every batch.
    assert halves[0] == [first[i] for i in range(0, 38, 2)]
    assert halves[1] == [first[i] for i in range(1, 38, 2)]


@pytest.mark.parametrize("mirrored", [False, True])
def test_a_sampler_of_frozen_features(mirrored: bool) -> None:
    x = torch.arange(float(len(LABELS)))[:, None]
    features, labels = FrozenFeatures(x, -x), torch.from_numpy(LABELS)
    batches = feature_batches(features, labels, np.arange(39), 8, 5, mirrored, balanced=True)
    found = [torch.cat(column) for column in zip(*batches(1), strict=True)]
    assert Counter(found[1].tolist()) == dict.fromkeys(range(3), 13 * (1 + mirrored))
    assert torch.equal(labels[found[0][:, 0].abs().long()], found[1])
    again = [torch.cat(column) for column in zip(*batches(1), strict=True)]
    assert torch.equal(found[0], again[0])


def stump(left: list[float], right: list[float]) -> Tree:
    a, b = Tree.leaf(left, 5, 2), Tree.leaf(right, 5, 2)
    return Tree.grow(0, 0.5, a, b, [0.5, 0.5, 0.0], 10)


def seen(labels: list[int], by_g: list[int], codes: list[int]) -> Collected:
    columns = torch.tensor([codes, [0] * len(codes)], dtype=torch.uint8).T
    return Collected(columns, torch.eye(3)[by_g], torch.tensor(labels))


def test_a_good_result_has_no_warning() -> None:
    labels, names = [0] * 20 + [1] * 20, ("ash", "birch")
    scored = Collected(
        torch.tensor([[0, 0]] * 20 + [[1, 0]] * 20, dtype=torch.uint8),
        torch.eye(2)[labels],
        torch.tensor(labels),
    )
    tree = Tree.grow(0, 0.5, Tree.leaf([1.0, 0], 20, 2), Tree.leaf([0, 1.0], 20, 2), [0.5, 0.5], 40)
    assert remarks(tree, tree, 0.5, scored, names, Grower(2)) == ()


def test_odd_results_are_named_with_what_to_try() -> None:
    names = ("ash", "birch", "cedar")
    labels = [0] * 30 + [1] * 10
    tree = stump([1.0, 0.0, 0.0], [0.0, 1.0, 0.0])
    # G names the larger class throughout; T is right throughout.
    found = remarks(
        tree, tree, 0.9, seen(labels, [0] * 40, labels), names, Grower(2, min_samples_leaf=4)
    )
    assert len(found) == 3
    assert (
        found[0].startswith("90% of the codes have one value") and "--lambda-sparsity" in found[0]
    )
    assert found[1].startswith("T can name 2 of 3 classes, not cedar; try a smaller")
    assert "--min-samples-leaf (now 4), a larger --depth (now 2)" in found[1]
    assert found[2].startswith(
        "G is not clearly better than always naming the largest class, ash (0.750 of"
    )
    leaf = Tree.leaf([0.75, 0.25, 0.0], 40, 2)
    found = remarks(leaf, leaf, 0.0, seen(labels, labels, labels), names, Grower(2))
    assert found[0].startswith("T is a single leaf, which names ash") and len(found) == 2
    assert found[1].startswith("T is not clearly better")
