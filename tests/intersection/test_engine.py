from __future__ import annotations

import io
import math
from contextlib import nullcontext
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from irtheory.intersection.arrays import in_order, shuffled
from irtheory.intersection.engine import Intersection
from irtheory.intersection.layers import Head, representation
from irtheory.intersection.losses import label_loss, route_loss, sparsity_loss, tree_loss
from irtheory.intersection.network import Collected, Network, collect
from irtheory.intersection.quantize import UniformQuantizer
from irtheory.intersection.step import TERMS
from irtheory.intersection.weights import Weights
from irtheory.trees.exact.greedy import fit_greedy_tree
from irtheory.trees.tree import Tree

M, P, D, K = 96, 6, 5, 3


def grow(seen: Collected, previous: Tree | None) -> Tree:
    return fit_greedy_tree(seen.codes.numpy(), seen.outputs.numpy().astype(float), 2)


def data(m: int = M, seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    x = torch.rand(m, P, generator=generator)
    return 4 * x - 2, (x[:, 0] > 0.5).long() + (x[:, 1] > 0.6).long()


def engine(weights: Weights | None = None, seed: int = 0, dropout: float = 0.0, **more):
    torch.manual_seed(seed)
    network = Network(
        representation(P, (8,), D, "sigmoid", dropout),
        UniformQuantizer(1, range="unit"),
        Head(D, K, 2, 8),
    )
    optimisers = (
        torch.optim.SGD(network.represent.parameters(), 0.5, momentum=0.9),
        torch.optim.Adam(network.classify.parameters(), 0.01),
    )
    schedulers = [torch.optim.lr_scheduler.CosineAnnealingLR(o, 100) for o in optimisers]
    more = {"schedulers": schedulers, **more}
    return Intersection(network, weights or Weights(route=0.5), grow, *optimisers, **more)


def test_losses_equal_their_formulas() -> None:
    rng = np.random.default_rng(0)
    logits, leaf = rng.normal(size=(7, K)), rng.dirichlet(np.ones(K), 7)
    y = rng.integers(0, K, 7)
    log_u = logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))
    assert label_loss(torch.tensor(logits), torch.tensor(y)).item() == pytest.approx(
        -log_u[np.arange(7), y].mean()
    )
    smoothed = 0.9 * np.eye(K)[y] + 0.1 / K
    assert label_loss(torch.tensor(logits), torch.tensor(y), 0.1).item() == pytest.approx(
        -(smoothed * log_u).sum(axis=1).mean()
    )
    assert tree_loss(torch.tensor(logits), torch.tensor(leaf)).item() == pytest.approx(
        -(leaf * log_u).sum(axis=1).mean()
    )
    codes = rng.integers(0, 4, (7, D))
    assert sparsity_loss(torch.tensor(codes, dtype=torch.float64)).item() == pytest.approx(
        np.abs(codes).sum() / 7
    )
    smooth = 0.99 * leaf[np.arange(7), y] + 0.01 / K
    assert route_loss(torch.tensor(leaf), torch.tensor(y)).item() == pytest.approx(
        -np.log(smooth).mean()
    )


def algorithm_1_by_hand(weights: Weights, epochs: int) -> tuple[dict[str, torch.Tensor], Tree]:
    """The pseudo-code with plain gradient descent and two separate forward passes a batch."""
    torch.manual_seed(3)
    net = Network(
        representation(P, (8,), D, "sigmoid"), UniformQuantizer(1, range="unit"), Head(D, K, 2, 8)
    )
    x, y = data()
    tree = None
    for epoch in range(1, epochs + 1):
        kept = []
        for bx, by in shuffled(x, y, 32, 0)(epoch):
            for part in (net.classify, net.represent):
                codes = net.quantize(net.represent(bx))
                log_u = torch.log_softmax(net.classify(codes), dim=1)
                loss = -weights.label * log_u[torch.arange(len(by)), by].mean()
                if tree is not None:
                    v = torch.tensor(tree.predict(codes.detach().numpy()), dtype=torch.float32)
                    loss = loss - weights.tree * (v * log_u).sum(dim=1).mean()
                if part is net.represent:
                    loss = loss + weights.sparsity * codes.sum() / len(by)
                    kept.append((codes.detach(), log_u.detach().exp()))
                parameters = list(part.parameters())
                gradients = torch.autograd.grad(loss, parameters)
                with torch.no_grad():
                    for p, g in zip(parameters, gradients, strict=True):
                        p -= 0.1 * g
        codes, outputs = (torch.cat(part).numpy() for part in zip(*kept, strict=True))
        tree = fit_greedy_tree(codes.astype(int), outputs.astype(float), 2)
    assert tree is not None
    return dict(net.named_parameters()), tree


