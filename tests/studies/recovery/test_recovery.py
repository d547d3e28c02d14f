"""The recovery study: keys, measures, intervals, verdicts, against computations by hand."""

from __future__ import annotations

import json
import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy import stats
from sklearn.metrics import f1_score

from irtheory.intersection.arrays import fit_arrays
from irtheory.intersection.methods import METHODS
from irtheory.intervals import SHARE
from irtheory.problems.worlds import draw_world
from irtheory.runs.files import InputError
from irtheory.studies.recovery.cell import (
    AttributeRecovery,
    Measured,
    read_cell,
    run_cell,
    write_cell,
)
from irtheory.studies.recovery.figures import LOOKS
from irtheory.studies.recovery.grid import Cell, Place, places
from irtheory.studies.recovery.settings import RecoverySettings, Sweep, read_sweep, widths
from irtheory.studies.recovery.table import (
    METRICS,
    by_observability,
    interval,
    sentence,
    summarise,
    verdicts,
)

TINY = RecoverySettings(
    regimes=("reused",), methods=("ira",), depth=2, attributes=4, samples=400, dim=8,
    hidden=(8,), epochs=30, seeds=1,
)  # fmt: skip


def first(settings: RecoverySettings) -> Cell:
    return places(settings)[0].cell


@pytest.fixture(scope="module")
def measured() -> Measured:
    return run_cell(first(TINY))


def best_f1(f: np.ndarray, codes: np.ndarray) -> float:
    """Best F1 of an attribute with any 1[v = j] or its complement, by scikit-learn."""
    columns = [codes[:, i] == j for i in range(codes.shape[1]) for j in (0, 1)]
    columns += [~column for column in columns]
    return max(float(f1_score(f, column)) for column in columns)


@pytest.mark.filterwarnings("ignore:.*codes are constant over")
def test_recovery_and_accuracies_equal_those_of_scikit_learn_and_counting(measured):
    cell = first(TINY)
    world = draw_world(cell.world, cell.seed)
    threads = torch.get_num_threads()
    fitted = fit_arrays(world.train.x, world.train.labels, world.n_classes, cell.method, cell.array)
    assert torch.get_num_threads() == threads
    codes, outputs = fitted.apply(world.test.x)
    own = codes[:, list(fitted.tree.used_features)]
    for each in measured.attributes:
        f = world.test.attributes[:, each.attribute]
        assert each.by_tree == pytest.approx(best_f1(f, own))
        assert each.by_codes == pytest.approx(best_f1(f, codes))
        assert each.observability == world.observability[each.attribute]
    assert [each.attribute for each in measured.attributes] == list(world.used)
    for part, whole in (("by_tree", "recovered_by_tree"), ("by_codes", "recovered_by_codes")):
        mean = np.mean([getattr(each, part) for each in measured.attributes])
        assert getattr(measured, whole) == pytest.approx(mean)
    by_t = fitted.tree.predict(codes).argmax(axis=1)
    y, by_g = world.test.labels, outputs.argmax(axis=1)
    found = (measured.accuracy_g, measured.accuracy_t, measured.agreement)
    assert found == (np.mean(by_g == y), np.mean(by_t == y), np.mean(by_g == by_t))
    used = world.test.attributes[:, list(world.used)]
    ones = np.ones(len(used), dtype=bool)
    constant = np.mean([f1_score(column, ones) for column in used.T])
    assert measured.constant_code == pytest.approx(constant)
    assert (measured.leaves, measured.kept) == (fitted.tree.n_leaves, codes.shape[1])


@pytest.mark.filterwarnings("ignore:.*codes are constant over")
def test_methods_are_scored_alike_whether_or_not_they_drop_constant_codes():
    cell = first(TINY)
    pruning = replace(cell, method=replace(cell.method, prune=True))
    keeping = replace(cell, method=replace(cell.method, prune=False))
    one, other = run_cell(pruning), run_cell(keeping)
    assert one.kept < other.kept == cell.array.dim
    names = [f"{a}_{b}_constant" for a in ("by_codes", "score") for b in ("without", "with")]
    assert [getattr(one, name) for name in names] == [getattr(other, name) for name in names]
    assert other.score == one.score_with_constant != one.score_without_constant == one.score


def test_moments_end_where_the_cell_ends(measured):
    assert [moment.epoch for moment in measured.moments] == list(range(1, 31))
    assert measured.moments[0].tree_loss is None and measured.moments[1].tree_loss is not None
    last = measured.moments[-1]
    assert last.accuracy_g == pytest.approx(measured.accuracy_g)
    assert last.recovered_by_codes >= last.recovered_by_tree > 0


