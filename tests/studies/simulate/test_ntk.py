"""`ira simulate --setting ntk`: certificates, regimes, images, tables, and what is refused."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from sklearn.datasets import load_digits
from torch import nn
from typer.testing import CliRunner

from cli import app
from irtheory.problems.digits import digits_problem
from irtheory.propositions.objectives import LinearisedObjective
from irtheory.propositions.solvers import Stopped
from irtheory.propositions.tangent import admissible, empirical_kernel, network_outputs
from irtheory.runs.files import InputError
from irtheory.studies.simulate import command, linearise, proposition1
from irtheory.studies.simulate.linearise import make_network, network_inputs
from irtheory.studies.simulate.resolve import resolve
from irtheory.studies.simulate.settings import SimulateSettings
from irtheory.studies.simulate.setup import make_problem, prepare
from irtheory.studies.simulate.simulate import Result, simulate
from irtheory.studies.width import command as width_command

SMALL = SimulateSettings(
    setting="ntk", samples=40, attributes=5, classes=3, depth=2, width=48, threads=1,
    reference="closed-form",
)  # fmt: skip
TABLE = Path(__file__).resolve().parents[3] / "docs" / "animals.csv"
DRAWN = ("samples", "attributes", "classes")
OPTIONS = ["--setting", "ntk", "--samples", "40", "--attributes", "5", "--classes", "3",
           "--depth", "2", "--width", "48", "--threads", "1"]  # fmt: skip


def simulated(**changes) -> Result:
    return simulate(replace(SMALL, **changes))


def invoke(*arguments: str):
    return CliRunner().invoke(app, ["simulate", *arguments])


def broken(result: Result) -> set[str]:
    return {check.name for check in result.certificate.broken}


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"jump": True},
        {"algorithm": "bcgd"},
        {"order": "jacobi"},
        {"ridge": 0.05},
        {"ridge": 0.05, "algorithm": "bcgd"},
        {"depth": 0},
        {"layers": 1, "activation": "gelu", "parametrisation": "standard", "jump": True},
        {"layers": 3, "activation": "tanh", "jump": True},
        {
            "data": str(TABLE),
            "label": "type",
            "samples": None,
            "attributes": None,
            "classes": None,
            "jump": True,
        },
    ],
)
def test_every_assumption_and_promise_holds(changes: dict) -> None:
    result = simulated(**changes)
    assert not broken(result) and result.certificate.setting == "ntk"
    assert result.trajectory.stopped is Stopped.CONVERGED
    assert result.trajectory.step_size * result.beta == pytest.approx(0.9)


def test_cvxpy_agrees_in_the_reduced_coordinates() -> None:
    for algorithm in ("alternating", "bcgd"):
        result = simulated(algorithm=algorithm, reference="cvxpy", samples=20)
        assert "optima agree with cvxpy" in {c.name for c in result.certificate.promises}
        assert result.certificate.holds


@pytest.mark.parametrize("share", [0.5, 0.99, 1.5, 4.4])
def test_three_regimes_of_the_step_size(share: float) -> None:
    # The tree of depth 0 is the mean, which takes half of the curvature along it away.
    result = simulated(depth=0, step_size=share, max_steps=20_000)
    expected = Stopped.CONVERGED if share < 2 else Stopped.DIVERGED
    assert result.trajectory.stopped is expected
    assert ("step size: mu*beta < 1" in broken(result)) == (share >= 1)
    assert ("Q never increases" in broken(result)) == (share > 2)


def test_the_report_states_coordinates_rank_and_changes_of_the_tree() -> None:
    for jump in (False, True):
        result = simulated(jump=jump)
        coercive = next(
            c for c in result.certificate.assumptions if c.name == "label loss coercive"
        )
        settings = resolve(SMALL)
        _, objective, _ = prepare(settings)
        assert isinstance(objective, LinearisedObjective)
        assert f"row space of J, of rank {objective.rank}" in coercive.how
        assert coercive.value == pytest.approx(2 * objective.eigenvalues[0] / 40)
        notes = " ".join(result.certificate.notes)
        changes = int(result.trajectory["tree_changes"][-1])
        assert f"numerical rank {objective.rank} of 120" in notes
        assert f"the tree changed {changes} times, last at step" in notes
        assert "it is also the best one where its closed form ends" in notes
        assert "48 → 48" in notes and ("by leaps" in notes) == jump
        assert result.certificate.steps == result.trajectory["t"][-1]


def test_rank_and_minimum_are_those_of_the_jacobian_itself() -> None:
    problem = make_problem(resolve(SMALL))
    x = network_inputs(problem)
    net = admissible(make_network(resolve(SMALL), problem, 48), x)
    result = simulated()
    distinct = len(np.unique(problem.codes, axis=0))
    _, objective, _ = prepare(resolve(SMALL))
    assert isinstance(objective, LinearisedObjective)
    assert objective.rank == 3 * distinct < 120
    # At the limit G fits (y + T)/2 as far as samples that are alike allow.
    T, f0 = result.trajectory.final.tree_outputs, network_outputs(net, x)
    aim = ((problem.one_hot + T) / 2 - f0).ravel()
    kernel = empirical_kernel(net, x, method="jacobians")
    fit = kernel @ np.linalg.lstsq(kernel, aim, rcond=1e-10)[0]
    G = objective.outputs(result.trajectory.final.theta)
    assert np.abs(G.ravel() - f0.ravel() - fit).max() < 1e-3


def test_images_of_digits_go_through_convolutions() -> None:
    images = {"network": "cnn", "samples": 30, "attributes": None, "classes": 3, "width": 3}
    result = simulated(**images, jump=True)
    assert result.certificate.holds
    notes = " ".join(result.certificate.notes)
    assert "convolutions 1×8×8 → 3 → 3 → 3" in notes
    assert all("dark pixel" in name for name in result.problem.feature_names)


def test_digits_are_the_collection_balanced_and_dark_where_they_are_dark() -> None:
    problem = digits_problem(samples=31, classes=4, seed=3)
    assert np.bincount(problem.classes).tolist() in ([8, 8, 8, 7], [7, 8, 8, 8])
    images, digit = load_digits(return_X_y=True)
    assert problem.inputs is not None and problem.inputs.shape == (31, 1, 8, 8)
    names = [f"dark pixel row {i // 8} column {i % 8}" for i in range(64)]
    kept = [names.index(name) for name in problem.feature_names]
    for picture, codes, c in zip(problem.inputs, problem.codes, problem.classes, strict=True):
        flat = (picture.ravel() + 1) * 8
        found = np.flatnonzero((images == flat).all(axis=1))
        assert len(found) and digit[found[0]] == c
        np.testing.assert_array_equal(codes, flat[kept] >= 8)
    assert (np.ptp(problem.codes, axis=0) == 1).all()
    again, other = digits_problem(31, 4, 3), digits_problem(31, 4, 4)
    np.testing.assert_array_equal(problem.codes, again.codes)
    assert problem.codes.shape != other.codes.shape or (problem.codes != other.codes).any()


@pytest.mark.parametrize(
    ("sizes", "message"),
    [((30, 1), "classes"), ((30, 11), "classes"), ((2, 4), "samples"), ((5000, 4), "at most")],
)
def test_digits_that_are_not_there_are_refused(sizes, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        digits_problem(*sizes)


def test_the_global_minimum_is_no_higher_than_the_equilibrium() -> None:
    small = {"samples": 16, "attributes": 3, "classes": 2}
    result = simulated(**small, depth=1, width=16, joint=True, jump=True)
    assert result.joint is not None
    assert result.joint.value <= result.trajectory["value"][-1] + 1e-8
    assert any("global minimum" in note for note in result.certificate.notes)


def test_one_seed_is_one_run_and_widths_differ() -> None:
    one, two = simulated(jump=True), simulated(jump=True)
    assert one.certificate == two.certificate
    values = {simulated(jump=True, **change).trajectory["value"][0]
              for change in ({}, {"seed": 1}, {"width": 49}, {"activation": "tanh"})}  # fmt: skip
    assert len(values) == 4


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--width", "64"], "--width 64: belongs to --setting ntk"),
        (["--network", "cnn"], "--network cnn: belongs"),
        (["--max-memory", "1"], "--max-memory 1.0: belongs"),
        (["--setting", "ntk", "--width", "0"], "--width: expected at least 1, found 0"),
        (["--setting", "ntk", "--layers", "0"], "--layers"),
        (["--setting", "ntk", "--max-memory", "0"], "--max-memory: expected a number above 0"),
        (["--setting", "ntk", "--max-memory", "0.001"], "--max-memory: --samples 240"),
        (["--setting", "ntk", "--device", "abacus"], "--device: expected cpu, cuda or cuda:N"),
        (["--setting", "ntk", "--device", "cuda:77"], "--device: expected one of torch's"),
        (["--setting", "ntk", "--samples", "100000000"], "--max-memory: --samples 100000000"),
        (["--setting", "ntk", "--width", "1000000"], "--max-memory: a network of width 1000000"),
        (["--jump", "--setting", "agreement"], "--jump: the closed form is of squared loss"),
        (["--setting", "ntk", "--start", "saddle"], "the ntk setting is convex"),
        (["--setting", "ntk", "--network", "cnn", "--layers", "4"], "--layers: expected at most 3"),
        (["--setting", "ntk", "--network", "cnn", "--noise", "0.1"], "--noise 0.1: without effect"),
        (["--setting", "ntk", "--network", "cnn", "--data", str(TABLE)], "--network cnn"),
        (["--setting", "ntk", "--network", "cnn", "--samples", "900"], "at most"),
        (["--jump", "--order", "jacobi"], "--jump: the closed form is of"),
        (["--jump", "--tree", "greedy"], "--jump"),
        (["--jump", "--tree", "cart"], "--jump"),
        (["--jump", "--algorithm", "bcgd"], "--jump"),
        (["--jump", "--setting", "logistic"], "--jump: the closed form is of squared loss"),
        (["--jump", "--step-size", "2"], "--step-size 2: --jump needs less than 2"),
        (["--setting", "ntk", "--global"], "--global is for small cases"),
    ],
)
def test_what_cannot_be_run_is_one_line(tmp_path, options: list[str], message: str) -> None:
    out = tmp_path / "run"
    done = invoke(*options, "--out", str(out))
    assert done.exit_code == 2, done.output
    last = done.output.strip().splitlines()[-1]
    assert last.startswith("ira: ") and message in last
    assert not out.exists()


def test_the_plan_of_the_kernel_is_told_before_anything_is_written(tmp_path) -> None:
    out = tmp_path / "run"
    done = invoke(*OPTIONS, "--reference", "closed-form", "--jump", "--out", str(out))
    assert done.exit_code == 0, done.output
    assert done.output.startswith("kernel: 120 × 120 (40 samples, 3 outputs, 2,787 parameters)")
    assert "MiB of 4,096 allowed" in done.output
    certificate = json.loads((out / "certificate.json").read_text())
    assert certificate["holds"] and certificate["setting"] == "ntk"
    assert {"values.png", "gaps.svg", "key.txt", "trajectory.csv"} <= {
        p.name for p in out.iterdir()
    }
    said = invoke(*OPTIONS, "--reference", "closed-form", "--jump", "--json", "--out", str(out),
                  "--overwrite")  # fmt: skip
    assert json.loads(said.output) == certificate


def test_a_used_folder_is_refused_before_any_work(tmp_path, monkeypatch) -> None:
    (tmp_path / "notes.txt").write_text("mine")

    def never(*_):
        raise AssertionError("worked before it looked at the folder")

    monkeypatch.setattr(command, "prepare", never)
    monkeypatch.setattr(width_command, "plan_study", never)
    for options in ([], ["--widths", "8,16"]):
        done = invoke("--setting", "ntk", *options, "--out", str(tmp_path))
        assert done.exit_code == 2 and "not empty" in done.output


def test_when_the_steps_run_out_leaps_are_pointed_out() -> None:
    result = simulated(max_steps=5)
    assert any("--jump goes on in closed form" in note for note in result.certificate.notes)
    assert not any("--jump" in note for note in simulated(jump=True).certificate.notes)


def test_a_kernel_that_takes_long_says_how_far_it_is(monkeypatch) -> None:
    images = {"network": "cnn", "attributes": None, "samples": 40, "width": 8, "max_memory": 0.003}
    settings, said = resolve(replace(SMALL, **images)), []
    monkeypatch.setattr(linearise, "TELL_EVERY", 0.0)
    prepare(settings, said.append)
    assert said[0].startswith("kernel: 120 × 120") and "blocks of 40" not in said[0]
    assert said[1].startswith("kernel: 1 of ") and len(said) > 2
    done, blocks = said[-1].split()[1:4:2]
    assert done == blocks
    monkeypatch.setattr(linearise, "TELL_EVERY", 60.0)
    said.clear()
    prepare(settings, said.append)
    assert len(said) == 1


def test_several_seeds_by_leaps(tmp_path) -> None:
    out = tmp_path / "run"
    done = invoke(*OPTIONS, "--reference", "closed-form", "--jump", "--seeds", "2",
                  "--out", str(out))  # fmt: skip
    assert done.exit_code == 0, done.output
    seeds = json.loads((out / "seeds.json").read_text())
    assert len({entry["final"] for entry in seeds}) == 2 and (out / "bands.png").exists()


def test_a_module_that_draws_is_refused(monkeypatch) -> None:
    dropping = nn.Sequential(nn.Linear(5, 4), nn.Dropout(0.5), nn.Linear(4, 3))
    monkeypatch.setattr(linearise, "make_network", lambda *_: dropping)
    with pytest.raises(ValueError, match="Dropout at '1' is in train mode"):
        simulated()


def test_the_budget_is_that_of_the_network_which_is_made() -> None:
    with pytest.raises(InputError, match=r"a network of width 20000 need about 11\.9"):
        linearise.check_budget(resolve(replace(SMALL, layers=2)), 20_000)
    linearise.check_budget(resolve(replace(SMALL, layers=1)), 20_000)


def test_a_tree_that_another_will_beat_is_not_called_frozen(monkeypatch) -> None:
    start = SimpleNamespace(limit=np.zeros(prepare(resolve(SMALL))[1].theta_shape))
    monkeypatch.setattr(proposition1, "settling", lambda *_: start)
    result = simulated()
    # At θ0 itself another tree is best: it has changed since.
    assert result.trajectory["tree_changes"][-1] > 0
    assert any("the tree is not frozen" in note for note in result.certificate.notes)
