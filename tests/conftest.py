"""What every test shares: reproducible examples, no display, one thread, the real data."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest
from hypothesis import settings

os.environ["MPLBACKEND"] = "Agg"
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
