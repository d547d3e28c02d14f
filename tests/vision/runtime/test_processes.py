from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from irtheory.intersection.engine import Intersection
from irtheory.intersection.growers import Grower
from irtheory.intersection.layers import Head
from irtheory.intersection.network import Collected, Network, collect
from irtheory.intersection.processes import gather
from irtheory.intersection.quantize import UniformQuantizer
from irtheory.intersection.weights import Weights
from irtheory.trees.tree import Tree
from irvision.data.batches.augment import View
from irvision.data.batches.loader import evaluation_batches, training_batches
from irvision.data.batches.pictures import place_pictures
from irvision.runtime.device import Runtime
from irvision.runtime.processes import DistributedProcesses, averaged_f, parallelise

K = 3
VIEW = View(size=12, mean=(0.5, 0.5, 0.5), sd=(0.5, 0.5, 0.5))


def small_network() -> Network:
    torch.manual_seed(0)
    represent = nn.Sequential(
        nn.Conv2d(3, 8, 3, stride=2, bias=False),
        nn.BatchNorm2d(8),
        nn.ReLU(),
        nn.Conv2d(8, 8, 1),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(8, 6),
        nn.BatchNorm1d(6),
        nn.ReLU(),
    )
    network = Network(represent, UniformQuantizer(2), Head(6, K, 4, 16))
    return network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]


def train(runtime: Runtime) -> dict:
    """Two epochs of the whole method on 50 samples, so that the last batch is a short one."""
    rng = np.random.default_rng(0)
    labels = rng.integers(0, K, 58)
    images = rng.integers(0, 180, (58, 14, 14, 3)) + 30 * labels[:, None, None, None]
    pictures = place_pictures(images.astype(np.uint8), labels, runtime)
    network, processes = parallelise(small_network(), runtime)
    parts = (network.represent, network.classify)
    f, g = (torch.optim.SGD(part.parameters(), 0.1, momentum=0.9) for part in parts)
    run = Intersection(network, Weights(route=0.5), Grower(2), f, g, processes=processes)
    losses = []

    def note(partial) -> None:
        _, logits, labels = partial.last_batch
        loss = nn.functional.cross_entropy(logits, labels)
        losses.append(float(processes.all_reduce_sum(loss)) / runtime.world)

    batches = training_batches(pictures, np.arange(50), VIEW, 16, seed=0)
    held = evaluation_batches(pictures, np.arange(50, 57), VIEW, 4)
    records = list(run.run(batches, 2, held, on_step=note))
    seen = gather(processes, collect(network, held(0)))
    return {
        "losses": losses,
        "means": [list(record.losses.values()) for record in records],
        "samples": [record.samples for record in records],
        "tree": run.tree.to_json() if run.tree else "",
        "network": network.state_dict(),
        "held": seen.labels,
        "labels": torch.from_numpy(labels),
    }


def what_processes_say(runtime: Runtime) -> dict:
    group, rank = DistributedProcesses(runtime), runtime.rank
    joined = [
        gather(
            group,
            Collected(
                torch.full((m, 2), rank + 7, dtype=torch.uint8),
                torch.full((m, K), 0.5 + rank),
                torch.arange(m) + 10 * rank,
            ),
        )
        # A share may be empty, as after going on from inside an epoch.
        for m in (2 + rank, 5 * (rank == 0))
    ]
    return {
        "gathered": [(s.codes, s.outputs, s.labels) for s in joined],
        "all_reduce_sum": group.all_reduce_sum(torch.tensor([[1.0, rank]])),
        "any_process": [group.any_process(flag) for flag in (False, rank == 1, rank == 0, True)],
        "first": group.rank == 0,
        "broadcast": group.broadcast(torch.arange(3) + 5 * rank),
    }


