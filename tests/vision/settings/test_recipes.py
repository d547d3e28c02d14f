"""Settings from few options: recipes, machine, data set."""

from __future__ import annotations

import pytest

from irtheory.runs.files import InputError
from irvision.settings.train import Recipe
from irvision.training.recipes import resolve
from irvision.training.session import divergence_advice


@pytest.mark.parametrize(
    ("recipe", "options", "expected"),
    [
        ("pmg", {"features": "plain"}, {"progressive": False, "epochs": 200}),
        ("paper", {"validation": 0.0}, {"drops": None, "learning_rate": 1e-4}),
        ("paper", {"freeze_backbone": True}, {"features": "plain", "bits": 2}),
        ("pmg", {"freeze_backbone": True}, {"features": "plain", "progressive": False}),
        ("pmg", {}, {"features": "pmg", "progressive": True, "crop": 448}),
        ("paper", {"resize": 275}, {"resize": 275, "crop": 224, "padding": 8}),
        ("pmg", {"crop": 224}, {"resize": 275, "crop": 224}),
        ("paper", {"freeze_backbone": True, "resize": 96}, {"crop": 96, "padding": 0}),
        ("paper", {"freeze_backbone": True}, {"crop": 224, "normalise": "backbone"}),
        ("fast", {"crop": 64}, {"resize": 72, "padding": 0}),
        ("fast", {"resize": 72}, {"crop": 64}),
        ("paper", {}, {"features": "pmg", "progressive": False, "drops": 2}),
    ],
)
def test_a_recipe_gives_way_to_the_options(recipe: Recipe, options: dict, expected: dict) -> None:
    found = resolve({"dataset": "photos", "recipe": recipe, **options}, on_gpu=False, classes=4)
    assert {name: getattr(found, name) for name in expected} == expected


@pytest.mark.parametrize(
    "options",
    [
        {"freeze_backbone": True, "features": "pmg"},
        {"features": "plain", "progressive": True},
        {"validation": 0.0, "drops": 2},
    ],
)
def test_options_that_exclude_each_other_are_refused(options: dict) -> None:
    with pytest.raises(InputError, match="expected"):
        resolve({"dataset": "photos", "recipe": "paper", **options}, on_gpu=False, classes=4)


def test_a_loss_that_is_not_finite_names_what_may_be_the_reason() -> None:
    given = {"dataset": "photos", "weights": "w.pth", "lambda_tree": 1e20, "precision": "bf16"}
    assert divergence_advice(resolve(given, False, 3)) == (
        "perhaps --lambda-tree 1e+20 is too large, or --learning-rate 0.002 is too large, or "
        "--precision bf16 is too coarse, or --weights w.pth do not fit these images"
    )
    given = {"dataset": "beetles", "learning_rate": 1e30}
    assert (
        divergence_advice(resolve(given, False, 3)) == "perhaps --learning-rate 1e+30 is too large"
    )