def test_watching_the_epochs_changes_nothing_else(measured):
    unwatched = run_cell(replace(first(TINY), dynamics=False))
    assert replace(measured, moments=(), seconds=0.0) == replace(unwatched, seconds=0.0)


def test_the_same_key_gives_the_same_file_but_for_seconds(tmp_path, measured):
    contents = []
    for name, result in (("a", measured), ("b", run_cell(first(TINY)))):
        folder = tmp_path / name
        folder.mkdir()
        write_cell(folder, first(TINY), result)
        content = json.loads((folder / f"{first(TINY).key}.json").read_text())
        del content["measured"]["seconds"]
        contents.append(content)
    assert contents[0] == contents[1]


def test_a_cell_is_read_as_it_was_written_and_broken_files_are_not_read(tmp_path, measured):
    cell = first(TINY)
    assert read_cell(tmp_path, cell) is None
    write_cell(tmp_path, cell, measured)
    assert read_cell(tmp_path, cell) == measured
    path = tmp_path / f"{cell.key}.json"
    good = json.loads(path.read_text())
    for broken in (path.read_text()[:-40], "[]", json.dumps({**good, "cell": {}})):
        path.write_text(broken)
        assert read_cell(tmp_path, cell) is None


@pytest.mark.parametrize(
    "changed",
    [
        {"depth": 1}, {"attributes": 5}, {"sparsity": 3}, {"noise": 0.2}, {"samples": 201},
        {"mixing": "mlp"}, {"bits": 2}, {"dim": 5}, {"hidden": (9,)}, {"epochs": 3}, {"seed": 1},
        {"dropout": 0.2}, {"lambda_tree": 0.5}, {"lambda_sparsity": 0.5}, {"lambda_route": 0.5},
        {"regimes": ("distinct",)}, {"methods": ("paper",)},
    ],
)  # fmt: skip
def test_every_setting_is_part_of_the_key(changed):
    every_term = replace(TINY, methods=("paper+route",))
    assert first(replace(every_term, **changed)).key != first(every_term).key


def test_what_changes_nothing_shares_a_key(monkeypatch):
    titled = {name: replace(method, title=f"{name}!") for name, method in METHODS.items()}
    before = first(TINY).key
    monkeypatch.setattr("irtheory.studies.recovery.grid.METHODS", titled)
    assert first(TINY).key == before
    swept = replace(
        TINY, methods=("quantised", "route"), sweeps=(Sweep("lambda-route", (0.5, 2.0)),)
    )
    keys: dict[str, set[str]] = {}
    for place in places(swept):
        keys.setdefault(place.method, set()).add(place.cell.key)
    assert len(keys["quantised"]) == 1 and len(keys["route"]) == 2


def test_all_methods_of_a_world_come_together_and_watching_is_for_the_first_seed():
    regimes = ("every-path", "reused")
    study = places(replace(TINY, methods=("paper", "ira"), regimes=regimes, seeds=2))
    found = [(p.seed, p.regime, p.method) for p in study]
    worlds = [(s, r) for s in (0, 1) for r in regimes]
    assert found == [(*world, m) for world in worlds for m in ("paper", "ira")]
    assert [p.cell.dynamics for p in study] == [p.seed == 0 for p in study]


def test_weights_replace_only_what_a_method_has():
    asked = replace(
        TINY, methods=("quantised", "paper", "paper+route"), lambda_tree=7.0, lambda_route=3.0
    )
    weights = {p.method: p.cell.method.weights for p in places(asked)}
    assert (weights["quantised"].tree, weights["quantised"].route) == (0, 0)
    assert (weights["paper"].tree, weights["paper"].route) == (7.0, 0)
    assert (weights["paper+route"].tree, weights["paper+route"].route) == (7.0, 3.0)


def test_two_sweeps_cross():
    sweeps = (Sweep("samples", (150, 200)), Sweep("noise", (0.0, 0.3)))
    study = places(replace(TINY, sweeps=sweeps))
    found = [(p.cell.world.samples, p.cell.world.noise) for p in study]
    assert found == [(150, 0.0), (150, 0.3), (200, 0.0), (200, 0.3)]
    assert [dict(p.point) for p in study] == [{"samples": m, "noise": s} for m, s in found]


