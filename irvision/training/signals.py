"""Signals that end a run after the current batch."""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

SIGNALS = (signal.SIGINT, signal.SIGTERM)
# Seconds during which repeated signals are ignored: a scheduler signals every process, and
# torchrun then forwards its own signal to them.
GRACE = 5.0


class Interruption:
    """Whether a signal arrived, and which.

    A second Ctrl-C, or a second signal more than `GRACE` seconds later, ends the process at once.
    """

    def __init__(self) -> None:
        self.received: int | None = None
        self._since = 0.0

    def __call__(self) -> bool:
        """Whether a signal arrived."""
        return self.received is not None

    @property
    def exit_code(self) -> int:
        """128 + number of the signal, as in shells; SIGINT if another process received it."""
        return 128 + (self.received or signal.SIGINT)

    def _handle(self, number: int, frame: FrameType | None) -> None:
        now = time.monotonic()
        if self.received is None:
            self.received, self._since = number, now
        elif number == self.received == signal.SIGINT:
            raise KeyboardInterrupt
        elif now - self._since > GRACE:
            raise SystemExit(128 + number)


@contextmanager
def catch_signals() -> Iterator[Interruption]:
    """Record SIGINT and SIGTERM inside the context; restores the earlier handlers after it."""
    interruption = Interruption()
    before = {number: signal.signal(number, interruption._handle) for number in SIGNALS}
    try:
        yield interruption
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
