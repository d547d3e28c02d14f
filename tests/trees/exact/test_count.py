"""Lists of costs with their frequencies."""

from __future__ import annotations

import numpy as np

from irtheory.trees.exact.all_trees.count import Costed, merged, sums


def test_frequencies_beyond_64_bits_are_exact():
    units, count = merged(np.array([3, 1, 3, 1, 3]), np.array([2**62, 5, 2**62, 6, 2**62]))
    assert units.tolist() == [1, 3]
    assert count.tolist() == [11, 3 * 2**62]
    one = Costed(np.array([0, 2]), np.array([2**40, 1]))
    other = Costed(np.array([0, 1, 5]), np.array([2**41, 3, 7]))
    found: dict[int, int] = {}
    for part in sums(one, other, 5):
        for cost, many in zip(part.units.tolist(), part.count.tolist(), strict=True):
            found[cost] = found.get(cost, 0) + many
    assert found == {0: 2**81, 1: 3 * 2**40, 5: 7 * 2**40, 2: 2**41, 3: 3}
