from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.optim import SGD

from irtheory.intersection.balance import balanced_draw, class_weights
from irtheory.intersection.final_tree import final_tree
from irtheory.intersection.growers import Grower
from irtheory.intersection.losses import label_loss, route_loss, tree_loss
from irtheory.intersection.methods import METHODS
from irtheory.intersection.network import Collected, Network
from irtheory.intersection.quantize import UniformQuantizer
from irtheory.intersection.step import Descent
from irtheory.intersection.weights import Weights
from irtheory.trees.export import classes_named
from irtheory.trees.routing import Routing
from irtheory.trees.tree import Tree

LABELS = torch.tensor([0] * 90 + [1] * 9 + [3])


def test_weights_give_every_class_the_same_total_and_samples_a_mean_of_1() -> None:
    weights = class_weights(LABELS, 4)
    assert weights[2] == 0
    counts = torch.bincount(LABELS)
    totals = [float(weights[label] * counts[label]) for label in (0, 1, 3)]
    assert totals == pytest.approx([100 / 3] * 3)
    assert float(weights[LABELS].mean()) == pytest.approx(1)
    assert torch.equal(class_weights(torch.arange(5), 5), torch.ones(5))


@pytest.mark.parametrize("m", [7, 100, 101])
def test_a_balanced_draw_has_all_classes_equally_often(m: int) -> None:
    labels = torch.cat([LABELS, LABELS])[-m:]
    drawn = balanced_draw(labels, torch.Generator().manual_seed(3))
    counts = torch.bincount(labels[drawn])
    counts = counts[counts > 0]
    assert len(drawn) == m and len(counts) == len(labels.unique())
    assert counts.max() - counts.min() <= 1
    # Within a class no sample is drawn twice more than another.
    for label in labels.unique():
        times = torch.bincount(drawn[labels[drawn] == label], minlength=m)[labels == label]
        assert times.max() - times.min() <= 1
    again = balanced_draw(labels, torch.Generator().manual_seed(3))
    other = balanced_draw(labels, torch.Generator().manual_seed(4))
    assert torch.equal(drawn, again) and not torch.equal(drawn, other)


def test_weighted_losses_equal_their_formulas() -> None:
    rng = torch.Generator().manual_seed(0)
    logits = torch.randn(6, 3, generator=rng)
    leaf = torch.rand(6, 3, generator=rng).softmax(dim=1)
    y, w = torch.tensor([0, 1, 2, 2, 1, 0]), torch.rand(6, generator=rng)
    u, one_hot = logits.softmax(dim=1), torch.eye(3)[y]
    smooth = 0.8 * one_hot + 0.2 / 3
    by_hand = float(-(w[:, None] * smooth * u.log()).sum() / 6)
    assert float(label_loss(logits, y, 0.2, w)) == pytest.approx(by_hand, abs=1e-6)
    by_hand = float(-(w[:, None] * leaf * u.log()).sum() / 6)
    assert float(tree_loss(logits, leaf, w)) == pytest.approx(by_hand, abs=1e-6)
    reached = 0.99 * leaf[torch.arange(6), y] + 0.01 / 3
    by_hand = float(-(w * reached.log()).sum() / 6)
    assert float(route_loss(leaf, y, w)) == pytest.approx(by_hand, abs=1e-6)


def overlapping() -> Collected:
    """One code: 0 for 60 of the large class alone, 1 for its other 30 and all 10 of the small."""
    labels = torch.tensor([0] * 90 + [1] * 10)
    codes = torch.tensor([0] * 60 + [1] * 40, dtype=torch.uint8)[:, None]
    return Collected(codes, torch.eye(2)[labels], labels)


def test_a_balanced_tree_names_a_class_that_is_few_everywhere() -> None:
    seen = overlapping()
    assert classes_named(Grower(2)(seen, None)) == (0,)
    balanced = Grower(2, balanced=True)(seen, None)
    assert classes_named(balanced) == (0, 1)
    assert balanced == Grower(2, balanced=True)(seen, None)


@pytest.mark.parametrize("method", ["ira", "quantised+dt"])
def test_a_balanced_result_counts_images_and_weighs_classes(method: str) -> None:
    seen, grower = overlapping(), Grower(2, balanced=True)
    tree, _ = final_tree(grower(seen, None), seen, METHODS[method], grower)
    assert sorted(tree.count[tree.leaves]) == [40, 60]
    mixed = tree.value[tree.leaves[tree.count[tree.leaves] == 40]][0]
    # 30 images of weight 100 / 180 and 10 of weight 100 / 20.
    assert mixed == pytest.approx([0.25, 0.75])
    plain, _ = final_tree(tree, seen, METHODS[method], Grower(2))
    assert sorted(plain.value[plain.leaves].max(axis=1)) == pytest.approx([0.75, 1.0])


def test_classes_named_are_those_of_leaves() -> None:
    a, b = Tree.leaf([0.2, 0.8, 0.0], 3, 1), Tree.leaf([0.0, 0.6, 0.4], 2, 1)
    assert classes_named(Tree.grow(0, 0.5, a, b, [1.0, 0.0, 0.0], 5)) == (1,)
    assert classes_named(Tree.leaf([0.0, 0.0, 1.0], 1, 1)) == (2,)


@pytest.mark.parametrize("chunks", [1, 3])
def test_a_step_takes_gradients_of_the_weighted_losses(chunks: int) -> None:
    torch.manual_seed(0)
    f, g = nn.Sequential(nn.Linear(3, 4), nn.Sigmoid()), nn.Linear(4, 4)
    network = Network(f, UniformQuantizer(1, "unit"), g)
    of_f, of_g = (SGD(part.parameters(), lr=0.0) for part in (f, g))
    x, y = torch.randn(100, 3), LABELS[torch.randperm(100)]
    by_class = class_weights(LABELS, 4)
    tree = Tree.grow(
        0, 0.5, Tree.leaf([0.7, 0.1, 0.1, 0.1], 1, 4), Tree.leaf([0.25] * 4, 1, 4), [0.25] * 4, 2
    )
    routing, weights = Routing.of(tree, torch.device("cpu")), Weights(sparsity=0, route=0.5)
    descent = Descent(network, weights, of_f, of_g, chunks=chunks, class_weights=by_class)
    terms = descent.step(x, y, routing).terms
    found = [parameter.grad for parameter in f.parameters()]
    f.zero_grad(set_to_none=True)
    codes = network.codes(x)
    w, logits, routed = by_class[y], network.logits(codes), routing.forward(codes)
    expected = {
        "label": label_loss(logits, y, weights=w),
        "tree": tree_loss(logits, routed.detach(), w),
        "route": route_loss(routed, y, w),
    }
    (2 * expected["label"] + expected["tree"] + 0.5 * expected["route"]).backward()
    for name, value in expected.items():
        torch.testing.assert_close(terms[name], value.detach())
    for one, other in zip(found, f.parameters(), strict=True):
        torch.testing.assert_close(one, other.grad)
