"""Signals that end a run after the batch at hand."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Interruption:
    """Whether a signal came, and which; a second one ends the process at once."""

    def __init__(self) -> None:
        self.received: int | None = None

    def __call__(self) -> bool:
        """Whether one came."""
        return self.received is not None

    @property
    def exit_code(self) -> int:
        """128 and the number of the signal, as shells count; that of SIGINT if none came here."""
        return 128 + (self.received or signal.SIGINT)

    def _note(self, number: int, frame: FrameType | None) -> None:
        if self.received is not None:
            raise KeyboardInterrupt
        self.received = number


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
