from __future__ import annotations

import threading
from itertools import chain
from pathlib import Path

import numpy as np
import pytest
import torch

from irtheory.runs.files import InputError
from irvision.data.batches.augment import View, central_view
from irvision.data.batches.loader import evaluation_batches, training_batches
from irvision.data.batches.pictures import Pictures, in_advance, place_pictures
from irvision.runtime.device import Runtime

CPU = torch.device("cpu")
M, SIDE = 23, 7
# Every pixel of picture i is i, so that a view of it tells which one it is.
PLAIN = View(5, mean=(0.0, 0.0, 0.0), sd=(1 / 255, 1 / 255, 1 / 255))


def cache(m: int = M) -> np.ndarray:
    numbers = np.arange(m, dtype=np.uint8)[:, None, None, None]
    return np.ascontiguousarray(np.broadcast_to(numbers, (m, SIDE, SIDE, 3)))


def placed(rank: int = 0, world: int = 1, precision: str = "fp32") -> Pictures:
    runtime = Runtime(CPU, precision, rank, world)  # type: ignore[arg-type]
    return place_pictures(cache(), np.arange(M) % 4, runtime)


def numbers(batches) -> list[list[int]]:
    """Which pictures are in each batch, by their pixels and checked against their labels."""
    found = []
    for x, y in batches:
        which = x[:, 0, 0, 0].float().round().long()
        assert torch.equal(which % 4, y)
        found.append(which.tolist())
    return found


def flat(batches: list[list[int]]) -> list[int]:
    return list(chain.from_iterable(batches))


def test_an_epoch_has_every_sample_once_in_random_order() -> None:
    rows = np.arange(3, M)
    batches = training_batches(placed(), rows, PLAIN, 8, seed=0)
    first, second = numbers(batches(1)), numbers(batches(2))
    assert [len(batch) for batch in first] == [8, 8, 4]
    for epoch in (first, second):
        assert sorted(flat(epoch)) == rows.tolist()
    assert first != second and flat(first) != rows.tolist()


def test_batches_depend_on_seed_and_epoch_alone() -> None:
    rows = np.random.default_rng(0).permutation(M)
    pixels = np.random.default_rng(1).integers(0, 256, (M, SIDE, SIDE, 3)).astype(np.uint8)
    pictures = place_pictures(pixels, np.zeros(M), Runtime(CPU))

    def epoch(seed: int, number: int) -> torch.Tensor:
        batches = training_batches(pictures, rows, View(5), 8, seed)
        return torch.cat([x for x, _ in batches(number)])

    first = epoch(0, 1)
    torch.rand(3)
    assert torch.equal(epoch(0, 1), first)
    assert not torch.equal(epoch(0, 2), first) and not torch.equal(epoch(1, 1), first)


@pytest.mark.parametrize(("samples", "sizes"), [(16, [8, 8]), (17, [8, 8]), (18, [8, 8, 2])])
def test_a_last_batch_of_one_sample_is_left_out(samples: int, sizes: list[int]) -> None:
    batches = training_batches(placed(), np.arange(samples), PLAIN, 8, seed=0)
    assert [len(x) for x, _ in batches(1)] == sizes
    left_out = {frozenset(range(samples)) - set(flat(numbers(batches(e)))) for e in range(1, 9)}
    assert len(left_out) > 1 if samples == 17 else left_out == {frozenset()}


@pytest.mark.parametrize(("world", "used"), [(1, 23), (2, 22), (4, 20)])
def test_processes_share_every_batch_and_get_equally_much(world: int, used: int) -> None:
    whole = list(training_batches(placed(), np.arange(M), View(5), 8, seed=4)(1))
    shares = [
        list(training_batches(placed(rank, world), np.arange(M), View(5), 8, seed=4)(1))
        for rank in range(world)
    ]
    assert sum(len(x) for share in shares for x, _ in share) == used
    for step, parts in enumerate(zip(*shares, strict=True)):
        assert len({len(x) for x, _ in parts}) == 1
        x, y = whole[step]
        for rank, (mine, labels) in enumerate(parts):
            assert torch.equal(mine, x[rank::world][: len(mine)])
            assert torch.equal(labels, y[rank::world][: len(mine)])


@pytest.mark.parametrize("world", [1, 2, 3])
def test_evaluation_is_in_order_over_all_processes(world: int) -> None:
    rows = np.array([5, 1, 20, 7, 7, 22, 0, 3])
    found = []
    for rank in range(world):
        batches = evaluation_batches(placed(rank, world), rows, PLAIN, 3)
        mine = numbers(batches(1))
        assert max(len(batch) for batch in mine) <= 3 and mine == numbers(batches(2))
        found += flat(mine)
    assert found == rows.tolist()


