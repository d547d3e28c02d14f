"""Modules without a Jacobian, or with one that means nothing, are refused with the reason."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from irtheory.intersection.quantize import UniformQuantizer
from irtheory.propositions.tangent import admissible, cnn, mlp, network_outputs

X = np.random.default_rng(0).normal(size=(20, 5))


class Step(nn.Module):
    def forward(self, x):
        return torch.sign(x)


class StraightThrough(nn.Module):
    def forward(self, x):
        return x + (torch.round(4 * x) / 4 - x).detach()


class Made(nn.Module):
    """Continuous, with a derivative that is made up."""

    def forward(self, x):
        return 3 * x + (torch.sin(x) - 3 * x).detach()


class Noise(nn.Module):
    def forward(self, x):
        return x + 0.01 * torch.randn_like(x)


class Centre(nn.Module):
    def forward(self, x):
        return x - x.mean(0)


class Running(nn.Module):
    def forward(self, x):
        return x.cumsum(0)


class Detach(nn.Module):
    def forward(self, x):
        return x.detach()


class Infinite(nn.Module):
    def forward(self, x):
        return x / 0


def between(part: nn.Module) -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(5, 16), part, nn.Linear(16, 2))


@pytest.mark.parametrize(
    ("module", "message"),
    [
        (between(nn.Dropout(0.2)), r"Dropout at '1' is in train mode and draws anew"),
        (between(nn.AlphaDropout(0.2)), "AlphaDropout at '1'"),
        (between(nn.BatchNorm1d(16)), r"BatchNorm1d at '1' normalises by the statistics"),
        (between(nn.BatchNorm1d(16, track_running_stats=False)).eval(), "BatchNorm1d"),
        (between(Noise()), "two evaluations at one θ differ"),
        (between(Centre()), "depend on the samples beside it"),
        (between(Running()), "depend on the samples beside it"),
        (nn.GRU(5, 2), "expected outputs|depend on the samples|cannot be run"),
        (nn.Sequential(nn.Flatten(), nn.Linear(7, 2)), "cannot be run on samples .*shapes"),
        (between(Step()), "its outputs jump"),
        (between(Made()), "difference quotients miss its derivative"),
        (between(StraightThrough()), "its outputs jump"),
        (between(UniformQuantizer(2)).eval(), "depend on the samples beside it"),
        (nn.Sequential(nn.Linear(5, 2), Detach()), "carry no gradient"),
        (nn.Linear(5, 2).requires_grad_(False), "parameters that require a gradient, found none"),
        (nn.Sequential(nn.Linear(5, 2), nn.Flatten(0)), r"expected outputs \[m, k\]"),
        (nn.Sequential(nn.Linear(5, 2), Infinite()), "finite outputs"),
    ],
)
def test_refused_with_the_reason(module: nn.Module, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        admissible(module, X)


@pytest.mark.parametrize(
    "module",
    [
        mlp(5, [3], 2),
        mlp(5, [256, 256, 256], 4, parametrisation="standard"),
        mlp(5, [64], 2, activation="gelu"),
        between(nn.Dropout(0.2)).eval(),
        between(nn.Dropout(0.0)),
        between(nn.BatchNorm1d(16)).eval(),
        between(nn.LayerNorm(16)),
        between(nn.Softmax(dim=1)),
    ],
)
def test_smooth_modules_pass_in_double_precision(module: nn.Module) -> None:
    copy = admissible(module, X)
    assert copy is not module
    assert all(p.dtype == torch.float64 for p in copy.parameters())
    with torch.no_grad():
        expected = module.double()(torch.tensor(X)).numpy()
    np.testing.assert_allclose(network_outputs(copy, X), expected, rtol=1e-12)


@pytest.mark.parametrize("seed", range(8))
def test_kinks_are_no_jumps(seed: int) -> None:
    x = np.random.default_rng(seed).choice([-1.0, 1.0], size=(64, 5))
    admissible(mlp(5, [512, 512], 4, seed=seed), x)
    admissible(mlp(5, [4], 2, seed=seed), x)
    images = np.random.default_rng(seed).normal(size=(30, 1, 8, 8))
    admissible(cnn((1, 8, 8), [8, 8], 2, seed=seed), images)


@pytest.mark.parametrize("seed", range(8))
def test_steps_are_found_however_small_the_network(seed: int) -> None:
    torch.manual_seed(seed)
    tiny = nn.Sequential(nn.Linear(5, 4), Step(), nn.Linear(4, 2))
    with pytest.raises(ValueError, match="its outputs jump"):
        admissible(tiny, X[:6])


class Square(nn.Module):
    """Smooth, at a point where its derivative vanishes."""

    def __init__(self) -> None:
        super().__init__()
        self.w = nn.Parameter(torch.zeros(5, 2))

    def forward(self, x):
        return x @ self.w**2


class Scaled(nn.Module):
    """Smooth at θ0, with a pole, or an end of where it is defined, not far from there."""

    def __init__(self, power: float) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.w, self.v, self.power = nn.Linear(5, 2), nn.Parameter(1 + torch.rand(2)), power

    def forward(self, x):
        return self.w(x) * self.v**self.power


@pytest.mark.parametrize("power", [-0.5, -1.0, 0.5])
def test_poles_that_are_not_at_hand_are_no_fault(power: float) -> None:
    admissible(Scaled(power), X)


def test_a_derivative_of_zero_is_no_fault() -> None:
    admissible(Square(), X)
    dead = mlp(5, [3], 2)
    with torch.no_grad():
        dead[0].bias.fill_(-1e3)  # no sample reaches these units
    admissible(dead, X)


def test_a_module_without_samples_or_with_the_wrong_width_is_refused() -> None:
    with pytest.raises(ValueError, match="x: expected samples"):
        admissible(mlp(5, [3], 2), X[:0])
