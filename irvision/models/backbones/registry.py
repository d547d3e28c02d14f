"""The backbones by name, with the images and weights that each expects."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from irvision.models.backbones.backbone import Backbone
from irvision.models.backbones.mobilenet import MobileNetV2
from irvision.models.backbones.resnet import resnet10, resnet18, resnet50

Channels = tuple[float, float, float]
# Mean and standard deviation of ImageNet's training pixels, as published with the weights.
IMAGENET: tuple[Channels, Channels] = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
HALF: Channels = (0.5, 0.5, 0.5)
FILES = "https://download.pytorch.org/models"


@dataclass(frozen=True)
class BackboneKind:
    """Properties of a backbone that are known before it is built.

    Attributes:
        build: makes it, with weights drawn from torch's random state.
        width: C, number of its features.
        size: side of the images it was designed for, in pixels; other sizes work.
        mean, sd: of red, green and blue for pixels in [0, 1]; images are normalised with them.
        url: published ImageNet weights, None if there are none for download. The last eight
            hexadecimal digits in the file name are the first of its SHA-256.
    """

    build: Callable[[], Backbone]
    width: int
    size: int = 224
    mean: Channels = IMAGENET[0]
    sd: Channels = IMAGENET[1]
    url: str | None = None


BACKBONES: dict[str, BackboneKind] = {
    "resnet50": BackboneKind(resnet50, 2048, url=f"{FILES}/resnet50-0676ba61.pth"),
    "resnet18": BackboneKind(resnet18, 512, url=f"{FILES}/resnet18-f37072fd.pth"),
    "resnet10": BackboneKind(resnet10, 128, size=96),
    "mobilenet_v2": BackboneKind(MobileNetV2, 1280, mean=HALF, sd=HALF),
}


def build_backbone(name: str) -> Backbone:
    """A new backbone with random weights.

    Raises:
        ValueError: unknown name; the message lists all names.
    """
    if name not in BACKBONES:
        raise ValueError(f"backbone: expected one of {', '.join(BACKBONES)}, found {name!r}")
    return BACKBONES[name].build()