def test_an_interval_is_that_of_scipy():
    values = [0.2, 0.9, 0.4, 0.7]
    found = interval(values)
    low, high = stats.t.interval(0.95, 3, np.mean(values), stats.sem(values))
    assert (found.mean, found.sd, found.n) == (np.mean(values), np.std(values, ddof=1), 4)
    assert (found.low, found.high) == pytest.approx((low, high))
    alone = interval([0.5])
    assert alone.mean == 0.5 and math.isnan(alone.sd) and math.isnan(alone.low)
    with pytest.raises(ValueError, match="values"):
        interval([])


def made_up(measured: Measured, recovered: dict[str, list[float]], regime: str = "reused"):
    """Places of an invented study in which a method recovers so much with each seed."""
    cell = first(TINY)
    return [
        (Place(regime, method, (), seed, cell), replace(measured, recovered_by_tree=value))
        for method, values in recovered.items()
        for seed, value in enumerate(values)
    ]


def test_rows_hold_the_interval_of_every_metric(measured):
    found = made_up(measured, {"paper": [0.7, 0.9, 0.8], "ira": [1.0, 0.95, 0.99]})
    rows = summarise(found)
    assert [(row.regime, row.method) for row in rows] == [("reused", "paper"), ("reused", "ira")]
    assert set(rows[0].metrics) == set(METRICS)
    assert rows[0].metrics["recovered_by_tree"] == interval([0.7, 0.9, 0.8], SHARE)
    assert rows[1].metrics["leaves"].mean == measured.leaves


def test_a_lead_is_paired_by_seed(measured):
    worlds = np.array([0.2, 0.5, 0.8])
    values = {
        "ira": list(worlds + 0.11), "paper": list(worlds + np.array([0.01, 0.02, 0.0])),
        "route": list(worlds + np.array([0.3, -0.1, 0.0])),
    }  # fmt: skip
    (verdict,) = verdicts(made_up(measured, values))
    assert verdict.method == "ira"
    near, far = verdict.rivals
    assert (near.method, near.beaten, far.method, far.beaten) == ("route", False, "paper", True)
    test = stats.ttest_rel(values["ira"], values["paper"]).confidence_interval(0.95)
    assert (far.difference.low, far.difference.high) == pytest.approx((test.low, test.high))
    said = sentence(verdict)
    assert said.startswith("reused: ira recovers most, 0.610 [")
    assert "ahead of paper by 0.100 [" in said and said.endswith("not told apart from route.")


def test_one_seed_tells_nothing_apart(measured):
    (verdict,) = verdicts(made_up(measured, {"ira": [0.9], "paper": [0.8]}))
    assert not verdict.rivals[0].beaten
    assert sentence(verdict) == (
        "reused: ira recovers most, 0.900, paper is 0.100 behind (one seed)."
    )
    (alone,) = verdicts(made_up(measured, {"ira": [0.9]}))
    assert sentence(alone) == "reused: ira recovers most, 0.900."


def test_observability_pools_worlds_where_it_varies(measured):
    parts = [
        (AttributeRecovery(0, 0.5, 0.7, 0.8), AttributeRecovery(3, 1.0, 0.9, 1.0)),
        (AttributeRecovery(1, 0.51, 0.6, 0.9), AttributeRecovery(2, 0.25, 0.1, 0.2)),
    ]
    found = [
        (Place(regime, "ira", (), seed, first(TINY)), replace(measured, attributes=part))
        for regime in ("reused", "every-path")
        for seed, part in enumerate(parts)
    ]
    seen = by_observability(found)
    assert [each.observability for each in seen] == [0.25, 0.5, 1.0]
    assert seen[1].by_tree == interval([0.7, 0.6], SHARE)
    assert seen[1].by_codes == interval([0.8, 0.9], SHARE)


def test_every_method_has_a_look_of_its_own():
    assert set(LOOKS) == set(METHODS)
    assert len({look[:2] for look in LOOKS.values()}) == len(LOOKS)


def test_texts_of_options_are_read():
    assert read_sweep("lambda_route= 2,0.5") == Sweep("lambda-route", (0.5, 2.0))
    assert read_sweep("samples=500,100") == Sweep("samples", (100, 500))
    assert widths("64, 32") == (64, 32) and widths("0") == ()


@pytest.mark.parametrize(
    "text", ["noise", "noise=", "noise=a", "noise=1,1", "noise=nan", "dim=1.5"]
)
def test_sweeps_that_cannot_be_read_are_refused(text):
    with pytest.raises(InputError, match="--sweep"):
        read_sweep(text)
