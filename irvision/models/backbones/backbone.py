"""Base class of backbones: images → maps of the last three stages → their spatial means."""

from __future__ import annotations

from abc import ABC, abstractmethod

from jaxtyping import Float
from torch import Tensor, nn

STAGES = 3


class Backbone(nn.Module, ABC):
    """A network from images [b, 3, h, w] to maps at strides 8, 16 and 32.

    Images are normalised floats (see `irvision.models.backbones.registry`), of any size; maps have
    their memory format, preferably channels_last.

    Attributes:
        channels: numbers of channels of the maps of the last three stages.
    """

    channels: tuple[int, int, int]

    @abstractmethod
    def stage(self, x: Tensor, number: int) -> Tensor:
        """Maps of stage 0, 1 or 2, from the images (0) or the maps of the stage before."""

    def stages(self, images: Tensor, count: int = STAGES) -> tuple[Tensor, ...]:
        """Maps of the first `count` of the last three stages; deeper stages do not run.

        Args:
            images: [b, 3, h, w], float, normalised.
            count: 1, 2 or 3.

        Returns:
            Maps [b, channels[i], ⌈h / s⌉, ⌈w / s⌉] with s = 8, 16, 32.

        Raises:
            ValueError: if `images` is not a float tensor of that shape.
        """
        if images.ndim != 4 or images.shape[1] != 3 or not images.is_floating_point():
            found = f"{images.dtype} {list(images.shape)}"
            raise ValueError(f"images: expected a float tensor [b, 3, h, w], found {found}")
        maps = [self.stage(images, 0)]
        for number in range(1, count):
            maps.append(self.stage(maps[-1], number))
        return tuple(maps)

    def maps(self, images: Tensor) -> Float[Tensor, "b C h w"]:
        """Maps of the last stage; arguments as for `stages`."""
        return self.stages(images)[-1]

    def forward(self, images: Tensor) -> Float[Tensor, "b C"]:
        """Spatial means of the maps of the last stage."""
        return self.maps(images).mean(dim=(-2, -1))
