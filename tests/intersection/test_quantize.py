from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from irtheory.intersection.choices import Range
from irtheory.intersection.quantize import UniformQuantizer, binarize, column_name


def codes_by_hand(x: np.ndarray, bits: int) -> np.ndarray:
    """Alg. 2, line by line."""
    top = 2**bits - 1
    s = (x.max() - x.min()) / top
    z = round(min(max(-x.min() / s, 0), top))
    return np.round(np.clip(z + x / s, 0, top))


def gradient_by_hand(x: np.ndarray, weight: np.ndarray, bits: int) -> np.ndarray:
    """∂ Σ_i w_i q_i / ∂x through x_i, s, x_min, x_max and z̃ (distinct extremes)."""
    top, low, high = 2**bits - 1, x.min(), x.max()
    s = (high - low) / top
    z_init = -low / s
    z = round(min(max(z_init, 0), top))
    inside = (z + x / s > 0) & (z + x / s < top)
    # ∂s/∂x and ∂z̃/∂x are zero except at the two extremes.
    ds = np.zeros_like(x)
    ds[x.argmax()], ds[x.argmin()] = 1 / top, -1 / top
    dz = np.zeros_like(x)
    if 0 < z_init < top:
        dz = low / s**2 * ds
        dz[x.argmin()] -= 1 / s
    gradient = np.zeros_like(x)
    for i in np.flatnonzero(inside):
        direct = np.zeros_like(x)
        direct[i] = 1 / s
        gradient += weight[i] * (direct - x[i] / s**2 * ds + dz)
    return gradient


@pytest.mark.parametrize("bits", [1, 2, 3, 8])
@pytest.mark.parametrize("shift", [-3.0, -0.7, 0.0, 0.5])
def test_forward_and_backward_are_those_of_algorithm_2(bits: int, shift: float) -> None:
    rng = np.random.default_rng(bits)
    x = rng.random(40) * 2 + shift
    weight = rng.normal(size=40)
    given_x = torch.tensor(x, requires_grad=True)
    codes = UniformQuantizer(bits)(given_x)
    (codes * torch.tensor(weight)).sum().backward()
    np.testing.assert_array_equal(codes.detach().numpy(), codes_by_hand(x, bits))
    assert given_x.grad is not None
    np.testing.assert_allclose(
        given_x.grad.numpy(), gradient_by_hand(x, weight, bits), rtol=1e-10, atol=1e-12
    )


def test_the_gradient_case_covers_the_zero_point_inside_its_range() -> None:
    x = np.array([-1.0, -0.2, 0.3, 1.4])
    assert 0 < 1.0 / (2.4 / 3) < 3
    assert np.abs(gradient_by_hand(x, np.ones(4), 2)).sum() > 0


def test_relu_features_move_the_range_at_the_ends_and_themselves_inside() -> None:
    x = torch.tensor([[0.0, 0.1, 0.6, 1.0]], requires_grad=True)
    codes = UniformQuantizer(1)(x)
    assert codes.tolist() == [[0.0, 0.0, 1.0, 1.0]]
    codes.sum().backward()
    assert x.grad is not None
    # s = x_max − x_min = 1: ∂q/∂x_max = −Σ x_i over the two inside, ∂q/∂x_min its opposite.
    assert x.grad[0].tolist() == pytest.approx([0.7, 1.0, 1.0, -0.7])


@pytest.mark.parametrize("value", [0.0, 3.5, -2.0, 1e30])
@pytest.mark.parametrize("training", [True, False])
def test_a_constant_tensor_gets_code_zero_and_a_finite_gradient(
    value: float, training: bool
) -> None:
    x = torch.full((1, 5), value, requires_grad=True)
    codes = UniformQuantizer(2).train(training)(x)
    assert codes.tolist() == [[0.0] * 5]
    codes.sum().backward()
    assert x.grad is not None
    assert x.grad.tolist() == [[0.0] * 5]


def test_running_range_makes_codes_independent_of_their_batch() -> None:
    torch.manual_seed(0)
    quantizer = UniformQuantizer(2)
    for _ in range(50):
        quantizer(torch.rand(64, 4))
    quantizer.eval()
    x = torch.rand(64, 4)
    assert torch.equal(quantizer(x)[:3], quantizer(x[:3]))
    by_batch = UniformQuantizer(2, range="batch").eval()
    assert not torch.equal(by_batch(x)[:1], by_batch(x[:1]))


