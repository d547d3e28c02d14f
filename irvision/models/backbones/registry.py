"""The backbones by their names, and what each of them expects."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from irvision.models.backbones.backbone import Backbone
from irvision.models.backbones.mobilenet import MobileNetV2
from irvision.models.backbones.resnet import resnet10, resnet18, resnet50

Channels = tuple[float, float, float]
# Of ImageNet's training pixels, as published with weights trained on it.
IMAGENET: tuple[Channels, Channels] = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
HALF: Channels = (0.5, 0.5, 0.5)
FILES = "https://download.pytorch.org/models"


@dataclass(frozen=True)
class BackboneKind:
    """What is known of a backbone before it is built.

    Attributes:
        build: makes it, with random weights drawn from torch's state.
        width: C, number of its features.
        size: side of the images it was designed for, in pixels; others run.
        mean, sd: of red, green and blue for pixels in [0, 1]; images are normalised with them.
        url: published ImageNet weights, None if there are none for download. The last eight
            hexadecimal digits in the name of the file begin its SHA-256.
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
        ValueError: unknown name; the message lists those there are.
    """
    if name not in BACKBONES:
        raise ValueError(f"backbone: expected one of {', '.join(BACKBONES)}, found {name!r}")
    return BACKBONES[name].build()
