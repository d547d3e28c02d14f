"""F for images: a backbone, and layers that turn its maps into d non-negative features."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from irtheory.intersection.choices import Activation
from irtheory.intersection.layers import representation
from irvision.models.backbones.backbone import STAGES, Backbone

# Momentum of the batch norms in PMG's convolution blocks.
BLOCK_MOMENTUM = 0.01


class PlainFeatures(nn.Module):
    """Spatial means of the last maps, standardised, then one linear layer and its activation.

    The means are never negative and differ little between images. Without standardisation (by
    batch statistics, in eval mode by running ones) most units would start on the same side of the
    quantiser's threshold for nearly all images.

    Args:
        backbone: images → maps.
        dim: d.
        activation: "relu" or "sigmoid".
        dropout: dropout rate of the means.

    Raises:
        ValueError: unknown activation.
    """

    def __init__(
        self,
        backbone: Backbone,
        dim: int,
        activation: Activation = "relu",
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        width = backbone.channels[-1]
        self.backbone, self.norm = backbone, nn.BatchNorm1d(width)
        self.head = representation(width, (), dim, activation, dropout)

    def forward(self, images: Float[Tensor, "b 3 h w"]) -> Float[Tensor, "b d"]:
        """Features of normalised images."""
        return self.head(self.norm(self.backbone(images)))

    def from_maps(self, maps: Sequence[Tensor]) -> Float[Tensor, "b d"]:
        """Features from the maps of the backbone's stages, of which the last one is used."""
        return self.head(self.norm(maps[-1].mean(dim=(-2, -1))))


class PmgFeatures(nn.Module):
    """PMG's features (Du et al. 2020): the last three stages, each pooled, fused to d numbers.

    PMG ends its fused block with an ELU, which is negative for negative inputs. The quantiser
    would then place its zero point among the codes, and code 0 would mean "most negative" instead
    of "absent". Here the block therefore ends with ReLU or a sigmoid.

    Args:
        backbone: images → maps of three stages.
        dim: d, also the width between the two convolutions of a stage.
        classes: k.
        activation: of the fused block, "relu" or "sigmoid".
        stage_heads: make a classifier for each stage, to be trained on shuffled patches
            (`irvision.training.jigsaw`).
        width: channels of each stage after its convolutions; PMG has 1024.

    Raises:
        ValueError: unknown activation.
    """

    def __init__(
        self,
        backbone: Backbone,
        dim: int,
        classes: int,
        activation: Activation = "relu",
        stage_heads: bool = False,
        width: int = 1024,
    ) -> None:
        super().__init__()
        self.backbone = backbone
        self.blocks = nn.ModuleList(_block(n_in, dim, width) for n_in in backbone.channels)
        self.fused = nn.Sequential(*_layers(STAGES * width, dim), _activation(activation))
        self.heads = nn.ModuleList()
        if stage_heads:
            self.heads.extend(
                nn.Sequential(*_layers(width, dim), nn.ELU(), nn.Linear(dim, classes))
                for _ in range(STAGES)
            )

    def forward(
        self, images: Float[Tensor, "b 3 h w"], stage: int | None = None
    ) -> Float[Tensor, "b d"]:
        """Features of normalised images, or the logits [b, k] of a stage 0, 1 or 2.

        For a stage, deeper layers do not run, so their batch statistics do not change.

        Raises:
            ValueError: a stage without a classifier.
        """
        if stage is None:
            return self.from_maps(self.backbone.stages(images))
        if not 0 <= stage < len(self.heads):
            raise ValueError(f"stage: expected one of {len(self.heads)} heads, found {stage}")
        maps = self.backbone.stages(images, stage + 1)[-1]
        return self.heads[stage](_pooled(self.blocks[stage], maps))

    def from_maps(self, maps: Sequence[Tensor]) -> Float[Tensor, "b d"]:
        """Features from the maps of the backbone's three stages."""
        pooled = map(_pooled, self.blocks, maps)
        return self.fused(torch.cat(list(pooled), dim=1))


def parameter_groups(
    features: nn.Module, backbone_factor: float, learning_rate: float
) -> list[dict[str, Any]]:
    """Two parameter groups: the backbone with its own learning rate, then all other parameters.

    Args:
        features: F, with a submodule `backbone`.
        backbone_factor: learning rate of the backbone as a share of `learning_rate`.
        learning_rate: learning rate of the other parameters.
    """
    assert isinstance(features.backbone, nn.Module)
    backbone = list(features.backbone.parameters())
    known = set(backbone)
    others = [parameter for parameter in features.parameters() if parameter not in known]
    return [
        {"params": backbone, "lr": learning_rate * backbone_factor},
        {"params": others, "lr": learning_rate},
    ]


def _pooled(block: nn.Module, maps: Tensor) -> Float[Tensor, "b width"]:
    """The largest value of each channel; `amax` is faster than adaptive pooling."""
    return block(maps).amax(dim=(-2, -1))


def _block(n_in: int, between: int, width: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(n_in, between, 1, bias=False),
        nn.BatchNorm2d(between, momentum=BLOCK_MOMENTUM),
        nn.ReLU(inplace=True),
        nn.Conv2d(between, width, 3, padding=1, bias=False),
        nn.BatchNorm2d(width, momentum=BLOCK_MOMENTUM),
        nn.ReLU(inplace=True),
    )


def _layers(n_in: int, n_out: int) -> tuple[nn.Module, ...]:
    return nn.BatchNorm1d(n_in), nn.Linear(n_in, n_out), nn.BatchNorm1d(n_out)


def _activation(name: Activation) -> nn.Module:
    made = {"relu": nn.ReLU, "sigmoid": nn.Sigmoid}.get(name)
    if made is None:
        raise ValueError(f"activation: expected 'relu' or 'sigmoid', found {name!r}")
    return made()
