from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import fisher_exact
from sklearn.metrics import f1_score

from irtheory.trees.short_tree import shorten
from irtheory.trees.tree import Tree
from irvision.data.examples import Part
from irvision.evaluation.node_names import LEVEL, Annotated, NodeName, name_tests

M, N = 600, 40
NAMES = tuple(f"a{column}" for column in range(N))


def chain(codes: int) -> Tree:
    """Tests every code once, each where all tests of higher codes failed."""
    tree = Tree.leaf([1.0, 0.0], 1, codes)
    for code in range(codes):
        tree = Tree.grow(code, 0.0, tree, Tree.leaf([0.0, 1.0], 1, codes), [0.5, 0.5], code + 2)
    return tree


def two_sided(codes: int = 2) -> Tree:
    """Code 0, then code 1 on both sides; four leaves of alternating classes."""
    ends = [Tree.leaf([1.0, 0.0], 1, codes), Tree.leaf([0.0, 1.0], 1, codes)]
    side = Tree.grow(1, 0.0, *ends, [0.5, 0.5], 2)
    return Tree.grow(0, 0.0, side, side, [0.5, 0.5], 4)


def named(tree: Tree, parts: dict[Part, Annotated], kept: range | None = None):
    return name_tests(shorten(tree), parts, NAMES, kept or range(tree.n_features))


def draw(seed: int, codes: int, m: int = M) -> Annotated:
    """Codes and attributes that have nothing to do with each other, some not annotated."""
    rng = np.random.default_rng(seed)
    values = (rng.random((m, N)) < rng.uniform(0.05, 0.6, N)).astype(float)
    values[rng.random((m, N)) < 0.1] = np.nan
    return Annotated(rng.integers(0, 2, (m, codes)).astype(np.uint8), values)


def test_a_tree_of_chance_has_a_named_test_one_time_in_twenty_at_most() -> None:
    some = sum(bool(named(chain(4), {"validation": draw(seed, 4)})) for seed in range(60))
    # 60 trials of probability 1/20: more than 9 of them is a chance below 1 in 1000.
    assert some <= 9


def test_a_planted_attribute_is_named_and_the_other_tests_are_not() -> None:
    part = draw(8, 3)
    noise = np.random.default_rng(1).random(M) < 0.2
    part.values[:, 17] = np.where(noise, part.values[:, 17], 1 - part.codes[:, 1])
    found = name_tests(shorten(chain(3)), {"validation": part}, NAMES, [4, 7, 9])
    assert [(each.code, each.attribute, each.present) for each in found] == [(7, "a17", False)]
    assert found[0].passed < 0.3 < 0.7 < found[0].failed


def test_names_hold_at_the_node_and_not_on_all_images() -> None:
    """On one side code 1 means the attribute, on the other the opposite, overall nothing."""
    part = draw(2, 2)
    part.values[:, 5] = part.codes[:, 1] == part.codes[:, 0]
    found = named(two_sided(), {"validation": part})
    sides = {each.node: each for each in found}
    assert {each.attribute for each in found} == {"a5"} and sorted(sides) == [1, 4]
    assert (sides[1].present, sides[4].present) == (False, True)
    assert all(each.f1 == 1 for each in found)


def test_scores_are_those_of_scikit_learn_and_fishers_test() -> None:
    part = draw(3, 1)
    noise = np.random.default_rng(4).random(M) < 0.3
    part.values[:, 8] = np.where(noise, part.values[:, 8], part.codes[:, 0])
    (found,) = named(chain(1), {"validation": part})
    seen = ~np.isnan(part.values[:, 8])
    attribute, passes = part.values[seen, 8].astype(int), part.codes[seen, 0]
    table = [[np.sum((passes == i) & (attribute == j)) for j in (1, 0)] for i in (1, 0)]
    assert found.f1 == pytest.approx(f1_score(attribute, passes))
    assert found.p == pytest.approx(min(1, 2 * N * fisher_exact(table, "greater")[1]))
    rng = np.random.default_rng(5)
    shuffled = [f1_score(attribute, rng.permutation(passes)) for _ in range(300)]
    assert found.chance == pytest.approx(np.mean(shuffled), abs=0.01)
    assert (found.images, found.passed) == (seen.sum(), attribute[passes == 1].mean())
    assert found.p <= LEVEL


def planted(seed: int, m: int) -> Annotated:
    part = draw(seed, 1, m)
    part.values[:, 3] = part.codes[:, 0]
    return part


def only(parts: dict[Part, Annotated]) -> NodeName:
    (found,) = named(chain(1), parts)
    return found


def test_the_first_images_that_suffice_are_used_and_test_images_confirm() -> None:
    test = planted(0, 200)
    test.values[:, 3] = np.nan
    test.values[:60, 3] = test.codes[:60, 0] ^ (np.arange(60) < 15)
    large = only({"validation": planted(1, 100), "test": test})
    assert (large.part, large.images, large.test_images) == ("validation", 100, 60)
    assert large.test_passed == pytest.approx(test.values[:60, 3][test.codes[:60, 0] == 1].mean())
    small = only({"validation": planted(1, 30), "test": planted(2, 400)})
    assert (small.part, small.images) == ("validation and test", 430)
    assert small.test_images is None
    assert only({"test": planted(3, 90)}).part == "test"
    assert only({"test": planted(3, 90)}).test_images is None
    assert not named(chain(1), {"test": planted(3, 40)})


def test_training_images_name_nothing() -> None:
    """A code that knows training images by heart says nothing of others."""
    assert not named(chain(1), {"train": planted(2, 400), "test": draw(3, 1)})


def test_an_attribute_that_differs_little_hides_no_other() -> None:
    """The first has the larger excess of F1, but its shares differ by less than a quarter."""
    part = draw(9, 1, 4000)
    rng = np.random.default_rng(10)
    on = part.codes[:, 0] == 1
    part.values[:, 1] = rng.random(4000) < np.where(on, 0.62, 0.40)
    part.values[:, 2] = rng.random(4000) < np.where(on, 0.30, 0.01)
    (found,) = named(chain(1), {"validation": part})
    assert found.attribute == "a2"
    part.values[:, 2] = 0
    assert not named(chain(1), {"validation": part})


def test_a_slight_difference_is_no_name() -> None:
    part = draw(6, 1, 20_000)
    more = np.random.default_rng(7).random(20_000)
    part.values[:, 1] = more < np.where(part.codes[:, 0] == 1, 0.55, 0.45)
    assert not named(chain(1), {"validation": part})
