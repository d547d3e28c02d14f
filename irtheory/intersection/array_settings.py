"""How to train on an array: sizes, rates, seed and device, checked when they are made."""

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
    """How to train on an array.

    Attributes:
        dim: d, number of codes.
        bits: r.
        max_depth: d_max; None is ⌈log2 k⌉ + 2.
        hidden: widths of F's hidden layers.
        head_hidden: width of G's hidden layer, where the method has one.
        criterion: of the greedy splits of T.
        min_samples_leaf: samples a leaf of T must hold.
        epochs: None is enough for about 1500 steps, at least 20.
        batch_size: s.
        learning_rate: at the start; falls to 0 along a cosine.
        weight_decay: of AdamW.
        dropout: in F.
        activation: of F, before q.
        range: of the quantiser; None is "unit" after a sigmoid, "running" after a ReLU.
        drops: stopping rule of `Intersection`; needs a validation set.
        seed: of every draw.
        device: of the network and the data.
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
        """Refuse sizes below 1 and shares outside [0, 1)."""
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
        if self.criterion not in get_args(Criterion):
            names = ", ".join(map(repr, get_args(Criterion)))
            raise ValueError(f"criterion: expected one of {names}, found {self.criterion!r}")
        check_device(self.device)
        if not 0 <= self.dropout < 1:
            raise ValueError(f"dropout: expected a share in [0, 1), found {self.dropout!r}")
        for name in ("learning_rate", "weight_decay"):
            found = getattr(self, name)
            if not 0 <= found < math.inf:
                raise ValueError(f"{name}: expected a number ≥ 0, found {found!r}")


def default_depth(classes: int) -> int:
    """d_max = ⌈log2 k⌉ + 2."""
    return math.ceil(math.log2(max(classes, 2))) + 2
