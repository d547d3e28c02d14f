"""How the columns of an array are brought to one scale, whatever their units, offsets, outliers."""

from __future__ import annotations

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

# A cell that lies this many typical distances from the middle of its column counts as that far:
# beyond, one cell would decide on the scale of all others.
FAR = 1000.0
# Powers of two that bring a column to size 1; beyond, they are no numbers of double precision.
LARGEST_POWER = 1000


class ColumnScale(nn.Module):
    """x ↦ (d − mean)/sd in single precision, with d the cut distance of x from a middle value.

    All is computed in double precision, in units of a power of two near the typical size of the
    column, and from one of its values: a product by a power of two and the difference of close
    numbers are exact, so neither tiny nor huge units nor a large offset lose anything. A constant
    column is 0, whatever comes in later.

    Buffers (saved in the state dict), one number a column: unit, middle, farthest, mean, sd.
    """

    unit: Tensor
    middle: Tensor
    farthest: Tensor
    mean: Tensor
    sd: Tensor

    def __init__(
        self, unit: Tensor, middle: Tensor, farthest: Tensor, mean: Tensor, sd: Tensor
    ) -> None:
        super().__init__()
        self.register_buffer("unit", unit)
        self.register_buffer("middle", middle)
        self.register_buffer("farthest", farthest)
        self.register_buffer("mean", mean)
        self.register_buffer("sd", sd)

    @classmethod
    def of(cls, x: Float[Tensor, "m p"]) -> ColumnScale:
        """The scale of the columns of x, finite numbers in double precision."""
        power = torch.frexp(_typical(x)).exponent.clamp(-LARGEST_POWER, LARGEST_POWER)
        unit = torch.ldexp(torch.ones_like(x[0]), -power)
        # In this unit a cell far out may be infinite, and is cut like any other.
        middle = (x * unit).median(dim=0).values
        distance = x * unit - middle
        farthest = FAR * _typical(distance)
        distance = distance.clamp(-farthest, farthest)
        sd = distance.std(dim=0, correction=0)
        sd = torch.where(sd > 0, sd, torch.ones_like(sd))
        return cls(unit, middle, farthest, distance.mean(dim=0), sd)

    def outlying(self, x: Float[Tensor, "m p"]) -> Int[Tensor, " p"]:
        """How many cells of each column are farther from its middle than counts."""
        return (self._distance(x).abs() > self.farthest).sum(dim=0)

    def forward(self, x: Float[Tensor, "m p"]) -> Float[Tensor, "m p"]:
        """The scaled columns, in single precision."""
        distance = self._distance(x).clamp(-self.farthest, self.farthest)
        return ((distance - self.mean) / self.sd).float()

    def _distance(self, x: Tensor) -> Tensor:
        return x * self.unit - self.middle


def _typical(x: Float[Tensor, "m p"]) -> Float[Tensor, " p"]:
    """Median size of the entries of each column that are not 0; 0 in a column of zeros.

    In a column that is mostly 0, the median of all sizes would say nothing.
    """
    return x.abs().masked_fill(x == 0, torch.nan).nanmedian(dim=0).values.nan_to_num(nan=0.0)
