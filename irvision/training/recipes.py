"""Named sets of defaults, and how options that were not given are resolved."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from irtheory.intersection.losses import Weights
from irtheory.intersection.quantize import check_bits
from irtheory.runs.files import InputError
from irvision.methods.contract import image_method
from irvision.models.backbones.registry import BACKBONES
from irvision.settings.train import Recipe, TrainSettings, option

BEETLES = "beetles"
COMMON: dict[str, Any] = {
    "data_dir": None, "unit": "object", "validation": 0.1, "split_seed": 0, "beetles": 3000,
    "method": "ira", "freeze_backbone": False, "depth": None, "hidden": 512, "head_hidden": 512,
    "criterion": "entropy", "momentum": 0.9, "flip": 0.5,
    "accumulate": 1, "compile": False, "max_bad": 0.01, "seed": 0, "progressive": False,
    "precision": "fp32", "deterministic": False,
}  # fmt: skip
_PUBLISHED = {
    "backbone": "resnet50", "features": "pmg", "activation": "relu", "dropout": 0.0,
    "dim": 512, "bits": 2, "optimiser": "sgd", "weight_decay": 5e-4,
    "normalise": "half", "min_samples_leaf": 1,
}  # fmt: skip
RECIPES: dict[Recipe, dict[str, Any]] = {
    # Quick to good trees: AdamW along a cosine, sigmoid codes, dropout before them.
    "fast": {
        "features": "plain", "activation": "sigmoid", "dropout": 0.3, "dim": 128, "bits": 1,
        "optimiser": "adamw", "learning_rate": 2e-3, "weight_decay": 0.01, "schedule": "cosine",
        "epochs": 24, "batch_size": 64, "drops": None, "normalise": "backbone",
        "min_samples_leaf": None,
    },
    # The paper's: its method, batch, rate and stopping rule; momentum and decay are PMG's.
    "paper": {
        **_PUBLISHED, "method": "paper", "learning_rate": 1e-4, "schedule": "constant",
        "backbone_factor": 1.0, "epochs": 100, "batch_size": 64, "drops": 2,
    },
    # PMG's own schedule, with its three progressive steps before each step of Algorithm 1.
    "pmg": {
        **_PUBLISHED, "learning_rate": 2e-3, "schedule": "cosine", "backbone_factor": 0.1,
        "epochs": 200, "batch_size": 16, "drops": None, "progressive": True,
    },
}  # fmt: skip
# Behind a frozen backbone the fast recipe learns from numbers, wide and with much dropout.
FROZEN = {"hidden": 1024, "dropout": 0.5, "epochs": 14, "learning_rate": 1e-3}
# What a processor can train on in minutes, and what a GPU can.
ON_CPU = {"resize": 144, "crop": 128, "padding": 0}
ON_GPU = {"resize": 512, "crop": 448, "padding": 0}
# PMG's published input: squares of 550 pixels, zeros around them, crops of 448.
PUBLISHED = {"resize": 550, "crop": 448, "padding": 8}


def resolve(asked: Mapping[str, Any], on_gpu: bool) -> TrainSettings:
    """Settings from the options that were given; the rest from the recipe, machine and method.

    Args:
        asked: fields of `TrainSettings`; those that are None or absent were not given.
        on_gpu: whether a GPU will do the work.

    Raises:
        InputError: a value that cannot be.
    """
    given = {name: value for name, value in asked.items() if value is not None}
    recipe = given.setdefault("recipe", "fast")
    if recipe not in RECIPES:
        raise InputError(f"--recipe: expected one of {', '.join(RECIPES)}, found {recipe!r}")
    frozen = FROZEN if given.get("freeze_backbone") and recipe == "fast" else {}
    values = {**COMMON, **_fitting(recipe, given), **frozen, **given}
    drawn = values["dataset"].casefold() == BEETLES
    small = drawn or not on_gpu
    values.setdefault("backbone", "resnet10" if small else "resnet50")
    backbone = BACKBONES.get(values["backbone"])
    if backbone is None:
        names = ", ".join(BACKBONES)
        raise InputError(f"--backbone: expected one of {names}, found {values['backbone']!r}")
    values.setdefault("weights", "none" if drawn or not backbone.url else "imagenet")
    _refuse_idle(given, values)
    trained = values["weights"] != "none"
    values.setdefault("backbone_factor", 0.1 if trained else 1.0)
    for name, value in _input(values, drawn, on_gpu, backbone.size).items():
        values.setdefault(name, value)
    weights = _weights(values)
    for name in ("label", "tree", "sparsity", "route"):
        values.setdefault(f"lambda_{name}", getattr(weights, name))
    return TrainSettings(**values)


def _fitting(recipe: Recipe, given: Mapping[str, Any]) -> dict[str, Any]:
    """The recipe without what cannot go with the options that were given."""
    values = dict(RECIPES[recipe])
    if given.get("freeze_backbone"):
        # A frozen backbone wants the input that it was trained on.
        values |= {"features": "plain", "normalise": "backbone"}
    if given.get("features", values["features"]) == "plain":
        values["progressive"] = False
    if given.get("validation") == 0:
        values["drops"] = None
    return values


def _refuse_idle(given: Mapping[str, Any], values: Mapping[str, Any]) -> None:
    """InputError for an option that was given and would do nothing."""
    frozen = values["freeze_backbone"]
    idle = {
        "hidden": None if frozen else "--freeze-backbone",
        "padding": "no --freeze-backbone" if frozen else None,
        "backbone_factor": "no --freeze-backbone" if frozen else None,
        "dropout": "--features plain" if values["features"] == "pmg" else None,
        "momentum": None if values["optimiser"] == "sgd" else "--optimiser sgd",
        "beetles": None if values["dataset"].casefold() == BEETLES else "--dataset beetles",
    }
    for name, needed in idle.items():
        if name in given and needed is not None:
            raise InputError(f"{option(name)}: has no effect here; expected {needed} beside it")


def _weights(values: Mapping[str, Any]) -> Weights:
    """λ of the method, which may depend on the bits."""
    method = image_method(values["method"])
    try:
        return method.weights(check_bits(values["bits"]))
    except ValueError as error:
        raise InputError(f"--{error}") from None


def _input(values: Mapping[str, Any], drawn: bool, on_gpu: bool, native: int) -> dict[str, int]:
    """Sides of squares and crops, and the padding, where they were not given."""
    if values["freeze_backbone"]:
        side = values.get("crop") or values.get("resize") or native
        return {"resize": side, "crop": side, "padding": 0}
    if drawn and values["recipe"] == "fast":
        side = values.get("resize") or values.get("crop") or 96
        return {"resize": side, "crop": side, "padding": max(side // 24, 1)}
    machine = ON_GPU if on_gpu else ON_CPU
    sides = dict(machine if values["recipe"] == "fast" else PUBLISHED)
    ratio = sides["resize"] / sides["crop"]
    if "crop" in values:
        sides["resize"] = round(values["crop"] * ratio)
    elif "resize" in values:
        sides["crop"] = round(values["resize"] / ratio)
    return sides
