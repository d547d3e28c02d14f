from __future__ import annotations

import numpy as np
import pytest

from irtheory.trees.tree import Tree
from irvision.data.examples import Attributes
from irvision.evaluation.node_names import name_tests

M, N = 400, 40


def chain(codes: int) -> Tree:
    """Tests every code once."""
    tree = Tree.leaf([1.0, 0.0], 1, codes)
    for code in range(codes):
        tree = Tree.grow(code, 0.0, tree, Tree.leaf([0.0, 1.0], 1, codes), [0.5, 0.5], code + 2)
    return tree


@pytest.mark.parametrize("seed", range(5))
def test_tests_of_chance_are_named_one_time_in_21_at_most(seed: int) -> None:
    rng = np.random.default_rng(seed)
    codes = rng.integers(0, 2, (M, 63)).astype(np.uint8)
    values = (rng.random((M, N)) < rng.uniform(0.05, 0.6, N)).astype(float)
    attributes = Attributes(tuple(map(str, range(N))), values)
    named = name_tests(chain(63), codes, attributes, range(63), seed)
    # 63 trials of probability 1/21: more than 12 of them is a chance below one in 10,000.
    assert len(named) <= 12


def test_a_planted_attribute_is_named_among_many() -> None:
    rng = np.random.default_rng(0)
    codes = rng.integers(0, 2, (M, 3)).astype(np.uint8)
    values = (rng.random((M, N)) < 0.3).astype(float)
    noise = rng.random(M) < 0.2
    values[:, 17] = np.where(noise, values[:, 17], 1 - codes[:, 1])
    values[rng.random((M, N)) < 0.2] = np.nan
    attributes = Attributes(tuple(map(str, range(N))), values)
    named = {name.code: name for name in name_tests(chain(3), codes, attributes, [4, 7, 9])}
    assert (named[7].attribute, named[7].present) == ("17", False)
    assert named == {name.code: name for name in name_tests(chain(3), codes, attributes, [4, 7, 9])}
