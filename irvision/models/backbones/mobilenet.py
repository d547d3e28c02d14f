"""MobileNetV2-1.0 (Sandler et al. 2018) with batch norm folded into its convolutions."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from irvision.models.backbones.backbone import Backbone

INPUT_SIZE = 224
N_FEATURES = 1280
STEM_CHANNELS = 32
# Names and codes of operations in `layers.json`.
OPERATIONS = ("CONV_2D", "DEPTHWISE_CONV_2D", "ADD")
CLASSIFIER = ("CONV_2D", 1, False)
RELU6 = 3
# Table 2 of the paper: expansion t, output channels c, repeats n, stride s of the first repeat.
BOTTLENECKS = (
    (1, 16, 1, 1),
    (6, 24, 2, 2),
    (6, 32, 3, 2),
    (6, 64, 4, 2),
    (6, 96, 3, 1),
    (6, 160, 3, 2),
    (6, 320, 1, 1),
)

# Index of the first bottleneck of each stage, and their number: a stage ends before the stride
# doubles.
STAGE_ENDS = (0, 6, 13, 17)

Operation = tuple[str, int, bool]


def same_padding(size: int, kernel: int, stride: int) -> tuple[int, int]:
    """Zeros before and after one axis under TensorFlow's "SAME" rule.

    The output has ⌈size / stride⌉ positions; of an odd number of zeros, the extra one comes after.

    Args:
        size: length of the axis, in pixels.
        kernel: length of the kernel along it.
        stride: step of the kernel.

    Returns:
        The number of zeros before and after.
    """
    total = max((-(-size // stride) - 1) * stride + kernel - size, 0)
    return total // 2, total - total // 2


class SameConv2d(nn.Conv2d):
    """A convolution with bias, "SAME" padding and an optional ReLU6 after it."""

    def __init__(
        self, n_in: int, n_out: int, kernel: int, *, stride: int = 1, groups: int = 1, relu6: bool
    ) -> None:
        super().__init__(n_in, n_out, kernel, stride=stride, groups=groups)
        self.relu6 = relu6
        # There is no batch norm, so the initial weights have to keep the scale of the signal.
        nn.init.kaiming_normal_(self.weight, nonlinearity="relu" if relu6 else "linear")

    def forward(self, input: Tensor) -> Tensor:
        """Map [b, n_in, h, w] to [b, n_out, ⌈h / stride⌉, ⌈w / stride⌉]."""
        rows, columns = (
            same_padding(size, self.kernel_size[0], self.stride[0]) for size in input.shape[-2:]
        )
        if rows[0] == rows[1] == columns[0] == columns[1]:
            out = functional.conv2d(
                input, self.weight, self.bias, self.stride, rows[0], groups=self.groups
            )
        else:
            out = super().forward(functional.pad(input, (*columns, *rows)))
        return functional.relu6(out) if self.relu6 else out


class InvertedResidual(nn.Module):
    """Expand by t, filter each channel, project linearly; with a shortcut if shapes agree."""

    def __init__(self, n_in: int, n_out: int, *, expansion: int, stride: int) -> None:
        super().__init__()
        width = n_in * expansion
        expand = [SameConv2d(n_in, width, 1, relu6=True)] if expansion > 1 else []
        self.layers = nn.Sequential(
            *expand,
            SameConv2d(width, width, 3, stride=stride, groups=width, relu6=True),
            SameConv2d(width, n_out, 1, relu6=False),
        )
        self.shortcut = stride == 1 and n_in == n_out

    def forward(self, x: Tensor) -> Tensor:
        """Map [b, n_in, h, w] to [b, n_out, ⌈h / stride⌉, ⌈w / stride⌉]."""
        out = self.layers(x)
        return x + out if self.shortcut else out


def _bottlenecks() -> Iterator[InvertedResidual]:
    n_in = STEM_CHANNELS
    for expansion, n_out, repeats, first_stride in BOTTLENECKS:
        for repeat in range(repeats):
            stride = first_stride if repeat == 0 else 1
            yield InvertedResidual(n_in, n_out, expansion=expansion, stride=stride)
            n_in = n_out


class MobileNetV2(Backbone):
    """MobileNetV2 at width 1.0, without its classifier: images → maps → 1280 features.

    Images are float tensors [b, 3, h, w], RGB scaled to [−1, 1] (see `scale_pixels`); h = w = 224
    is the size that the published weights were trained on; others work. All weights are trainable;
    without `fill_mobilenet_v2` they are random (He et al. 2015). The maps of the last stage are
    those after the 1 × 1 head, within [0, 6].
    """

    channels = (32, 96, N_FEATURES)

    def __init__(self) -> None:
        super().__init__()
        self.stem = SameConv2d(3, STEM_CHANNELS, 3, stride=2, relu6=True)
        self.bottlenecks = nn.Sequential(*_bottlenecks())
        self.head = SameConv2d(BOTTLENECKS[-1][1], N_FEATURES, 1, relu6=True)

    def stage(self, x: Tensor, number: int) -> Tensor:
        """Maps of 32, 96 or 1280 channels, from the images or the maps of the stage before."""
        x = x if number else self.stem(x)
        for block in list(self.bottlenecks)[STAGE_ENDS[number] : STAGE_ENDS[number + 1]]:
            x = block(x)
        return self.head(x) if number == 2 else x


def scale_pixels(pixels: Tensor) -> Tensor:
    """Turn uint8 images [b, h, w, 3] into the network's input, x / 127.5 − 1, [b, 3, h, w].

    Raises:
        ValueError: if `pixels` is not a uint8 tensor of that shape.
    """
    if pixels.dtype != torch.uint8 or pixels.ndim != 4 or pixels.shape[-1] != 3:
        found = f"{pixels.dtype} {list(pixels.shape)}"
        raise ValueError(f"pixels: expected torch.uint8 [b, h, w, 3], found {found}")
    return pixels.permute(0, 3, 1, 2).to(torch.float32) / 127.5 - 1


def fill_mobilenet_v2(network: MobileNetV2, file: Path) -> None:
    """Load the published weights, in which batch norm is folded into the convolutions.

    Args:
        network: keeps its mode (all layers behave the same in train and eval mode).
        file: an `.npz` with arrays `NN.OP.weight` and `NN.OP.bias` of the 53 convolutions in the
            order they run, the last of them the classifier, which is skipped. A `layers.json`
            beside it (operations, strides and activations) is compared with this architecture.
            Nothing is unpickled.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if the files do not describe this architecture.
    """
    if (layers := file.parent / "layers.json").exists():
        _check_operations(network, layers)
    weights = _read_arrays(file)
    convolutions = [layer for layer in network.modules() if isinstance(layer, SameConv2d)]
    found, expected = len(weights), 2 * (len(convolutions) + 1)
    if found != expected:
        raise ValueError(f"{file}: expected {expected} arrays of weights, found {found}")
    for number, layer in enumerate(convolutions):
        for part in ("weight", "bias"):
            name = f"{number:02d}.{_operation(layer)[0]}.{part}"
            _fill(getattr(layer, part), weights.get(name), f"{file}: array {name}")


def _read_arrays(file: Path) -> dict[str, np.ndarray]:
    try:
        with file.open("rb") as stream, np.load(stream, allow_pickle=False) as archive:
            return {name: archive[name] for name in archive.files}
    except (zipfile.BadZipFile, ValueError, EOFError, AttributeError, TypeError) as error:
        raise ValueError(f"{file}: expected an .npz archive of plain arrays ({error})") from error


def _fill(parameter: Tensor, array: np.ndarray | None, what: str) -> None:
    shape = tuple(parameter.shape)
    if array is None or array.shape != shape:
        found = "none" if array is None else list(array.shape)
        raise ValueError(f"{what}: expected shape {list(shape)}, found {found}")
    if not (np.issubdtype(array.dtype, np.floating) and np.isfinite(array).all()):
        raise ValueError(f"{what}: expected finite floating-point values, found {array.dtype}")
    with torch.no_grad():
        parameter.copy_(torch.from_numpy(array.astype(np.float32)))


def _operation(layer: nn.Module) -> Operation:
    """Name and stride of a layer, and whether ReLU6 follows it."""
    assert isinstance(layer, SameConv2d)
    return "DEPTHWISE_CONV_2D" if layer.groups > 1 else "CONV_2D", layer.stride[0], layer.relu6


def _operations(network: MobileNetV2) -> Iterator[Operation]:
    """Convolutions and shortcuts in the order they run, the classifier last."""
    yield _operation(network.stem)
    for block in network.bottlenecks:
        assert isinstance(block, InvertedResidual)
        yield from map(_operation, block.layers)
        if block.shortcut:
            yield "ADD", 1, False
    yield _operation(network.head)
    yield CLASSIFIER


def _check_operations(network: MobileNetV2, file: Path) -> None:
    try:
        rows = json.loads(file.read_text(encoding="utf-8"))
        published = [
            (row["op"], row.get("stride", 1), row.get("act") == RELU6)
            for row in rows
            if row["op"] in OPERATIONS
        ]
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"{file}: expected a JSON list of operations ({error!r})") from error
    if published != list(_operations(network)):
        raise ValueError(f"{file}: expected the operations of MobileNetV2-1.0, found others")
