"""A network linearised in weight space, by products with its Jacobian."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from numpy.typing import ArrayLike
from torch import Tensor, nn
from torch.func import jvp, vjp

from irtheory.propositions.tangent.admission import (
    Array,
    Parameters,
    as_inputs,
    evaluate,
    trainable,
)


def network_outputs(module: nn.Module, x: ArrayLike | Tensor) -> Array:
    """F(x; θ) of a float64 module, [m, k]."""
    with torch.no_grad():
        return module(as_inputs(module, x)).cpu().numpy()


@dataclass(frozen=True, eq=False)
class LinearisedNetwork:
    """G(δ) = f(x; θ0) + J δ on samples x, for a float64 module that `admissible` returned.

    δ = θ − θ0 is one flat vector [p], parameters in the module's own order.
    """

    module: nn.Module
    x: Tensor

    @cached_property
    def theta0(self) -> Parameters:
        """The parameters at which the network is linearised, copied."""
        return {name: p.clone() for name, p in trainable(self.module).items()}

    @property
    def n_parameters(self) -> int:
        """The number p of parameters."""
        return sum(p.numel() for p in self.theta0.values())

    @cached_property
    def initial(self) -> Array:
        """f(x; θ0), [m, k]."""
        return self._at(self.theta0).detach().cpu().numpy()

    def _at(self, theta: Parameters) -> Tensor:
        return evaluate(self.module, theta, self.x)

    def jvp(self, delta: Array) -> Array:
        """J δ, [m, k]."""
        with torch.no_grad():
            return jvp(self._at, (self.theta0,), (self._named(delta),))[1].cpu().numpy()

    def vjp(self, cotangent: Array) -> Array:
        """Jᵀ c of an array c [m, k], [p]."""
        pull = vjp(self._at, self.theta0)[1]
        slopes = pull(torch.as_tensor(cotangent, device=self.x.device).contiguous())[0]
        return np.concatenate([slopes[name].detach().cpu().numpy().ravel() for name in self.theta0])

    def _named(self, delta: Array) -> Parameters:
        flat = torch.as_tensor(delta, device=self.x.device)
        sizes = [p.numel() for p in self.theta0.values()]
        pieces = flat.split(sizes)
        return {
            name: piece.reshape(p.shape)
            for (name, p), piece in zip(self.theta0.items(), pieces, strict=True)
        }
