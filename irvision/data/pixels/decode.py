"""Decodes all images of a data set into one file of pixels, in several processes."""

from __future__ import annotations

import os
import signal
import time
import zlib
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import Future, as_completed
from contextlib import closing, contextmanager
from dataclasses import dataclass
from itertools import chain
from multiprocessing import resource_tracker
from pathlib import Path
from threading import Thread

import numpy as np

from irtheory.runs.files import InputError
from irvision.data.examples import BadImage, PixelSource
from irvision.data.pixels.journal import Bad, Block, Journal
from irvision.data.pixels.pixel_file import row_bytes, rows_in_block
from irvision.data.pixels.prints import PRINT, Prints, print_of

Progress = Callable[[int, int], None]
# Up to this many images, one process is done before others would have started.
FEW = 256
ONE_THREAD = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}


def check_processes(processes: int | None) -> None:
    """InputError unless None (one process per core) or at least 1."""
    if processes is not None and processes < 1:
        raise InputError(f"--processes: expected at least 1, found {processes}")


@dataclass(frozen=True, eq=False)
class Decoded:
    """What is known of samples that were decoded.

    Attributes:
        checksums: CRC-32 of each block of pixels.
        bad: the images that could not be read, in order; their rows are zero.
        prints: of all samples; zero for bad ones.
    """

    checksums: tuple[int, ...]
    bad: tuple[Bad, ...]
    prints: Prints


def decode(
    pixels: PixelSource,
    size: int,
    path: Path | None,
    processes: int | None,
    on_progress: Progress | None,
    journal: Journal | None = None,
) -> Decoded:
    """Decode all m samples into a file.

    Args:
        pixels: source of the images.
        size: side S of the decoded images, in pixels.
        path: of a new file; None to keep no pixels.
        processes: number of processes, at most one per core; None for one per core.
        on_progress: called in this process with the samples decoded so far and in total.
        journal: of an earlier pass that was interrupted, whose blocks are in the file, and of
            this one; None to decode all and note nothing.

    Raises:
        InputError: a process ended unexpectedly.
        OSError: the file cannot be written.
    """
    work = _Work(pixels, size, path, rows_in_block(size))
    total = len(pixels)
    known = {} if journal is None else journal.known
    if path is not None:
        with path.open("r+b" if known else "wb") as stream:
            stream.truncate(total * row_bytes(size))
    checksums: dict[int, int] = {}
    found: list[Bad] = []
    prints = np.zeros(total, PRINT)
    done = 0
    starts = [start for start in range(0, total, work.step) if start not in known]
    with closing(_blocks(work, starts, processes)) as blocks:
        for start, checksum, bad, some in chain(known.values(), blocks):
            if journal is not None and start not in known:
                journal.add((start, checksum, bad, some))
            checksums[start] = checksum
            found += bad
            prints[start : start + len(some)] = some
            done += min(work.step, total - start)
            if on_progress:
                on_progress(done, total)
    in_order = tuple(checksums[start] for start in sorted(checksums))
    return Decoded(in_order, tuple(sorted(found)), prints)


@dataclass(frozen=True)
class _Work:
    pixels: PixelSource
    size: int
    path: Path | None
    step: int

    def decode_block(self, start: int) -> Block:
        """Decode and write the block that begins at this row."""
        stop = min(start + self.step, len(self.pixels))
        rows = np.zeros((stop - start, self.size, self.size, 3), np.uint8)
        prints = np.zeros(stop - start, PRINT)
        bad: list[Bad] = []
        for index in range(start, stop):
            try:
                row = self.pixels.read(index, self.size)
                prints[index - start] = print_of(self.pixels, index, row)
                rows[index - start] = row
            except BadImage as error:
                bad.append((index, error.name, error.why))
        data = rows.data.cast("B")
        if self.path is not None:
            _write_at(self.path, data, start * row_bytes(self.size))
        return start, zlib.crc32(data), bad, prints


def _blocks(
    work: _Work, starts: Sequence[int], processes: int | None
) -> Generator[Block, None, None]:
    from joblib import cpu_count

    workers = min(processes or cpu_count(), cpu_count(), len(starts))
    if workers <= 1 or (processes is None and len(starts) * work.step <= FEW):
        yield from map(work.decode_block, starts)
    else:
        yield from _blocks_of_processes(work, starts, workers)


def _blocks_of_processes(
    work: _Work, starts: Sequence[int], workers: int
) -> Generator[Block, None, None]:
    # loky starts fresh processes: forking a process whose threads hold locks may hang. Unlike
    # multiprocessing, it needs no `if __name__ == "__main__"` in the calling program.
    from joblib.externals.loky import ProcessPoolExecutor
    from joblib.externals.loky.process_executor import BrokenProcessPool

    given = work, os.getpid()
    pool = ProcessPoolExecutor(workers, initializer=_begin, initargs=given, env=ONE_THREAD)
    futures: list[Future[Block]] = []
    try:
        with _without_ctrl_c():
            futures += [pool.submit(_decode_block, start) for start in starts]
        for future in as_completed(futures):
            yield future.result()
    except BrokenProcessPool as error:
        raise InputError(
            "a process that decodes images ended unexpectedly (out of memory?); try --processes 1"
        ) from error
    finally:
        for future in futures:
            future.cancel()
        # Wait for blocks in progress, so that no process writes after this returns.
        pool.shutdown(wait=True)


@contextmanager
def _without_ctrl_c() -> Iterator[None]:
    """Delay Ctrl-C until the end of the block, and have started processes ignore it.

    A terminal sends Ctrl-C to all processes; only the parent must act on it and end the others.
    """
    from joblib.externals.loky.backend import resource_tracker as loky_tracker

    # Started beforehand, because starting a tracker unblocks Ctrl-C in this process.
    for tracker in (loky_tracker, resource_tracker):
        tracker.ensure_running()
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


# Work of this process, sent once per process: pickling many file names per block is slow.
_work: _Work


def _begin(work: _Work, parent: int) -> None:
    global _work
    _work = work
    Thread(target=_end_with, args=(parent,), daemon=True).start()


def _end_with(parent: int) -> None:
    """End this process soon after its parent, which may have been killed."""
    while os.getppid() == parent:
        time.sleep(1)
    os._exit(1)


def _decode_block(start: int) -> Block:
    return _work.decode_block(start)


def _write_at(path: Path, data: memoryview, offset: int) -> None:
    handle = os.open(path, os.O_WRONLY)
    try:
        while data:
            written = os.pwrite(handle, data, offset)
            data, offset = data[written:], offset + written
    finally:
        os.close(handle)
