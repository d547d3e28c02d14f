"""Settings with their defaults, and what config.yaml says of them."""

from __future__ import annotations

from dataclasses import fields, replace

import pytest

from irtheory.runs.files import InputError
from irtheory.studies.simulate.resolve import (
    Digits,
    ExclusiveOr,
    KeyLabels,
    Linearised,
    Table,
    content,
    resolve,
)
from irtheory.studies.simulate.settings import SimulateSettings
from irtheory.studies.simulate.setup import shared

CONVEX = {
    "setting": "convex", "algorithm": "alternating", "order": "gauss-seidel", "tree": "exact",
    "depth": 3, "min_samples_leaf": 1, "samples": 240, "attributes": 12, "classes": 4,
    "noise": 0.1, "data": None, "label": None, "bins": None, "ridge": 0.0, "step_size": 0.9,
    "tolerance": 1e-09, "max_steps": 100000, "start": "random", "offset": 0.0,
    "reference": "cvxpy", "joint": False, "jump": False, "network": None, "width": None,
    "layers": None, "activation": None, "parametrisation": None, "max_memory": None,
    "device": None, "widths": None, "seed": 0, "threads": None,
}  # fmt: skip
AGREEMENT = {"setting": "agreement", "algorithm": "bcgd", "depth": 2, "samples": 240,
             "attributes": 4, "classes": None, "noise": None, "ridge": 0.1}  # fmt: skip
OWN_TABLE = {"setting": "logistic", "samples": None, "attributes": None, "classes": None,
             "noise": None, "data": "wine.csv", "label": "kind", "bins": 8, "ridge": 0.5,
             "max_steps": 100000, "delimiter": None, "decimal": None, "encoding": None,
             "na": None, "drop": [], "index": None, "text": []}  # fmt: skip
NTK = {"setting": "ntk", "network": "mlp", "width": 512, "layers": 2, "activation": "relu",
       "parametrisation": "ntk", "max_memory": 4.0, "device": "cpu"}  # fmt: skip
CNN = {**NTK, "attributes": None, "noise": None, "network": "cnn", "width": 32}
STUDY = {**NTK, "samples": 192, "max_steps": 512, "width": None, "widths": "128, 64"}
CNN_STUDY = {**CNN, **STUDY, "network": "cnn"}


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        ({}, {}),
        ({"setting": "agreement"}, AGREEMENT),
        ({"setting": "logistic", "data": "wine.csv", "label": "kind", "ridge": 0.5}, OWN_TABLE),
        ({"setting": "ntk"}, NTK),
        ({"setting": "ntk", "network": "cnn"}, CNN),
        ({"setting": "ntk", "widths": "128, 64"}, STUDY),
        ({"setting": "ntk", "widths": "128, 64", "network": "cnn"}, CNN_STUDY),
        ({"jump": True}, {"jump": True, "max_steps": 1000000000000}),
        ({"tree": "cart", "depth": 0}, {"tree": "cart", "depth": 0}),
        ({"tree": "greedy"}, {"tree": "greedy"}),
    ],
)  # fmt: skip
def test_config_names_every_option_with_its_value(asked: dict, expected: dict) -> None:
    found = content(resolve(SimulateSettings(**asked)))
    assert found == {**CONVEX, **expected}
    names = [field.name for field in fields(SimulateSettings) if field.name != "reading"]
    assert list(found)[: len(names)] == list(CONVEX) == names


def test_the_jobs_of_a_run_say_what_they_change() -> None:
    asked = SimulateSettings(setting="ntk", threads=4, max_memory=2.0)
    job = replace(shared(resolve(asked), 8), threads=1, seed=5)
    found = content(job)
    assert found == {**CONVEX, **NTK, "max_memory": 0.5, "threads": 1, "seed": 5}


def test_each_kind_of_problem_has_the_settings_that_it_needs() -> None:
    def problem(**asked):
        return resolve(SimulateSettings(**asked)).problem

    assert problem(samples=9, noise=0.0) == KeyLabels(9, 12, 4, 0.0)
    assert problem(setting="agreement", attributes=3) == ExclusiveOr(240, 3)
    assert problem(data="a.csv", label="y", bins=5) == Table("a.csv", "y", 5)
    assert problem(setting="ntk", network="cnn", classes=7) == Digits(240, 7)


def test_only_linearised_networks_have_a_network() -> None:
    network = Linearised("cnn", 32, 3, "relu", "ntk", 4.0, "cpu")
    assert resolve(SimulateSettings(setting="ntk", network="cnn", layers=3)).network == network
    convex = resolve(SimulateSettings())
    assert convex.network is None
    with pytest.raises(ValueError, match="setting: expected ntk, found convex"):
        _ = convex.linearised


def test_widths_are_ascending_and_the_network_has_the_widest() -> None:
    study = resolve(SimulateSettings(setting="ntk", widths="128,8,64,8"))
    assert study.widths == (8, 64, 128) and study.linearised.width == 128
    assert resolve(SimulateSettings(setting="ntk")).widths == ()


def test_cart_is_an_older_name_of_greedy() -> None:
    older, newer = (resolve(SimulateSettings(tree=tree)) for tree in ("cart", "greedy"))
    assert older.tree == newer.tree == "greedy"
    assert replace(older, asked=newer.asked) == newer


def test_a_table_needs_its_column_of_classes() -> None:
    with pytest.raises(InputError, match="--data needs --label COLUMN"):
        resolve(SimulateSettings(data="wine.csv"))
