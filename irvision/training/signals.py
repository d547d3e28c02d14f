"""Signals that end a run: at once before it trains, after the current batch while it does."""

from __future__ import annotations

import os
import select
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from types import FrameType

# Ctrl-C, the signal of schedulers, and that of a terminal that is closed (not on Windows).
HANG_UP = getattr(signal, "SIGHUP", None)
SIGNALS = tuple(s for s in (signal.SIGINT, signal.SIGTERM, HANG_UP) if s is not None)
# Seconds during which repeated signals are ignored: a scheduler signals every process, and
# torchrun then forwards its own signal to them.
GRACE = 5.0


class Stopped(KeyboardInterrupt):
    """Ends the work at the place where a signal arrived, as Ctrl-C does."""


class Interruption:
    """Whether a signal arrived, and which.

    A second Ctrl-C, or a second signal more than `GRACE` seconds later, ends the process at once.

    Args:
        at_once: raise `Stopped` where the signal arrives; otherwise it is only recorded.
    """

    def __init__(self, at_once: bool = False) -> None:
        self.received: int | None = None
        self._at_once, self._since = at_once, 0.0

    def __call__(self) -> bool:
        """Whether a signal arrived."""
        return self.received is not None

    @property
    def exit_code(self) -> int:
        """128 + number of the signal, as in shells; SIGINT if another process received it."""
        return 128 + (self.received or signal.SIGINT)

    def check(self) -> None:
        """Raise `Stopped` if a signal arrived: callbacks of libraries may swallow the first one."""
        if self.received is not None:
            raise Stopped

    @contextmanager
    def recorded(self) -> Iterator[None]:
        """Only record signals inside the context, which looks for them itself."""
        self.check()
        before, self._at_once = self._at_once, False
        try:
            yield
        finally:
            self._at_once = before

    def _handle(self, number: int, frame: FrameType | None) -> None:
        now = time.monotonic()
        if self.received is None:
            self.received, self._since = number, now
            if number == HANG_UP:
                _leave_lost_streams()
            if self._at_once:
                raise Stopped
        elif number == self.received == signal.SIGINT:
            raise KeyboardInterrupt
        elif now - self._since > GRACE:
            raise SystemExit(128 + number)


def _leave_lost_streams() -> None:
    """Send output to nowhere if its terminal is gone: writing there would raise errors."""
    for stream in (1, 2):
        with suppress(OSError, ValueError):
            poll = select.poll()
            poll.register(stream, 0)
            if poll.poll(0):
                nowhere = os.open(os.devnull, os.O_WRONLY)
                os.dup2(nowhere, stream)
                os.close(nowhere)


@contextmanager
def catch_signals(at_once: bool = False) -> Iterator[Interruption]:
    """Handle Ctrl-C, SIGTERM and a hang-up inside the context; restores the handlers after it.

    A hang-up that is ignored, as under nohup, stays ignored. Only the main thread can handle
    signals: in others nothing is caught.

    Args:
        at_once: raise `Stopped` where a signal arrives, outside `Interruption.recorded`.
    """
    interruption = Interruption(at_once)
    if threading.current_thread() is not threading.main_thread():
        yield interruption
        return
    caught = [s for s in SIGNALS if s != HANG_UP or signal.getsignal(s) != signal.SIG_IGN]
    before = {number: signal.signal(number, interruption._handle) for number in caught}
    try:
        yield interruption
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
