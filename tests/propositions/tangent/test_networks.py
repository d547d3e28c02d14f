"""Networks: sizes, parametrisations that are one function, and outputs of one size."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from irtheory.propositions.tangent import cnn, mlp
from irtheory.propositions.tangent.networks import ACTIVATIONS, GAINS

SIGNS = torch.tensor(np.random.default_rng(0).choice([-1.0, 1.0], size=(40, 12)))
IMAGES = torch.tensor(np.random.default_rng(1).normal(size=(5, 1, 8, 8)))


@pytest.mark.parametrize("activation", ["relu", "tanh", "gelu"])
def test_gains_keep_the_second_moment_of_a_standard_normal(activation: str) -> None:
    # Gauss–Legendre on 2000 points of [−9, 9] against the normal density; no library's constant.
    nodes, weights = np.polynomial.legendre.leggauss(2000)
    z = 9 * nodes
    density = np.exp(-(z**2) / 2) / np.sqrt(2 * np.pi)
    phi = ACTIVATIONS[activation]()(torch.tensor(z)).numpy()
    moment = 9 * np.sum(weights * density * phi**2)
    assert GAINS[activation] == pytest.approx(1 / np.sqrt(moment), rel=1e-5)


@pytest.mark.parametrize("activation", ["relu", "tanh", "gelu"])
def test_both_parametrisations_are_one_function_at_the_start(activation: str) -> None:
    for make, x, size in ((mlp, SIGNS, 12), (cnn, IMAGES, (1, 8, 8))):
        one, other = (
            make(size, [6, 5], 3, activation=activation, parametrisation=p, seed=4)
            for p in ("ntk", "standard")
        )
        torch.testing.assert_close(one(x), other(x), rtol=1e-12, atol=1e-12)
        assert one(x).shape == (len(x), 3) and one(x).dtype == torch.float64


@pytest.mark.parametrize("width", [64, 4096])
def test_outputs_are_of_size_one_at_any_width(width: int) -> None:
    with torch.no_grad():
        outputs = torch.stack([mlp(12, [width] * 2, 4, seed=s)(SIGNS) for s in range(5)])
    assert 0.6 < float(outputs.square().mean().sqrt()) < 1.6


def test_one_seed_is_one_network() -> None:
    def weights(seed: int) -> torch.Tensor:
        return torch.cat([p.flatten() for p in mlp(3, [4], 2, seed=seed).parameters()])

    assert torch.equal(weights(1), weights(1)) and not torch.equal(weights(1), weights(2))
    assert len(weights(0)) == 4 * 3 + 4 + 2 * 4 + 2


def test_no_hidden_layer_is_a_linear_model() -> None:
    net = mlp(12, [], 2)
    assert len(net) == 1
    torch.testing.assert_close(net(SIGNS) + net(-SIGNS), 2 * net(0 * SIGNS))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: mlp(3, [4, 0], 2), r"hidden: expected whole numbers ≥ 1, found 0"),
        (lambda: mlp(3, [4.0], 2), r"hidden: .* found 4\.0"),  # type: ignore[list-item]
        (lambda: mlp(0, [4], 2), "inputs"),
        (lambda: mlp(3, [4], 0), "outputs"),
        (lambda: mlp(3, [4], 2, activation="sign"), "activation: expected one of 'relu'"),
        (lambda: mlp(3, [4], 2, parametrisation="mup"), "parametrisation: .* found 'mup'"),
        (lambda: cnn((1, 8, 8), [4] * 4, 2), "at most 3 convolutions for images of 8 × 8, found 4"),
        (lambda: cnn((1, 8, 8), [-1], 2), "channels"),
    ],
)
def test_bad_sizes_are_named(call, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        call()


def test_convolutions_see_their_neighbours_and_keep_the_size() -> None:
    net = cnn((1, 8, 8), [3], 2)
    assert isinstance(net[2], nn.AvgPool2d)
    assert net[0](IMAGES).shape == (5, 3, 8, 8)
    peer = nn.Conv2d(1, 3, 3, padding=1).double()
    with torch.no_grad():
        peer.weight.copy_(net[0].weight_scale * net[0].weight)
        peer.bias.copy_(net[0].bias_scale * net[0].bias)
    torch.testing.assert_close(net[0](IMAGES), peer(IMAGES))
