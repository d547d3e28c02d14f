"""Columns of any unit, offset and with cells far out: scaled, or told."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from irtheory.intersection.arrays import ArraySettings, fit_arrays
from irtheory.intersection.methods import METHODS
from irtheory.intersection.scaling import FAR, ColumnScale

SETTINGS = ArraySettings(8, 1, 2, (16,), epochs=15, batch_size=32, learning_rate=0.01, seed=1)


def problem(samples: int = 240) -> tuple[np.ndarray, np.ndarray]:
    """Four classes that two linear functions of six columns tell apart, in steps of 0.01."""
    rng = np.random.default_rng(0)
    x = np.round(rng.normal(size=(samples, 6)), 2)
    return x, (x @ rng.normal(size=(6, 2)) > 0) @ np.array([1, 2])


def scaled(*columns: np.ndarray) -> np.ndarray:
    x = torch.tensor(np.column_stack(columns))
    return ColumnScale.of(x)(x).numpy()


def test_ordinary_columns_get_mean_0_and_sd_1() -> None:
    x = np.random.default_rng(0).normal(3, 2, (200, 4))
    np.testing.assert_allclose(scaled(x), (x - x.mean(0)) / x.std(0), atol=1e-6)
    few = np.random.default_rng(0).random((200, 1)) < 0.03
    np.testing.assert_allclose(scaled(few * 1.0), (few - few.mean()) / few.std(), atol=1e-6)


@given(st.integers(-960, 960), st.integers(0, 99))
def test_the_unit_of_a_column_changes_nothing(power: int, seed: int) -> None:
    x = np.random.default_rng(seed).normal(size=(30, 2))
    np.testing.assert_array_equal(scaled(np.ldexp(x, power)), scaled(x))


@pytest.mark.parametrize("unit", [1e200, 1e-300, 5e-324, 1.7e308])
@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_two_values_of_any_size_are_told_apart(unit: float, sign: float) -> None:
    side = np.arange(10) % 2
    np.testing.assert_allclose(scaled(sign * unit * side)[:, 0], sign * (2.0 * side - 1))
    both = scaled(unit * (2.0 * side - 1))[:, 0]
    np.testing.assert_allclose(both, 2.0 * side - 1)


@pytest.mark.parametrize("offset", [1e14, -1e14, 1e6, 4.5e15])
def test_a_large_offset_loses_nothing(offset: float) -> None:
    x = np.random.default_rng(0).integers(0, 2, (90, 3)).astype(float)
    np.testing.assert_allclose(scaled(x + offset), scaled(x), atol=1e-6)


@pytest.mark.parametrize("value", [0.0, 0.1, 1e300, -5e-324])
def test_a_constant_column_is_0_whatever_comes_later(value: float) -> None:
    x = torch.full((7, 1), value, dtype=torch.float64)
    scale = ColumnScale.of(x)
    later = torch.tensor([[value], [1e39], [-1e308], [3.0]], dtype=torch.float64)
    assert scale(x).tolist() == [[0.0]] * 7 and scale(later).tolist() == [[0.0]] * 4
    assert scale.outlying(x).tolist() == [0]


@pytest.mark.parametrize("cell", [1e39, -1e39, 1.7e308, -1.7e308])
def test_a_later_cell_far_out_is_finite_and_on_its_side(cell: float) -> None:
    x = torch.tensor(np.random.default_rng(0).normal(size=(60, 1)))
    for unit in (1.0, 1e-300, 1e-5):
        scale = ColumnScale.of(x * unit)
        far = scale(torch.tensor([[cell]], dtype=torch.float64)).item()
        assert np.isfinite(far) and np.sign(far) == np.sign(cell) and abs(far) > 100


def test_a_cell_far_out_leaves_the_scale_of_the_others() -> None:
    x = np.random.default_rng(0).normal(size=(500, 1))
    broken = x.copy()
    broken[7] = 1e200
    kept = np.arange(500) != 7
    assert np.corrcoef(scaled(broken)[kept, 0], x[kept, 0])[0, 1] > 0.9999
    scale = ColumnScale.of(torch.tensor(broken))
    assert scale.outlying(torch.tensor(broken)).tolist() == [1]
    assert scaled(broken)[7, 0] == scaled(broken).max()
    # A count of rare events is no outlier, however rare.
    rare = torch.zeros(5000, 1, dtype=torch.float64)
    rare[3] = 1.0
    assert ColumnScale.of(rare).outlying(rare).tolist() == [0]
    assert FAR > 100


@pytest.mark.parametrize(
    "change",
    [
        lambda x: x * 1e200,
        lambda x: x + 1e12,
        lambda x: np.hstack([x * 1e-300, np.full((len(x), 1), 1e300)]),
    ],
)
def test_training_does_not_depend_on_units_and_offsets(change) -> None:
    x, y = problem()
    fitted = fit_arrays(change(x), y, 4, METHODS["ira"], SETTINGS)
    assert (fitted.apply(change(x))[1].argmax(1) == y).mean() > 0.8


def test_a_cell_that_does_not_count_as_it_is_is_told() -> None:
    x, y = problem()
    broken = x.copy()
    broken[3, 2] = 1e200
    with pytest.warns(UserWarning, match=r"x: 1 of \d+ cells in column 2 lie more than 1000"):
        fitted = fit_arrays(broken, y, 4, METHODS["ira"], SETTINGS)
    assert (fitted.apply(x)[1].argmax(1) == y).mean() > 0.8
    assert np.isfinite(fitted.apply(np.full((1, x.shape[1]), 1e39))[1]).all()