def test_the_unit_range_belongs_to_no_batch() -> None:
    x = torch.tensor([[0.0, 0.2, 0.49, 0.51, 1.0]], requires_grad=True)
    codes = UniformQuantizer(1, range="unit")(x)
    assert codes.tolist() == [[0.0, 0.0, 0.0, 1.0, 1.0]]
    codes.sum().backward()
    assert x.grad is not None and x.grad.tolist() == [[0.0, 1.0, 1.0, 1.0, 0.0]]
    assert UniformQuantizer(2, range="unit")(x[:, 1:3]).tolist() == [[1.0, 1.0]]


def test_the_first_batch_sets_the_running_range_and_later_ones_move_it() -> None:
    quantizer = UniformQuantizer(2, momentum=0.25)
    ranges = [(1.0, 3.0), (0.0, 5.0), (0.5, 4.0), (0.5, 4.0), (0.5, 4.0)]
    for low, high in ranges:
        quantizer(torch.tensor([[low, high]]))
    # Even weights for the first four batches, then the momentum.
    assert quantizer.low.item() == pytest.approx(0.75 * np.mean([1, 0, 0.5, 0.5]) + 0.25 * 0.5)
    assert quantizer.high.item() == pytest.approx(0.75 * np.mean([3, 5, 4, 4]) + 0.25 * 4)


def test_the_running_range_is_saved_with_the_weights() -> None:
    quantizer = UniformQuantizer(2)
    quantizer(torch.tensor([[0.0, 6.0], [2.0, 4.0]]))
    again = UniformQuantizer(2)
    again.load_state_dict(quantizer.state_dict())
    x = torch.tensor([[1.2, 7.0]])
    assert torch.equal(again.eval()(x), quantizer.eval()(x))
    assert again(x).tolist() == [[1.0, 3.0]]


def test_it_warns_once_when_nearly_all_codes_are_constant() -> None:
    quantizer = UniformQuantizer(1)
    x = torch.zeros(32, 40)
    x[0, 0] = 1.0
    with pytest.warns(UserWarning, match="98% of 40 codes are constant over 32 samples"):
        quantizer(x)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        quantizer(x)
        UniformQuantizer(1)(torch.rand(32, 40))


@pytest.mark.parametrize("bits", [0, 9, 1.5, True, "2"])
def test_bits_outside_1_to_8_are_refused(bits: object) -> None:
    with pytest.raises(ValueError, match="bits: expected a whole number from 1 to 8, found"):
        UniformQuantizer(bits)  # type: ignore[arg-type]


def test_other_settings_are_refused() -> None:
    with pytest.raises(ValueError, match="range: expected"):
        UniformQuantizer(1, range="tensor")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="momentum"):
        UniformQuantizer(1, momentum=0)
    with pytest.raises(ValueError, match="x: expected at least one number"):
        UniformQuantizer(1)(torch.zeros(0, 3))


@given(
    bits=st.integers(1, 8),
    m=st.integers(1, 20),
    scale=st.floats(1e-6, 1e6),
    shift=st.floats(-10, 10),
    seed=st.integers(0, 99),
)
def test_codes_are_whole_monotone_and_within_range(
    bits: int, m: int, scale: float, shift: float, seed: int
) -> None:
    x = torch.tensor(np.random.default_rng(seed).random(m) * scale + shift)
    codes = UniformQuantizer(bits, range="batch")(x)
    assert ((codes >= 0) & (codes <= 2**bits - 1) & (codes == codes.round())).all()
    assert (torch.diff(codes[x.argsort()]) >= 0).all()


@given(bits=st.integers(1, 4), m=st.integers(1, 6), d=st.integers(1, 5), seed=st.integers(0, 99))
def test_binarize_columns_say_what_their_names_say(bits: int, m: int, d: int, seed: int) -> None:
    codes = np.random.default_rng(seed).integers(0, 2**bits, (m, d))
    u = binarize(codes, bits)
    assert u.shape == (m, 2 ** (bits + 1) * d)
    for column in range(u.shape[1]):
        _, code, sign, level = column_name(column, bits, d).split()
        equal = codes[:, int(code)] == int(level)
        assert np.array_equal(u[:, column], equal if sign == "=" else ~equal)
    assert np.array_equal(binarize(torch.tensor(codes), bits).numpy(), u)


