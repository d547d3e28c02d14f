"""The pixels of a data set, on the GPU if they fit, and how batches of them get there if not."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import lru_cache
from typing import TypeVar

import numpy as np
import torch
from jaxtyping import Int, UInt8
from torch import Tensor

from irvision.runtime.device import Runtime

Job = TypeVar("Job")
Done = TypeVar("Done")
# Share of the free memory of a GPU that pictures may take; the network, not there yet, needs more.
RESIDENT = 1 / 3
# Batches under way from a cache that stays in the memory of the host.
AHEAD = 3
# Bytes copied to the GPU in one piece.
PIECE = 1 << 26


@dataclass(frozen=True, eq=False)
class Pictures:
    """The pixels and classes of a data set, where the run reads them.

    Attributes:
        pixels: on the GPU, if they fit there, or the cache itself in the memory of the host.
        labels: on the device.
        runtime: of the run.
    """

    pixels: UInt8[Tensor, "m S S 3"] | UInt8[np.ndarray, "m S S 3"]
    labels: Int[Tensor, " m"]
    runtime: Runtime

    @property
    def side(self) -> int:
        """S, in pixels."""
        return self.pixels.shape[1]

    @property
    def resident(self) -> bool:
        """Whether the pixels are on the GPU."""
        return isinstance(self.pixels, Tensor)

    def read(
        self, batches: Iterable[Int[Tensor, " b"]]
    ) -> Iterator[tuple[UInt8[Tensor, "b S S 3"], Int[Tensor, " b"]]]:
        """Pixels and labels of batches of rows (on the CPU), on the device, in order."""
        if isinstance(self.pixels, Tensor):
            return (self._take(self.pixels, rows) for rows in batches)
        if self.runtime.device.type == "cuda":
            return _uploaded(self.pixels, self.labels, batches)
        # To copy a batch takes a CPU far less time than its step: a thread would not show.
        return (_gathered(self.pixels, self.labels, rows) for rows in batches)

    def _take(self, pixels: Tensor, rows: Tensor) -> tuple[Tensor, Tensor]:
        here = rows.pin_memory().to(pixels.device, non_blocking=True)
        return pixels.index_select(0, here), self.labels.index_select(0, here)


def place_pictures(
    pixels: UInt8[np.ndarray, "m S S 3"],
    labels: Int[np.ndarray, " m"],
    runtime: Runtime,
    resident: float = RESIDENT,
) -> Pictures:
    """Put a cache on the GPU if it fits into a share of its free memory, else leave it be.

    Args:
        pixels: such as a memory-mapped cache.
        labels: classes of all its samples.
        runtime: of the run.
        resident: that share, in [0, 1]; 0 leaves the pixels on the host.
    """
    classes = torch.from_numpy(np.array(labels, np.int64)).to(runtime.device)
    if runtime.device.type == "cuda":
        free, _ = torch.cuda.mem_get_info(runtime.device)
        if pixels.nbytes <= resident * free:
            return Pictures(_copied(pixels, runtime.device), classes, runtime)
    return Pictures(pixels, classes, runtime)


def in_advance(
    work: Callable[[Job], Done], jobs: Iterable[Job], ahead: int = AHEAD
) -> Generator[Done, None, None]:
    """Results of `work` in order, from a thread that is `ahead` jobs ahead.

    The thread ends with the generator, also if that is closed early or a job fails.
    """
    pool = ThreadPoolExecutor(1, "in-advance")
    try:
        pending: deque[Future[Done]] = deque()
        for job in jobs:
            pending.append(pool.submit(work, job))
            if len(pending) > ahead:
                yield pending.popleft().result()
        while pending:
            yield pending.popleft().result()
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def _gathered(pixels: np.ndarray, labels: Tensor, rows: Tensor) -> tuple[Tensor, Tensor]:
    return torch.from_numpy(np.take(pixels, rows.numpy(), axis=0)), labels.index_select(0, rows)


def _copied(pixels: np.ndarray, device: torch.device) -> Tensor:
    there = torch.empty(pixels.shape, dtype=torch.uint8, device=device)
    step = max(1, PIECE // pixels[:1].nbytes)
    for start in range(0, len(pixels), step):
        piece = torch.from_numpy(np.array(pixels[start : start + step]))
        there[start : start + step].copy_(piece)
    return there


@lru_cache
def _copying(device: torch.device) -> torch.cuda.Stream:
    """One stream for all uploads: memory that one has freed no other may use."""
    return torch.cuda.Stream(device)


def _uploaded(
    pixels: np.ndarray, labels: Tensor, batches: Iterable[Tensor]
) -> Iterator[tuple[Tensor, Tensor]]:
    """Batches gathered into pinned memory and copied on a stream of their own."""
    device = labels.device
    copying = _copying(device)

    def upload(rows: Tensor) -> tuple[Tensor, Tensor, torch.Event]:
        shape = (len(rows), *pixels.shape[1:])
        # The stream makes its GPU the current one, which it is not in a new thread.
        with torch.cuda.stream(copying):
            staged = torch.empty(shape, dtype=torch.uint8, pin_memory=True)
            # "clip" writes straight into `out`, where "raise" would go through a copy.
            np.take(pixels, rows.numpy(), axis=0, out=staged.numpy(), mode="clip")
            images = staged.to(device, non_blocking=True)
            chosen = rows.pin_memory().to(device, non_blocking=True)
            classes = labels.index_select(0, chosen)
            return images, classes, copying.record_event()

    for images, classes, copied in in_advance(upload, batches):
        current = torch.cuda.current_stream(device)
        current.wait_event(copied)
        for tensor in (images, classes):
            # Or its memory would be handed out again while this stream still reads it.
            tensor.record_stream(current)
        yield images, classes
