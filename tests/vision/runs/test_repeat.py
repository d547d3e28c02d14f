from __future__ import annotations

import shlex
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from typer.testing import CliRunner

import irvision.commands.train
from cli import app
from irvision.runs.repeat import differing, repeat_command
from irvision.runs.trained import settings_content
from irvision.settings.train import TrainSettings
from irvision.training.recipes import resolve

ODD = "my images/'quoted' & $HOME"
# Values of options that go with any recipe.
FREE: dict[str, tuple[Any, ...]] = {
    "bits": (1, 2, 3),
    "method": ("quantised", "quantised+l1", "quantised+dt", "paper", "ira"),
    "dim": (64, 128, 512),
    "depth": (3, 6, 9),
    "min_samples_leaf": (1, 7),
    "lambda_label": (1.0, 2.0),
    "lambda_tree": (0.0, 0.25, 1.0),
    "lambda_sparsity": (0.0, 1e-05, 0.001, 0.006),
    "lambda_route": (0.0, 1.0),
    "epochs": (1, 24, 100),
    "batch_size": (16, 64),
    "optimiser": ("adamw", "sgd"),
    "learning_rate": (0.002, 1e-4),
    "weight_decay": (0.01, 0.0),
    "drops": (2, 3),
    "keep": ("last", "best"),
    "deterministic": (False, True),
    "compile": (False, True),
    "validation": (0.1, 0.25),
    "resize": (96, 160),
    "flip": (0.0, 0.5),
    "seed": (0, 2**32 - 1),
}


def given_by(line: str, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """What `ira train` gets from a command line, as a shell parts it."""
    found: list[dict[str, Any]] = []
    monkeypatch.setattr(
        irvision.commands.train, "train_command", lambda given: found.append(dict(given)) or 0
    )
    words = shlex.split(line)
    assert words[0] == "ira"
    done = CliRunner().invoke(app, words[1:])
    assert done.exit_code == 0, done.output
    return found[0]


def repeated(settings: TrainSettings, classes: int, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Settings of the printed command on a machine of another kind than that of the run."""
    content = yaml.safe_load(yaml.safe_dump(settings_content(settings)))
    given = given_by(repeat_command(content), monkeypatch)
    found = [resolve(given, on_gpu=gpu, classes=classes) for gpu in (True, False)]
    assert found[0] == found[1]
    return found[0]


CASES: list[dict[str, Any]] = [
    {"dataset": "beetles"},
    {"dataset": "Beetles", "beetles": 500, "backbone": "resnet18", "dropout": 0.0},
    {"dataset": "CUB", "data_dir": "/data of all"},
    {"dataset": "aPascal", "recipe": "paper"},
    {"dataset": "AwA2", "recipe": "paper", "validation": 0},
    {"dataset": "CUB", "recipe": "pmg"},
    {"dataset": "CUB", "recipe": "pmg", "progressive": False},
    {"dataset": "CUB", "recipe": "pmg", "features": "plain", "dropout": 0.2},
    {"dataset": "CUB", "features": "pmg", "progressive": True},
    {"dataset": "CUB", "freeze_backbone": True, "hidden": 512},
    {"dataset": "CUB", "freeze_backbone": True, "recipe": "paper"},
    {"dataset": "CUB", "freeze_backbone": True, "crop": 200, "weights": "w.pth"},
    {"dataset": ODD, "layout": "part/class", "group": "(.*)_\\d+"},
    {"dataset": "--help", "optimiser": "sgd", "momentum": 0.5},
    {"dataset": "beetles", "bits": 2, "lambda_sparsity": 0.006},
]


@pytest.mark.parametrize("given", CASES)
def test_the_command_gives_the_same_settings(
    given: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    for gpu in (False, True):
        settings = resolve({**given, "precision": "bf16" if gpu else "fp32"}, gpu, 12)
        assert repeated(settings, 12, monkeypatch) == settings


@pytest.mark.parametrize("seed", range(25))
def test_any_settings_come_back(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(seed)
    chosen = {name for name in FREE if rng.random() < 0.4}
    given = {name: FREE[name][rng.integers(len(FREE[name]))] for name in sorted(chosen)}
    given |= {"dataset": str(rng.choice(["beetles", "CUB"]))}
    given |= {"recipe": str(rng.choice(["fast", "paper", "pmg"]))}
    settings = resolve(given, bool(rng.integers(2)), int(rng.integers(2, 200)))
    assert repeated(settings, 40, monkeypatch) == settings


def test_defaults_are_not_named() -> None:
    content = settings_content(resolve({"dataset": "beetles"}, False, 12))
    line = repeat_command(content)
    for name in ("--epochs", "--recipe", "--lambda", "--seed", "--method", "--dim", "--data-dir"):
        assert name not in line
    assert "--depth" in line
    assert set(differing({**content, "epochs": 3})) - set(differing(content)) == {"epochs"}


def test_settings_of_another_release_are_taken_as_they_are(tmp_path: Path) -> None:
    assert repeat_command({"command": "train", "dataset": "beetles", "later": 3}) == (
        "ira train --dataset beetles"
    )
    assert repeat_command({}) == "ira train"