class Staged(nn.Module):
    """F with a part of its own for each stage."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.body, self.first, self.second = (nn.Linear(4, 4) for _ in range(3))

    def forward(self, x: Tensor, stage: int = 0) -> Tensor:
        return (self.second if stage else self.first)(self.body(x)).relu()


def stages(runtime: Runtime) -> list[dict]:
    """Gradients of passes that leave parts of F out."""
    network = Network(Staged(), UniformQuantizer(1), nn.Linear(4, K))
    parallel, _ = parallelise(network, runtime, in_parts=True)
    x, found = torch.rand(6, 4, generator=torch.Generator().manual_seed(0)), []
    for stage in (1, 0, 1):
        network.zero_grad()
        averaged_f(parallel)(x[runtime.rank :: runtime.world], stage).square().mean().backward()
        named = network.represent.named_parameters()
        found.append({name: p.grad.clone() for name, p in named if p.grad is not None})
    return found


def a_tree_and_a_failure(runtime: Runtime) -> dict:
    group = DistributedProcesses(runtime)
    leaf = Tree.leaf([1 / 3, 0.1, 2 / 3 - 0.1], 1e9 + 1 / 7, 4)
    grown = []

    def grow() -> Tree:
        grown.append(1)
        return leaf

    def fail() -> Tree:
        raise KeyboardInterrupt("grow")

    same = group.compute_on_rank0(grow) == leaf
    try:
        group.compute_on_rank0(fail)
    except (KeyboardInterrupt, RuntimeError) as error:
        raised = repr(error)
    return {"same": same, "grown": len(grown), "raised": raised}


SCENARIOS = (train, what_processes_say, a_tree_and_a_failure, stages)


@pytest.fixture(scope="module")
def processes(in_two_processes: Callable[[str], list[dict]]) -> list[dict]:
    return in_two_processes(__file__)


def test_gathering_keeps_the_order_of_the_processes(processes: list[dict]) -> None:
    for said in (process["what_processes_say"] for process in processes):
        (codes, outputs, labels), (_, _, late) = said["gathered"]
        assert codes.dtype == torch.uint8 and codes.tolist() == [[7, 7]] * 2 + [[8, 8]] * 3
        assert outputs.tolist() == [[0.5] * K] * 2 + [[1.5] * K] * 3
        assert labels.dtype == torch.int64 and labels.tolist() == [0, 1, 10, 11, 12]
        assert late.tolist() == [0, 1, 2, 3, 4]


def test_totals_and_flags_are_those_of_all(processes: list[dict]) -> None:
    for rank, process in enumerate(processes):
        said = process["what_processes_say"]
        assert said["all_reduce_sum"].dtype == torch.float64
        assert said["all_reduce_sum"].tolist() == [[2.0, 1.0]]
        assert said["any_process"] == [False, True, True, True]
        assert said["first"] == (rank == 0)
        assert said["broadcast"].tolist() == [0, 1, 2]


def test_a_tree_is_grown_once_and_exactly_the_same_everywhere(processes: list[dict]) -> None:
    said = [process["a_tree_and_a_failure"] for process in processes]
    assert [s["same"] for s in said] == [True, True]
    assert [s["grown"] for s in said] == [1, 0]


def test_a_failure_to_grow_a_tree_ends_all_processes(processes: list[dict]) -> None:
    first, second = (process["a_tree_and_a_failure"]["raised"] for process in processes)
    assert first == "KeyboardInterrupt('grow')"
    assert second == "RuntimeError('no tree: process 0 could not grow one')"


def test_steps_of_a_part_of_f_are_averaged_too(processes: list[dict]) -> None:
    alone = stages(Runtime(torch.device("cpu")))
    assert [len(gradients) for gradients in alone] == [4, 4, 4]
    for process in processes:
        torch.testing.assert_close(process["stages"], alone)


def test_two_processes_train_as_one(processes: list[dict]) -> None:
    alone = train(Runtime(torch.device("cpu")))
    first, second = (process["train"] for process in processes)
    assert len(first["losses"]) == 8
    np.testing.assert_allclose(first["losses"], alone["losses"], atol=1e-4)
    np.testing.assert_allclose(first["means"], alone["means"], atol=1e-4)
    np.testing.assert_array_equal(first["losses"], second["losses"])
    np.testing.assert_array_equal(first["means"], second["means"])
    assert first["samples"] == alone["samples"] == [50, 50]
    assert first["losses"][-1] < first["losses"][0]


def test_trees_weights_and_held_out_samples_are_the_same_everywhere(processes: list[dict]) -> None:
    first, second = (process["train"] for process in processes)
    # A held-out set comes back whole and in order.
    assert torch.equal(first["held"], first["labels"][50:57])
    assert torch.equal(second["held"], first["held"])
    assert first["tree"] == second["tree"] and Tree.from_json(first["tree"]).n_leaves > 1
    assert first["network"].keys() == small_network().state_dict().keys()
    for name, value in first["network"].items():
        assert torch.equal(value, second["network"][name]), name
