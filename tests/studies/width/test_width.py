"""The width study: slopes, the pair that is trained, what is written, what is refused."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy.stats import linregress
from typer.testing import CliRunner

from cli import app
from irtheory.propositions.tangent import mlp
from irtheory.runs.files import read_columns
from irtheory.studies.simulate.linearise import make_network
from irtheory.studies.simulate.resolve import resolve
from irtheory.studies.simulate.settings import SimulateSettings
from irtheory.studies.simulate.setup import make_problem, shared
from irtheory.studies.width import command, follow
from irtheory.studies.width.follow import WidthRun, halves
from irtheory.studies.width.slopes import Slope, loglog_slope
from irtheory.studies.width.study import summarise
from irtheory.trees.exact.solver import fit_exact_tree

ASKED = SimulateSettings(
    setting="ntk", widths="8,16,32", samples=48, attributes=5, classes=3, depth=2, max_steps=20,
    threads=1,
)  # fmt: skip
STUDY = resolve(ASKED)
OPTIONS = ["--setting", "ntk", "--widths", "8,16,32", "--samples", "48", "--attributes", "5",
           "--classes", "3", "--depth", "2", "--max-steps", "20", "--threads", "1",
           "--seeds", "2"]  # fmt: skip


def invoke(*arguments: str):
    return CliRunner().invoke(app, ["simulate", *arguments])


def test_a_power_law_has_its_slope() -> None:
    rng = np.random.default_rng(0)
    widths, seeds = np.repeat([64, 128, 256, 512], 5), np.tile(np.arange(5), 4)
    level = rng.normal(size=5)[seeds]
    exact = loglog_slope("x", widths, seeds, np.exp(level) * widths**-0.5)
    assert exact.slope == pytest.approx(-0.5) and exact.high - exact.low < 1e-9
    noisy = np.exp(level + 0.1 * rng.normal(size=20)) * widths**-0.7
    found = loglog_slope("x", widths, seeds, noisy)
    assert found.low < -0.7 < found.high and found.n == 20
    # With one level for all it is ordinary least squares.
    one = loglog_slope("x", widths, np.zeros(20, int), noisy)
    peer = linregress(np.log(widths), np.log(noisy))
    assert one.slope == pytest.approx(peer.slope)
    assert one.high - one.slope == pytest.approx(2.1009 * peer.stderr, rel=1e-4)


def test_intervals_cover_as_often_as_they_say() -> None:
    rng = np.random.default_rng(1)
    widths, seeds = np.repeat([1, 2, 4], 3), np.tile(np.arange(3), 3)
    inside = 0
    for _ in range(400):
        noise = np.exp(0.3 * rng.normal(size=9) + rng.normal(size=3)[seeds])
        slope = loglog_slope("x", widths, seeds, noise * widths**-0.5)
        inside += slope.low < -0.5 < slope.high
    assert 0.92 <= inside / 400 <= 0.98


@pytest.mark.parametrize(
    ("low", "high", "verdict"),
    [
        (-1.2, -0.9, "faster than"),
        (-0.9, -0.7, "in keeping with"),
        (-0.2, 0.1, "slower than"),
        (-2.0, 1.0, "too uncertain to hold against"),
    ],
)
def test_how_an_interval_lies_to_the_expected_one(low, high, verdict: str) -> None:
    assert Slope("x", (low + high) / 2, low, high, 9).verdict == verdict


def test_slopes_without_an_interval_are_refused() -> None:
    with pytest.raises(ValueError, match="above 0"):
        loglog_slope("drift", [1, 2, 4], [0, 0, 0], [1.0, 0.0, 1.0])
    with pytest.raises(ValueError, match="more widths or seeds"):
        loglog_slope("drift", [1, 2], [0, 0], [1.0, 0.5])


def test_the_network_is_trained_as_torch_trains_it() -> None:
    run = follow.follow(STUDY, 8)
    sample = halves(STUDY)
    assert (len(sample.x), len(sample.held)) == (24, 24)
    net = make_network(STUDY, make_problem(STUDY), 8)
    x, y = torch.tensor(sample.x), torch.tensor(sample.labels)
    rows = [
        torch.autograd.grad(f, list(net.parameters()), retain_graph=True) for f in net(x).flatten()
    ]
    J = torch.stack([torch.cat([g.flatten() for g in row]) for row in rows]).numpy()
    beta = 4 * np.linalg.eigvalsh(J @ J.T)[-1] / 24
    descent = torch.optim.SGD(net.parameters(), lr=0.9 / beta)
    values, trees = [], []
    linear, apart = net(x).detach().numpy(), []
    for _ in range(20):
        f = net(x)
        fit = fit_exact_tree(sample.codes, f.detach().numpy(), 2)
        T = torch.tensor(fit.predictions)
        loss = ((f - y).square().sum() + (f - T).square().sum()) / 24
        values.append(loss.item())
        trees.append(fit.structure)
        apart.append(np.sqrt(np.mean((f.detach().numpy() - linear) ** 2)))
        pull = (2 * linear - sample.labels - fit.predictions) * (2 / 24)
        linear = linear - 0.9 / beta * (J @ (J.T @ pull.ravel())).reshape(linear.shape)
        descent.zero_grad()
        loss.backward()
        descent.step()
    np.testing.assert_allclose(run.column("value"), np.array(values) / values[0], rtol=1e-9)
    np.testing.assert_allclose(run.column("off_train"), apart, atol=1e-9)
    changes = np.cumsum([0] + [a != b for a, b in zip(trees[1:], trees, strict=False)])
    np.testing.assert_array_equal(run.column("tree_changes"), changes)


def test_a_model_linear_in_its_weights_is_its_own_linearisation(monkeypatch) -> None:
    monkeypatch.setattr(follow, "make_network", lambda *_: mlp(5, [], 3, seed=1))
    run = follow.follow(replace(STUDY, max_steps=200), 8)
    assert run.column("off_train").max() < 1e-12 and run.column("off_held").max() < 1e-12
    assert max(m.drift for m in run.looked_at) < 1e-12 and run.same_tree
    assert [m.t for m in run.looked_at] == [1, 2, 4, 8, 16, 32, 64, 128, 200]
    for moment in run.looked_at:
        assert moment.step_beta == pytest.approx(0.9)
        assert moment.gap == pytest.approx(moment.gap_linear, abs=1e-12)
    assert np.nanmax(run.column("violation")) < 1e-12
    assert (np.diff(run.column("value")) <= 1e-12).all()


def test_both_start_together_and_wider_networks_stay_closer() -> None:
    runs = [
        follow.follow(replace(STUDY, seed=seed, max_steps=64), width)
        for width in (16, 512)
        for seed in range(3)
    ]
    for run in runs:
        first = run.moments[0]
        assert (first.off_train, first.off_held, first.drift) == (0.0, 0.0, 0.0)
        assert first.value == 1.0 and first.gap == pytest.approx(first.gap_linear)
    narrow, wide = ([r.column("off_held").max() for r in runs[i : i + 3]] for i in (0, 3))
    assert max(wide) < min(narrow)
    study = summarise(runs)
    assert [row.width for row in study.rows] == [16, 512]
    assert all(slope.slope < -0.3 for slope in study.slopes)
    assert study.rows[0].measures["off_held"].mean == pytest.approx(np.mean(narrow))
    assert json.loads(json.dumps(study.content()))["holds"] == study.holds


def test_a_network_that_does_not_follow_breaks_the_claim() -> None:
    def stubborn(width: int, seed: int) -> WidthRun:
        moment = follow.Moment(1, 1.0, 1.0, 0.1 * (1 + seed), 0.1, np.nan, 0, 0.1, 0.9, 0.1, 0.1)
        return WidthRun(width, seed, 10, (moment,), True)

    study = summarise([stubborn(width, seed) for width in (64, 128) for seed in range(3)])
    assert not study.holds and all(not check.holds for check in study.checks)


def test_a_study_leaves_its_folder_and_exit_code(tmp_path) -> None:
    out = tmp_path / "run"
    done = invoke(*OPTIONS, "--out", str(out))
    assert done.exit_code in (0, 1), done.output
    assert "next: look at" in done.output.strip().splitlines()[-1]
    study = json.loads((out / "widths.json").read_text())
    assert done.exit_code == (0 if study["holds"] else 1)
    assert [row["width"] for row in study["widths"]] == [8, 16, 32] and len(study["slopes"]) == 3
    assert {"mean", "sd", "n"} == set(study["widths"][0]["measures"]["drift"])
    table = read_columns(out / "widths.csv")
    assert (
        table["width"].tolist() == [8, 8, 16, 16, 32, 32] and table["seed"].tolist() == [0, 1] * 3
    )
    curve = read_columns(out / "trajectories" / "width-00016-seed-0001.csv")
    assert curve["t"].tolist() == list(range(1, 21))
    assert curve["off_train"].max() == pytest.approx(table["off_train"][3])
    for name in ("widths", "equilibrium"):
        assert (out / f"{name}.png").stat().st_size > 10_000 and (out / f"{name}.svg").exists()
    again = invoke(*OPTIONS, "--out", str(out), "--overwrite", "--json")
    assert json.loads(again.output) == study


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--widths", "0,64"], "--widths: expected whole numbers ≥ 1 with commas, found '0,64'"),
        (["--widths", "64,wide"], "--widths"),
        (["--widths", "64,64"], "--widths: expected two different widths"),
        (["--widths", "-1,2"], "--widths"),
        (["--widths", "8,16", "--seeds", "1"], "--seeds 1: expected three widths"),
        (["--widths", "8,16", "--seeds", "0"], "--seeds"),
        (["--widths", "8,16", "--width", "64"], "--width 64: without effect"),
        (["--widths", "8,16", "--algorithm", "bcgd"], "--widths"),
        (["--widths", "8,16", "--order", "jacobi"], "--order: without effect"),
        (["--widths", "8,16", "--tree", "greedy"], "--tree"),
        (["--widths", "8,16", "--tol", "0.1"], "--tol"),
        (["--widths", "8,16", "--global"], "--global"),
        (["--widths", "8,16", "--jump"], "--jump"),
        (["--widths", "8,16", "--ridge", "1"], "--ridge"),
        (["--widths", "8,16", "--step-size", "2"], "--step-size 2"),
        (["--widths", "8,16", "--max-steps", "1"], "--max-steps 1: --widths needs 2"),
        (["--widths", "8,1000000000"], "--max-memory: a network of width 1000000000"),
        (["--widths", "8,16", "--samples", "1"], "holds out half of the samples"),
        (["--widths", "8,16", "--max-memory", "0.0000001"], "--max-memory"),
    ],
)
def test_studies_that_cannot_be_run_are_one_line(tmp_path, options, message: str) -> None:
    out = tmp_path / "run"
    done = invoke("--setting", "ntk", *options, "--out", str(out))
    assert done.exit_code == 2, done.output
    last = done.output.strip().splitlines()[-1]
    assert last.startswith("ira: ") and message in last
    assert not out.exists()
    elsewhere = invoke("--widths", "8,16", "--out", str(out))
    assert elsewhere.exit_code == 2 and "belongs to --setting ntk" in elsewhere.output


def test_an_interrupted_study_keeps_what_is_done(tmp_path, monkeypatch) -> None:
    def stops(settings, seeds, folder):
        yield follow.follow(settings, 8)
        raise KeyboardInterrupt

    monkeypatch.setattr(command, "_outcomes", stops)
    out = tmp_path / "run"
    done = invoke(*OPTIONS, "--out", str(out))
    assert done.exit_code == 130
    assert "widths.csv holds 1 of 6 networks" in done.output
    assert read_columns(out / "widths.csv")["width"].tolist() == [8]


def test_networks_that_fail_are_named_and_leave_the_others_alone(tmp_path, monkeypatch) -> None:
    def breaks(settings, width):
        if width == 16 and settings.seed == 1:
            raise ValueError("module: [broken]")
        return follow.follow(settings, width)

    monkeypatch.setattr(command, "follow", breaks)
    out = tmp_path / "run"
    done = invoke(*OPTIONS, "--out", str(out))
    assert done.exit_code == 1, done.output
    assert "width 16, seed 1: failed, module: [broken]" in done.output
    study = json.loads((out / "widths.json").read_text())
    assert study["failed"] == [{"width": 16, "seed": 1, "message": "module: [broken]"}]
    assert [row["measures"]["drift"]["n"] for row in study["widths"]] == [2, 1, 2]
    assert any("samples to train on" in note for note in study["notes"])


def test_a_study_in_which_every_network_fails_says_why(tmp_path, monkeypatch) -> None:
    def breaks(*_):
        raise RuntimeError("out of luck")

    monkeypatch.setattr(command, "follow", breaks)
    done = invoke(*OPTIONS, "--out", str(tmp_path / "run"))
    assert done.exit_code == 1 and done.output.count("failed, out of luck") == 6
    assert "no study of what is left" in done.output.splitlines()[-1]


def test_processes_share_the_memory() -> None:
    asked = replace(ASKED, threads=4, max_memory=2.0)

    def share(asked: SimulateSettings, runs: int) -> float:
        return shared(resolve(asked), runs).linearised.max_memory

    assert share(asked, 8) == 0.5 and share(asked, 2) == 1.0
    assert share(replace(asked, device="cuda"), 8) == 2.0
    assert shared(resolve(SimulateSettings()), 8).network is None


def test_images_in_a_study() -> None:
    asked = SimulateSettings(
        setting="ntk", network="cnn", widths="2,4", samples=24, classes=3, depth=1, max_steps=4,
        threads=1,
    )  # fmt: skip
    settings = resolve(asked)
    run = follow.follow(settings, 2)
    assert halves(settings).x.shape == (12, 1, 8, 8) and len(run.moments) == 4
    assert run.moments[-1].off_train > 0
