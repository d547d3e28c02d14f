from __future__ import annotations

import numpy as np
import pytest

from irtheory.checks import check_whole


@pytest.mark.parametrize("found", [3, np.int8(3), np.uint64(3), np.array(3)])
def test_whole_numbers_become_ints(found):
    assert check_whole("n", found, 3, 3) == 3
    assert type(check_whole("n", found, 0)) is int


@pytest.mark.parametrize("found", [True, np.True_, 3.0, np.float64(3), "3", None, 2, 5])
def test_others_are_refused(found):
    with pytest.raises(ValueError, match="n: expected a whole number from 3 to 4, found"):
        check_whole("n", found, 3, 4)


def test_without_an_upper_bound():
    with pytest.raises(ValueError, match="n: expected a whole number ≥ 1, found 0"):
        check_whole("n", 0, 1)
