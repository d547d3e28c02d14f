from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from irvision.models.backbones.backbone import Backbone
from irvision.models.backbones.registry import build_backbone
from irvision.models.features import PlainFeatures, PmgFeatures
from irvision.models.localise import localise
from irvision.models.network import Frozen


class Brightness(Backbone):
    """Maps that are the mean of the image in cells of 8, 16 and 32 pixels: red, green, blue."""

    channels = (3, 3, 3)

    def stage(self, x: Tensor, number: int) -> Tensor:
        return nn.functional.avg_pool2d(x, 8 if number == 0 else 2)


def red_minus_green() -> PlainFeatures:
    """One feature that red speaks for and green against."""
    made = PlainFeatures(Brightness(), 2).eval()
    linear = made.head[0]
    assert isinstance(linear, nn.Linear)
    with torch.no_grad():
        linear.weight.copy_(torch.tensor([[1.0, -1.0, 0.0], [0.0, 0.0, 1.0]]))
        linear.bias.fill_(0.5)
    return made


def two_patches() -> Tensor:
    """Red in the upper left, green in the lower right corner of 64 × 64 pixels."""
    image = torch.zeros(1, 3, 64, 64)
    image[0, 0, :16, :16] = 1.0
    image[0, 1, -16:, -16:] = 1.0
    return image


@pytest.mark.parametrize("frozen", [False, True])
def test_a_map_shows_what_speaks_for_a_feature(frozen: bool) -> None:
    plain = red_minus_green()
    represent: nn.Module = plain
    if frozen:
        neck = nn.Linear(9, 2)
        with torch.no_grad():
            neck.weight.copy_(torch.cat([plain.head[0].weight] * 3, dim=1))
        represent = nn.Sequential(Frozen(Brightness()), neck)
    found = localise(represent, two_patches(), [0])[0, 0]
    assert found.shape == (8, 8)
    assert found[0, 0] == pytest.approx(1.0, abs=0.3)
    assert found[:2, :2].min() > 0.5
    # Green speaks against the feature; the coarsest maps spread red a little.
    assert found[4:, 4:].max() < 0.1


def test_a_feature_that_is_zero_has_no_map() -> None:
    dark = red_minus_green()
    with torch.no_grad():
        dark.head[0].bias.fill_(-10.0)  # type: ignore[union-attr]
    assert localise(dark, two_patches(), [0]).max() == 0.0


def test_maps_do_not_depend_on_the_batch_and_change_nothing() -> None:
    torch.manual_seed(0)
    represent = PlainFeatures(build_backbone("resnet10"), 4, "sigmoid").eval()
    images = torch.rand(3, 3, 96, 96)
    with torch.no_grad():
        features = represent(images)
    alone = [localise(represent, images[i : i + 1], [2])[0, 0] for i in range(3)]
    together = localise(represent, images, [0, 2])
    assert together.shape == (3, 2, 12, 12)
    assert together.min() >= 0 and together.max() <= 1.0
    for one, both in zip(alone, together[:, 1], strict=True):
        np.testing.assert_allclose(one, both, atol=1e-5)
    with torch.no_grad():
        assert torch.equal(represent(images), features)
    assert all(parameter.grad is None for parameter in represent.parameters())


@pytest.mark.parametrize("kind", ["plain", "pmg", "frozen"])
def test_maps_lead_to_the_features_of_the_network(kind: str) -> None:
    torch.manual_seed(0)
    backbone, images = build_backbone("resnet10"), torch.rand(2, 3, 64, 64)
    made: nn.Module
    if kind == "plain":
        made = PlainFeatures(backbone, 5)
    elif kind == "pmg":
        made = PmgFeatures(backbone, 5, 3, width=8)
    else:
        made = Frozen(backbone)
    made.eval()
    with torch.no_grad():
        from_maps = made.from_maps(backbone.stages(images))  # type: ignore[operator]
        assert torch.equal(from_maps, made(images))


def test_an_f_without_maps_is_refused() -> None:
    with pytest.raises(ValueError, match="expected an F with maps, found Linear"):
        localise(nn.Linear(3, 3), torch.rand(1, 3, 8, 8), [0])
