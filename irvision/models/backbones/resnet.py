"""Residual networks (He et al. 2016) with parameters named as in torchvision's weight files."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn
from torch.nn import functional

from irvision.models.backbones.backbone import Backbone


class BasicBlock(nn.Module):
    """Two 3 × 3 convolutions around a shortcut: [b, n_in, h, w] → [b, width, h/s, w/s]."""

    expansion = 1

    def __init__(self, n_in: int, width: int, stride: int) -> None:
        super().__init__()
        self.conv1, self.bn1 = _convolution(n_in, width, 3, stride), nn.BatchNorm2d(width)
        self.conv2, self.bn2 = _convolution(width, width, 3), nn.BatchNorm2d(width)
        self.downsample = _shortcut(n_in, width, stride)

    def forward(self, x: Tensor) -> Tensor:
        """Maps of the block."""
        out = functional.relu(self.bn1(self.conv1(x)), inplace=True)
        out = self.bn2(self.conv2(out))
        return functional.relu(out.add_(self.downsample(x)), inplace=True)


class Bottleneck(nn.Module):
    """Reduce, filter, expand: [b, n_in, h, w] → [b, 4·width, h/s, w/s].

    The 3 × 3 convolution has the stride ("v1.5"), as the published weights expect.
    """

    expansion = 4

    def __init__(self, n_in: int, width: int, stride: int) -> None:
        super().__init__()
        n_out = self.expansion * width
        self.conv1, self.bn1 = _convolution(n_in, width, 1), nn.BatchNorm2d(width)
        self.conv2, self.bn2 = _convolution(width, width, 3, stride), nn.BatchNorm2d(width)
        self.conv3, self.bn3 = _convolution(width, n_out, 1), nn.BatchNorm2d(n_out)
        self.downsample = _shortcut(n_in, n_out, stride)

    def forward(self, x: Tensor) -> Tensor:
        """Maps of the block."""
        out = functional.relu(self.bn1(self.conv1(x)), inplace=True)
        out = functional.relu(self.bn2(self.conv2(out)), inplace=True)
        out = self.bn3(self.conv3(out))
        return functional.relu(out.add_(self.downsample(x)), inplace=True)


class ResNet(Backbone):
    """A residual network of four layers of blocks, without a classifier.

    Args:
        block: class of all blocks.
        counts: number of blocks in each layer.
        width: channels of the first layer's 3 × 3 convolutions; every further layer doubles them.
        kernel: side of the first convolution, in pixels.
    """

    def __init__(
        self,
        block: type[BasicBlock] | type[Bottleneck],
        counts: Sequence[int],
        width: int = 64,
        kernel: int = 7,
    ) -> None:
        super().__init__()
        self.conv1, self.bn1 = _convolution(3, width, kernel, 2), nn.BatchNorm2d(width)
        self.maxpool = nn.MaxPool2d(3, 2, 1)
        outs = [block.expansion * width * 2**number for number in range(4)]
        ins = [width, *outs[:3]]
        self.layer1, self.layer2, self.layer3, self.layer4 = (
            nn.Sequential(
                block(n_in, n_out // block.expansion, stride),
                *(block(n_out, n_out // block.expansion, 1) for _ in range(1, count)),
            )
            for n_in, n_out, stride, count in zip(ins, outs, (1, 2, 2, 2), counts, strict=True)
        )
        self.channels = (outs[1], outs[2], outs[3])
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")

    def stage(self, x: Tensor, number: int) -> Tensor:
        """Maps of `layer2`, `layer3` or `layer4`."""
        if number:
            return (self.layer3, self.layer4)[number - 1](x)
        stem = functional.relu(self.bn1(self.conv1(x)), inplace=True)
        return self.layer2(self.layer1(self.maxpool(stem)))


def resnet50() -> ResNet:
    """ResNet-50: 2048 features, 4.1 GMAC at 224 pixels."""
    return ResNet(Bottleneck, (3, 4, 6, 3))


def resnet18() -> ResNet:
    """ResNet-18: 512 features, 1.8 GMAC at 224 pixels."""
    return ResNet(BasicBlock, (2, 2, 2, 2))


def resnet10() -> ResNet:
    """A narrow network with one block per layer, for CPUs: 128 features, 12 MMAC at 96 pixels."""
    return ResNet(BasicBlock, (1, 1, 1, 1), width=16, kernel=5)


def _convolution(n_in: int, n_out: int, kernel: int, stride: int = 1) -> nn.Conv2d:
    return nn.Conv2d(n_in, n_out, kernel, stride, padding=kernel // 2, bias=False)


def _shortcut(n_in: int, n_out: int, stride: int) -> nn.Module:
    """The identity, which adds no names to the state dict, or a projection to the block's shape."""
    if stride == 1 and n_in == n_out:
        return nn.Identity()
    return nn.Sequential(_convolution(n_in, n_out, 1, stride), nn.BatchNorm2d(n_out))