@pytest.mark.parametrize(
    ("codes", "message"),
    [
        (np.array([[0, 2]]), "expected whole numbers 0 … 1, found 2 in row 0, column 1"),
        (np.array([[0.5, 0.0]]), "found 0.5 in row 0, column 0"),
        (np.array([[0], [-1]]), "found -1 in row 1, column 0"),
        (np.array([0, 1]), "expected an m × d array"),
        (np.array([[np.nan]]), "found nan"),
    ],
)
def test_binarize_names_the_wrong_code(codes: np.ndarray, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        binarize(codes, 1)
    with pytest.raises(ValueError, match=message):
        binarize(torch.tensor(codes), 1)


def test_there_is_no_column_beyond_the_last() -> None:
    with pytest.raises(ValueError, match="column: expected 0 … 23, found 24"):
        column_name(24, 2, 3)


@pytest.mark.parametrize("range", ["running", "batch", "unit"])
@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_features_that_are_not_finite_have_no_codes(range, training: bool, bad: float) -> None:
    quantizer = UniformQuantizer(2, range=range)
    quantizer(torch.rand(8, 3))
    x = torch.rand(8, 3)
    x[5, 1] = bad
    before = {name: value.clone() for name, value in quantizer.state_dict().items()}
    with pytest.raises(FloatingPointError, match="features: expected finite numbers"):
        quantizer.train(training)(x)
    after = quantizer.state_dict()
    assert all(torch.equal(after[name], value) for name, value in before.items())
    assert torch.isfinite(quantizer.eval()(torch.rand(8, 3))).all()


def test_a_range_beyond_single_precision_has_no_codes() -> None:
    with pytest.raises(FloatingPointError, match="range is finite in single precision"):
        UniformQuantizer(1)(torch.tensor([[-3e38, 3e38]]))


def test_a_saved_range_that_is_not_finite_is_refused() -> None:
    quantizer = UniformQuantizer(1)
    quantizer(torch.rand(8, 3))
    quantizer.high.fill_(np.nan)
    with pytest.raises(FloatingPointError, match=r"running range: expected .* found .* nan"):
        quantizer.eval()(torch.rand(8, 3))


def test_on_an_accelerator_the_next_batch_tells() -> None:
    # The flag of the last batch stands for the device: nobody has looked at it yet.
    for training in (True, False):
        quantizer = UniformQuantizer(1).train(training)
        quantizer._unchecked = torch.tensor(False)
        with pytest.raises(FloatingPointError, match="features"):
            quantizer(torch.rand(8, 3))
        quantizer(torch.rand(8, 3))


@pytest.mark.parametrize(
    "codes", [None, [["a"]], np.full((2, 2), None), [[0], [1, 0]], np.array([[1j]]), 3]
)
def test_what_is_no_array_of_codes_is_named(codes) -> None:
    with pytest.raises(ValueError, match="codes: expected"):
        binarize(codes, 1)


def test_codes_may_be_lists_and_booleans() -> None:
    expected = binarize(np.array([[0, 1], [1, 1]]), 1)
    rows: Any = [[0, 1], [1, 1]]
    np.testing.assert_array_equal(binarize(rows, 1), expected)
    booleans = torch.tensor([[False, True], [True, True]])
    np.testing.assert_array_equal(binarize(booleans, 1).numpy(), expected)


@pytest.mark.parametrize("x", [None, np.ones((2, 2)), torch.ones(2, 2) > 0, torch.ones(2) * 1j])
def test_features_that_are_no_real_tensor_are_named(x) -> None:
    with pytest.raises(ValueError, match="x: expected a tensor of real numbers, found"):
        UniformQuantizer(1)(x)


@pytest.mark.parametrize("bits", [1, 2, 4])
@pytest.mark.parametrize("kind", ["running", "batch", "unit"])
def test_codes_are_the_unrounded_features_rounded(bits: int, kind: Range) -> None:
    torch.manual_seed(0)
    q = UniformQuantizer(bits, kind)
    q(torch.rand(50, 8))
    with pytest.raises(ValueError, match="found train mode"):
        q.unrounded(torch.rand(5, 8))
    q.eval()
    x = 1.5 * torch.rand(200, 8)
    expected = q.unrounded(x).clamp(0, 2**bits - 1).round()
    assert torch.equal(q(x), expected)
    assert torch.equal(q.unrounded(torch.full((3, 3), 0.25)), torch.zeros(3, 3)) == (
        kind == "batch"
    )
