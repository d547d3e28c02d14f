"""The laboratory as a whole: what each setting's certificate says, and what breaks it."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from irtheory.propositions.certificates.certificates import promises
from irtheory.propositions.objectives import LogisticObjective
from irtheory.propositions.solvers import Step, Stopped, StopRule, alternate, run
from irtheory.studies.simulate.simulate import Result, SimulateSettings, simulate

SMALL = {"samples": 60, "attributes": 5, "depth": 2, "threads": 1, "reference": "closed-form"}
XOR = {"setting": "agreement", "samples": 16, "attributes": 2, "depth": 2, "threads": 1}
PARTS = ("assumptions", "promises")


def simulated(**settings) -> Result:
    return simulate(SimulateSettings(**{**SMALL, **settings}))


def broken(result: Result) -> set[str]:
    return {check.name for check in result.certificate.broken}


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"seed": 4, "step_size": 0.5},
        {"depth": 0},
        {"order": "jacobi"},
        {"algorithm": "bcgd"},
        {"ridge": 0.2},
        {"setting": "logistic", "classes": 3, "ridge": 0.1},
        {"setting": "agreement", "algorithm": "alternating"},
        {**XOR, "ridge": 0.3},
    ],
)
def test_every_assumption_and_promise_holds(settings: dict) -> None:
    result = simulated(**settings)
    assert result.certificate.holds and not broken(result)
    assert result.trajectory.stopped is Stopped.CONVERGED
    assert result.trajectory.step_size * result.beta == pytest.approx(result.settings.step_size)
    last = result.trajectory
    assert max(last["gap_theta"][-1], last["gap_omega"][-1]) <= 1e-9 * last.scale


@pytest.mark.parametrize("share", [0.5, 0.99, 1.0, 1.5, 2.2, 4.4])
def test_three_regimes_of_the_step_size(share: float) -> None:
    # Depth 0: beyond its mean the tree follows nothing, so 2/beta is the edge.
    result = simulated(depth=0, step_size=share, max_steps=3000)
    expected = Stopped.CONVERGED if share < 2 else Stopped.DIVERGED
    assert result.trajectory.stopped is expected
    names = broken(result)
    assert ("step size: mu*beta < 1" in names) == (share >= 1)
    assert ("Q never increases" in names) == (share > 2)
    assert "gap_theta tends to 0" in names if share > 2 else names <= {"step size: mu*beta < 1"}


def test_block_descent_diverges_far_beyond_two_over_beta() -> None:
    result = simulated(algorithm="bcgd", step_size=4.4, max_steps=3000)
    assert result.trajectory.stopped is Stopped.DIVERGED
    assert {"step size: mu*beta < 1", "Q never increases"} <= broken(result)


def test_a_greedy_tree_is_named_as_no_global_minimiser() -> None:
    result = simulate(
        SimulateSettings(seed=3, tree="greedy", depth=3, reference="closed-form", threads=1)
    )
    assert broken(result) == {"omega-step is a global minimiser"}
    exact = simulate(SimulateSettings(seed=3, depth=3, reference="closed-form", threads=1))
    assert result.trajectory["gap_omega"].max() > 1e-3 * result.trajectory.scale
    assert exact.trajectory["gap_omega"].max() < 1e-12 * exact.trajectory.scale
    assert exact.certificate.holds


def test_on_the_saddle_the_broken_promise_is_named() -> None:
    result = simulated(**XOR, start="saddle")
    assert result.trajectory.stopped is Stopped.STUCK and len(result.trajectory) == 1
    assert broken(result) == {"the limit is a local minimum"}
    assert result.saddle is not None and result.saddle.value == pytest.approx(2.0)
    assert result.saddle.smallest < -0.1


def test_beside_the_saddle_the_run_escapes_to_a_local_minimum() -> None:
    result = simulated(**XOR, start="saddle", offset=1e-3)
    assert result.certificate.holds and result.trajectory.stopped is Stopped.CONVERGED
    assert result.saddle is not None
    assert result.trajectory["value"][0] == pytest.approx(result.saddle.value, abs=1e-5)
    assert result.trajectory["value"][-1] < 0.9 * result.saddle.value


def test_a_random_start_comes_with_an_escape_run() -> None:
    result = simulated(**XOR)
    names = [check.name for check in result.certificate.promises]
    assert "a start beside the saddle escapes" in names and result.certificate.holds
    assert result.escape is not None and result.escape.stopped is Stopped.CONVERGED
    assert result.escape["value"][0] == pytest.approx(2.0)
    assert any("left it after" in note for note in result.certificate.notes)


def test_few_steps_break_the_limits_only() -> None:
    result = simulated(max_steps=5)
    assert result.trajectory.stopped is Stopped.MAX_STEPS
    assert broken(result) == {"gap_theta tends to 0", "the three limits agree"}
    assert result.certificate.stopped == Stopped.MAX_STEPS.value


@pytest.mark.parametrize("settings", [{}, {"algorithm": "bcgd"}, {"order": "jacobi"}])
def test_the_certificate_as_json(settings: dict) -> None:
    settings = {**SMALL, "samples": 40, "reference": "cvxpy", **settings}
    result = simulate(SimulateSettings(**settings))
    found = json.loads(result.certificate.to_json())
    assert {"proposition", "setting", "algorithm", "order", "stopped", "holds"} <= set(found)
    assert found["proposition"] == (2 if "algorithm" in settings else 1)
    for part in PARTS:
        assert len(found[part]) >= 3
        for check in found[part]:
            assert set(check) == {"name", "holds", "value", "tolerance", "how"}
            assert check["value"] is not None and check["how"]
    assert found["holds"] == all(c["holds"] for part in PARTS for c in found[part])
    assert "optima agree with cvxpy" in [check["name"] for check in found["promises"]]
    keys = {
        "t", "value", "gradient_norm", "min_theta", "min_theta_cvxpy", "min_omega", "gap_theta",
        "gap_omega",
    }  # fmt: skip
    points = found["checkpoints"]
    assert len(points) >= 5 and points[-1]["t"] == len(result.trajectory) == found["steps"]
    for point in points:
        assert keys <= set(point) and all(point[key] is not None for key in keys)
        assert point["min_theta_cvxpy"] == pytest.approx(point["min_theta"], abs=1e-7)


def test_one_seed_gives_one_result() -> None:
    one, two, other = simulated(seed=1), simulated(seed=1), simulated(seed=2)
    assert one.certificate == two.certificate and one.certificate != other.certificate
    for name, column in one.trajectory.columns.items():
        np.testing.assert_array_equal(column, two.trajectory[name])
    assert one.tree == two.tree


def test_every_step_is_observed_as_it_happens() -> None:
    seen: list[Step] = []
    result = simulate(SimulateSettings(**SMALL), seen.append)
    assert [step.value for step in seen] == result.trajectory["value"].tolist()


def test_an_interrupt_is_passed_on() -> None:
    def interrupt(step: Step) -> None:
        if step.t == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        simulate(SimulateSettings(**SMALL), interrupt)


@pytest.mark.parametrize("settings", [{}, {"algorithm": "bcgd"}, {"order": "jacobi"}])
def test_the_tree_returned_says_what_the_run_ended_with(settings: dict) -> None:
    result = simulated(**settings)
    outputs = result.tree.predict(result.problem.codes)
    np.testing.assert_allclose(outputs, result.trajectory.final.tree_outputs, atol=1e-9)


def test_the_equilibrium_is_held_against_the_global_minimum() -> None:
    result = simulated(joint=True, attributes=4, depth=1)
    assert result.joint is not None and result.joint.trees == 5
    end = result.trajectory["value"][-1]
    # This equilibrium is one where the first best tree is kept for good.
    assert result.joint.value < end - 1e-3
    assert f"{result.joint.value:.9g}" in result.certificate.notes[-1]


def test_a_table_with_dependent_columns_is_reduced_and_certified(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    rows = "".join(f"{i % 2},{i % 2},{i % 3},{'pq'[i % 5 > 2]}\n" for i in range(30))
    path.write_text("a,b,c,y\n" + rows)
    result = simulated(data=str(path), label="y", samples=None, attributes=None)
    assert result.certificate.holds
    assert any("4 columns of rank 3" in note for note in result.certificate.notes)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"step_size": 0.0}, "--step-size"),
        ({"step_size": float("inf")}, "--step-size"),
        ({"tolerance": 0.0}, "--tol"),
        ({"max_steps": 0}, "--max-steps"),
        ({"depth": -1}, "--depth"),
        ({"algorithm": "bcgd", "order": "jacobi"}, "--order and --tree"),
        ({"algorithm": "bcgd", "tree": "greedy"}, "--order and --tree"),
        ({"setting": "logistic", "start": "saddle"}, "--start saddle belongs to"),
        ({"algorithm": "bcgd", "start": "saddle"}, "no strict saddle"),
        ({"setting": "logistic", "algorithm": "bcgd"}, "--algorithm bcgd"),
        ({"setting": "agreement", "joint": True}, "--global"),
        ({"attributes": 16, "depth": 3, "joint": True}, "--global"),
        ({"label": "y"}, "--label needs --data"),
        ({"data": "t.csv", "label": "y"}, "--samples 60: without effect"),
        ({"data": "t.csv", "label": "y", "samples": None, "attributes": None}, r"t\.csv"),
    ],
)
def test_settings_that_cannot_be_used_are_named(settings: dict, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        simulated(**settings)


def test_a_minimum_that_is_not_attained_is_nan_and_not_a_crash() -> None:
    features = np.ones((8, 1))
    objective = LogisticObjective(features, np.eye(2)[np.zeros(8, int)], ridge=0.0)
    steps = alternate(objective, np.arange(8)[:, None], np.array([[1.0, 0.0]]), 0.5)
    trajectory = run(steps, StopRule(max_steps=4), 0.5)
    assert np.isnan(trajectory["min_theta"]).all()
    assert np.isfinite(trajectory["value"]).all()
    promised = {c.name: c.holds for c in promises(trajectory, 1.0, 1e-9, True, True)}
    for name in ("gap_theta tends to 0", "the three limits agree", "rate bound"):
        assert not promised[name]
    assert promised["Q never increases"] and promised["gap_omega is 0"]


def test_without_a_ridge_the_logistic_setting_names_what_is_missing() -> None:
    result = simulated(setting="logistic", ridge=0.0, max_steps=20)
    assert {"label loss coercive", "minimisers over theta bounded"} <= broken(result)


@pytest.mark.parametrize("share", [1e10, 1e100, 1e300])
@pytest.mark.parametrize("setting", ["convex", "logistic", "agreement"])
def test_absurd_steps_diverge_and_are_certified_as_such(setting: str, share: float) -> None:
    result = simulated(setting=setting, step_size=share, max_steps=50)
    assert "step size: mu*beta < 1" in broken(result)
    assert result.trajectory.stopped in (Stopped.DIVERGED, Stopped.MAX_STEPS)


def test_the_tree_of_the_result_is_the_tree_of_the_run() -> None:
    for settings in ({"tree": "greedy"}, {"setting": "logistic"}, {"setting": "agreement"}):
        result = simulated(**settings, algorithm="alternating", max_steps=5)
        codes = result.problem.codes
        outputs = result.trajectory.final.tree_outputs
        np.testing.assert_allclose(result.tree.predict(codes), outputs, rtol=0, atol=1e-12)