def test_it_is_algorithm_1_as_written() -> None:
    weights = Weights(label=2, tree=1, sparsity=0.01)
    wanted, tree = algorithm_1_by_hand(weights, 3)
    torch.manual_seed(3)
    net = Network(
        representation(P, (8,), D, "sigmoid"), UniformQuantizer(1, range="unit"), Head(D, K, 2, 8)
    )
    run = Intersection(
        net,
        weights,
        grow,
        torch.optim.SGD(net.represent.parameters(), 0.1),
        torch.optim.SGD(net.classify.parameters(), 0.1),
    )
    list(run.run(shuffled(*data(), 32, 0), 3))
    for name, found in net.named_parameters():
        torch.testing.assert_close(found, wanted[name], rtol=1e-5, atol=1e-6)
    assert run.tree is not None
    np.testing.assert_array_equal(run.tree.feature, tree.feature)
    np.testing.assert_allclose(run.tree.value, tree.value, atol=1e-5)


def test_the_tree_enters_from_the_second_epoch() -> None:
    first, second = engine().run(shuffled(*data(), 32, 0), 2)
    assert math.isnan(first.losses["tree"]) and math.isnan(first.losses["route"])
    weights = Weights(route=0.5)
    wanted = sum(getattr(weights, n) * second.losses[n] for n in TERMS)
    assert second.total == pytest.approx(wanted)
    assert set(second.losses) == set(TERMS)


def test_a_term_without_weight_is_recorded_and_moves_nothing() -> None:
    plain = engine(Weights(tree=0, sparsity=0))
    records = list(plain.run(shuffled(*data(), 32, 0), 3))
    assert records[-1].losses["tree"] > 0 and records[-1].losses["route"] > 0
    other = engine(Weights(tree=0, sparsity=0))
    other.fit_tree = lambda seen, previous: Tree.leaf(np.full(K, 1 / K), 1, D)
    list(other.run(shuffled(*data(), 32, 0), 3))
    for name, found in plain.network.state_dict().items():
        assert torch.equal(found, other.network.state_dict()[name])


def test_the_paper_s_tree_is_a_constant_to_f_and_route_is_not() -> None:
    weights = Weights(tree=0, sparsity=0)
    states = [engine(w) for w in (weights, replace(weights, route=1.0))]
    for run in states:
        list(run.run(shuffled(*data(), 32, 0), 2))
    a, b = (run.network.represent.state_dict() for run in states)
    assert any(not torch.equal(a[name], b[name]) for name in a)
    assert weights.coupling == "paper" and replace(weights, route=1.0).coupling == "route"


@pytest.mark.parametrize("stop", [1, 2, 3])
def test_a_resumed_run_is_the_same_bit_for_bit(stop: int) -> None:
    x, y = data()
    batches, held = shuffled(x, y, 32, 0), in_order(*data(40, 1))
    whole = engine(dropout=0.3)
    records = list(whole.run(batches, 4, held))
    begun = engine(dropout=0.3)
    list(begun.run(batches, stop, held))
    buffer = io.BytesIO()
    torch.save(begun.state_dict(), buffer)
    buffer.seek(0)
    resumed = engine(seed=99, dropout=0.3)
    torch.manual_seed(12345)
    resumed.load_state_dict(torch.load(buffer, weights_only=True))
    rest = list(resumed.run(batches, 4, held))
    for a, b in zip(records[stop:], rest, strict=True):
        assert replace(a, seconds=0.0) == replace(b, seconds=0.0)
    for name, found in whole.network.state_dict().items():
        assert torch.equal(found, resumed.network.state_dict()[name])
    assert whole.tree == resumed.tree


def test_a_state_in_memory_stays_what_it_was() -> None:
    batches = shuffled(*data(), 32, 0)
    run = engine()
    list(run.run(batches, 2))
    state = run.state_dict()
    first = [record.total for record in run.run(batches, 4)]
    for _ in range(2):
        run.load_state_dict(state)
        assert [record.total for record in run.run(batches, 4)] == first


def test_losses_are_in_single_precision_under_an_autocast() -> None:
    x, y = data(4096)
    plain, cast = (
        engine(precision=precision)
        for precision in (nullcontext, lambda: torch.autocast("cpu", torch.bfloat16))
    )
    for run in (plain, cast):
        for group in (*run.optimise_f.param_groups, *run.optimise_g.param_groups):
            group["lr"] = 0.0
        run.schedulers = ()
    a, b = (next(run.run(shuffled(x, y, 32, 0), 1)) for run in (plain, cast))
    assert b.losses["label"] == pytest.approx(a.losses["label"], rel=2e-3)


def test_a_frozen_part_keeps_its_mode() -> None:
    run = engine()
    norm = nn.BatchNorm1d(P).eval()
    run.network.represent.insert(0, norm)  # type: ignore[operator]
    before = norm.running_mean.clone()
    list(run.run(shuffled(*data(), 32, 0), 2, in_order(*data(40, 1))))
    assert not norm.training and run.network.training
    assert torch.equal(norm.running_mean, before)


