from __future__ import annotations

from contextlib import contextmanager
from dataclasses import replace

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.nn import functional

from irvision.methods.contract import make_network
from irvision.models.backbones.registry import build_backbone
from irvision.models.features import PmgFeatures, parameter_groups
from irvision.training import optimisers as optimisers_module
from irvision.training.jigsaw import cycle, jigsaw, progressive_steps
from irvision.training.optimisers import optimisers
from irvision.training.recipes import resolve


def numbered(n: int, tall: int, wide: int, margin: tuple[int, int] = (0, 0)) -> Tensor:
    """An image [1, 1, h, w] whose pixels hold the number of their patch, and −1 in the margin."""
    patches = torch.arange(n * n, dtype=torch.float32).view(n, n)
    image = patches.repeat_interleave(tall, 0).repeat_interleave(wide, 1)
    return functional.pad(image, (0, margin[1], 0, margin[0]), value=-1)[None, None]


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def permutation(n: int, chance: torch.Generator | None = None) -> list[int]:
    return jigsaw(numbered(n, 1, 1), n, cycle(n * n, chance)).flatten().long().tolist()


@given(
    n=st.integers(2, 6),
    tall=st.integers(1, 4),
    wide=st.integers(1, 4),
    margin=st.tuples(st.integers(0, 5), st.integers(0, 5)),
    seed=st.integers(0, 2**32),
)
def test_a_single_cycle_of_whole_patches(
    n: int, tall: int, wide: int, margin: tuple[int, int], seed: int
) -> None:
    below, right = margin[0] % n, margin[1] % n
    image = numbered(n, tall, wide, (below, right))
    out = jigsaw(image, n, cycle(n * n, generator(seed)))[0, 0]
    inside = out[: n * tall, : n * wide]
    found = inside[::tall, ::wide]
    assert torch.equal(found.repeat_interleave(tall, 0).repeat_interleave(wide, 1), inside)
    assert (out[n * tall :] == -1).all() and (out[:, n * wide :] == -1).all()
    came_from, place, length = found.flatten().long().tolist(), 0, 0
    while length == 0 or place != 0:
        place, length = came_from[place], length + 1
        assert length <= n * n
    assert length == n * n


def test_pixels_within_patches_and_all_images_alike() -> None:
    x = torch.randn(5, 3, 26, 37, generator=generator(1))
    out = jigsaw(x, 4, cycle(16, generator(2)))
    came_from = permutation(4, generator(2))
    expected = x.clone()
    for place, source in enumerate(came_from):
        (i, j), (u, v) = divmod(place, 4), divmod(source, 4)
        patch = x[:, :, 6 * u : 6 * u + 6, 9 * v : 9 * v + 9]
        expected[:, :, 6 * i : 6 * i + 6, 9 * j : 9 * j + 9] = patch
    assert torch.equal(out, expected)
    assert out.is_contiguous(memory_format=torch.channels_last)


def test_swapping_the_first_patch_with_every_other_gives_the_same_ones() -> None:
    order = torch.randperm(9, generator=generator(7)).tolist()
    # Rotated so that the first patch leads.
    order = order[order.index(0) :] + order[: order.index(0)]
    swapped = list(range(9))
    for other in order[1:]:
        swapped[0], swapped[other] = swapped[other], swapped[0]
    assert permutation(3, generator(7)) == swapped


def test_every_cycle_is_as_likely() -> None:
    chance, counts = generator(), {}
    for _ in range(1200):
        key = tuple(permutation(2, chance))
        counts[key] = counts.get(key, 0) + 1
    # 3! cycles of four; the 0.999 quantile of χ² with 5 degrees of freedom is 20.5.
    assert len(counts) == 6
    assert sum((count - 200) ** 2 / 200 for count in counts.values()) < 20.5


def test_redrawn_and_resumed_with_the_state_of_torch() -> None:
    torch.manual_seed(0)
    first, state = permutation(8), torch.get_rng_state()
    second, third = permutation(8), permutation(8)
    assert first != second != third
    torch.set_rng_state(state)
    assert [permutation(8), permutation(8)] == [second, third]


def test_one_patch_is_the_image() -> None:
    x = torch.randn(2, 3, 5, 7, generator=generator())
    assert torch.equal(jigsaw(x, 1, cycle(1)), x)


@pytest.mark.parametrize("n", [0, -1, 9])
def test_bad_number_of_patches(n: int) -> None:
    with pytest.raises(ValueError, match=r"n: expected 1 … 8 patches a side"):
        jigsaw(torch.zeros(1, 3, 8, 16), n, cycle(1))


