"""What every test shares: reproducible examples, no display, one thread, the real data."""

from __future__ import annotations

import os
import signal
import sys
import threading
from pathlib import Path

import pytest
from hypothesis import settings

os.environ["MPLBACKEND"] = "Agg"
# A background job inherits an ignored SIGINT; what it starts could then not be interrupted.
_ignored = signal.getsignal(signal.SIGINT) is signal.SIG_IGN
if _ignored and threading.current_thread() is threading.main_thread():
    signal.signal(signal.SIGINT, signal.default_int_handler)
settings.register_profile("ira", derandomize=True, deadline=None, print_blob=True)
settings.load_profile("ira")


@pytest.fixture(scope="module", autouse=True)
def one_torch_thread() -> None:
    if "torch" in sys.modules:
        sys.modules["torch"].set_num_threads(1)


@pytest.fixture(scope="session")
def shared_data() -> Path:
    path = (Path(__file__).resolve().parents[1] / "../shared/data").resolve()
    if not path.is_dir():
        pytest.skip(f"the real data sets are not at {path}")
    return path
