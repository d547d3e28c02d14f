"""Named sets of defaults, and how options that were not given are resolved."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import MISSING
from typing import Any, get_args

from irtheory.intersection.array_settings import default_depth
from irtheory.intersection.quantize import check_bits
from irtheory.intersection.weights import Weights
from irtheory.runs.files import InputError
from irtheory.runs.options import declared
from irvision.methods.contract import image_method
from irvision.models.backbones.registry import BACKBONES
from irvision.settings.train import FROZEN, Recipe, TrainSettings, defaults_under, option

BEETLES = "beetles"
# Sizes that train in minutes on a CPU, and on a GPU.
ON_CPU = {"resize": 144, "crop": 128, "padding": 0}
ON_GPU = {"resize": 512, "crop": 448, "padding": 0}
# PMG's published input: squares of 550 pixels, zeros around them, crops of 448.
PUBLISHED = {"resize": 550, "crop": 448, "padding": 8}


def resolve(given: Mapping[str, Any], on_gpu: bool, classes: int) -> TrainSettings:
    """Settings from the options that were given; the rest from the recipe, machine and method.

    Args:
        given: values of fields of `TrainSettings`, the data set among them.
        on_gpu: whether a GPU will do the work.
        classes: k, on which the default depth depends.

    Raises:
        InputError: a value out of range, an option without effect, or options that exclude each
            other.
    """
    recipe = given.get("recipe", "fast")
    if recipe not in get_args(Recipe):
        raise InputError(f"--recipe: expected one of {', '.join(get_args(Recipe))}, found {recipe}")
    frozen = given.get("freeze_backbone") and recipe == "fast"
    behind = defaults_under(FROZEN) if frozen else {}
    values = {**_fixed_defaults(), **_fitting(recipe, given), **behind, **given}
    values.setdefault("depth", default_depth(classes))
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


def _fixed_defaults() -> dict[str, Any]:
    """The defaults that do not depend on other settings."""
    options = declared(TrainSettings).items()
    return {name: found.default for name, found in options if found.default is not MISSING}


def _fitting(recipe: Recipe, given: Mapping[str, Any]) -> dict[str, Any]:
    """The recipe's defaults, less those that the given options exclude."""
    values = defaults_under(f"--recipe {recipe}")
    if given.get("freeze_backbone"):
        # A frozen backbone needs the kind of input that it was trained on.
        values |= {"features": "plain", "normalise": "backbone"}
    if given.get("features", values["features"]) == "plain":
        values["progressive"] = False
    if given.get("validation") == 0:
        values["drops"] = None
    return values


def _refuse_idle(given: Mapping[str, Any], values: Mapping[str, Any]) -> None:
    """InputError for a given option that would have no effect."""
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
