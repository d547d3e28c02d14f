"""Statistics of the batch of all processes, with gradients: of batch norms and of the quantiser."""

from __future__ import annotations

from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, distributed, nn
from torch.autograd import Function
from torch.autograd.function import FunctionCtx
from torch.nn.modules.batchnorm import _BatchNorm

from irtheory.intersection.quantize import UniformQuantizer


class _Sum(Function):
    """Sum over processes; the gradient of each of them is the sum of their gradients."""

    @staticmethod
    def forward(ctx: FunctionCtx, x: Tensor) -> Tensor:
        return _summed(x)

    @staticmethod
    def backward(ctx: FunctionCtx, *gradients: Tensor) -> Tensor:
        return _summed(gradients[0])


class _Extremes(Function):
    """Min and max over processes; ties share the gradient evenly, as in `torch.aminmax`."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> tuple[Tensor, Tensor]:
        low, high = torch.aminmax(x)
        both = torch.stack([-low, high])
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
    """Batch norm of any number of dimensions over the samples of all processes, on a CPU.

    (`torch.nn.SyncBatchNorm` does the same on GPUs alone.) Batches may differ in size. In eval
    mode, and with names and values in the state dict, it is `torch.nn.BatchNorm2d`.
    """

    def forward(self, input: Float[Tensor, "b c *place"]) -> Float[Tensor, "b c *place"]:
        """Normalised, scaled and shifted; running statistics take note of it in training."""
        if not self.training:
            return super().forward(input)
        x = input.to(torch.promote_types(input.dtype, torch.float32))
        around = [axis for axis in range(x.ndim) if axis != 1]
        count = x.new_full((1,), x.numel() / x.shape[1])
        sums = _sum(torch.cat([x.sum(around), count]))
        count = sums[-1].detach()
        mean = sums[:-1] / count
        centred = x - _along(mean, x)
        variance = _sum(centred.square().sum(around)) / count
        self._observe(mean.detach(), variance.detach() * count / (count - 1))
        scale = (variance + self.eps).rsqrt()
        if self.weight is not None:
            scale = scale * self.weight
        result = centred * _along(scale, x)
        if self.bias is not None:
            result = result + _along(self.bias, x)
        return result.to(input.dtype)

    def _check_input_dim(self, input: Tensor) -> None:
        """Any number of dimensions will do."""

    @torch.no_grad()
    def _observe(self, mean: Tensor, variance: Tensor) -> None:
        seen, low, high = self.num_batches_tracked, self.running_mean, self.running_var
        if seen is None or low is None or high is None:
            return
        seen += 1
        share = 1.0 / seen.item() if self.momentum is None else self.momentum
        low.lerp_(mean, share)
        high.lerp_(variance, share)


def joint_extremes(x: Float[Tensor, "*shape"]) -> tuple[Float[Tensor, ""], Float[Tensor, ""]]:
    """Min and max of the tensors of all processes, differentiable."""
    low, high = _Extremes.apply(x)  # type: ignore[misc]
    return low, high


def share_statistics(module: nn.Module) -> nn.Module:
    """The module, whose batch norms and quantisers now work with the batch of all processes.

    Parameters, buffers and their names stay the same. The processes must be joined.
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
    """The same parameters and buffers under another forward pass."""
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
    return _Sum.apply(x)  # type: ignore[return-value]


def _summed(x: Tensor) -> Tensor:
    total = x.contiguous().clone()
    distributed.all_reduce(total)
    return total


def _along(values: Float[Tensor, " c"], x: Tensor) -> Tensor:
    """Values of channels, shaped to meet a batch."""
    return values.view(1, -1, *(1,) * (x.ndim - 2))
