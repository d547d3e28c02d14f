from __future__ import annotations

import io

import pytest
import torch
from torch import nn

from irtheory.intersection.arrays import shuffled
from irtheory.intersection.engine import Intersection
from irtheory.intersection.layers import Head, representation
from irtheory.intersection.network import Collected, Network
from irtheory.intersection.quantize import UniformQuantizer
from irtheory.intersection.weights import Weights
from irtheory.trees.exact.greedy import fit_greedy_tree
from irtheory.trees.tree import Tree

M, P, D, K, BATCH = 96, 6, 5, 3, 20


def grow(seen: Collected, previous: Tree | None) -> Tree:
    return fit_greedy_tree(seen.codes.numpy(), seen.outputs.numpy().astype(float), 2)


def batches(epoch: int):
    generator = torch.Generator().manual_seed(0)
    x = 4 * torch.rand(M, P, generator=generator) - 2
    y = (x[:, 0] > 0).long() + (x[:, 1] > 0.4).long()
    return shuffled(x, y, BATCH, 0)(epoch)


def engine(dropout: float = 0.0, **more) -> Intersection:
    torch.manual_seed(0)
    network = Network(
        representation(P, (8,), D, "sigmoid", dropout),
        UniformQuantizer(1, range="unit"),
        Head(D, K, 2, 8),
    )
    optimisers = (
        torch.optim.SGD(network.represent.parameters(), 0.1, momentum=0.9),
        torch.optim.Adam(network.classify.parameters(), 0.01),
    )
    return Intersection(network, Weights(route=0.5), grow, *optimisers, **more)


def weights(run: Intersection) -> torch.Tensor:
    return nn.utils.parameters_to_vector(run.network.parameters()).detach()


@pytest.mark.parametrize("chunks", [2, 3, 7])
def test_a_batch_in_chunks_takes_the_step_of_the_whole_batch(chunks: int) -> None:
    whole, parts = engine(), engine(chunks=chunks)
    for one, other in zip(whole.run(batches, 3), parts.run(batches, 3), strict=True):
        assert other.losses == pytest.approx(one.losses, abs=1e-5, nan_ok=True)
    assert torch.allclose(weights(whole), weights(parts), atol=1e-5)
    assert whole.tree is not None and parts.tree is not None
    assert (whole.tree.feature == parts.tree.feature).all()


@pytest.mark.parametrize("chunks", [0, -1])
def test_no_chunks_are_refused(chunks: int) -> None:
    with pytest.raises(ValueError, match=f"chunks: expected a whole number ≥ 1, found {chunks}"):
        engine(chunks=chunks)


def saved(run: Intersection) -> dict:
    stream = io.BytesIO()
    torch.save(run.state_dict(), stream)
    return torch.load(io.BytesIO(stream.getvalue()), weights_only=True)


@pytest.mark.parametrize("drops", [None, 1])
@pytest.mark.parametrize("steps", [1, 4, 5, 6, 10, 12])
def test_a_run_interrupted_inside_an_epoch_goes_on_bit_for_bit(
    steps: int, drops: int | None
) -> None:
    held = batches if drops else None
    straight = engine(0.3, drops=drops)
    records = list(straight.run(batches, 4, held))

    first = engine(0.3, drops=drops)
    calls = iter(range(1, 100))
    before = list(first.run(batches, 4, held, interrupted=lambda: next(calls) == steps))
    if first.partial_epoch is None:
        pytest.skip("the stopping rule was quicker")
    state = saved(first)
    torch.manual_seed(99)
    second = engine(0.3, drops=drops)
    second.load_state_dict(state)
    after = list(second.run(batches, 4, held))

    assert torch.equal(weights(straight), weights(second))
    assert straight.tree == second.tree and straight.stopped == second.stopped
    assert [r.epoch for r in before + after] == [r.epoch for r in records]
    for one, other in zip(records, before + after, strict=True):
        assert (one.losses["label"], one.accuracy_g) == (other.losses["label"], other.accuracy_g)


def test_an_interrupted_run_goes_on_in_place() -> None:
    straight = engine(0.3)
    list(straight.run(batches, 2))
    stopping = engine(0.3)
    for _ in range(20):
        list(stopping.run(batches, 2, interrupted=lambda: True))
    assert torch.equal(weights(straight), weights(stopping)) and stopping.epoch == 2


def test_each_step_is_reported_after_the_before_step() -> None:
    seen = []
    run = engine(before_step=lambda x, y: seen.append(("before_step", len(x))))
    list(run.run(batches, 1, on_step=lambda partial: seen.append(("step", partial.steps))))
    assert seen[:4] == [("before_step", BATCH), ("step", 1), ("before_step", BATCH), ("step", 2)]
    assert seen[-1] == ("step", 5)


def test_an_epoch_without_a_validation_set_has_none_of_an_earlier_one() -> None:
    run = engine()
    held, bare = next(run.run(batches, 1, batches)), next(run.run(batches, 2))
    assert held.validation_g is not None and bare.validation_g is None
    assert run.validation_outputs is None
