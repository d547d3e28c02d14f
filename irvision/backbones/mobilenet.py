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

INPUT_SIZE = 224
N_FEATURES = 1280
N_LOGITS = 1001
STEM_CHANNELS = 32
# As `layers.json` writes them.
OPERATIONS = ("CONV_2D", "DEPTHWISE_CONV_2D", "ADD")
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

Operation = tuple[str, int, bool]


def same_padding(size: int, kernel: int, stride: int) -> tuple[int, int]:
    """Zeros before and after one axis under TensorFlow's "SAME" rule.

    The output has ⌈size / stride⌉ positions; an odd number of zeros puts the spare one after.

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
    """Expand by t, filter each channel, project linearly; a shortcut where shapes agree."""

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


class MobileNetV2(nn.Module):
    """MobileNetV2 at width 1.0: images → feature maps → 1280 features → 1001 logits.

    Images are float tensors [b, 3, h, w], RGB scaled to [−1, 1] (see `scale_pixels`); h = w = 224
    is what the published weights were trained on, any other size runs. All weights are trainable.
    Without `load_mobilenet_v2` they are PyTorch's random start.
    """

    def __init__(self) -> None:
        super().__init__()
        last = BOTTLENECKS[-1][1]
        self.stem = SameConv2d(3, STEM_CHANNELS, 3, stride=2, relu6=True)
        self.bottlenecks = nn.Sequential(*_bottlenecks())
        self.head = SameConv2d(last, N_FEATURES, 1, relu6=True)
        self.classifier = nn.Linear(N_FEATURES, N_LOGITS)

    def maps(self, images: Tensor) -> Tensor:
        """Last feature maps, [b, 1280, ⌈h / 32⌉, ⌈w / 32⌉], within [0, 6].

        Args:
            images: [b, 3, h, w], float, scaled to [−1, 1].

        Raises:
            ValueError: if `images` is not a float tensor of that shape.
        """
        if images.ndim != 4 or images.shape[1] != 3 or not images.is_floating_point():
            found = f"{images.dtype} {list(images.shape)}"
            raise ValueError(f"images: found {found}, expected a float tensor [b, 3, h, w]")
        return self.head(self.bottlenecks(self.stem(images)))

    def features(self, images: Tensor) -> Tensor:
        """Spatial mean of the last feature maps, [b, 1280]; arguments as for `maps`."""
        return self.maps(images).mean(dim=(-2, -1))

    def forward(self, images: Tensor) -> Tensor:
        """Logits of 1001 classes (0 is "background", then ImageNet's 1000), [b, 1001]."""
        return self.classifier(self.features(images))


def scale_pixels(pixels: Tensor) -> Tensor:
    """Turn uint8 images [b, h, w, 3] into the network's input, x / 127.5 − 1, [b, 3, h, w].

    Raises:
        ValueError: if `pixels` is not a uint8 tensor of that shape.
    """
    if pixels.dtype != torch.uint8 or pixels.ndim != 4 or pixels.shape[-1] != 3:
        found = f"{pixels.dtype} {list(pixels.shape)}"
        raise ValueError(f"pixels: found {found}, expected torch.uint8 [b, h, w, 3]")
    return pixels.permute(0, 3, 1, 2).to(torch.float32) / 127.5 - 1


def load_mobilenet_v2(path: str | Path) -> MobileNetV2:
    """MobileNetV2 in float32 with published weights, batch norm already folded in.

    Args:
        path: a folder with `mobilenet_v2_imagenet.npz` (arrays `NN.OP.weight` and `NN.OP.bias`
            of the 53 convolutions in the order they run) and `layers.json` (operations, strides and
            activations, which are held against this architecture); nothing is unpickled.

    Returns:
        The network, trainable, in training mode (no layer of it behaves otherwise in evaluation).

    Raises:
        FileNotFoundError: if one of the two files is missing.
        ValueError: if the files do not describe this architecture.
    """
    folder = Path(path)
    network = MobileNetV2()
    _check_operations(network, folder / "layers.json")
    weights = _read_arrays(folder / "mobilenet_v2_imagenet.npz")
    layers = [layer for layer in network.modules() if isinstance(layer, SameConv2d)]
    layers = [*layers, network.classifier]
    if len(weights) != 2 * len(layers):
        found, expected = len(weights), 2 * len(layers)
        raise ValueError(f"{folder}: found {found} arrays of weights, expected {expected}")
    for number, layer in enumerate(layers):
        for part in ("weight", "bias"):
            name = f"{number:02d}.{_operation(layer)[0]}.{part}"
            _fill(getattr(layer, part), weights.get(name), f"{folder}: array {name}")
    return network


def _read_arrays(file: Path) -> dict[str, np.ndarray]:
    try:
        with file.open("rb") as stream, np.load(stream, allow_pickle=False) as archive:
            return {name: archive[name] for name in archive.files}
    except (zipfile.BadZipFile, ValueError, EOFError, AttributeError, TypeError) as error:
        raise ValueError(f"{file}: expected an .npz archive of plain arrays ({error})") from error


def _fill(parameter: Tensor, array: np.ndarray | None, what: str) -> None:
    shape = tuple(parameter.shape)
    # The published classifier is stored as the 1 × 1 convolution it was.
    if array is not None and array.ndim == 4 and len(shape) == 2 and array.shape[2:] == (1, 1):
        array = array[:, :, 0, 0]
    if array is None or array.shape != shape:
        found = "none" if array is None else list(array.shape)
        raise ValueError(f"{what}: found {found}, expected shape {list(shape)}")
    if not (np.issubdtype(array.dtype, np.floating) and np.isfinite(array).all()):
        raise ValueError(f"{what}: found {array.dtype}, expected finite floating-point values")
    with torch.no_grad():
        parameter.copy_(torch.from_numpy(array.astype(np.float32)))


def _operation(layer: nn.Module) -> Operation:
    """Name, stride and whether ReLU6 follows, of one layer."""
    if not isinstance(layer, SameConv2d):
        return "CONV_2D", 1, False
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
    yield _operation(network.classifier)


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
        raise ValueError(f"{file}: the operations listed are not those of MobileNetV2-1.0")
