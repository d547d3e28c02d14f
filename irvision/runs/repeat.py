"""The command that trains a run again, from its config.yaml. Loads no torch."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from dataclasses import MISSING
from typing import Any

from irtheory.intersection.methods import METHODS
from irtheory.runs.options import Declared, declared
from irtheory.trees.writing import exact
from irvision.settings.train import FROZEN, TrainSettings, defaults_under

# Options that a frozen backbone leaves without effect; `ira train` refuses them beside it.
IDLE_WHEN_FROZEN = ("padding", "backbone_factor")


def repeat_command(content: Mapping[str, Any]) -> str:
    """The command line that gives the settings of a run, with the options that are not defaults.

    An option whose default depends on the data set or on the machine is always named, so that the
    command says the same elsewhere.

    Args:
        content: of config.yaml.
    """
    return shlex.join(["ira", "train", *_words(content)])


def differing(content: Mapping[str, Any]) -> dict[str, Any]:
    """The settings that the command of `repeat_command` names, by their fields."""
    usual = _defaults(content)
    return {
        name: content[name]
        for name, found in declared(TrainSettings).items()
        if name in content and _is_named(found, content, usual)
    }


def _words(content: Mapping[str, Any]) -> list[str]:
    options, words = declared(TrainSettings), []
    for name, value in differing(content).items():
        flag = options[name].flag
        if isinstance(value, bool):
            words.append(flag if value else f"--no-{flag[2:]}")
        elif isinstance(value, float):
            words += [flag, exact(value)]
        else:
            words += [flag, str(value)]
    return words


def _is_named(found: Declared, content: Mapping[str, Any], usual: Mapping[str, Any]) -> bool:
    """Whether a setting has to be given; None is no value that an option could have."""
    name, value = found.name, content[found.name]
    if value is None or (content.get("freeze_backbone") and name in IDLE_WHEN_FROZEN):
        return False
    if name in usual:
        return value != usual[name]
    return value is not False


def _defaults(content: Mapping[str, Any]) -> dict[str, Any]:
    """Defaults that do not depend on data set and machine, as `ira train` resolves them."""
    options = declared(TrainSettings).items()
    usual = {name: found.default for name, found in options if found.default is not MISSING}
    recipe = content.get("recipe", "fast")
    usual |= defaults_under(f"--recipe {recipe}")
    if content.get("freeze_backbone") and recipe == "fast":
        usual |= defaults_under(FROZEN)
    for name, found in options:
        if found.option.default is not None and name != "min_samples_leaf":
            usual.pop(name, None)
    method = METHODS.get(str(content.get("method")))
    if method is not None:
        for term in ("label", "tree", "sparsity", "route"):
            usual[f"lambda_{term}"] = getattr(method.weights, term)
    if content.get("bits") != 1:
        # With more bits, that of some methods depends on their number.
        usual.pop("lambda_sparsity", None)
    return usual