class Toy(nn.Module):
    """Logits of three stages, which also says what it was asked."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.ModuleList(nn.Linear(16 * 16, 3) for _ in range(3))
        self.asked: list[tuple[int, Tensor]] = []

    def forward(self, images: Tensor, stage: int) -> Tensor:
        self.asked.append((stage, images))
        return self.layers[stage](images.flatten(1))


def test_progressive_steps_by_hand() -> None:
    torch.manual_seed(0)
    toy, labels = Toy(), torch.tensor([0, 2, 1])
    before = {name: p.detach().clone() for name, p in toy.named_parameters()}
    images, entered = torch.rand(3, 1, 16, 16), []

    @contextmanager
    def precision():
        entered.append(len(toy.asked))
        yield

    steps = progressive_steps(toy, torch.optim.SGD(toy.parameters(), lr=0.5), precision)
    assert steps(images, labels) is None
    assert entered == [0, 1, 2]
    assert [stage for stage, _ in toy.asked] == [0, 1, 2]
    for (stage, shown), n in zip(toy.asked, (8, 4, 2), strict=True):
        side = 16 // n
        cut = [x.unfold(2, side, side).unfold(3, side, side).flatten(2, 3) for x in (shown, images)]
        same = (cut[0][:, :, :, None] == cut[1][:, :, None]).flatten(4).all(4)
        # Every patch is found again, and nowhere in its place.
        assert torch.equal(same.sum(3), torch.ones(3, 1, n * n, dtype=torch.int64))
        assert not same.diagonal(dim1=2, dim2=3).any()
        weight, bias = before[f"layers.{stage}.weight"], before[f"layers.{stage}.bias"]
        weight, bias = weight.requires_grad_(), bias.requires_grad_()
        p = (shown.flatten(1) @ weight.T + bias).log_softmax(1)
        by_hand = torch.autograd.grad(-p[range(3), labels].mean(), [weight, bias])
        for name, start, g in zip(("weight", "bias"), (weight, bias), by_hand, strict=True):
            moved = toy.get_parameter(f"layers.{stage}.{name}").detach()
            assert torch.allclose(moved, start - 0.5 * g, atol=1e-6)


@pytest.mark.parametrize("chunks", [2, 3, 9])
def test_steps_in_parts_are_those_of_the_whole_batch(chunks: int) -> None:
    torch.manual_seed(0)
    whole, parts, drawn = Toy(), Toy(), []
    parts.load_state_dict(whole.state_dict())
    images, labels = torch.rand(7, 1, 16, 16), torch.arange(7) % 3

    def noted(order: Tensor) -> Tensor:
        drawn.append(order)
        return order

    optimiser = torch.optim.SGD(whole.parameters(), lr=0.5)
    progressive_steps(whole, optimiser, broadcast=noted)(images, labels)
    again = iter(list(drawn))
    optimiser = torch.optim.SGD(parts.parameters(), lr=0.5)
    # As if the first of several processes had drawn what the whole batch saw.
    steps = progressive_steps(parts, optimiser, chunks=chunks, broadcast=lambda _: next(again))
    steps(images, labels)
    assert len(parts.asked) == 3 * min(chunks, 3)
    for one, other in zip(whole.parameters(), parts.parameters(), strict=True):
        torch.testing.assert_close(one, other)


def test_each_step_moves_its_stage_and_the_backbone() -> None:
    torch.manual_seed(0)
    f = PmgFeatures(build_backbone("resnet10"), 8, 3, stage_heads=True, width=8)
    before = {name: p.detach().clone() for name, p in f.named_parameters()}
    optimiser = torch.optim.SGD(parameter_groups(f, 0.1, 0.1), momentum=0.9, weight_decay=5e-4)
    images = torch.randn(6, 3, 64, 64).contiguous(memory_format=torch.channels_last)
    progressive_steps(f, optimiser)(images, torch.arange(6) % 3)
    moved = {name for name, p in f.named_parameters() if not torch.equal(p, before[name])}
    assert {name for name in before if not name.startswith("fused.")} - moved <= {
        # Biases of no effect: a batch norm follows, and weight decay is all that moves them.
        f"heads.{stage}.1.bias"
        for stage in range(3)
    }
    assert not any(name.startswith("fused.") for name in moved)


def test_losses_fall() -> None:
    torch.manual_seed(0)
    f = PmgFeatures(build_backbone("resnet10"), 8, 3, stage_heads=True, width=8)
    labels = torch.arange(12) % 3
    images = torch.randn(12, 3, 64, 64) + labels[:, None, None, None] - 1.0

    def losses() -> list[float]:
        with torch.no_grad():
            return [float(functional.cross_entropy(f(images, stage), labels)) for stage in range(3)]

    before = losses()
    steps = progressive_steps(f, torch.optim.SGD(f.parameters(), lr=0.05, momentum=0.9))
    for _ in range(8):
        steps(images, labels)
    assert all(after < 0.7 * start for after, start in zip(losses(), before, strict=True))


def test_progressive_steps_run_with_the_optimiser_of_a_gpu(monkeypatch) -> None:
    """Fused SGD, which a CPU has too, fails where only some parameters have taken part."""
    monkeypatch.setattr(optimisers_module, "_on_gpu", lambda groups: True)
    settings = resolve(
        {"dataset": "beetles", "recipe": "pmg", "backbone": "resnet10", "dim": 8, "crop": 64},
        on_gpu=False,
        classes=3,
    )
    network = make_network(settings, 3, "none")
    optimise_f, _ = optimisers(network, settings)
    steps = progressive_steps(network.represent, optimise_f)
    for _ in range(2):
        steps(torch.randn(6, 3, 64, 64), torch.arange(6) % 3)
    plain = optimisers(network, replace(settings, progressive=False))
    assert all(each.param_groups[0]["fused"] for each in plain)
