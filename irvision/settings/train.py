"""All settings of a training run, resolved: what `config.yaml` of its folder holds."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Literal, get_args, get_type_hints

from irtheory.intersection.layers import Activation
from irtheory.intersection.losses import Weights
from irtheory.intersection.quantize import check_bits
from irtheory.runs.files import InputError
from irtheory.trees.cart.fit import Criterion
from irvision.settings.data import DataOptions, Unit

Features = Literal["plain", "pmg"]
Optimiser = Literal["adamw", "sgd"]
Schedule = Literal["constant", "cosine"]
Recipe = Literal["fast", "paper", "pmg"]
Normalise = Literal["backbone", "half"]
Precision = Literal["bf16", "fp32"]
# What may differ where a run goes on: where things are, and how the machine computes.
MOVABLE = ("data_dir", "weights", "accumulate", "compile", "precision", "deterministic")
# Patches a side on which PMG's stages 0, 1 and 2 learn: fine ones for the shallow stage.
GRIDS = (8, 4, 2)


@dataclass(frozen=True)
class TrainSettings:
    """How to train on images; names are those of the options of `ira train`.

    Attributes:
        dataset: a known data set, or a folder of class folders.
        data_dir, unit, validation, split_seed, beetles: see `DataOptions`.
        method: a file of `irvision.methods`.
        recipe: where the settings that were not given come from.
        backbone, weights: network from images to maps, and where its weights come from.
        freeze_backbone: compute the backbone's features once and train what follows.
        features: how maps become d numbers, see `irvision.models.features`.
        dim, bits, depth: d, r and d_max.
        activation: of F, before q.
        dropout: in F, before its last layer.
        hidden: width of the hidden layer of a frozen backbone's F.
        head_hidden: width of the hidden layer of G.
        criterion: of the greedy trees.
        min_samples_leaf: training images a leaf must hold; None is one in 200 of all.
        lambda_label, lambda_tree, lambda_sparsity, lambda_route: λ of every term.
        epochs, batch_size: the last batch of an epoch may be smaller.
        optimiser, learning_rate, weight_decay, momentum, schedule: of F and G.
        backbone_factor: learning rate of the backbone as a share of the other's.
        drops: stopping rule of `Intersection`; None trains all epochs.
        progressive: train PMG's stages on shuffled patches before each step.
        resize: side of the cached squares, in pixels.
        crop, padding: side of the random crops, and zeros around the square.
        flip: probability of a mirrored crop.
        normalise: mean and sd of the colours: those of the "backbone", or "half" for both.
        accumulate: parts in which a batch passes through F.
        compile: F by torch.compile.
        precision, deterministic: see `irvision.runtime.device.start_runtime`.
        max_bad: share of images that may fail to decode.
        seed: of every draw but the split's.
    """

    dataset: str
    data_dir: str | None
    unit: Unit
    validation: float
    split_seed: int
    beetles: int
    method: str
    recipe: Recipe
    backbone: str
    weights: str
    freeze_backbone: bool
    features: Features
    dim: int
    bits: int
    depth: int | None
    activation: Activation
    dropout: float
    hidden: int
    head_hidden: int
    criterion: Criterion
    min_samples_leaf: int | None
    lambda_label: float
    lambda_tree: float
    lambda_sparsity: float
    lambda_route: float
    epochs: int
    batch_size: int
    optimiser: Optimiser
    learning_rate: float
    weight_decay: float
    momentum: float
    schedule: Schedule
    backbone_factor: float
    drops: int | None
    progressive: bool
    resize: int
    crop: int
    padding: int
    flip: float
    normalise: Normalise
    accumulate: int
    compile: bool
    precision: Precision
    deterministic: bool
    max_bad: float
    seed: int

    def __post_init__(self) -> None:
        """Refuse what cannot be trained, naming the option."""
        least = dict.fromkeys(SIZES, 1) | {
            "batch_size": 2,
            "padding": 0,
            "drops": 1,
            "depth": 1,
            "beetles": 120,
        }
        for name, smallest in least.items():
            found = getattr(self, name)
            if found is not None and found < smallest:
                raise InputError(f"{option(name)}: expected at least {smallest}, found {found}")
        if not 0 <= self.seed < 2**32:
            raise InputError(f"--seed: expected a whole number ≥ 0 below 2³², found {self.seed}")
        for name, most in (("validation", 0.5), ("flip", 1), ("max_bad", 1)):
            if not 0 <= getattr(self, name) <= most:
                found = getattr(self, name)
                raise InputError(f"{option(name)}: expected 0 … {most}, found {found}")
        for name in ("dropout", "momentum"):
            if not 0 <= getattr(self, name) < 1:
                raise InputError(f"{option(name)}: expected [0, 1), found {getattr(self, name)}")
        for name in ("learning_rate", "weight_decay", "backbone_factor"):
            if not 0 <= getattr(self, name) < math.inf:
                raise InputError(f"{option(name)}: expected ≥ 0, found {getattr(self, name)}")
        _from(lambda: check_bits(self.bits))
        _from(lambda: self.lambdas)
        if self.crop > self.resize:
            raise InputError(f"--crop: expected at most --resize {self.resize}, found {self.crop}")
        if self.drops is not None and not self.validation:
            raise InputError("--drops: expected a --validation share above 0, found 0")
        if self.freeze_backbone and self.features != "plain":
            raise InputError(f"--freeze-backbone: expected --features plain, found {self.features}")
        if self.progressive and self.features != "pmg":
            raise InputError(f"--progressive: expected --features pmg, found {self.features}")
        if self.progressive and self.crop < GRIDS[0]:
            raise InputError(f"--crop: expected {GRIDS[0]} patches a side, found {self.crop} px")
        if self.freeze_backbone and self.flip not in (0, 0.5):
            raise InputError(
                f"--flip: expected 0 or 0.5, as a frozen backbone's images are all mirrored or "
                f"none, found {self.flip}"
            )

    @property
    def lambdas(self) -> Weights:
        """λ of every term."""
        return Weights(self.lambda_label, self.lambda_tree, self.lambda_sparsity, self.lambda_route)

    @property
    def images_at_once(self) -> int:
        """How many pass through F in one piece; so many fit when nothing is learned, too."""
        return max(self.batch_size // self.accumulate, 1)

    @property
    def data(self) -> DataOptions:
        """Which samples, and how they are split."""
        folder = None if self.data_dir is None else Path(self.data_dir)
        return DataOptions(folder, self.unit, self.split_seed, self.validation, self.beetles)


SIZES = (
    "dim", "hidden", "head_hidden", "min_samples_leaf", "epochs", "batch_size", "resize", "crop",
    "accumulate",
)  # fmt: skip


def option(name: str) -> str:
    """The option that sets a field."""
    return "--" + name.replace("_", "-")


def _from(check: Any) -> None:
    """Run a check of the core, whose errors name arguments, and name the option instead."""
    try:
        check()
    except ValueError as error:
        name, _, rest = str(error).partition(":")
        raise InputError(f"{option(name)}:{rest}") from None


def settings_from(content: Mapping[str, Any], where: str) -> TrainSettings:
    """The settings that a `config.yaml` holds.

    Raises:
        InputError: a field that is missing, of the wrong type, or not one of its values.
    """
    hints = get_type_hints(TrainSettings)
    values = {}
    for field in fields(TrainSettings):
        if field.name not in content:
            raise InputError(f"{where}: expected a line for {field.name}, found none")
        values[field.name] = _checked(content[field.name], hints[field.name], field.name, where)
    return TrainSettings(**values)


def _checked(value: Any, hint: Any, name: str, where: str) -> Any:
    allowed = get_args(hint)
    if allowed and type(None) not in allowed:
        fits = value in allowed
    else:
        kinds = tuple(kind for kind in allowed or (hint,))
        # YAML writes 1.0 as 1.0, but a person may write 1.
        kinds += (int,) if float in kinds else ()
        fits = isinstance(value, kinds) and (bool in kinds or not isinstance(value, bool))
    if not fits:
        words = " or ".join(getattr(kind, "__name__", str(kind)) for kind in allowed or (hint,))
        words = words.replace("NoneType", "null")
        raise InputError(f"{where}: {name}: expected {words}, found {value!r}")
    return value
