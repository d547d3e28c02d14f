"""Networks f(x; θ) of a given width: a perceptron and a small convolutional network."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Literal, get_args

import torch
from torch import Tensor, nn
from torch.nn import functional

Activation = Literal["relu", "tanh", "gelu"]
Parametrisation = Literal["ntk", "standard"]
ACTIVATIONS: dict[str, type[nn.Module]] = {"relu": nn.ReLU, "tanh": nn.Tanh, "gelu": nn.GELU}
# 1/√E[φ(z)²] for a standard normal z: this keeps the size of the outputs from layer to layer.
GAINS = {"relu": math.sqrt(2.0), "tanh": 1.5925374, "gelu": 1.5335304}
BIAS = 0.1  # standard deviation of a bias, in units of its layer's output
KERNEL = 3  # side of a convolution's window


class Affine(nn.Module):
    """x ↦ s_w W x + s_b b; a convolution (stride 1, zero padding) if W has four axes.

    A matrix W takes x [m, …] flattened. In the standard parametrisation the factors are 1 and
    the sizes are in W and b; in the NTK parametrisation (Jacot et al., 2018) W and b are
    standard normal and s_w = gain/√fan-in.
    """

    def __init__(self, weight: Tensor, bias: Tensor, weight_scale: float, bias_scale: float):
        super().__init__()
        self.weight, self.bias = nn.Parameter(weight), nn.Parameter(bias)
        self.weight_scale, self.bias_scale = weight_scale, bias_scale

    def forward(self, x: Tensor) -> Tensor:
        """The layer's output."""
        weight, bias = self.weight_scale * self.weight, self.bias_scale * self.bias
        if weight.ndim == 4:
            return functional.conv2d(x, weight, bias, padding=KERNEL // 2)
        return functional.linear(x.flatten(1), weight, bias)


def _affine(
    shape: tuple[int, ...], gain: float, parametrisation: Parametrisation, draw: torch.Generator
) -> Affine:
    scale = gain / math.sqrt(math.prod(shape[1:]))
    weight = torch.randn(shape, generator=draw, dtype=torch.float64)
    bias = torch.randn(shape[0], generator=draw, dtype=torch.float64)
    if parametrisation == "ntk":
        return Affine(weight, bias, scale, BIAS)
    return Affine(scale * weight, BIAS * bias, 1.0, 1.0)


def _check(sizes: dict[str, Sequence[int]], activation: str, parametrisation: str) -> None:
    for name, values in sizes.items():
        for value in values:
            if isinstance(value, bool) or not isinstance(value, int) or value < 1:
                raise ValueError(f"{name}: expected whole numbers ≥ 1, found {value!r}")
    for name, found, known in (
        ("activation", activation, get_args(Activation)),
        ("parametrisation", parametrisation, get_args(Parametrisation)),
    ):
        if found not in known:
            words = ", ".join(map(repr, known))
            raise ValueError(f"{name}: expected one of {words}, found {found!r}")


def _gains(layers: int, activation: str) -> Iterator[float]:
    """Gains by layer: 1 for the input layer, then the one of the activation before the layer."""
    return iter([1.0] + [GAINS[activation]] * layers)


def mlp(
    inputs: int,
    hidden: Sequence[int],
    outputs: int,
    *,
    activation: Activation = "relu",
    parametrisation: Parametrisation = "ntk",
    seed: int = 0,
) -> nn.Sequential:
    """A perceptron [m, inputs] → [m, outputs] with these hidden widths, in float64.

    Raises:
        ValueError: a size below 1, or an unknown activation or parametrisation.
    """
    _check(
        {"inputs": [inputs], "hidden": hidden, "outputs": [outputs]}, activation, parametrisation
    )
    draw = torch.Generator().manual_seed(seed)
    gains, layers, width = _gains(len(hidden), activation), [], inputs
    for size in hidden:
        layers += [
            _affine((size, width), next(gains), parametrisation, draw),
            ACTIVATIONS[activation](),
        ]
        width = size
    return nn.Sequential(*layers, _affine((outputs, width), next(gains), parametrisation, draw))


def cnn(
    image: tuple[int, int, int],
    channels: Sequence[int],
    outputs: int,
    *,
    activation: Activation = "relu",
    parametrisation: Parametrisation = "ntk",
    seed: int = 0,
) -> nn.Sequential:
    """Convolutions of 3 × 3 with these channels, each with mean pooling, then a linear layer.

    x is [m, *image], `image` being (channels, height, width); the rest is as for `mlp`.

    Raises:
        ValueError: as `mlp`, or the pooling makes the image smaller than one pixel.
    """
    sizes = {"image": image, "channels": channels, "outputs": [outputs]}
    _check(sizes, activation, parametrisation)
    depth, height, width = image
    if min(height, width) >> len(channels) < 1:
        raise ValueError(
            f"channels: expected at most {int(math.log2(min(height, width)))} convolutions for "
            f"images of {height} × {width}, found {len(channels)}"
        )
    draw = torch.Generator().manual_seed(seed)
    gains, layers = _gains(len(channels), activation), []
    for size in channels:
        convolution = (size, depth, KERNEL, KERNEL)
        layers += [
            _affine(convolution, next(gains), parametrisation, draw),
            ACTIVATIONS[activation](),
            nn.AvgPool2d(2),
        ]
        depth, height, width = size, height // 2, width // 2
    flat = depth * height * width
    return nn.Sequential(*layers, _affine((outputs, flat), next(gains), parametrisation, draw))
