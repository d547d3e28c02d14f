"""Builds the backbone and F for images from the settings."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn

from irtheory.intersection.layers import Standardise, representation
from irtheory.intersection.network import Network
from irvision.data.batches.augment import View
from irvision.models.backbones.backbone import Backbone
from irvision.models.backbones.registry import BACKBONES, build_backbone
from irvision.models.backbones.weights import load_weights
from irvision.models.features import PlainFeatures, PmgFeatures
from irvision.settings.train import TrainSettings

HALF = (0.5, 0.5, 0.5)
# Graphs of F that torch.compile may cache: four passes, three batch sizes, two modes.
GRAPHS = 24


def view_of(settings: TrainSettings) -> View:
    """How cached square images become the input of F."""
    backbone = BACKBONES[settings.backbone]
    mean, sd = backbone.mean, backbone.sd
    if settings.normalise == "half":
        mean = sd = HALF
    return View(settings.crop, settings.padding, settings.flip, mean, sd)


def make_backbone(
    settings: TrainSettings, weights: str, tell: Callable[[str], object] = bool
) -> Backbone:
    """The backbone with weights from a file, "imagenet" or "none"; `tell` gets notes on these."""
    backbone = build_backbone(settings.backbone)
    for note in load_weights(backbone, settings.backbone, weights):
        tell(note)
    return backbone


class Frozen(nn.Module):
    """A backbone that is not trained and stays in eval mode: images → features [b, width].

    The features are the spatial means of the maps of its last three stages: shallower maps hold
    colour and texture that the deepest ones have lost.
    """

    def __init__(self, backbone: Backbone) -> None:
        super().__init__()
        self.backbone = backbone.requires_grad_(False).eval()
        self.width = sum(backbone.channels)

    def train(self, mode: bool = True) -> Frozen:
        """Stay in eval mode, so that batch norm keeps its pretrained statistics."""
        return self

    def forward(self, images: Tensor) -> Tensor:
        """Spatial means of the maps, in single precision."""
        with torch.no_grad():
            return self.from_maps(self.backbone.stages(images))

    def from_maps(self, maps: Sequence[Tensor]) -> Tensor:
        """Spatial means of the maps of all stages."""
        return torch.cat([stage.float().mean(dim=(-2, -1)) for stage in maps], dim=1)


def make_represent(settings: TrainSettings, classes: int, weights: str) -> nn.Module:
    """F: images [b, 3, c, c] → features [b, d], with weights in channels-last format."""
    backbone = make_backbone(settings, weights)
    if settings.freeze_backbone:
        frozen = Frozen(backbone)
        neck = make_neck(settings, torch.zeros(1, frozen.width))
        represent: nn.Module = nn.Sequential(frozen, neck)
    elif settings.features == "plain":
        represent = PlainFeatures(
            backbone, settings.dim, activation=settings.activation, dropout=settings.dropout
        )
    else:
        represent = PmgFeatures(
            backbone, settings.dim, classes, settings.activation, settings.progressive
        )
    # torch's annotations of `Module.to` omit memory_format.
    return represent.to(memory_format=torch.channels_last)  # type: ignore[call-overload]


def make_neck(settings: TrainSettings, features: Tensor) -> nn.Sequential:
    """F after a frozen backbone: standardisation of its features [m, C], then two layers."""
    layers = representation(
        features.shape[1], (settings.hidden,), settings.dim, settings.activation, settings.dropout
    )
    return nn.Sequential(Standardise.of(features), layers)


def compile_f(network: Network) -> None:
    """Compile F with torch.compile, with one graph for each batch size.

    A graph for variable batch sizes would be slower, and by default torch would switch to it after
    the smaller last batch of an epoch. PMG's stages need more graphs than torch caches by default;
    beyond the limit F would run uncompiled.
    """
    from torch._dynamo import config as dynamo_config

    dynamo_config.recompile_limit = max(dynamo_config.recompile_limit, GRAPHS)
    network.represent.compile(dynamic=False)
