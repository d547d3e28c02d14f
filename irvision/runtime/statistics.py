"""Differentiable statistics of the joint batch of all processes, for batch norm and quantiser.

Each process sees a part of the batch. With statistics of that part alone, the same image would get
other features and other codes than in one process, and the tree grown on the codes of all
processes would mix codes of different scales.
"""

from __future__ import annotations

import math
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, distributed, nn
from torch.autograd import Function
from torch.autograd.function import FunctionCtx
from torch.nn.modules.batchnorm import _BatchNorm

from irtheory.intersection.quantize import UniformQuantizer


class _AllReduceSum(Function):
    """Sum over processes.

    The sum enters the loss of every process, so the gradient of a summand is the sum of the
    gradients in all processes.
    """

    @staticmethod
    def forward(ctx: FunctionCtx, x: Tensor) -> Tensor:
        return _summed(x)

    @staticmethod
    def backward(ctx: FunctionCtx, *gradients: Tensor) -> Tensor:
        return _summed(gradients[0])


class _AllReduceExtremes(Function):
    """Min and max over processes; ties share the gradient evenly, as with `torch.aminmax`."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> tuple[Tensor, Tensor]:
        low, high = torch.aminmax(x)
        # min x = −max(−x), so one reduction yields both.
        both = torch.stack([-low, high])
        # What a maximum makes of NaN is not defined; infinity has no codes either, and is seen.
        both = both.nan_to_num(nan=math.inf, posinf=math.inf, neginf=-math.inf)
        distributed.all_reduce(both, distributed.ReduceOp.MAX)
        low, high = -both[0], both[1]
        ctx.save_for_backward(x, low, high)
        return low, high

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:
        x, low, high = ctx.saved_tensors
        at_low, at_high = x == low, x == high
        holders = [at_low.sum().to(x.dtype), at_high.sum().to(x.dtype)]
        numbers = torch.stack([*gradients, *holders])
        to_low, to_high, lows, highs = _summed(numbers).unbind()
        return at_low * (to_low / lows) + at_high * (to_high / highs)


class SyncedBatchNorm(_BatchNorm):
    """Batch norm over the samples of all processes, on the CPU, for any number of dimensions.

    (`torch.nn.SyncBatchNorm` does the same, on GPUs only.) Batches may differ in size. Eval mode
    and state dict are those of `torch.nn.BatchNorm2d`.
    """

    def forward(self, input: Float[Tensor, "b c *place"]) -> Float[Tensor, "b c *place"]:
        """Normalise, scale and shift; in train mode also update the running statistics."""
        if not self.training:
            return super().forward(input)
        x = input.to(torch.promote_types(input.dtype, torch.float32))
        axes = [axis for axis in range(x.ndim) if axis != 1]
        count = x.new_full((1,), x.numel() / x.shape[1])
        sums = _sum(torch.cat([x.sum(axes), count]))
        count = sums[-1].detach()
        mean = sums[:-1] / count
        centred = x - _along(mean, x)
        variance = _sum(centred.square().sum(axes)) / count
        self._observe(mean.detach(), variance.detach() * count / (count - 1))
        scale = (variance + self.eps).rsqrt()
        if self.weight is not None:
            scale = scale * self.weight
        result = centred * _along(scale, x)
        if self.bias is not None:
            result = result + _along(self.bias, x)
        return result.to(input.dtype)

    def _check_input_dim(self, input: Tensor) -> None:
        """Accept any number of dimensions."""

    @torch.no_grad()
    def _observe(self, mean: Tensor, variance: Tensor) -> None:
        count, means, variances = self.num_batches_tracked, self.running_mean, self.running_var
        if count is None or means is None or variances is None:
            return
        count += 1
        weight = 1.0 / count.item() if self.momentum is None else self.momentum
        means.lerp_(mean, weight)
        variances.lerp_(variance, weight)


def joint_extremes(x: Float[Tensor, "*shape"]) -> tuple[Float[Tensor, ""], Float[Tensor, ""]]:
    """Min and max of the tensors of all processes, differentiable."""
    low, high = _AllReduceExtremes.apply(x)  # type: ignore[misc]
    return low, high


def share_statistics(module: nn.Module) -> nn.Module:
    """Make the batch norms and quantisers of a module use the joint batch of all processes.

    Parameters, buffers and their names stay the same. The process group must be initialised.
    """
    for part in module.modules():
        if isinstance(part, UniformQuantizer):
            part.extremes = joint_extremes
    if any(parameter.is_cuda for parameter in module.parameters()):
        return nn.SyncBatchNorm.convert_sync_batchnorm(module)
    return _converted(module)


def _converted(module: nn.Module) -> nn.Module:
    if isinstance(module, _BatchNorm):
        return _synced(module)
    for name, child in module.named_children():
        setattr(module, name, _converted(child))
    return module


def _synced(module: _BatchNorm) -> SyncedBatchNorm:
    """A `SyncedBatchNorm` with the parameters and buffers of a batch norm."""
    synced = SyncedBatchNorm(
        module.num_features,
        module.eps,
        module.momentum,
        module.affine,
        module.track_running_stats,
    )
    for name in ("weight", "bias", "running_mean", "running_var", "num_batches_tracked"):
        setattr(synced, name, getattr(module, name))
    return synced.train(module.training)


def _sum(x: Tensor) -> Tensor:
    return _AllReduceSum.apply(x)  # type: ignore[return-value]


def _summed(x: Tensor) -> Tensor:
    total = x.contiguous().clone()
    distributed.all_reduce(total)
    return total


def _along(values: Float[Tensor, " c"], x: Tensor) -> Tensor:
    """Values of channels [c], reshaped to broadcast over a batch [b, c, …]."""
    return values.view(1, -1, *(1,) * (x.ndim - 2))
