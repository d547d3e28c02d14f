from __future__ import annotations

import io

import pytest
from rich.console import Console

from irvision.data.download import progress
from irvision.data.download.progress import MIB, download_progress


def printed(terminal: bool, total: int | None) -> str:
    stream = io.StringIO()
    console = Console(file=stream, force_terminal=terminal, width=100, legacy_windows=False)
    with download_progress(console, "set[1].tgz") as show:
        for done in (10 * MIB, 20 * MIB):
            show(done, total)
    return stream.getvalue()


def test_off_a_terminal_there_is_a_line_now_and_then(monkeypatch: pytest.MonkeyPatch) -> None:
    assert printed(terminal=False, total=40 * MIB) == ""
    monkeypatch.setattr(progress, "LINE_EVERY", 0.0)
    expected = "set[1].tgz: 10 of 40 MiB\nset[1].tgz: 20 of 40 MiB\n"
    assert printed(terminal=False, total=40 * MIB) == expected
    assert printed(terminal=False, total=None) == "set[1].tgz: 10 MiB\nset[1].tgz: 20 MiB\n"


def test_on_a_terminal_the_bar_shows_bytes_and_rate() -> None:
    shown = printed(terminal=True, total=40 * MIB)
    assert "set[1].tgz" in shown and "20.0/40.0 MiB" in shown and "/s" in shown
