"""Signals that end a run after the batch at hand."""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

SIGNALS = (signal.SIGINT, signal.SIGTERM)


# Seconds in which further signals tell no more than the first: schedulers send theirs to every
# process, and torchrun then passes its own on.
GRACE = 5.0


class Interruption:
    """Whether a signal came, and which; a second Ctrl-C, or a later signal, ends at once."""

    def __init__(self) -> None:
        self.received: int | None = None
        self._since = 0.0

    def __call__(self) -> bool:
        """Whether one came."""
        return self.received is not None

    @property
    def exit_code(self) -> int:
        """128 and the number of the signal, as shells count; that of SIGINT if none came here."""
        return 128 + (self.received or signal.SIGINT)

    def _note(self, number: int, frame: FrameType | None) -> None:
        now = time.monotonic()
        if self.received is None:
            self.received, self._since = number, now
        elif number == self.received == signal.SIGINT:
            raise KeyboardInterrupt
        elif now - self._since > GRACE:
            raise SystemExit(128 + number)


@contextmanager
def heeding_signals() -> Iterator[Interruption]:
    """Take note of SIGINT and SIGTERM inside; earlier handlers are put back after."""
    interruption = Interruption()
    before = {number: signal.signal(number, interruption._note) for number in SIGNALS}
    try:
        yield interruption
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
