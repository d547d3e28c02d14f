"""The empirical kernel against finite differences, autograd, a closed form, and itself."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from irtheory.propositions.tangent import admissible, cnn, empirical_kernel, mlp, plan_kernel
from irtheory.propositions.tangent.layerwise import is_perceptron


def inputs(m: int, *shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(m, *shape))


def by_differences(module: nn.Module, x: np.ndarray, others: np.ndarray) -> np.ndarray:
    """J Jᵀ with J from central differences of every single parameter."""
    samples = [torch.tensor(x), torch.tensor(others)]
    columns: list[list[np.ndarray]] = [[], []]
    with torch.no_grad():
        for p in module.parameters():
            if not p.requires_grad:
                continue
            flat = p.view(-1)
            for i in range(len(flat)):
                ends = []
                for h in (1e-5, -2e-5):
                    flat[i] += h
                    ends.append([module(s).numpy().ravel().copy() for s in samples])
                flat[i] += 1e-5
                for column, up, down in zip(columns, *ends, strict=True):
                    column.append((up - down) / 2e-5)
    rows, others_ = (np.stack(c, axis=1) for c in columns)
    return rows @ others_.T


def by_autograd(module: nn.Module, x: np.ndarray) -> np.ndarray:
    """J Jᵀ, one backward pass for each output of each sample."""
    weights = [p for p in module.parameters() if p.requires_grad]
    rows = []
    for sample in torch.tensor(x):
        for output in module(sample[None])[0]:
            slopes = torch.autograd.grad(
                output, weights, retain_graph=True, allow_unused=True, materialize_grads=True
            )
            rows.append(torch.cat([s.flatten() for s in slopes]).numpy())
    J = np.stack(rows)
    return J @ J.T


class Doubled(nn.Module):
    def forward(self, weight: torch.Tensor) -> torch.Tensor:
        return 2 * weight


class SharedTrunk(nn.Module):
    """Two heads on one trunk, one of them through a product: outputs share most parameters."""

    def __init__(self) -> None:
        super().__init__()
        self.trunk, self.left, self.right = nn.Linear(4, 5), nn.Linear(5, 1), nn.Linear(5, 2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        h = torch.tanh(self.trunk(x))
        return torch.cat([self.left(h) * h.sum(1, keepdim=True), self.right(h)], dim=1)


@settings(max_examples=15)
@given(
    st.integers(0, 10_000),
    st.sampled_from(["relu", "tanh", "gelu"]),
    st.sampled_from(["ntk", "standard"]),
    st.lists(st.integers(1, 6), max_size=3),
)
def test_layers_jacobians_and_differences_agree(seed, activation, parametrisation, hidden) -> None:
    x, others = inputs(4, 3, seed=seed), inputs(3, 3, seed=seed + 1)
    net = mlp(3, hidden, 2, activation=activation, parametrisation=parametrisation, seed=seed)
    expected = by_differences(net, x, others)
    scale = np.abs(expected).max() + 1
    for method in ("layers", "jacobians"):
        found = empirical_kernel(net, x, others, method=method)
        np.testing.assert_allclose(found, expected, atol=1e-6 * scale)
    layers, jacobians = (empirical_kernel(net, x, method=m) for m in ("layers", "jacobians"))
    np.testing.assert_allclose(layers, jacobians, atol=1e-12 * np.abs(layers).max())
    np.testing.assert_allclose(layers, by_autograd(net, x), atol=1e-12 * np.abs(layers).max())


def test_kernels_are_symmetric_and_positive_to_rounding() -> None:
    x = inputs(12, 3)
    twice = np.vstack([x, x[:4]])
    for net, samples in (
        (mlp(3, [40, 40], 3), twice),
        (cnn((1, 4, 4), [3], 2), inputs(5, 1, 4, 4)),
    ):
        kernel = empirical_kernel(net, samples)
        np.testing.assert_array_equal(kernel, kernel.T)
        values = np.linalg.eigvalsh(kernel)
        assert values[0] > -1e-13 * values[-1]


def test_a_shared_trunk_couples_the_outputs() -> None:
    torch.manual_seed(0)
    net = admissible(SharedTrunk(), inputs(6, 4))
    kernel = empirical_kernel(net, inputs(6, 4))
    np.testing.assert_allclose(kernel, by_autograd(net, inputs(6, 4)), atol=1e-12)
    blocks = kernel.reshape(6, 3, 6, 3)
    for c in range(3):
        for d in range(3):
            # Outputs share the trunk, so every pair of outputs has a block of its own.
            assert np.abs(blocks[:, c, :, d]).max() > 0.1
    np.testing.assert_allclose(blocks, blocks.transpose(2, 3, 0, 1), atol=1e-12)


def test_convolutions_against_autograd_and_differences() -> None:
    x = inputs(4, 2, 4, 4)
    net = cnn((2, 4, 4), [2, 3], 2, activation="tanh")
    kernel = empirical_kernel(net, x)
    assert plan_kernel(net, x).method == "jacobians"
    np.testing.assert_allclose(kernel, by_autograd(net, x), atol=1e-12 * np.abs(kernel).max())
    np.testing.assert_allclose(kernel, by_differences(net, x, x), atol=1e-6 * np.abs(kernel).max())


@pytest.mark.parametrize("block", [1, 2, 3, 5, 7])
@pytest.mark.parametrize("method", ["layers", "jacobians"])
def test_blocks_change_nothing(block: int, method) -> None:
    x, others, net = inputs(7, 3), inputs(5, 3, seed=1), mlp(3, [8, 8], 2)
    for columns in (None, others):
        whole = empirical_kernel(net, x, columns, method=method)
        plan = replace(plan_kernel(net, x, columns, method=method), block=block)
        seen: list[tuple[int, int]] = []
        parts = empirical_kernel(
            net, x, columns, plan=plan, progress=lambda *count, seen=seen: seen.append(count)
        )
        np.testing.assert_allclose(parts, whole, atol=1e-13 * np.abs(whole).max())
        assert seen[-1][0] == seen[-1][1] == len(seen)


def test_a_wide_network_approaches_the_limit_in_closed_form() -> None:
    """One hidden ReLU layer: arc-cosine kernels (Cho and Saul, 2009) in the formula of Jacot."""
    x = inputs(5, 6, seed=3)
    gram = x @ x.T / 6
    size = np.sqrt(np.outer(np.diag(gram) + 0.01, np.diag(gram) + 0.01))
    angle = np.arccos(np.clip((gram + 0.01) / size, -1, 1))
    both_on = (np.pi - angle) / np.pi  # 2 E[φ'φ']
    moment = size * (np.sin(angle) + (np.pi - angle) * np.cos(angle)) / np.pi  # 2 E[φφ]
    limit = moment + 0.01 + both_on * (gram + 0.01)
    kernel = empirical_kernel(mlp(6, [20_000], 2, seed=0), x).reshape(5, 2, 5, 2)
    for c in range(2):
        np.testing.assert_allclose(kernel[:, c, :, c], limit, rtol=0.05, atol=0.02)
    assert np.abs(kernel[:, 0, :, 1]).max() < 0.1  # independent outputs


def test_parameters_that_are_not_trained_do_not_count() -> None:
    x = inputs(5, 3)
    net = mlp(3, [6, 6], 2)
    net[2].weight.requires_grad_(False)
    net[0].bias.requires_grad_(False)
    for method in ("layers", "jacobians"):
        kernel = empirical_kernel(net, x, method=method)
        np.testing.assert_allclose(kernel, by_autograd(net, x), atol=1e-12)
    assert plan_kernel(net, x).parameters == 3 * 6 + 6 + 2 * 6 + 2


def test_what_is_no_plain_chain_takes_the_general_path() -> None:
    x = torch.tensor(inputs(4, 3))
    shared = nn.Linear(3, 3)
    hooked = nn.Sequential(nn.Linear(3, 3), nn.Tanh(), nn.Linear(3, 2))
    hooked[0].register_forward_hook(lambda module, given, result: 2 * result)
    doubled = nn.Sequential(nn.Linear(3, 4), nn.Linear(4, 2))
    nn.utils.parametrize.register_parametrization(doubled[0], "weight", Doubled())
    softmax = nn.Sequential(nn.Linear(3, 3), nn.Softmax(dim=1), nn.Linear(3, 2))
    for net in (nn.Sequential(shared, nn.Tanh(), shared), hooked, doubled, softmax):
        net = net.double()
        assert not is_perceptron(net, x)
        kernel = empirical_kernel(net, x)
        np.testing.assert_allclose(kernel, by_autograd(net, x.numpy()), atol=1e-12)
        with pytest.raises(ValueError, match="'layers' takes a chain"):
            plan_kernel(net, x, method="layers")
    plain = nn.Sequential(nn.Linear(3, 4, bias=False), nn.SiLU(), nn.Linear(4, 2)).double()
    assert is_perceptron(plain, x)
    kernel = empirical_kernel(plain, x)
    np.testing.assert_allclose(kernel, by_autograd(plain, x.numpy()), atol=1e-12)


def test_a_smaller_budget_makes_smaller_blocks_until_none_is_small_enough() -> None:
    x, net = inputs(64, 12), mlp(12, [64, 64], 4)
    plans = [plan_kernel(net, x, max_memory=gib, method="jacobians") for gib in (4.0, 0.01, 0.003)]
    blocks = [plan.block for plan in plans]
    assert blocks[0] == 64 > blocks[1] > blocks[2] >= 1
    for plan in plans:
        assert plan.memory <= plan.allowed
        assert f"in blocks of {plan.block} samples" in str(plan) and "256 × 256" in str(plan)
    kernels = [empirical_kernel(net, x, plan=plan) for plan in plans]
    np.testing.assert_allclose(kernels[2], kernels[0], atol=1e-12 * np.abs(kernels[0]).max())
    with pytest.raises(
        ValueError, match=r"--max-memory: 64 × 64 samples with 4 outputs and .* GiB"
    ):
        plan_kernel(net, x, max_memory=0.0005)
    assert plan_kernel(net, x, matrices=6).memory > plan_kernel(net, x).memory


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"max_memory": 0.0}, "max_memory: expected a number of GiB above 0, found 0.0"),
        ({"max_memory": float("nan")}, "max_memory"),
        ({"method": "magic"}, "method: expected one of"),
    ],
)
def test_bad_requests_are_named(given: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        plan_kernel(mlp(3, [4], 2), inputs(4, 3), **given)


@pytest.mark.parametrize("x", [np.zeros((0, 3)), np.zeros(3), np.full((2, 3), np.nan)])
def test_bad_samples_are_named(x: np.ndarray) -> None:
    with pytest.raises(ValueError, match="x: expected"):
        empirical_kernel(mlp(3, [4], 2), x)


def test_a_plan_for_other_samples_is_refused() -> None:
    net, x = mlp(3, [4], 2), inputs(5, 3)
    with pytest.raises(ValueError, match="plan: expected one for 4 × 4 samples, found one for 5"):
        empirical_kernel(net, x[:4], plan=plan_kernel(net, x))


class Branches(nn.Module):
    """Control flow on values, which torch.func cannot batch."""

    def __init__(self) -> None:
        super().__init__()
        self.one, self.other = nn.Linear(4, 3), nn.Linear(4, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.stack([self.one(row) if row[0] > 0 else self.other(row) ** 2 for row in x])


class Recurrent(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.rnn, self.head = nn.GRU(2, 3, batch_first=True), nn.Linear(3, 2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.head(self.rnn(x.reshape(len(x), 2, 2))[0][:, -1])


@pytest.mark.parametrize(
    "module",
    [
        nn.Sequential(nn.Linear(4, 6), nn.ReLU(inplace=True), nn.Linear(6, 2)),
        nn.Sequential(nn.Linear(4, 6), nn.PReLU(), nn.Linear(6, 2)),
        nn.Sequential(
            nn.Unflatten(1, (1, 4)),
            nn.TransformerEncoderLayer(4, 2, 8, dropout=0.0, batch_first=True),
            nn.Flatten(),
        ).eval(),
        Branches(),
        Recurrent(),
    ],
)
def test_modules_of_every_kind(module: nn.Module) -> None:
    torch.manual_seed(0)
    net = admissible(module, inputs(5, 4))
    kernel = empirical_kernel(net, inputs(5, 4))
    expected = by_autograd(net, inputs(5, 4))
    np.testing.assert_allclose(kernel, expected, atol=1e-11 * np.abs(expected).max())
