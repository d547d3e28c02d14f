from __future__ import annotations

import os
import signal
import threading

import pytest

from irvision.training import signals
from irvision.training.signals import Stopped, catch_signals

NUMBERS = [signal.SIGINT, signal.SIGTERM, signal.SIGHUP]


@pytest.mark.parametrize("number", NUMBERS)
def test_a_signal_is_recorded_or_stops_at_once(number: signal.Signals) -> None:
    before = signal.getsignal(number)
    with catch_signals() as interruption:
        signal.raise_signal(number)
        assert interruption() and interruption.exit_code == 128 + number
        with pytest.raises(Stopped):
            interruption.check()
    with catch_signals(at_once=True) as interruption, pytest.raises(Stopped):
        signal.raise_signal(number)
    assert interruption.exit_code == 128 + number
    assert signal.getsignal(number) == before


def test_training_records_what_would_stop_at_once() -> None:
    with catch_signals(at_once=True) as interruption:
        with interruption.recorded():
            signal.raise_signal(signal.SIGTERM)
            assert interruption()
        with pytest.raises(Stopped), interruption.recorded():
            pass


def test_a_hang_up_that_is_ignored_stays_ignored() -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with catch_signals(at_once=True) as interruption:
            signal.raise_signal(signal.SIGHUP)
            assert not interruption()
    finally:
        signal.signal(signal.SIGHUP, before)


def test_other_threads_catch_nothing() -> None:
    found = []

    def work() -> None:
        with catch_signals() as interruption:
            found.append(interruption())

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert found == [False]


def test_output_without_a_reader_goes_nowhere() -> None:
    """As after the end of a terminal or of `| less`: writing there would end the run."""
    reader, writer = os.pipe()
    kept = os.dup(2)
    os.dup2(writer, 2)
    try:
        signals._leave_lost_streams()
        assert os.fstat(2).st_ino == os.fstat(writer).st_ino
        os.close(reader)
        signals._leave_lost_streams()
        assert os.write(2, b"lost") == 4 and os.fstat(2).st_ino == os.stat(os.devnull).st_ino
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(writer)