def test_the_record_counts_what_a_count_by_hand_gives() -> None:
    run = engine()
    x, y = data()
    record = list(run.run(shuffled(x, y, 32, 0), 2, in_order(*data(40, 1))))[-1]
    hx, hy = data(40, 1)
    seen = collect(run.network, [(hx, hy)])
    assert run.tree is not None
    codes = run.network.eval().codes(hx).detach().numpy()
    by_g = run.network(hx).argmax(dim=1)
    by_t = torch.tensor(run.tree.predict(codes).argmax(axis=1))
    assert record.validation_g == pytest.approx((by_g == hy).float().mean().item())
    assert record.validation_t == pytest.approx((by_t == hy).float().mean().item())
    assert record.validation_agreement == pytest.approx((by_g == by_t).float().mean().item())
    assert (record.leaves, record.depth) == (run.tree.n_leaves, run.tree.depth)
    assert record.samples == M and 0 <= record.density <= 1
    np.testing.assert_array_equal(seen.codes.numpy(), codes)


class Scripted(nn.Module):
    """Logits whose validation accuracy follows a script, one entry an epoch."""

    def __init__(self, shares: list[float]) -> None:
        super().__init__()
        self.shares, self.epoch = shares, -1
        self.weight = nn.Parameter(torch.zeros(K))

    def forward(self, codes: torch.Tensor) -> torch.Tensor:
        logits = self.weight.expand(len(codes), K).clone()
        if not self.training:
            self.epoch += 1
            right = round(self.shares[self.epoch] * len(codes))
            logits[:right, 0] += 100
            logits[right:, 1] += 100
        return logits


def scripted(shares: list[float]) -> tuple[Intersection, list]:
    torch.manual_seed(0)
    network = Network(
        representation(P, (), D, "sigmoid"), UniformQuantizer(1, range="unit"), Scripted(shares)
    )
    optimisers = [
        torch.optim.SGD(part.parameters(), 0.1) for part in (network.represent, network.classify)
    ]
    run = Intersection(network, Weights(tree=0), grow, *optimisers, drops=2)
    held = (data(20, 1)[0], torch.zeros(20, dtype=torch.int64))
    weights = []
    for _ in run.run(shuffled(*data(), 32, 0), len(shares), in_order(*held)):
        weights.append(network.classify.weight.detach().clone())
    return run, weights


def test_the_second_drop_ends_the_run_at_the_epoch_before_it() -> None:
    run, weights = scripted([0.5, 0.6, 0.4, 0.7, 0.7, 0.65, 0.9])
    assert run.stopped and run.epoch == 6 and len(weights) == 6
    assert torch.equal(run.network.classify.weight, weights[4])
    assert not torch.equal(weights[4], weights[3])


def test_one_drop_does_not_end_it() -> None:
    run, weights = scripted([0.5, 0.6, 0.4, 0.7])
    assert not run.stopped and len(weights) == 4


def test_bad_input_is_named() -> None:
    for name in ("label", "tree", "sparsity", "route"):
        with pytest.raises(ValueError, match=f"lambda_{name}: expected a number"):
            Weights(**{name: -1.0})
    with pytest.raises(ValueError, match="lambda_label: expected a number > 0"):
        Weights(label=0)
    with pytest.raises(ValueError, match="validation: the stopping rule needs"):
        next(engine(drops=2).run(shuffled(*data(), 32, 0), 1))
    with pytest.raises(ValueError, match="drops: expected a whole number ≥ 1, found 0"):
        engine(drops=0)
    with pytest.raises(ValueError, match="batches: expected at least one"):
        next(engine().run(lambda epoch: [], 1))


def test_a_loss_that_is_not_finite_is_named_with_its_epoch() -> None:
    run = engine()
    x, y = data()
    list(run.run(shuffled(x, y, 32, 0), 1))
    with torch.no_grad():
        next(run.network.classify.parameters()).fill_(math.nan)
    with pytest.raises(FloatingPointError, match="epoch 2: the label loss is nan"):
        next(run.run(shuffled(x, y, 32, 0), 2))


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_inputs_that_break_the_features_end_the_run_and_not_the_range(bad: float) -> None:
    run = engine()
    x, y = data()
    list(run.run(shuffled(x, y, 32, 0), 1))
    before = {name: value.clone() for name, value in run.network.quantize.state_dict().items()}
    x = x.clone()
    x[:] = bad
    with pytest.raises(FloatingPointError, match="epoch 2: features: expected finite numbers"):
        next(run.run(shuffled(x, y, 32, 0), 2))
    after = run.network.quantize.state_dict()
    assert all(torch.equal(after[name], value) for name, value in before.items())
    with pytest.raises(FloatingPointError, match="features"):
        collect(run.network, [(x, y)])
