"""A deadline that compiled code sees too."""

from __future__ import annotations

import math
import threading
import time
from types import TracebackType

import numpy as np


class Deadline:
    """The moment at which a search has to stop; a context that ends the waiting for it.

    Kernels cannot read the clock, but they hold no lock of the interpreter: a thread that waits
    for the moment sets `stop`, which they read between rows and between tests. What a kernel
    computed when `stop` was set is unfinished and must not be used.

    Attributes:
        stop: int64 [1]; not 0 once time is up.
    """

    def __init__(self, seconds: float | None = None, since: float | None = None) -> None:
        """End `seconds` after `since` (a time of `time.perf_counter`; None is now), or never."""
        self.stop = np.zeros(1, np.int64)
        start = time.perf_counter() if since is None else since
        self._end = math.inf if seconds is None else start + seconds
        self._timer: threading.Timer | None = None

    @property
    def limited(self) -> bool:
        """Whether there is such a moment at all."""
        return self._end < math.inf

    @property
    def passed(self) -> bool:
        """Whether time is up."""
        if not self.stop[0] and self.limited and time.perf_counter() >= self._end:
            self.end()
        return bool(self.stop[0])

    def end(self) -> None:
        """Let time be up now."""
        self.stop[0] = 1

    def __enter__(self) -> Deadline:
        """Start to wait, if there is a limit that has not passed."""
        if self.limited and not self.passed:
            left = max(self._end - time.perf_counter(), 0.0)
            self._timer = threading.Timer(min(left, threading.TIMEOUT_MAX), self.end)
            self._timer.daemon = True
            self._timer.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """End the waiting."""
        if self._timer is not None:
            self._timer.cancel()