def test_evaluation_sees_the_middle() -> None:
    pixels = np.random.default_rng(1).integers(0, 256, (M, SIDE, SIDE, 3)).astype(np.uint8)
    pictures = place_pictures(pixels, np.zeros(M), Runtime(CPU))
    (x, _), *_ = evaluation_batches(pictures, np.arange(4), View(5), 4)(1)
    assert torch.equal(x, central_view(torch.from_numpy(pixels[:4]), View(5)))
    assert x.is_contiguous(memory_format=torch.channels_last)


def test_a_read_only_memory_map_will_do(tmp_path: Path) -> None:
    np.save(tmp_path / "pixels.npy", cache())
    pixels = np.load(tmp_path / "pixels.npy", mmap_mode="r")
    labels, rows = np.arange(M) % 4, np.arange(M)
    for array in (labels, rows):
        array.setflags(write=False)
    pictures = place_pictures(pixels, labels, Runtime(CPU))
    assert pictures.pixels is pixels and not pictures.resident and pictures.side == SIDE
    assert sorted(flat(numbers(training_batches(pictures, rows, PLAIN, 6, 0)(1)))) == [*range(M)]
    assert numbers(evaluation_batches(pictures, rows, PLAIN, M)(0)) == [[*range(M)]]


def test_the_input_has_the_precision_of_the_run() -> None:
    batches = training_batches(placed(precision="bf16"), np.arange(M), PLAIN, 6, 0)
    assert all(x.dtype == torch.bfloat16 and y.dtype == torch.int64 for x, y in batches(1))


@pytest.mark.parametrize(
    ("world", "batch_size", "samples", "message"),
    [
        (1, 1, 9, "--batch-size: expected a number ≥ 2, found 1"),
        (4, 6, 9, "--batch-size: expected a multiple of 4, the number of processes, ≥ 4, found 6"),
        (1, 8, 1, "training: expected at least 2 samples, found 1"),
        (4, 8, 3, "training: expected at least 4 samples, found 3"),
    ],
)
def test_what_cannot_be_shared_out_is_refused(
    world: int, batch_size: int, samples: int, message: str
) -> None:
    with pytest.raises(InputError, match=message):
        training_batches(placed(0, world), np.arange(samples), PLAIN, batch_size, 0)


def test_other_impossible_batches_are_refused() -> None:
    with pytest.raises(InputError, match="expected at least 3 samples, one for each process, f"):
        evaluation_batches(placed(0, 3), np.arange(2), PLAIN, 4)
    for make in (
        lambda: training_batches(placed(), np.arange(9), View(8), 4, 0),
        lambda: evaluation_batches(placed(), np.arange(9), View(8), 4),
    ):
        with pytest.raises(InputError, match="crop: expected at most the cached side 7, found 8"):
            make()


def threads() -> int:
    return sum(thread.name.startswith("in-advance") for thread in threading.enumerate())


def test_work_in_advance_keeps_order_and_distance() -> None:
    started: list[int] = []

    def work(job: int) -> int:
        started.append(job)
        return job * job

    results = in_advance(work, range(20), ahead=3)
    assert [next(results) for _ in range(4)] == [0, 1, 4, 9]
    assert max(started) <= 3 + 3
    assert list(results) == [job * job for job in range(4, 20)]
    assert threads() == 0 and list(in_advance(work, [], 3)) == []


@pytest.mark.parametrize("kind", [KeyboardInterrupt, RuntimeError])
def test_the_thread_ends_when_the_consumer_does(kind: type[BaseException]) -> None:
    def consume() -> None:
        for job in in_advance(abs, range(10**9), 3):
            assert threads() == 1
            if job == 5:
                raise kind

    with pytest.raises(kind):
        consume()
    assert threads() == 0
    results = in_advance(abs, range(10**9), 3)
    next(results)
    results.close()
    assert threads() == 0


def test_a_failure_in_advance_reaches_the_consumer() -> None:
    def work(job: int) -> int:
        if job == 4:
            raise OSError(28, "No space left")
        return job

    seen = []
    with pytest.raises(OSError, match="No space left"):
        for job in in_advance(work, range(9), 3):
            seen.append(job)
    assert seen == [0, 1, 2, 3] and threads() == 0
