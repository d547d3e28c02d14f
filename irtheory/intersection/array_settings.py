"""Settings of Algorithm 1 on an array, checked when they are made."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import get_args

import numpy as np

from irtheory.checks import check_whole
from irtheory.intersection.choices import Activation, Range
from irtheory.intersection.quantize import check_bits
from irtheory.runs.devices import check_device
from irtheory.trees.choices import Criterion


@dataclass(frozen=True)
class ArraySettings:
    """Settings of training on an array.

    Attributes:
        dim: d, number of codes.
        bits: r, bits of a code.
        max_depth: d_max, largest depth of T; None is ⌈log2 k⌉ + 2.
        hidden: widths of F's hidden layers.
        head_hidden: width of G's hidden layer, if the method has one.
        criterion: split criterion of greedy trees.
        min_samples_leaf: smallest number of samples in a leaf of T.
        epochs: number of epochs; None is enough for about 1500 steps, at least 20.
        batch_size: s, samples in a batch.
        learning_rate: initial learning rate; a cosine schedule lowers it to 0.
        weight_decay: weight decay of AdamW.
        dropout: dropout rate in F.
        activation: activation at the end of F, before q.
        range: range of the quantiser; None is "unit" after a sigmoid, "running" after a ReLU.
        drops: stopping rule of `Intersection`; needs a validation set.
        seed: seed of all random draws.
        device: torch device of the network and the data.
    """

    dim: int = 64
    bits: int = 1
    max_depth: int | None = None
    hidden: tuple[int, ...] = (64,)
    head_hidden: int = 512
    criterion: Criterion = "entropy"
    min_samples_leaf: int = 1
    epochs: int | None = None
    batch_size: int = 64
    learning_rate: float = 3e-3
    weight_decay: float = 0.01
    dropout: float = 0.0
    activation: Activation = "sigmoid"
    range: Range | None = None
    drops: int | None = None
    seed: int = 0
    device: str = "cpu"

    def __post_init__(self) -> None:
        """Check every value; ValueError names the first that is out of range."""
        sizes = {name: getattr(self, name) for name in ("dim", "head_hidden", "batch_size")}
        for name in ("min_samples_leaf", "max_depth", "epochs", "drops"):
            if getattr(self, name) is not None:
                sizes[name] = getattr(self, name)
        sizes |= {"hidden": min(self.hidden, default=1)}
        for name, found in sizes.items():
            check_whole(name, found, 1)
        check_bits(self.bits)
        if isinstance(self.seed, bool) or not isinstance(self.seed, int | np.integer):
            raise ValueError(f"seed: expected a whole number, found {self.seed!r}")
        self._check_choices()
        check_device(self.device)
        if not 0 <= self.dropout < 1:
            raise ValueError(f"dropout: expected a share in [0, 1), found {self.dropout!r}")
        for name in ("learning_rate", "weight_decay"):
            found = getattr(self, name)
            if not 0 <= found < math.inf:
                raise ValueError(f"{name}: expected a number ≥ 0, found {found!r}")

    def _check_choices(self) -> None:
        """ValueError for a name that is not among its choices; an empty one is not the default."""
        choices = {"criterion": Criterion, "activation": Activation}
        if self.range is not None:
            choices["range"] = Range
        for name, allowed in choices.items():
            if (found := getattr(self, name)) not in get_args(allowed):
                names = ", ".join(map(repr, get_args(allowed)))
                raise ValueError(f"{name}: expected one of {names}, found {found!r}")

    def depth(self, classes: int) -> int:
        """d_max for k classes."""
        return default_depth(classes) if self.max_depth is None else self.max_depth


def default_range(activation: Activation) -> Range:
    """Range of the quantiser: fixed after a sigmoid, running averages after a ReLU."""
    return "unit" if activation == "sigmoid" else "running"


def default_depth(classes: int) -> int:
    """d_max = ⌈log2 k⌉ + 2, two more than the smallest depth of a tree with k leaves."""
    return math.ceil(math.log2(max(classes, 2))) + 2
