"""Run the independent tasks of a search on threads, under a deadline."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, ThreadPoolExecutor, wait
from contextlib import contextmanager
from typing import Any

from numba import config

from irtheory.trees.kernels.deadline import Deadline

Progress = Callable[[float], None]
Task = Callable[[int, Any], None]


def default_threads() -> int:
    """The cores this process may use, or NUMBA_NUM_THREADS, which joblib sets in its workers."""
    return int(config.NUMBA_NUM_THREADS)  # pyright: ignore[reportAttributeAccessIssue]


def run_each(
    n: int,
    task: Task,
    spaces: Sequence[Any],
    deadline: Deadline | None,
    progress: Progress | None,
) -> bool:
    """Call `task(i, space)` for i < n, with one thread for each space.

    Returns False if the deadline passed first.

    The kernels release the interpreter, so threads run side by side. Tasks that have begun are
    waited for; those that look at `deadline.stop` return early.
    """
    if len(spaces) == 1:
        return _serially(n, task, spaces[0], deadline, progress)
    with ThreadPoolExecutor(len(spaces)) as pool, _ended_by_errors(deadline):
        todo = iter(range(n))
        running = {
            pool.submit(task, i, space): space for space, i in zip(spaces, todo, strict=False)
        }
        done = 0
        while running:
            for future in wait(running, return_when=FIRST_COMPLETED).done:
                future.result()
                space = running.pop(future)
                done += 1
                if progress:
                    progress(done / n)
                if not _late(deadline) and (i := next(todo, None)) is not None:
                    running[pool.submit(task, i, space)] = space
    return done == n and not _late(deadline)


@contextmanager
def _ended_by_errors(deadline: Deadline | None) -> Iterator[None]:
    """End the running tasks at an error, such as Ctrl-C: the pool would wait for them."""
    try:
        yield
    except BaseException:
        if deadline is not None:
            deadline.end()
        raise


def _serially(
    n: int, task: Task, space: Any, deadline: Deadline | None, progress: Progress | None
) -> bool:
    for i in range(n):
        if _late(deadline):
            return False
        task(i, space)
        if progress:
            progress((i + 1) / n)
    return not _late(deadline)


def _late(deadline: Deadline | None) -> bool:
    return deadline is not None and deadline.passed
