"""The backbones by name, with their image sizes and normalisation."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from irvision.models.backbones.backbone import Backbone
from irvision.models.backbones.mobilenet import MobileNetV2
from irvision.models.backbones.resnet import resnet10, resnet18, resnet50

Channels = tuple[float, float, float]
# Mean and deviation of ImageNet's training pixels, as published with the weights.
IMAGENET: tuple[Channels, Channels] = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
HALF: Channels = (0.5, 0.5, 0.5)
FILES = "https://download.pytorch.org/models"


@dataclass(frozen=True)
class BackboneKind:
    """Description of a backbone.

    Attributes:
        build: creates it, with initial weights from torch's random state.
        width: number of features C.
        size: side of the images it was designed for, in pixels; other sizes work too.
        mean, sd: of red, green and blue for pixels in [0, 1], to normalise images with.
        url: of published ImageNet weights, None if there are none. The eight hexadecimal digits
            at the end of the file name are the first digits of its SHA-256.
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
        ValueError: unknown name; the message lists the known ones.
    """
    if name not in BACKBONES:
        raise ValueError(f"backbone: expected one of {', '.join(BACKBONES)}, found {name!r}")
    return BACKBONES[name].build()
