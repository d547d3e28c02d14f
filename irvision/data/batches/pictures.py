"""The pixels of a data set: on the GPU if they fit, otherwise uploaded batch by batch."""

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
# Share of the free GPU memory that pictures may take; the network, built later, needs more.
RESIDENT = 1 / 3
# Batches prepared in advance when the pixels stay in host memory.
AHEAD = 3
# Bytes per copy to the GPU.
PIECE = 1 << 26


@dataclass(frozen=True, eq=False)
class Pictures:
    """The pixels and classes of a data set, in the memory that the run reads them from.

    Attributes:
        pixels: a tensor on the GPU if they fit there, otherwise the cache in host memory.
        labels: on the device.
        runtime: of the run.
    """

    pixels: UInt8[Tensor, "m S S 3"] | UInt8[np.ndarray, "m S S 3"]
    labels: Int[Tensor, " m"]
    runtime: Runtime

    @property
    def side(self) -> int:
        """Side S of the pictures, in pixels."""
        return self.pixels.shape[1]

    @property
    def resident(self) -> bool:
        """Whether the pixels are on the GPU."""
        return isinstance(self.pixels, Tensor)

    def read(
        self, batches: Iterable[Int[Tensor, " b"]]
    ) -> Iterator[tuple[UInt8[Tensor, "b S S 3"], Int[Tensor, " b"]]]:
        """Pixels and labels on the device, for batches of row numbers on the CPU, in order."""
        if isinstance(self.pixels, Tensor):
            return (self._take(self.pixels, rows) for rows in batches)
        if self.runtime.device.type == "cuda":
            return _uploaded(self.pixels, self.labels, batches)
        # On a CPU, copying a batch takes far less time than its step: a thread would not help.
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
    """Copy a cache to the GPU if it fits into a share of the free memory, else keep it on the host.

    Args:
        pixels: of all m samples, such as a memory-mapped cache.
        labels: classes of the samples.
        runtime: of the run.
        resident: share of the free GPU memory, in [0, 1]; 0 keeps the pixels on the host.
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
    """Results of `work` in order, computed by a thread up to `ahead` jobs in advance.

    The thread ends with the generator, even if it is closed early or a job fails.
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
    """One stream for all uploads, since memory freed on one stream is not reused on another."""
    return torch.cuda.Stream(device)


def _uploaded(
    pixels: np.ndarray, labels: Tensor, batches: Iterable[Tensor]
) -> Iterator[tuple[Tensor, Tensor]]:
    """Batches gathered into pinned memory and copied to the GPU on a separate stream."""
    device = labels.device
    copying = _copying(device)

    def upload(rows: Tensor) -> tuple[Tensor, Tensor, torch.Event]:
        shape = (len(rows), *pixels.shape[1:])
        # Entering the stream selects its GPU, which a new thread has not selected.
        with torch.cuda.stream(copying):
            staged = torch.empty(shape, dtype=torch.uint8, pin_memory=True)
            # mode="clip" writes directly into `out`; "raise" makes a copy first.
            np.take(pixels, rows.numpy(), axis=0, out=staged.numpy(), mode="clip")
            images = staged.to(device, non_blocking=True)
            chosen = rows.pin_memory().to(device, non_blocking=True)
            classes = labels.index_select(0, chosen)
            return images, classes, copying.record_event()

    for images, classes, copied in in_advance(upload, batches):
        current = torch.cuda.current_stream(device)
        current.wait_event(copied)
        for tensor in (images, classes):
            # Otherwise the memory could be reused while this stream still reads it.
            tensor.record_stream(current)
        yield images, classes
