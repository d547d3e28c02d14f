"""Definition of a method of training on images, and the search for methods in this package."""

from __future__ import annotations

import pkgutil
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache
from importlib import import_module
from pathlib import Path

from torch import nn

from irtheory.intersection.array_settings import default_range
from irtheory.intersection.layers import make_head
from irtheory.intersection.methods import Method
from irtheory.intersection.network import Network
from irtheory.intersection.quantize import UniformQuantizer
from irtheory.intersection.weights import Weights
from irtheory.runs.files import InputError
from irvision.models.network import make_represent
from irvision.settings.train import TrainSettings

Assemble = Callable[[nn.Module, int, Method, TrainSettings], Network]


def default_network(
    represent: nn.Module, classes: int, method: Method, settings: TrainSettings
) -> Network:
    """G∘q∘F around an F [b, …] → [b, d]: q of r bits, and the head that the method names."""
    q = UniformQuantizer(settings.bits, default_range(settings.activation))
    sizes = (settings.dim, classes, q.levels, settings.head_hidden, settings.depth)
    g = make_head(method.head, *sizes)
    return Network(represent, q, g)


@dataclass(frozen=True)
class ImageMethod:
    """One method of training on images: a row of Table 1, or a further one.

    A module of this package lists its methods in `METHODS`; nothing else is needed for
    `ira train --method` to offer them.

    Attributes:
        name: value of --method.
        training: λ of every term, kind of G, how T is grown and what T of the result is.
        assemble: makes G∘q∘F from F, the number of classes, `training` and the settings.
            `Network.represent` returns the features that are quantised, `Network.forward` the
            logits.
        share_sparsity: λ3 of `training` is meant for codes scaled to [0, 1], so its default is
            divided by 2^r − 1.
    """

    name: str
    training: Method
    assemble: Assemble = default_network
    share_sparsity: bool = False

    def weights(self, bits: int) -> Weights:
        """λ of every term, at r bits."""
        weights = self.training.weights
        if self.share_sparsity:
            weights = replace(weights, sparsity=weights.sparsity / (2**bits - 1))
        return weights


@cache
def image_methods() -> dict[str, ImageMethod]:
    """All methods by name, in the order of the modules that define them."""
    folder, package = str(Path(__file__).parent), __name__.rpartition(".")[0]
    modules = (import_module(f"{package}.{m.name}") for m in pkgutil.iter_modules([folder]))
    return {method.name: method for m in modules for method in getattr(m, "METHODS", ())}


def image_method(name: str) -> ImageMethod:
    """The method of that name; InputError, which lists all methods, if there is none."""
    methods = image_methods()
    if name not in methods:
        raise InputError(f"--method: expected one of {', '.join(methods)}, found {name!r}")
    return methods[name]


def make_network(settings: TrainSettings, classes: int, weights: str) -> Network:
    """G∘q∘F as the method assembles it; initial weights are drawn from torch's random state."""
    return assemble(make_represent(settings, classes, weights), settings, classes)


def assemble(represent: nn.Module, settings: TrainSettings, classes: int) -> Network:
    """The method's quantiser and G around an F."""
    method = image_method(settings.method)
    return method.assemble(represent, classes, method.training, settings)
