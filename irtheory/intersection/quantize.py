"""The uniform quantiser q (Alg. 2) and the binarisation b of its codes."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import get_args, overload

import numpy as np
import torch
from jaxtyping import Bool, Float, Num
from torch import Tensor, nn

from irtheory.checks import check_whole
from irtheory.intersection.choices import Range

MOST_BITS = 8
# Share of constant codes in a batch above which a warning is given.
CONSTANT_SHARE = 0.95
# The first batches are checked if they are large enough: in small ones codes agree by chance.
FIRST_BATCHES, FEWEST_TO_WARN = 16, 32
# A range below this share of its end points is a constant up to rounding in single precision.
FLAT = 1e-6


def check_bits(bits: int) -> int:
    """Return `bits`; ValueError unless it is a whole number from 1 to 8."""
    return check_whole("bits", bits, 1, MOST_BITS)


class UniformQuantizer(nn.Module):
    """Alg. 2: x ↦ round(clamp(z̃ + x/s, 0, 2^r − 1)) with straight-through gradients.

    s = (x_max − x_min)/(2^r − 1) and z̃ = round(clamp(−x_min/s, 0, 2^r − 1)), where x_min and
    x_max are those of the whole tensor. Gradients pass where an argument lies strictly inside
    its range, also through s, x_min and x_max. A constant tensor gets codes 0 and gradient 0.

    The features must not be negative (ReLU, sigmoid). With zero-centred features the zero point
    lies in the middle of the codes, and at one bit almost all codes are 0.

    Features that are not finite, or so far apart that their range is not, have no codes: they
    raise an error, and the running range stays as it was. While training on an accelerator the
    error comes with the next batch, so that the host need not wait for the device.

    Args:
        bits: r, from 1 to 8; codes are 0 … 2^r − 1.
        range: "running" keeps averages of x_min and x_max while training and quantises with
            them in eval mode, so that the code of a sample does not depend on its batch;
            "batch" always takes the range of the given tensor, as the paper prints it;
            "unit" always is 0 … 1, for features that end in a sigmoid. (The smallest of them may
            be far above 0, and Alg. 2 would then give all of them the largest code.)
        momentum: weight of the latest batch in the running range.

    Attributes:
        extremes: computes x_min and x_max of a training batch, over all processes if several train.

    Buffers (saved in the state dict): low, high: running range; seen: number of batches in it.
    """

    low: Tensor
    high: Tensor
    seen: Tensor

    def __init__(self, bits: int, range: Range = "running", momentum: float = 0.1) -> None:
        super().__init__()
        if range not in get_args(Range):
            names = ", ".join(map(repr, get_args(Range)))
            raise ValueError(f"range: expected one of {names}, found {range!r}")
        if not 0 < momentum <= 1:
            raise ValueError(f"momentum: expected a number in (0, 1], found {momentum!r}")
        self.bits, self.range, self.momentum = check_bits(bits), range, momentum
        self.extremes: Callable[[Tensor], tuple[Tensor, Tensor]] = torch.aminmax
        self.register_buffer("low", torch.zeros(()))
        self.register_buffer("high", torch.zeros(()))
        self.register_buffer("seen", torch.zeros((), dtype=torch.int64))
        # Whether the last batch on an accelerator has a finite range, as long as nobody has looked.
        self._unchecked: Tensor | None = None
        # The check makes the host wait for the device, so only the first batches are checked.
        self._checks_left = FIRST_BATCHES

    @property
    def levels(self) -> int:
        """Number 2^r of codes."""
        return 2**self.bits

    def forward(self, x: Float[Tensor, "*shape"]) -> Float[Tensor, "*shape"]:
        """Codes 0 … 2^r − 1 as floats, differentiable by the straight-through rule.

        Raises:
            ValueError: no tensor of real numbers, or an empty one.
            FloatingPointError: features, or a running range that was loaded, that are not finite.
        """
        if not isinstance(x, Tensor) or x.dtype == torch.bool or x.is_complex():
            found = x.dtype if isinstance(x, Tensor) else type(x).__name__
            raise ValueError(f"x: expected a tensor of real numbers, found {found}")
        if not x.numel():
            raise ValueError(f"x: expected at least one number, found shape {tuple(x.shape)}")
        codes = self._round(self._unrounded(x))
        if self.training and self._checks_left > 0:
            self._checks_left -= 1
            self._warn_if_constant(codes)
        return codes

    def unrounded(self, x: Float[Tensor, "*shape"]) -> Float[Tensor, "*shape"]:
        """z̃ + x/s: the features in units of codes, before `forward` clamps and rounds them.

        Only in eval mode, as it does not move the running range. Errors are those of `forward`.
        """
        if self.training:
            raise ValueError("unrounded: expected a quantiser in eval mode, found train mode")
        return self._unrounded(x)

    def affine(self) -> tuple[Float[Tensor, ""], Float[Tensor, ""]]:
        """z̃ and s of eval mode: codes are round(clamp(z̃ + x/s, 0, 2^r − 1)).

        Raises:
            ValueError: both depend on the batch (range "batch", or no batch was seen).
        """
        if self.range == "unit":
            return self._affine(torch.zeros_like(self.low), torch.ones_like(self.high))
        if self.range != "running" or self.seen == 0:
            raise ValueError("range: expected one that does not depend on the batch, found batch")
        return self._affine(self.low, self.high)

    def _affine(self, low: Tensor, high: Tensor) -> tuple[Tensor, Tensor]:
        # A flat range is rounding error, and 1/s would be enormous: all codes are then 0.
        flat = high - low <= FLAT * torch.maximum(low.abs(), high.abs())
        scale = torch.where(flat, torch.inf, (high - low) / (self.levels - 1))
        return torch.where(flat, torch.zeros_like(low), self._round(-low / scale)), scale

    def _unrounded(self, x: Tensor) -> Tensor:
        zero_point, scale = self._affine(*self._limits(x))
        return zero_point + x / scale

    def _round(self, x: Tensor) -> Tensor:
        """round(clamp(x)) with the straight-through gradient: 1 strictly inside the codes, else 0.

        The derivative of rounding is 0 almost everywhere, and F would learn nothing. x − x.detach()
        is 0 with gradient 1, so it adds the gradient of the identity and no value.
        """
        top = float(self.levels - 1)
        inside = (x > 0) & (x < top)
        rounded = x.detach().clamp(0.0, top).round()
        return torch.where(inside, rounded + (x - x.detach()), rounded)

    def _limits(self, x: Tensor) -> tuple[Tensor, Tensor]:
        low, high = self.extremes(x) if self.training else torch.aminmax(x)
        finite = _finite_range(low, high)
        if self.range == "running" and self.training:
            self._observe(low.detach(), high.detach(), finite)
        self._check_features(finite)
        if self.range == "unit":
            return x.new_zeros(()), x.new_ones(())
        if self.range == "running" and not self.training and self.seen > 0:
            if not _finite_range(self.low, self.high):
                found = f"{self.low.item()} … {self.high.item()}"
                raise FloatingPointError(f"running range: expected finite numbers, found {found}")
            return self.low.to(x.dtype), self.high.to(x.dtype)
        return low, high

    @torch.no_grad()
    def _observe(self, low: Tensor, high: Tensor, finite: Tensor) -> None:
        """Move the running range, unless the batch has none: one NaN would stay in it for ever."""
        self.seen += finite
        # Weight 1/seen averages the first batches evenly, so the initial range 0 … 0 drops out.
        weight = torch.where(finite, torch.clamp(1.0 / self.seen, min=self.momentum), 0.0)
        for own, found in ((self.low, low), (self.high, high)):
            own.lerp_(torch.where(finite, found.to(own.dtype), own), weight.to(own.dtype))

    def _check_features(self, finite: Tensor) -> None:
        """FloatingPointError for a batch without a finite range; see the class for when."""
        known: Tensor | None = finite
        if self.training and finite.device.type != "cpu":
            known, self._unchecked = self._unchecked, finite
        elif self._unchecked is not None:
            known, self._unchecked = finite & self._unchecked, None
        if known is not None and not known:
            raise FloatingPointError(
                "features: expected finite numbers whose range is finite in single precision, "
                "found others"
            )

    def _warn_if_constant(self, codes: Tensor) -> None:
        if codes.ndim != 2 or len(codes) < FEWEST_TO_WARN:
            return
        share = (codes == codes[:1]).all(dim=0).float().mean().item()
        if share > CONSTANT_SHARE:
            self._checks_left = 0
            warnings.warn(
                f"{share:.0%} of {codes.shape[1]} codes are constant over {len(codes)} samples; "
                "the quantiser expects non-negative features of comparable size "
                "(end F with ReLU or a sigmoid)",
                stacklevel=3,
            )


def _finite_range(low: Tensor, high: Tensor) -> Tensor:
    """Whether both ends and their distance are finite in single precision, a boolean tensor."""
    return torch.isfinite(high.detach().float() - low.detach().float())


@overload
def binarize(codes: np.ndarray, bits: int) -> Bool[np.ndarray, "m D"]: ...
@overload
def binarize(codes: Tensor, bits: int) -> Bool[Tensor, "m D"]: ...
def binarize(codes: Num[np.ndarray, "m d"] | Tensor, bits: int) -> np.ndarray | Tensor:
    """b(v) = u¹ ‖ u² with u¹ = 1[v_i = j], u² = 1[v_i ≠ j]: m × 2^(r+1)·d (Sec. 5).

    Column i·2^r + j of u¹ belongs to code i and level j; u² follows in the same order.
    `column_name` gives the names of columns.

    Raises:
        ValueError: codes that are not an m × d array of whole numbers 0 … 2^r − 1.
    """
    levels = 2 ** check_bits(bits)
    codes = _as_codes(codes)
    check_codes(codes, levels)
    if isinstance(codes, Tensor):
        equal = (codes[:, :, None] == torch.arange(levels, device=codes.device)).flatten(1)
        return torch.cat([equal, ~equal], dim=1)
    equal = (codes[:, :, None] == np.arange(levels)).reshape(len(codes), -1)
    return np.concatenate([equal, ~equal], axis=1)


def column_name(column: int, bits: int, dim: int) -> str:
    """Name of a column of `binarize` for d = `dim` codes, such as "code 3 = 1".

    Raises:
        ValueError: no such column.
    """
    levels = 2 ** check_bits(bits)
    if not 0 <= column < 2 * levels * dim:
        raise ValueError(f"column: expected 0 … {2 * levels * dim - 1}, found {column}")
    code, level = divmod(column % (levels * dim), levels)
    return f"code {code} {'=' if column < levels * dim else '≠'} {level}"


def _as_codes(codes: Num[np.ndarray, "m d"] | Tensor) -> np.ndarray | Tensor:
    """Codes as an array of real numbers, or the tensor itself; lists too."""
    if isinstance(codes, Tensor):
        return codes
    try:
        found = np.asarray(codes)
    except ValueError as error:
        raise ValueError(f"codes: expected equal rows, found no array ({error})") from error
    if found.dtype.kind not in "biuf":
        raise ValueError(f"codes: expected whole numbers, found dtype {found.dtype}")
    return found


def check_codes(codes: Num[np.ndarray, "m d"] | Tensor, levels: int) -> None:
    """Check that codes are m × d whole numbers below `levels`; ValueError names the first other."""
    if codes.ndim != 2:
        raise ValueError(f"codes: expected an m × d array, found shape {tuple(codes.shape)}")
    wrong = ~((codes >= 0) & (codes < levels) & (codes == (codes // 1)))
    if wrong.any():
        where = torch.argwhere(wrong) if isinstance(wrong, Tensor) else np.argwhere(wrong)
        row, column = where[0].tolist()
        raise ValueError(
            f"codes: expected whole numbers 0 … {levels - 1}, "
            f"found {codes[row, column].item()} in row {row}, column {column}"
        )
