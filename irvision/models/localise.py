"""Where in an image a code comes from: gradient-weighted activations of the maps of F."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from irvision.models.backbones.backbone import STAGES, Backbone
from irvision.models.features import PlainFeatures, PmgFeatures
from irvision.models.network import Frozen

Maps = tuple[Tensor, ...]


def localise(
    represent: nn.Module, images: Float[Tensor, "b 3 c c"], codes: Sequence[int]
) -> Float[np.ndarray, "b codes s s"]:
    """How much each cell of the images adds to a feature, from 0 to 1.

    A unit of a map speaks for the feature by its activation times the derivative of the feature
    with respect to it (LayerCAM, Jiang et al. 2021); what speaks against it counts as 0. These are
    summed over the channels of each of the last three stages, divided by their largest value, and
    averaged over the stages: deep maps see what matters, shallow ones where. Of a feature
    that ends in a ReLU and is 0 nothing is known: its map is 0.

    Args:
        represent: F in eval mode, as `irvision.models.network` makes it.
        images: normalised, on the device of F.
        codes: numbers of the features.

    Returns:
        Maps with the side s of the first of the three stages.

    Raises:
        ValueError: an F without maps.
    """
    backbone, rest = _parts(represent)
    with torch.enable_grad():
        maps = _tracked(backbone, images.detach(), through=not is_frozen(represent))
        features = rest(maps).float()
        found = []
        for number, code in enumerate(codes):
            last = number + 1 == len(codes)
            # Samples do not depend on each other in eval mode, so that one sum serves them all.
            gradients = torch.autograd.grad(
                features[:, code].sum(), maps, retain_graph=not last, allow_unused=True
            )
            found.append(_combined(maps, gradients))
    return torch.stack(found, dim=1).cpu().numpy()


def is_frozen(represent: nn.Module) -> bool:
    """Whether F has a frozen backbone, so that further codes of an image cost next to nothing."""
    return isinstance(represent, nn.Sequential) and isinstance(represent[0], Frozen)


def _parts(represent: nn.Module) -> tuple[Backbone, Callable[[Maps], Tensor]]:
    """The backbone of F, and F from its maps on."""
    if isinstance(represent, PlainFeatures | PmgFeatures):
        return represent.backbone, represent.from_maps
    if isinstance(represent, nn.Sequential) and isinstance(frozen := represent[0], Frozen):
        rest = represent[1:]
        return frozen.backbone, lambda maps: rest(frozen.from_maps(maps))
    raise ValueError(f"represent: expected an F with maps, found {type(represent).__name__}")


def _tracked(backbone: Backbone, images: Tensor, through: bool) -> Maps:
    """Maps of all stages, with gradients.

    `through` lets the gradients of deep maps flow back to shallow ones. A frozen backbone has
    learned nothing of the codes, and every stage feeds F itself: there each stage stands alone.
    """
    with torch.no_grad():
        maps = [backbone.stage(images, 0)]
    maps[0] = maps[0].clone().requires_grad_()
    for number in range(1, STAGES):
        deeper = backbone.stage(maps[-1] if through else maps[-1].detach(), number)
        maps.append(deeper if through else deeper.detach().requires_grad_())
    return tuple(maps)


def _combined(maps: Maps, gradients: Sequence[Tensor | None]) -> Float[Tensor, "b s s"]:
    """The mean of the maps of all stages that the feature depends on, each scaled to 0 … 1."""
    side = maps[0].shape[-2:]
    total, used = torch.zeros(len(maps[0]), *side, device=maps[0].device), 0
    for activation, gradient in zip(maps, gradients, strict=True):
        if gradient is None:
            continue
        speaks_for = (activation * gradient).clamp(min=0).sum(dim=1, keepdim=True).float()
        cells = functional.interpolate(
            speaks_for, side, mode="bilinear", align_corners=False
        ).squeeze(1)
        total += cells / cells.amax(dim=(-2, -1), keepdim=True).clamp(min=1e-12)
        used += 1
    return (total / max(used, 1)).detach()
